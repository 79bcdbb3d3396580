//! Putting keys under another passphrase.

use signer::{
    keystore::KeyId,
    rotation::{Rotated, rotate_all, rotate_one},
};

use crate::support::{TestSigner, environment};

const BOTH: [(&str, &str); 2] = [
    ("NOTARY_SIGNER_TIMESTAMP_1", "one"),
    ("NOTARY_SIGNER_NEXT", "two"),
];

#[tokio::test]
async fn rotated_keys_open_with_the_new_passphrase_alone_and_stay_what_they_were() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    let (used, pending) = (signer.create_id("a").await, signer.create_id("b").await);
    signer.sign(&used, b"x").await.unwrap();

    let mut steps = 0;
    let rotated = rotate_all(&signer.keys, "next", |_, _| steps += 1)
        .await
        .unwrap();
    assert_eq!(
        rotated,
        Rotated {
            moved: 2,
            untouched: 0,
            failed: 0
        }
    );
    assert_eq!(steps, 2);
    let again = rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    assert_eq!(
        again,
        Rotated {
            moved: 0,
            untouched: 2,
            failed: 0
        }
    );

    let signer = signer.restarted(environment(&BOTH[1..])).await;
    signer.sign(&used, b"x").await.unwrap();
    assert_eq!(signer.create_id("b").await, pending, "still pending");
    signer.sign(&pending, b"x").await.unwrap();
}

#[tokio::test]
async fn one_key_can_be_rotated_alone() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    let (a, b) = (signer.create_id("a").await, signer.create_id("b").await);
    let id = KeyId::parse(&a).unwrap();
    assert_eq!(
        rotate_one(&signer.keys, &id, "next").await.unwrap().moved,
        1
    );
    let signer = signer.restarted(environment(&BOTH[1..])).await;
    signer.describe(&a).await.unwrap();
    signer.describe(&b).await.unwrap_err();
}

#[tokio::test]
async fn a_key_that_does_not_open_is_reported_and_the_others_are_rotated() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    signer.create_id("a").await;
    signer.create_id("b").await;
    signer
        .execute("UPDATE private_keys SET private = 'garbage' WHERE gun = 'a'")
        .await;
    let mut problems = Vec::new();
    let note = |_: &Rotated, problem: Option<signer::keys::KeyError>| problems.extend(problem);
    let rotated = rotate_all(&signer.keys, "next", note).await.unwrap();
    assert_eq!(
        rotated,
        Rotated {
            moved: 1,
            untouched: 0,
            failed: 1
        }
    );
    assert_eq!(problems.len(), 1);
    let garbage = "SELECT passphrase_alias FROM private_keys WHERE gun = 'a'";
    assert_eq!(signer.text(garbage).await.unwrap(), "timestamp_1");
}

#[tokio::test]
async fn an_alias_without_a_passphrase_rotates_nothing() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    signer.create_id("a").await;
    let error = rotate_all(&signer.keys, "absent", |_, _| ())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("NOTARY_SIGNER_ABSENT"), "{error}");
}

#[tokio::test]
async fn of_two_rotations_at_once_one_wins_a_key_and_it_stays_whole() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    let id = signer.create_id("a").await;
    let stored = signer
        .keys
        .store()
        .find(&KeyId::parse(&id).unwrap())
        .await
        .unwrap()
        .unwrap();
    rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    // The slower one read the row before the faster one wrote it.
    let late = signer
        .keys
        .store()
        .reseal(&stored, "other", "sealed", signer.keys.now())
        .await;
    assert!(!late.unwrap());
    signer.describe(&id).await.unwrap();
}
