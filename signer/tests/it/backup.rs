//! Backups of keys: nothing is lost, nothing is decrypted, and only the holder of the escrow key
//! reads a sealed one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use archive::{
    Emptiness, Header, Kind, RestoreError,
    escrow::{PrivateKey, PublicKey},
};
use database::Pool;
use signer::{
    keystore::sql::SqlStore,
    trial::{Tried, try_keys},
};
use sqlx::{Row as _, Sqlite};
use tempfile::TempDir;

use crate::support::{TestSigner, custodies, environment, now, recorded_environment};

fn header() -> Header {
    Header {
        kind: Kind::Keys,
        taken_at: now(),
        program: "test".to_owned(),
    }
}

async fn back_up(signer: &TestSigner, escrow: Option<PublicKey>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signer.backup");
    let store = SqlStore::new(signer.pool.clone());
    archive::backup(&store, &file, header(), escrow, Emptiness::Allowed)
        .await
        .unwrap();
    (folder, file)
}

async fn restore_into(
    signer: &TestSigner,
    file: &Path,
    escrow: Option<&PrivateKey>,
) -> Result<u64, RestoreError> {
    let (reader, size) = archive::open(file, escrow)?;
    let store = SqlStore::new(signer.pool.clone());
    archive::restore(&store, reader, size).await
}

async fn try_archive(
    file: &Path,
    variables: Vec<(std::ffi::OsString, std::ffi::OsString)>,
) -> Tried {
    let (reader, size) = archive::open(file, None).unwrap();
    try_keys(&custodies(variables), reader, size).await.unwrap()
}

/// Every column of every row, in the order of ids.
async fn dump(pool: &Pool<Sqlite>) -> Vec<Vec<Option<Vec<u8>>>> {
    let rows = sqlx::query(
        "SELECT id, datetime(created_at), datetime(updated_at), datetime(deleted_at), key_id, \
         encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, \
         datetime(last_used) FROM private_keys ORDER BY id",
    );
    let rows = rows.fetch_all(pool).await.unwrap();
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|column| row.try_get_unchecked(column).unwrap())
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn a_restored_database_holds_every_key_as_it_was_deleted_ones_included() {
    let signer = TestSigner::recorded().await;
    signer
        .execute("UPDATE private_keys SET deleted_at = created_at WHERE id = 1")
        .await;
    let (_folder, file) = back_up(&signer, None).await;
    let other = TestSigner::with(recorded_environment()).await;
    let rows = restore_into(&other, &file, None).await.unwrap();
    let expected = dump(&signer.pool).await;
    assert_eq!(dump(&other.pool).await, expected);
    assert_eq!(rows, expected.len() as u64);
}

#[tokio::test]
async fn restored_keys_sign_and_pending_ones_are_still_pending() {
    let signer = TestSigner::start().await;
    let (used, unused) = (signer.create_id("a").await, signer.create_id("b").await);
    signer.sign(&used, b"x").await.unwrap();
    let (_folder, file) = back_up(&signer, None).await;

    let other = TestSigner::start().await;
    restore_into(&other, &file, None).await.unwrap();
    other.sign(&used, b"x").await.unwrap();
    assert_ne!(other.create_id("a").await, used);
    assert_eq!(other.create_id("b").await, unused);
}

#[tokio::test]
async fn a_database_that_has_a_key_is_left_as_it_is() {
    let signer = TestSigner::start().await;
    signer.create_id("a").await;
    let (_folder, file) = back_up(&signer, None).await;
    let before = dump(&signer.pool).await;
    let error = restore_into(&signer, &file, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("there are rows in private_keys"), "{error}");
    signer
        .execute("UPDATE private_keys SET deleted_at = created_at")
        .await;
    restore_into(&signer, &file, None).await.unwrap_err();
    assert_eq!(dump(&signer.pool).await.len(), before.len());
}

#[tokio::test]
async fn an_archive_that_is_cut_off_restores_nothing() {
    let signer = TestSigner::recorded().await;
    let (_folder, file) = back_up(&signer, None).await;
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let other = TestSigner::start().await;
    let error = restore_into(&other, &file, None).await.unwrap_err();
    assert!(matches!(error, RestoreError::Archive(_)), "{error}");
    assert!(dump(&other.pool).await.is_empty());
}

