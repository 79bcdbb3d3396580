//! Files that change while the server runs, and files that cannot be loaded.

use std::{fs, sync::Arc, time::Duration};

use access::{Caller, Permission, Policy};
use authn::{AuthenticationError, Authenticator, settings::AuthenticationSettings};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{ALICE, ALICE_CHANGED, ANONYMOUS_PULL, AuthSetup, BOB, NOW, passwords};

#[tokio::test]
async fn a_removed_user_is_refused_although_remembered() {
    let setup = AuthSetup::with_users(&[ALICE, BOB].concat()).await;
    setup.login("alice", "correct horse").await.unwrap();
    let fingerprint = setup.authenticator.fingerprint("alice");
    assert!(fingerprint.is_some());

    fs::write(setup.path("htpasswd"), BOB).unwrap();
    setup.poll();

    let refusal = setup.login("alice", "correct horse").await;
    assert!(matches!(
        refusal,
        Err(AuthenticationError::WrongPassword(_))
    ));
    assert_eq!(setup.authenticator.fingerprint("alice"), None);
    assert!(setup.login("bob", "bob's").await.is_ok());

    fs::write(setup.path("htpasswd"), ALICE_CHANGED).unwrap();
    setup.poll();
    assert_ne!(setup.authenticator.fingerprint("alice"), fingerprint);
}

#[tokio::test]
async fn a_caller_holds_no_longer_once_their_password_changed() {
    let setup = AuthSetup::with_users(&[ALICE, BOB].concat()).await;
    let caller = setup.login("alice", "correct horse").await.unwrap();
    let root = setup.login("root", "of all").await.unwrap();
    let then = setup.authenticator.fingerprint("alice");
    assert!(setup.authenticator.still_holds(&caller, then));
    assert!(
        !setup.authenticator.still_holds(&caller, None),
        "gone even then"
    );
    for users in [BOB.to_owned(), [ALICE_CHANGED, BOB].concat()] {
        fs::write(setup.path("htpasswd"), users).unwrap();
        setup.poll();
        assert!(!setup.authenticator.still_holds(&caller, then));
        assert!(setup.authenticator.still_holds(&root, None));
    }
}

#[tokio::test]
async fn a_half_written_file_is_not_loaded() {
    let setup = AuthSetup::with_users(ALICE).await;
    fs::write(setup.path("htpasswd"), BOB).unwrap();
    setup.authenticator.poll();
    assert!(setup.login("alice", "correct horse").await.is_ok());
    fs::write(setup.path("htpasswd"), [BOB, ALICE].concat()).unwrap();
    setup.authenticator.poll();
    assert_eq!(setup.authenticator.fingerprint("bob"), None);
    setup.authenticator.poll();
    assert!(setup.authenticator.fingerprint("alice").is_some());
    assert!(setup.authenticator.fingerprint("bob").is_some());
}

