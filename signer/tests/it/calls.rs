//! The calls, one by one.

use proto::{MAX_REQUEST, SignatureRequest};
use tonic::Code;
use tuf::{KeyType, PublicKey};

use crate::support::{TestSigner, id_of};

const UNKNOWN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test]
async fn a_created_key_is_complete_and_its_id_is_computed_from_it() {
    let signer = TestSigner::start().await;
    for (algorithm, bytes) in [("ecdsa", 91), ("ed25519", 32)] {
        let key = signer
            .create(algorithm, "example.com/app", "timestamp")
            .await
            .unwrap();
        assert_eq!(key.public_key.len(), bytes);
        let info = key.key_info.clone().unwrap();
        assert_eq!(info.algorithm.unwrap().algorithm, algorithm);
        let public = PublicKey::new(KeyType::from(algorithm), key.public_key.to_vec());
        assert_eq!(info.key_id.unwrap().id, public.id().as_str());
    }
}

#[tokio::test]
async fn a_key_is_handed_out_again_until_it_has_signed() {
    let signer = TestSigner::start().await;
    let first = signer.create_id("a").await;
    assert_eq!(signer.create_id("a").await, first);
    signer.describe(&first).await.unwrap();
    assert_eq!(
        signer.create_id("a").await,
        first,
        "describing a key is not using it"
    );
    signer.sign(&first, b"content").await.unwrap();
    let second = signer.create_id("a").await;
    assert_ne!(second, first);
    assert_eq!(signer.create_id("a").await, second);
}

