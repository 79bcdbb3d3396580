//! Files that change while the server runs, and files that are of no use.

use std::{fs, sync::Arc, time::Duration};

use access::{Caller, Permission, Policy};
use authn::{AuthenticationError, Authenticator, settings::AuthenticationSettings};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{ALICE, ALICE_ANEW, ANONYMOUS_PULL, BOB, Door, NOW, passwords};

#[tokio::test]
async fn a_user_who_is_taken_out_of_the_file_is_out_though_remembered() {
    let door = Door::with_users(&[ALICE, BOB].concat()).await;
    door.login("alice", "correct horse").await.unwrap();
    let fingerprint = door.guard.fingerprint("alice");
    assert!(fingerprint.is_some());

    fs::write(door.path("htpasswd"), BOB).unwrap();
    door.poll();

    let refusal = door.login("alice", "correct horse").await;
    assert!(matches!(
        refusal,
        Err(AuthenticationError::WrongPassword(_))
    ));
    assert_eq!(door.guard.fingerprint("alice"), None);
    assert!(door.login("bob", "bob's").await.is_ok());

    fs::write(door.path("htpasswd"), ALICE_ANEW).unwrap();
    door.poll();
    assert_ne!(door.guard.fingerprint("alice"), fingerprint);
}

#[tokio::test]
async fn a_user_is_no_longer_who_they_were_once_their_line_is_another() {
    let door = Door::with_users(&[ALICE, BOB].concat()).await;
    let caller = door.login("alice", "correct horse").await.unwrap();
    let root = door.login("root", "of all").await.unwrap();
    let then = door.guard.fingerprint("alice");
    assert!(door.guard.still_holds(&caller, then));
    assert!(!door.guard.still_holds(&caller, None), "gone even then");
    for users in [BOB.to_owned(), [ALICE_ANEW, BOB].concat()] {
        fs::write(door.path("htpasswd"), users).unwrap();
        door.poll();
        assert!(!door.guard.still_holds(&caller, then));
        assert!(door.guard.still_holds(&root, None));
    }
}

#[tokio::test]
async fn a_file_is_not_taken_up_half_written() {
    let door = Door::with_users(ALICE).await;
    fs::write(door.path("htpasswd"), BOB).unwrap();
    door.guard.poll();
    assert!(door.login("alice", "correct horse").await.is_ok());
    fs::write(door.path("htpasswd"), [BOB, ALICE].concat()).unwrap();
    door.guard.poll();
    assert_eq!(door.guard.fingerprint("bob"), None);
    door.guard.poll();
    assert!(door.guard.fingerprint("alice").is_some());
    assert!(door.guard.fingerprint("bob").is_some());
}

#[tokio::test]
async fn a_broken_file_leaves_the_users_as_they_were() {
    let door = Door::with_users(ALICE).await;
    for broken in ["", "alice:plain\n", "alice\n"] {
        fs::write(door.path("htpasswd"), broken).unwrap();
        door.poll();
        assert!(
            door.login("alice", "correct horse").await.is_ok(),
            "{broken:?}"
        );
    }
    fs::remove_file(door.path("htpasswd")).unwrap();
    door.poll();
    assert!(door.login("alice", "correct horse").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_under_load_counts_from_then_on() {
    let door = Arc::new(Door::with_users(ALICE).await);
    for round in 0..20 {
        let (old, new) = if round % 2 == 0 {
            ("correct horse", "new password")
        } else {
            ("new password", "correct horse")
        };
        let file = if round % 2 == 0 { ALICE_ANEW } else { ALICE };
        let load: Vec<_> = (0..8)
            .map(|_| {
                let door = door.clone();
                tokio::spawn(async move { door.login("alice", old).await.is_ok() })
            })
            .collect();
        fs::write(door.path("htpasswd"), file).unwrap();
        door.poll();
        // From a minute on the throttle has forgiven the round before.
        let now = NOW + time::Duration::minutes(5) * (round + 1);
        let outcome = door.login_at("alice", old, super::ADDRESS, now).await;
        assert!(
            matches!(outcome, Err(AuthenticationError::WrongPassword(_))),
            "round {round}"
        );
        let outcome = door.login_at("alice", new, super::ADDRESS, now).await;
        assert!(outcome.is_ok(), "round {round}");
        join_all(load).await;
    }
}

#[tokio::test]
async fn a_replaced_file_takes_effect_by_itself_within_three_seconds() {
    let Door { folder, guard } = Door::with_users(ALICE).await;
    let guard = Arc::new(guard);
    let stop = CancellationToken::new();
    let following = tokio::spawn(guard.clone().keep_current(|| NOW, stop.clone()));
    fs::write(folder.path().join("htpasswd"), BOB).unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    while guard.fingerprint("bob").is_none() {
        assert!(Instant::now() < deadline, "not within three seconds");
        sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    following.await.unwrap();
}

fn may_pull(guard: &Authenticator) -> bool {
    let need = Permission::Pull("example.com/app");
    guard.policy().decide(&Caller::anonymous(), need).is_granted
}

#[tokio::test]
async fn rules_are_taken_up_when_they_change_and_kept_when_they_break() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("htpasswd"), ALICE).unwrap();
    fs::write(folder.path().join("rules.yaml"), ANONYMOUS_PULL).unwrap();
    let access = AuthenticationSettings {
        rules_file: Some(folder.path().join("rules.yaml")),
        ..passwords(&folder)
    };
    let door = Door::of(folder, &access).await;
    assert!(matches!(*door.guard.policy(), Policy::Rules(_)));
    assert!(may_pull(&door.guard));

    let held = door.guard.policy();
    let authenticated = ANONYMOUS_PULL.replace("anonymous", "authenticated");
    for (content, expected) in [
        (authenticated.as_str(), false),
        ("rules: 7\n", false),
        (ANONYMOUS_PULL, true),
        ("rules: [\n", true),
    ] {
        fs::write(door.path("rules.yaml"), content).unwrap();
        door.poll();
        assert_eq!(may_pull(&door.guard), expected, "{content}");
    }
    let need = Permission::Pull("example.com/app");
    assert!(
        held.decide(&Caller::anonymous(), need).is_granted,
        "a request keeps the rules that it began with"
    );
}

#[tokio::test]
async fn files_that_are_of_no_use_stop_the_start_and_are_named() {
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