#[tokio::test]
async fn a_sealed_archive_shows_nothing_and_opens_with_the_private_half_alone() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("example.com/secret-project").await;
    let key = PrivateKey::generate().unwrap();
    let (_folder, file) = back_up(&signer, Some(key.public())).await;
    let bytes = fs::read(&file).unwrap();
    for word in [id.as_str(), "secret-project", "A256GCM"] {
        let shown = bytes.windows(word.len()).any(|at| at == word.as_bytes());
        assert!(!shown, "{word}");
    }
    let other = TestSigner::start().await;
    restore_into(&other, &file, None).await.unwrap_err();
    let stranger = PrivateKey::generate().unwrap();
    restore_into(&other, &file, Some(&stranger))
        .await
        .unwrap_err();
    restore_into(&other, &file, Some(&key)).await.unwrap();
    other.sign(&id, b"x").await.unwrap();
}

#[tokio::test]
async fn every_key_of_a_backup_is_tried_with_the_passphrases_at_hand() {
    let signer = TestSigner::start().await;
    let (first, lost) = (signer.create_id("a").await, signer.create_id("b").await);
    signer.create_id("c").await;
    signer
        .execute("UPDATE private_keys SET passphrase_alias = 'lost' WHERE gun = 'b'")
        .await;
    signer
        .execute("UPDATE private_keys SET deleted_at = created_at WHERE gun = 'c'")
        .await;
    let (_folder, file) = back_up(&signer, None).await;

    let right = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
    let found = try_archive(&file, right).await;
    assert_eq!((found.open, found.deleted, found.faults.len()), (1, 1, 1));
    assert!(found.faults[0].contains("alias lost"), "{:?}", found.faults);
    assert!(found.faults[0].ends_with("(for the timestamp of b)"));

    let wrong = environment(&[
        ("NOTARY_SIGNER_TIMESTAMP_1", "wrong"),
        ("NOTARY_SIGNER_LOST", "throwaway-pass-1"),
    ]);
    let found = try_archive(&file, wrong).await;
    assert_eq!(found.open, 1, "{lost} opens with the passphrase it has");
    assert!(found.faults[0].contains(&first), "{:?}", found.faults);
}

#[tokio::test]
async fn keys_in_every_recorded_form_open_from_a_backup() {
    let signer = TestSigner::recorded().await;
    let (_folder, file) = back_up(&signer, None).await;
    let live = "SELECT COUNT(*) FROM private_keys WHERE deleted_at IS NULL";
    let live: i64 = sqlx::query_scalar(live)
        .fetch_one(&signer.pool)
        .await
        .unwrap();
    let found = try_archive(&file, recorded_environment()).await;
    assert_eq!(found.faults, [""; 0]);
    assert_eq!(found.open, usize::try_from(live).unwrap());
}

/// A folder with a configuration for a database in it.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = serde_json::json!({
            "server": {"grpc_addr": "127.0.0.1:0", "tls_cert_file": "signer.crt",
                       "tls_key_file": "signer.key"},
            "storage": {"backend": "sqlite3", "db_url": folder.path().join("signer.db"),
                        "default_alias": "timestamp_1"}
        });
        fs::write(folder.path().join("signer.json"), text.to_string()).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-signer"));
        command
            .env_clear()
            .env("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")
            .current_dir(self.0.path())
            .args(arguments);
        command.output().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_sealed_backup_goes_from_one_database_to_another_by_commands() {
    let (from, to) = (Shell::new(), Shell::new());
    let signer = TestSigner::start().await;
    signer.create_id("a").await;
    signer.pool.close().await;
    fs::copy(signer.file(), from.path("signer.db")).unwrap();

    let made = from.run(&["escrow-key", "generate", "private.pem", "public.pem"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made = text(&made.stdout);
    assert!(
        made.contains("public.pem: seal backups with") && made.contains("private.pem: keep it")
    );
    let again = from.run(&["escrow-key", "generate", "private.pem", "other.pem"]);
    assert!(text(&again.stderr).contains("private.pem is there already"));

    let (file, private) = (to.path("backup"), from.path("private.pem"));
    let config = ["-config", "signer.json"];
    let run = |shell: &Shell, arguments: &[&str]| {
        let output = shell.run(&[&config, arguments].concat());
        (
            output.status.code(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    let (code, said) = run(&from, &["backup", &file, "--escrow", "public.pem"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 key written"), "{said}");

    let (code, said) = run(&to, &["verify-backup", &file]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("name the private escrow key with --escrow-key"),
        "{said}"
    );
    let (code, said) = run(&to, &["verify-backup", &file, "--escrow-key", &private]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 key opens, 0 not"), "{said}");

    let (code, said) = run(&to, &["restore", &file, "--escrow-key", &private]);
    assert_eq!(code, Some(0), "{said}");
    let (_, listed) = run(&to, &["key", "list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
}