#[tokio::test]
async fn a_pending_key_belongs_to_one_purpose_letter_by_letter() {
    let signer = TestSigner::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for (algorithm, gun, role) in [
        ("ecdsa", "Case/GUN", "timestamp"),
        ("ecdsa", "case/gun", "timestamp"),
        ("ecdsa", "case/gun ", "timestamp"),
        ("ecdsa", "case/gün", "timestamp"),
        ("ecdsa", "case/gun", "snapshot"),
        ("ecdsa", "case/gun", "Timestamp"),
        ("ed25519", "case/gun", "timestamp"),
        ("ecdsa", "", ""),
        ("ecdsa", "😀", "timestamp"),
    ] {
        let id = id_of(&signer.create(algorithm, gun, role).await.unwrap());
        assert!(ids.insert(id), "{algorithm} {gun} {role}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_requests_for_one_purpose_get_one_key() {
    let signer = std::sync::Arc::new(TestSigner::start().await);
    let requests = (0..12).map(|_| {
        let signer = std::sync::Arc::clone(&signer);
        tokio::spawn(async move { signer.create_id("raced").await })
    });
    let mut ids = std::collections::BTreeSet::new();
    for request in requests.collect::<Vec<_>>() {
        ids.insert(request.await.unwrap());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let rows = signer
        .text("SELECT CAST(COUNT(*) AS TEXT) FROM private_keys")
        .await;
    assert_eq!(rows.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_signers_on_one_database_agree_on_the_pending_key() {
    let first = TestSigner::start().await;
    let second = first.beside().await;
    for round in 0..10 {
        let gun = format!("raced/{round}");
        let (a, b) = tokio::join!(first.create_id(&gun), second.create_id(&gun));
        assert_eq!(a, b);
        first.sign(&a, b"x").await.unwrap();
        second.sign(&b, b"x").await.unwrap();
        assert_ne!(
            second.create_id(&gun).await,
            a,
            "used through the other signer"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_requests_for_one_key_are_all_served() {
    let signer = std::sync::Arc::new(TestSigner::recorded().await);
    let rows = crate::support::vectors("signer-db-rows");
    let requests = (0..64).map(|number| {
        let signer = std::sync::Arc::clone(&signer);
        let row = &rows["rows"][number % 7];
        let id = row["key_id"].as_str().unwrap().to_owned();
        tokio::spawn(async move { signer.sign(&id, b"content").await.map(|_| ()) })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap().unwrap();
    }
    assert_eq!(signer.keys.cache().len(), 7);
}

#[tokio::test]
async fn other_algorithms_are_refused_in_notarys_words() {
    let signer = TestSigner::start().await;
    for algorithm in ["rsa", "ECDSA", "", "ecdsa-x509"] {
        let status = signer
            .create(algorithm, "a", "timestamp")
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unknown);
        let expected = format!("algorithm {algorithm} not supported for create key");
        assert_eq!(status.message(), expected);
    }
}

#[tokio::test]
async fn names_that_no_database_holds_are_invalid() {
    let signer = TestSigner::start().await;
    let long = "ü".repeat(255);
    signer.create("ecdsa", &long, "timestamp").await.unwrap();
    for (gun, role) in [
        (format!("{long}x"), String::new()),
        (String::new(), "a\0".to_owned()),
    ] {
        let status = signer.create("ecdsa", &gun, &role).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn an_id_that_can_name_no_key_is_invalid_in_every_call_and_touches_nothing() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    let long = format!("{UNKNOWN}0");
    for bad in [
        "",
        "00ff",
        &UNKNOWN[1..],
        &long,
        &UNKNOWN.replace('0', "g"),
        "' OR 1=1 --",
    ] {
        let answers = [
            signer.sign(bad, b"x").await.map(|_| ()).unwrap_err(),
            signer.describe(bad).await.map(|_| ()).unwrap_err(),
            signer.delete(bad).await.unwrap_err(),
        ];
        for status in answers {
            assert_eq!(status.code(), Code::InvalidArgument, "{bad}: {status}");
        }
    }
    let request = SignatureRequest {
        key_id: None,
        content: "x".into(),
    };
    let status = signer.signer().sign(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        signer.create_id("a").await,
        id,
        "still there, still pending"
    );
}

#[tokio::test]
async fn an_unknown_key_is_not_found_in_notarys_words() {
    let signer = TestSigner::start().await;
    let status = signer.sign(UNKNOWN, b"x").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(
        status.message(),
        format!("signing key not found: {UNKNOWN}")
    );
    let status = signer.describe(UNKNOWN).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), format!("key {UNKNOWN} not found"));
    signer.delete(UNKNOWN).await.unwrap();
}

#[tokio::test]
async fn a_deleted_key_is_gone_from_memory_and_database_but_its_row_stays() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    signer.delete(&id).await.unwrap();
    assert_eq!(
        signer.sign(&id, b"x").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        signer.describe(&id).await.unwrap_err().code(),
        Code::NotFound
    );
    assert!(signer.keys.cache().is_empty());
    let deleted = "SELECT deleted_at FROM private_keys";
    let deleted = signer.text(deleted).await.unwrap();
    assert!(deleted.starts_with("2026-11-22 12:00:00"), "{deleted}");
    signer.delete(&id).await.unwrap();
}

#[tokio::test]
async fn a_deleted_pending_key_is_not_handed_out_again() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.delete(&id).await.unwrap();
    assert_ne!(signer.create_id("a").await, id);
}

#[tokio::test]
async fn requests_up_to_four_mebibytes_are_signed_and_larger_ones_exhaust_resources() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    let room = MAX_REQUEST - 2 * 34 - 8;
    let signature = signer.sign(&id, &vec![b'x'; room]).await.unwrap();
    assert_eq!(signature.content.len(), 64);
    let status = signer
        .sign(&id, &vec![b'x'; MAX_REQUEST])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}

#[tokio::test]
async fn empty_content_is_signed_like_any_other() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    assert_eq!(signer.sign(&id, b"").await.unwrap().content.len(), 64);
}

#[tokio::test]
async fn the_origin_of_a_key_is_told_without_its_passphrase() {
    let signer = TestSigner::start().await;
    let mine = signer.create_id("Case/GUN").await;
    let old = signer.create_id("old").await;
    let gone = signer.create_id("gone").await;
    signer.delete(&gone).await.unwrap();
    let forget = format!("UPDATE private_keys SET gun = '', role = '' WHERE key_id = '{old}'");
    signer.execute(&forget).await;
    let signer = signer.restarted(Vec::new()).await;

    let asked = [&mine, &old, &gone, UNKNOWN];
    let origins = signer.origins(&asked).await.unwrap();

    let expected = [
        (mine.as_str(), "Case/GUN", "timestamp"),
        (old.as_str(), "", ""),
    ];
    let told = origins.iter();
    let told: Vec<_> = told
        .map(|one| (one.key_id.as_str(), one.gun.as_str(), one.role.as_str()))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn origins_are_asked_for_by_ids_and_not_too_many() {
    let signer = TestSigner::start().await;
    let bad = signer.origins(&[UNKNOWN, "' OR 1=1"]).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    let many = signer.origins(&[UNKNOWN; 500]).await.unwrap();
    assert!(many.is_empty());
    let too_many = signer.origins(&[UNKNOWN; 501]).await.unwrap_err();
    assert_eq!(too_many.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn only_so_many_keys_wait_for_their_first_signature() {
    let signer = TestSigner::start().await.with_max_pending(3).await;
    let mut ids = Vec::new();
    for gun in ["a", "b", "c"] {
        ids.push(signer.create_id(gun).await);
    }
    let status = signer.create("ecdsa", "d", "timestamp").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(signer.create_id("a").await, ids[0], "it waits already");
    signer.sign(&ids[0], b"x").await.unwrap();
    signer.create_id("d").await;
    let status = signer.create("ecdsa", "e", "timestamp").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");

    let other = signer.with_max_pending(3).await;
    assert_eq!(other.create_id("b").await, ids[1], "from the database");
    let status = other.create("ecdsa", "e", "timestamp").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let forget = "UPDATE private_keys SET gun = '' WHERE gun = 'b'";
    other.execute(forget).await;
    let unbounded = other.with_max_pending(0).await;
    unbounded.create_id("e").await;
    let counted = unbounded.keys.store().count_pending(10).await.unwrap();
    assert_eq!(counted, 3, "keys of before Notary 0.4 do not count");
}
