//! Guessing, and many at once.

use std::{net::IpAddr, num::NonZero, time::Duration as StdDuration};

use authn::AuthenticationError;
use futures_util::future::join_all;
use time::Duration;
use tokio::task::unconstrained;

use super::{ADDRESS, ALICE, AuthSetup, NOW};

fn count<T>(
    outcomes: &[Result<T, AuthenticationError>],
    is: impl Fn(&Result<T, AuthenticationError>) -> bool,
) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}

/// More than there are places for.
fn crowd() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    200 * u32::try_from(cores).unwrap()
}

#[tokio::test]
async fn of_a_hundred_guesses_ten_are_checked() {
    let setup = AuthSetup::with_users(ALICE).await;
    let guesses: Vec<_> = (0..100).map(|number| format!("guess {number}")).collect();
    let mut outcomes = Vec::new();
    for some in guesses.chunks(4) {
        let some = some.iter().map(|guess| setup.login("alice", guess));
        outcomes.extend(join_all(some).await);
    }
    assert_eq!(
        count(&outcomes, |o| matches!(
            o,
            Err(AuthenticationError::WrongPassword(_))
        )),
        10
    );
    assert_eq!(
        count(&outcomes, |o| matches!(
            o,
            Err(AuthenticationError::TooManyFailures(_))
        )),
        90
    );

    let refusal = setup.login("alice", "correct horse").await.unwrap_err();
    let AuthenticationError::TooManyFailures(wait) = refusal else {
        panic!("{refusal}")
    };
    assert_eq!(wait, StdDuration::from_secs(6));
    let elsewhere: IpAddr = "192.0.2.2".parse().unwrap();
    assert!(
        setup
            .login_at("alice", "correct horse", elsewhere, NOW)
            .await
            .is_ok()
    );
    let later = NOW + Duration::seconds(6);
    assert!(
        setup
            .login_at("alice", "correct horse", ADDRESS, later)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_administrators_password_is_throttled_like_others() {
    let setup = AuthSetup::with_users(ALICE).await;
    for number in 0..10 {
        setup.login("root", &number.to_string()).await.unwrap_err();
    }
    let refusal = setup.login("root", "of all").await;
    assert!(matches!(
        refusal,
        Err(AuthenticationError::TooManyFailures(_))
    ));
}

#[tokio::test]
async fn a_verified_password_is_remembered_for_a_minute_whatever_others_guess() {
    let setup = AuthSetup::with_users(ALICE).await;
    setup.login("alice", "correct horse").await.unwrap();
    let soon = NOW + Duration::seconds(59);
    for number in 0..20 {
        let guess = number.to_string();
        setup
            .login_at("alice", &guess, ADDRESS, soon)
            .await
            .unwrap_err();
    }
    assert!(
        setup
            .login_at("alice", "correct horse", ADDRESS, soon)
            .await
            .is_ok()
    );
    let late = NOW + Duration::seconds(60);
    let refusal = setup
        .login_at("alice", "correct horse", ADDRESS, late)
        .await;
    assert!(matches!(
        refusal,
        Err(AuthenticationError::TooManyFailures(_))
    ));
}

#[tokio::test]
async fn right_passwords_are_never_counted() {
    let setup = AuthSetup::with_users(ALICE).await;
    for minute in 0..30 {
        let now = NOW + Duration::minutes(2 * minute);
        setup
            .login_at("alice", "correct horse", ADDRESS, now)
            .await
            .unwrap();
    }
    for number in 0..10 {
        let now = NOW + Duration::minutes(60);
        let guess = number.to_string();
        let refusal = setup.login_at("alice", &guess, ADDRESS, now).await;
        assert!(matches!(
            refusal,
            Err(AuthenticationError::WrongPassword(_))
        ));
    }
}

#[tokio::test]
async fn concurrent_requests_with_the_same_password_share_one_check() {
    let setup = AuthSetup::with_users(ALICE).await;
    // More than could wait if each were checked by itself.
    let same = join_all((0..5000).map(|_| setup.login("alice", "correct horse"))).await;
    assert_eq!(count(&same, Result::is_ok), 5000);
}

#[tokio::test]
async fn more_passwords_than_can_be_checked_are_turned_away() {
    let setup = AuthSetup::with_users(ALICE).await;
    let guess = async |number: u32| {
        let address = IpAddr::from(number.to_be_bytes());
        setup.login_at("alice", "guess", address, NOW).await
    };
    let guesses: Vec<_> = (0..crowd()).map(|number| format!("{number}")).collect();
    let others = guesses.iter().zip(0_u32..).map(|(name, number)| {
        let address = IpAddr::from(number.to_be_bytes());
        setup.login_at(name, "guess", address, NOW)
    });
    let outcomes = unconstrained(join_all(others)).await;
    assert!(count(&outcomes, |o| matches!(o, Err(AuthenticationError::Busy))) > 0);
    assert_eq!(count(&outcomes, Result::is_ok), 0);
    let refusal = guess(1).await;
    assert!(
        matches!(refusal, Err(AuthenticationError::WrongPassword(_))),
        "afterwards there is room"
    );
}

#[tokio::test]
async fn one_network_does_not_keep_the_others_out() {
    let setup = AuthSetup::with_users(ALICE).await;
    let names: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let guesses = names.iter().map(|name| setup.login(name, "guess"));
    let elsewhere: IpAddr = "192.0.2.2".parse().unwrap();
    let alice = setup.login_at("alice", "correct horse", elsewhere, NOW);
    let (outcomes, alice) = tokio::join!(join_all(guesses), alice);
    assert!(count(&outcomes, |o| matches!(o, Err(AuthenticationError::Busy))) > 0);
    assert!(alice.is_ok());
}

#[tokio::test]
async fn a_crowd_of_strangers_does_not_keep_out_a_user_who_logged_in_within_the_hour() {
    let setup = AuthSetup::with_users(ALICE).await;
    setup.login("alice", "correct horse").await.unwrap();
    let later = NOW + Duration::minutes(30);
    let crowd = (0..crowd()).map(|number| {
        let address = IpAddr::from(number.to_be_bytes());
        ("stranger", number.to_string(), address)
    });
    let alice = ("alice", "correct horse".to_owned(), ADDRESS);
    let all: Vec<_> = crowd.chain([alice]).collect();
    let all = all
        .iter()
        .map(|(user, password, address)| setup.login_at(user, password, *address, later));
    // Each takes its place before the next one comes; she is the last.
    let outcomes = unconstrained(join_all(all)).await;
    assert!(count(&outcomes, |o| matches!(o, Err(AuthenticationError::Busy))) > 0);
    assert!(outcomes.last().unwrap().is_ok());
}
