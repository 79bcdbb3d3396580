//! What is in the table, and what the signer makes of rows that are not in order.

use std::num::NonZeroUsize;

use signer::{
    keys::cache::CacheLimits,
    keystore::{KeyId, Purpose},
};
use tonic::Code;
use tuf::{KeyAlgorithm, Method};

use crate::{
    configuration::{GOOD, read},
    support::{ALIAS, TestSigner, environment},
};

async fn only(signer: &TestSigner, column: &str) -> Option<String> {
    signer
        .text(&format!("SELECT CAST({column} AS TEXT) FROM private_keys"))
        .await
}

#[tokio::test]
async fn a_new_row_looks_as_notary_wrote_it() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("example.com/app").await;
    assert_eq!(only(&signer, "key_id").await.unwrap(), id);
    assert_eq!(only(&signer, "encryption_alg").await.unwrap(), "A256GCM");
    assert_eq!(
        only(&signer, "keywrap_alg").await.unwrap(),
        "PBES2-HS256+A128KW"
    );
    assert_eq!(only(&signer, "algorithm").await.unwrap(), "ecdsa");
    assert_eq!(only(&signer, "passphrase_alias").await.unwrap(), ALIAS);
    assert_eq!(only(&signer, "gun").await.unwrap(), "example.com/app");
    assert_eq!(only(&signer, "role").await.unwrap(), "timestamp");
    assert_eq!(only(&signer, "last_used").await, None);
    assert_eq!(only(&signer, "deleted_at").await, None);
    assert_eq!(only(&signer, "length(private)").await.unwrap(), "373");
    assert_eq!(only(&signer, "typeof(private)").await.unwrap(), "blob");
    assert_eq!(
        only(&signer, "created_at").await,
        only(&signer, "updated_at").await
    );
}

#[tokio::test]
async fn the_first_signature_is_written_down_at_once_and_later_ones_together() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    let used = only(&signer, "last_used").await.unwrap();
    assert_eq!(used, "2026-11-22 12:00:00.000000000+00:00");

    signer
        .execute("UPDATE private_keys SET last_used = '2020-01-01 00:00:00'")
        .await;
    signer.sign(&id, b"x").await.unwrap();
    assert_eq!(
        only(&signer, "last_used").await.unwrap(),
        "2020-01-01 00:00:00"
    );
    signer.keys.write_uses().await.unwrap();
    assert_eq!(only(&signer, "last_used").await.unwrap(), used);
}