#[tokio::test]
async fn a_broken_file_leaves_the_users_as_they_were() {
    let setup = AuthSetup::with_users(ALICE).await;
    for broken in ["", "alice:plain\n", "alice\n"] {
        fs::write(setup.path("htpasswd"), broken).unwrap();
        setup.poll();
        assert!(
            setup.login("alice", "correct horse").await.is_ok(),
            "{broken:?}"
        );
    }
    fs::remove_file(setup.path("htpasswd")).unwrap();
    setup.poll();
    assert!(setup.login("alice", "correct horse").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_under_load_counts_from_then_on() {
    let setup = Arc::new(AuthSetup::with_users(ALICE).await);
    for round in 0..20 {
        let (old, new) = if round % 2 == 0 {
            ("correct horse", "new password")
        } else {
            ("new password", "correct horse")
        };
        let file = if round % 2 == 0 { ALICE_CHANGED } else { ALICE };
        let load: Vec<_> = (0..8)
            .map(|_| {
                let setup = setup.clone();
                tokio::spawn(async move { setup.login("alice", old).await.is_ok() })
            })
            .collect();
        fs::write(setup.path("htpasswd"), file).unwrap();
        setup.poll();
        // From a minute on the throttle has forgiven the round before.
        let now = NOW + time::Duration::minutes(5) * (round + 1);
        let outcome = setup.login_at("alice", old, super::ADDRESS, now).await;
        assert!(
            matches!(outcome, Err(AuthenticationError::WrongPassword(_))),
            "round {round}"
        );
        let outcome = setup.login_at("alice", new, super::ADDRESS, now).await;
        assert!(outcome.is_ok(), "round {round}");
        join_all(load).await;
    }
}

#[tokio::test]
async fn a_replaced_file_takes_effect_by_itself_within_three_seconds() {
    let AuthSetup {
        folder,
        authenticator,
    } = AuthSetup::with_users(ALICE).await;
    let authenticator = Arc::new(authenticator);
    let stop = CancellationToken::new();
    let following = tokio::spawn(authenticator.clone().keep_current(|| NOW, stop.clone()));
    fs::write(folder.path().join("htpasswd"), BOB).unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    while authenticator.fingerprint("bob").is_none() {
        assert!(Instant::now() < deadline, "not within three seconds");
        sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    following.await.unwrap();
}

fn may_pull(authenticator: &Authenticator) -> bool {
    let need = Permission::Pull("example.com/app");
    authenticator
        .policy()
        .decide(&Caller::anonymous(), need)
        .is_granted
}

#[tokio::test]
async fn rules_are_loaded_when_they_change_and_kept_when_they_break() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("htpasswd"), ALICE).unwrap();
    fs::write(folder.path().join("rules.yaml"), ANONYMOUS_PULL).unwrap();
    let access = AuthenticationSettings {
        rules_file: Some(folder.path().join("rules.yaml")),
        ..passwords(&folder)
    };
    let setup = AuthSetup::of(folder, &access).await;
    assert!(matches!(*setup.authenticator.policy(), Policy::Rules(_)));
    assert!(may_pull(&setup.authenticator));

    let held = setup.authenticator.policy();
    let authenticated = ANONYMOUS_PULL.replace("anonymous", "authenticated");
    for (content, expected) in [
        (authenticated.as_str(), false),
        ("rules: 7\n", false),
        (ANONYMOUS_PULL, true),
        ("rules: [\n", true),
    ] {
        fs::write(setup.path("rules.yaml"), content).unwrap();
        setup.poll();
        assert_eq!(may_pull(&setup.authenticator), expected, "{content}");
    }
    let need = Permission::Pull("example.com/app");
    assert!(
        held.decide(&Caller::anonymous(), need).is_granted,
        "a request keeps the rules that it began with"
    );
}

#[tokio::test]
async fn files_that_cannot_be_loaded_stop_the_start_and_are_named() {
    for (name, content, expected) in [
        ("htpasswd", None, "open password file"),
        ("htpasswd", Some(""), "password file"),
        (
            "htpasswd",
            Some("alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"),
            "htpasswd",
        ),
        ("rules.yaml", None, "open rules file"),
        ("rules.yaml", Some("rules:\n- who: nobody\n"), "rules file"),
        ("rules.yaml", Some("{"), "rules file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), ALICE).unwrap();
        fs::write(folder.path().join("rules.yaml"), ANONYMOUS_PULL).unwrap();
        match content {
            Some(content) => fs::write(folder.path().join(name), content).unwrap(),
            None => fs::remove_file(folder.path().join(name)).unwrap(),
        }
        let access = AuthenticationSettings {
            rules_file: Some(folder.path().join("rules.yaml")),
            ..passwords(&folder)
        };
        let error = Authenticator::new(&access, NOW).await.err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains(expected) && error.contains(name), "{error}");
        assert!(!error.contains("W6ph5"), "{error}");
    }
}
