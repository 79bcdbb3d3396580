//! Putting keys under another passphrase.

use signer::{
    keystore::{Holding, KeyId, Precondition, Resealed},
    rotation::{Rotated, rotate_all, rotate_one},
    trial::{Checked, check_all},
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
    let holding = Holding {
        alias: "other".to_owned(),
        encryption: "",
        wrapping: "",
        private: b"sealed".to_vec(),
        precondition: Precondition::NoKeyUnderAliasBut(Vec::new()),
    };
    let late = signer
        .keys
        .store()
        .reseal(&stored, &holding, signer.keys.now())
        .await;
    assert_eq!(late.unwrap(), Resealed::Stale);
    signer.describe(&id).await.unwrap();
}

#[tokio::test]
async fn a_check_tells_the_keys_that_do_not_open_from_those_that_do() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    for gun in ["a", "b", "c", "d"] {
        signer.create_id(gun).await;
    }
    signer
        .execute(
            "UPDATE private_keys SET private = 'garbage' WHERE gun = 'b';
             UPDATE private_keys SET passphrase_alias = 'lost' WHERE gun = 'c';
             UPDATE private_keys SET key_id = 'short' WHERE gun = 'd'",
        )
        .await;
    let mut told = Vec::new();
    let checked = check_all(&signer.keys, |key, problem| {
        told.push((key.gun.clone(), problem.map(|problem| problem.to_string())));
    });
    assert_eq!(
        checked.await.unwrap(),
        Checked {
            usable: 1,
            unusable: 3
        }
    );
    let problem = |gun: &str| {
        let (_, problem) = told.iter().find(|(told, _)| told == gun).unwrap();
        problem.clone().unwrap_or_default()
    };
    assert_eq!(problem("a"), "");
    assert!(problem("b").contains("well-formed"), "{}", problem("b"));
    assert!(
        problem("c").contains("NOTARY_SIGNER_LOST"),
        "{}",
        problem("c")
    );
    assert!(problem("d").contains("64 hex digits"), "{}", problem("d"));
}

#[tokio::test]
async fn an_interrupted_rotation_leaves_every_key_usable_and_is_continued() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    let mut ids = Vec::new();
    for gun in 0..40 {
        ids.push(signer.create_id(&gun.to_string()).await);
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut stop = Some(stop);
    let rotation = rotate_all(&signer.keys, "next", |so_far, _| {
        if so_far.moved == 5 {
            stop.take().unwrap().send(()).unwrap();
        }
    });
    tokio::select! {
        biased;
        _ = stopped => {}
        _ = rotation => panic!("it should have been interrupted"),
    }
    let checked = check_all(&signer.keys, |_, _| ()).await.unwrap();
    assert_eq!(
        checked,
        Checked {
            usable: 40,
            unusable: 0
        }
    );

    let again = rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    assert!(again.untouched >= 5 && again.moved > 0, "{again:?}");
    assert_eq!(again.untouched + again.moved, 40);
    let signer = signer.restarted(environment(&BOTH[1..])).await;
    for id in ids {
        signer.sign(&id, b"x").await.unwrap();
    }
}

#[tokio::test]
async fn a_rotation_moves_more_keys_than_a_page_holds() {
    let signer = TestSigner::with(environment(&BOTH)).await;
    let id = signer.create_id("0").await;
    let copies: Vec<String> = (0..450).map(|n| format!("({n})")).collect();
    signer
        .execute(&format!(
            "WITH copies (n) AS (VALUES {}) INSERT INTO private_keys (key_id, encryption_alg, \
             keywrap_alg, algorithm, passphrase_alias, public, private, gun, role) \
             SELECT printf('%064d', n), '', '', 'ecdsa', 'next', '', '', 'x', '' FROM copies",
            copies.join(",")
        ))
        .await;
    let last = signer.create_id("1").await;
    let rotated = rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    assert_eq!((rotated.moved, rotated.untouched), (2, 450));
    let signer = signer.restarted(environment(&BOTH[1..])).await;
    signer.describe(&id).await.unwrap();
    signer.describe(&last).await.unwrap();
}