#[tokio::test]
async fn a_new_key_signs_without_being_read_and_is_pending_until_then() {
    let signer = TestSigner::start().await;
    let warm = signer.create_id("warm").await;
    let derived = || signer.keys.custodies().encrypted().derivations();
    let before = derived();
    let (id, idle) = (signer.create_id("a").await, signer.create_id("b").await);
    assert_eq!(signer.keys.cache().len(), 3, "they stay open");
    let other = signer.beside().await;
    assert_eq!(other.create_id("a").await, id, "it is pending for others");
    signer
        .execute("UPDATE private_keys SET private = 'not to be read'")
        .await;
    signer.sign(&id, b"x").await.unwrap();
    assert_eq!(derived(), before, "nothing is derived for a new key");
    assert_ne!(other.create_id("a").await, id, "it is pending no more");
    assert_eq!(other.create_id("b").await, idle, "this one still is");
    // A key that another signer used, or deleted, before it signed here.
    let used = format!("UPDATE private_keys SET last_used = '2026-01-01' WHERE key_id = '{idle}'");
    signer.execute(&used).await;
    assert_ne!(signer.create_id("b").await, idle);
    other.delete(&warm).await.unwrap();
    let status = signer.sign(&warm, b"x").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_key_whose_row_is_not_what_was_written_is_not_handed_out() {
    let signer = TestSigner::start().await;
    for column in [
        "encryption_alg",
        "keywrap_alg",
        "algorithm",
        "passphrase_alias",
        "public",
        "private",
        "gun",
        "role",
    ] {
        signer
            .execute(&format!(
                "CREATE TRIGGER lossy AFTER INSERT ON private_keys BEGIN \
                 UPDATE private_keys SET {column} = substr({column}, 1, 3) WHERE id = new.id; END"
            ))
            .await;
        let status = signer.create("ecdsa", "long", "timestamp").await;
        assert_eq!(status.unwrap_err().code(), Code::Internal, "{column}");
        signer.execute("DROP TRIGGER lossy").await;
        assert_eq!(signer.keys.store().count().await.unwrap(), 0, "{column}");
        assert!(signer.keys.cache().is_empty(), "{column}");
    }
    signer.create_id("long").await;
}

#[tokio::test]
async fn rows_that_one_signer_wrote_take_one_derivation_after_a_restart() {
    let signer = TestSigner::start().await;
    let mut ids = Vec::new();
    for gun in 0..20 {
        ids.push(signer.create_id(&gun.to_string()).await);
    }
    assert_eq!(signer.keys.custodies().encrypted().derivations(), 1);
    let environment = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
    let signer = signer.restarted(environment).await;
    for id in &ids {
        signer.sign(id, b"x").await.unwrap();
    }
    assert_eq!(signer.keys.custodies().encrypted().derivations(), 1);
    // What it writes itself has another salt.
    let id = signer.create_id("new").await;
    assert_eq!(signer.keys.custodies().encrypted().derivations(), 2);
    let salts = "SELECT CAST(COUNT(DISTINCT substr(private, 1, 115)) AS TEXT) FROM private_keys";
    assert_eq!(signer.text(salts).await.unwrap(), "2");
    let contents = "SELECT CAST(COUNT(DISTINCT substr(private, 117)) AS TEXT) FROM private_keys";
    assert_eq!(signer.text(contents).await.unwrap(), "21");
    signer.sign(&id, b"x").await.unwrap();
}

#[tokio::test]
async fn uses_that_could_not_be_written_are_written_later() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    signer
        .execute("UPDATE private_keys SET last_used = '2020-01-01 00:00:00'")
        .await;
    signer.sign(&id, b"x").await.unwrap();
    signer
        .execute("ALTER TABLE private_keys RENAME TO away")
        .await;
    signer.keys.write_uses().await.unwrap_err();
    signer
        .execute("ALTER TABLE away RENAME TO private_keys")
        .await;
    signer.keys.write_uses().await.unwrap();
    assert!(
        only(&signer, "last_used")
            .await
            .unwrap()
            .starts_with("2026-11-22 12:00")
    );
}

#[tokio::test]
async fn a_pending_key_deleted_by_another_signer_does_not_sign_from_memory() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.describe(&id).await.unwrap();
    signer
        .execute("UPDATE private_keys SET deleted_at = '2026-11-22 12:00:00'")
        .await;
    assert_eq!(
        signer.sign(&id, b"x").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_key_deleted_by_another_signer_leaves_memory_when_its_use_is_written_down() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    signer
        .execute("UPDATE private_keys SET deleted_at = '2026-11-22 12:00:00'")
        .await;
    signer.sign(&id, b"x").await.unwrap();
    signer.keys.write_uses().await.unwrap();
    assert_eq!(
        signer.sign(&id, b"x").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn rows_whose_parts_do_not_belong_together_are_an_internal_fault() {
    let signer = TestSigner::start().await;
    let (a, b) = (signer.create_id("a").await, signer.create_id("b").await);
    signer.forget(&a);
    for tampering in [
        // The private half of another key; the public half of another key; both, under one's id.
        "UPDATE private_keys SET private = (SELECT private FROM private_keys WHERE gun = 'b') \
         WHERE gun = 'a'",
        "UPDATE private_keys SET private = (SELECT private FROM saved WHERE gun = 'a'), \
         public = (SELECT public FROM private_keys WHERE gun = 'b') WHERE gun = 'a'",
        "UPDATE private_keys SET private = (SELECT private FROM private_keys WHERE gun = 'b') \
         WHERE gun = 'a'",
        "UPDATE private_keys SET private = 'garbage' WHERE gun = 'a'",
        "UPDATE private_keys SET private = (SELECT private FROM saved WHERE gun = 'a'), \
         public = (SELECT public FROM saved WHERE gun = 'a'), algorithm = 'dsa' WHERE gun = 'a'",
    ] {
        signer
            .execute("CREATE TABLE IF NOT EXISTS saved AS SELECT * FROM private_keys")
            .await;
        signer.execute(tampering).await;
        let status = signer.sign(&a, b"secret content").await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{tampering}: {status}");
        assert_eq!(status.message(), format!("Signing failed for KeyID {a}"));
        assert_eq!(
            signer.describe(&a).await.unwrap_err().code(),
            Code::Internal
        );
    }
    signer.sign(&b, b"x").await.unwrap();
}

#[tokio::test]
async fn a_missing_or_wrong_passphrase_is_not_taken_for_a_missing_key() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    let signer = signer
        .restarted(environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "other")]))
        .await;
    assert_eq!(
        signer.sign(&id, b"x").await.unwrap_err().code(),
        Code::Internal
    );
    let signer = signer.restarted(Vec::new()).await;
    assert_eq!(
        signer.describe(&id).await.unwrap_err().code(),
        Code::Internal
    );
    let status = signer.create("ecdsa", "b", "timestamp").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "Key creation failed")
    );
}

#[tokio::test]
async fn no_more_keys_stay_decrypted_than_allowed() {
    let limits = CacheLimits {
        keys: NonZeroUsize::new(3).unwrap(),
        ..CacheLimits::default()
    };
    let environment = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
    let signer = TestSigner::on(tempfile::tempdir().unwrap().into(), environment, limits).await;
    for gun in 0..6 {
        let id = signer.create_id(&gun.to_string()).await;
        signer.sign(&id, b"x").await.unwrap();
        assert!(signer.keys.cache().len() <= 3);
    }
    assert_eq!(signer.keys.cache().len(), 3);
}

#[tokio::test]
async fn a_table_that_another_program_made_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signer.db");
    let pool = database::connect_sqlite(file.to_str().unwrap())
        .await
        .unwrap();
    // As gorm, Notary's library, makes it from its model.
    sqlx::raw_sql(
        r#"CREATE TABLE "private_keys" ("id" integer primary key autoincrement,
        "created_at" datetime,"updated_at" datetime,"deleted_at" datetime,
        "key_id" varchar(255) not null unique,
        "encryption_alg" varchar(255) not null,"keywrap_alg" varchar(255) not null,
        "algorithm" varchar(50) not null,"passphrase_alias" varchar(50) not null,
        "gun" varchar(255) not null,"role" varchar(255) not null,"public" blob not null,
        "private" blob not null,"last_used" datetime);
        CREATE INDEX idx_private_keys_deleted_at ON "private_keys"(deleted_at);"#,
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let environment = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
    let signer = TestSigner::on(folder.into(), environment, CacheLimits::default()).await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    let found = signer
        .keys
        .store()
        .find(&KeyId::parse(&id).unwrap())
        .await
        .unwrap();
    assert!(found.unwrap().used);
}

#[tokio::test]
async fn a_table_of_another_kind_is_refused_in_a_sentence_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signer.db");
    let file = file.to_str().unwrap();
    let pool = database::connect_sqlite(file).await.unwrap();
    sqlx::raw_sql("CREATE TABLE private_keys (id INTEGER PRIMARY KEY, pem TEXT NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    let storage = read(&GOOD.replace("/var/lib/signer.db", file), &[])
        .unwrap()
        .storage;
    let opened = signer::open::open_store(&storage, database::OpenMode::MayCreate)
        .await
        .err();
    let migrated = signer::open::migrate_store(&storage, false).await.err();
    for refusal in [opened, migrated] {
        let refusal = format!("{:#}", refusal.unwrap());
        assert!(
            refusal.contains("private_keys has no column key_id"),
            "{refusal}"
        );
    }
    let tables: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(tables, [("private_keys".to_owned(),)]);
}

#[tokio::test]
async fn the_memory_backend_needs_no_passphrase_and_hands_out_pending_keys_alike() {
    let text = GOOD.replace("sqlite3", "memory");
    let keys = signer::open::open(
        &read(&text, &[]).unwrap(),
        Vec::new(),
        database::OpenMode::MayCreate,
    )
    .await
    .unwrap();
    signer::open::check_keys(&keys).await.unwrap();
    let purpose = Purpose {
        algorithm: KeyAlgorithm::Ed25519,
        gun: "a".to_owned(),
        role: "snapshot".to_owned(),
    };
    let key = keys.create(purpose.clone()).await.unwrap();
    assert_eq!(keys.create(purpose).await.unwrap(), key);
    let signed = keys.sign(&KeyId::from(key.id()), "x".into()).await.unwrap();
    assert!(key.verifies(&Method::EdDsa, b"x", &signed.signature));
}
