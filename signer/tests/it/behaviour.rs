//! What every key store does, whatever the database behind it. Shared with the tests that have
//! PostgreSQL and MariaDB at hand.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use database::Fault;
use fixtures::hang_up;
use signer::keystore::{
    Holding, KeyId, KeyStore, NewKey, Precondition, Purpose, Resealed, StoreError, StoredKey,
};
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio::task::JoinSet;
use tuf::{KeyAlgorithm, PrivateKey, PublicKey};

/// Two signers' views of one empty database, each with connections of its own.
pub(crate) struct Stores {
    /// The one that most calls are made to.
    pub(crate) one: Arc<dyn KeyStore>,
    /// The one that another process would have.
    pub(crate) other: Arc<dyn KeyStore>,
}

/// Makes a test of each behaviour by the macro named, which is given its name.
macro_rules! each_behaviour {
    ($test:ident) => {
        $test!(a_pending_key_is_handed_out_for_its_purpose_letter_by_letter);
        $test!(parallel_requests_to_several_signers_get_one_key_for_each_purpose);
        $test!(an_abandoned_request_keeps_nobody_waiting);
        $test!(a_caller_that_hangs_up_leaves_nothing_behind);
        $test!(a_key_that_signed_is_pending_no_more);
        $test!(uses_are_noted_together_and_keys_that_are_gone_are_named);
        $test!(a_deleted_key_is_gone_for_every_method_and_its_id_stays_taken);
        $test!(a_key_is_resealed_only_from_the_alias_it_was_read_under);
        $test!(nothing_is_written_whose_precondition_is_not_met);
        $test!(of_first_keys_that_come_under_an_alias_at_once_one_is_the_first);
        $test!(keys_are_listed_page_by_page_in_the_order_they_were_made);
        $test!(aliases_are_told_apart_letter_by_letter);
        $test!(an_id_in_upper_case_names_no_key);
        $test!(bytes_come_back_as_they_were_stored);
        $test!(names_of_every_kind_are_kept_or_refused_but_never_altered);
        $test!(a_probe_of_a_working_database_succeeds);
    };
}
pub(crate) use each_behaviour;

/// The time at which keys are made.
fn noon() -> OffsetDateTime {
    datetime!(2026-11-22 12:00 UTC)
}

fn purpose(gun: &str, role: &str) -> Purpose {
    Purpose {
        algorithm: KeyAlgorithm::Ed25519,
        gun: gun.to_owned(),
        role: role.to_owned(),
    }
}

fn new_key(purpose: &Purpose, alias: &str) -> NewKey {
    NewKey {
        public: PrivateKey::generate(purpose.algorithm)
            .unwrap()
            .public()
            .clone(),
        purpose: purpose.clone(),
        holding: holding(alias, &format!("sealed under {alias}"), first()),
    }
}

fn holding(alias: &str, private: &str, precondition: Precondition) -> Holding {
    Holding {
        alias: alias.to_owned(),
        encryption: "A256GCM",
        wrapping: "PBES2-HS256+A128KW",
        private: private.into(),
        precondition,
    }
}

/// `key` on another precondition.
fn on(key: &NewKey, precondition: Precondition) -> NewKey {
    let mut key = key.clone();
    key.holding.precondition = precondition;
    key
}

/// A precondition that is met under `alias` now.
async fn met(store: &dyn KeyStore, alias: &str) -> Result<Precondition, StoreError> {
    let mut keys = store.under_alias(alias, 1).await?;
    Ok(match keys.pop() {
        Some(key) => Precondition::KeyUnderAlias(key.id),
        None => first(),
    })
}

/// That there is no key under an alias.
fn first() -> Precondition {
    Precondition::NoKeyUnderAliasBut(Vec::new())
}

/// Stores `key`, or answers the one that is pending already.
async fn put(store: &dyn KeyStore, key: &NewKey) -> Result<PublicKey, StoreError> {
    loop {
        let key = on(key, met(store, &key.holding.alias).await?);
        if let Some(pending) = store.insert_pending(&key, noon()).await? {
            return Ok(pending);
        }
    }
}

/// Puts the key that was `read` under `alias`, if that is still as it was.
async fn reseal(store: &dyn KeyStore, read: &StoredKey, alias: &str, private: &str) -> Resealed {
    let holding = holding(alias, private, met(store, alias).await.unwrap());
    store.reseal(read, &holding, noon()).await.unwrap()
}

async fn insert(store: &dyn KeyStore, gun: &str, alias: &str) -> PublicKey {
    let key = new_key(&purpose(gun, "timestamp"), alias);
    put(store, &key).await.unwrap()
}

async fn insert_id(store: &dyn KeyStore, gun: &str, alias: &str) -> KeyId {
    KeyId::from(insert(store, gun, alias).await.id())
}

/// Names that a careless comparison takes for one another, and empty ones.
const ALIKE: [&str; 7] = [
    "Ex.com/A",
    "ex.com/a",
    "ex.com/á",
    "EX.COM/A",
    "ex.com/a ",
    "ex.com/",
    "",
];

pub(crate) async fn a_pending_key_is_handed_out_for_its_purpose_letter_by_letter(stores: Stores) {
    let mut ids = BTreeSet::new();
    for gun in ALIKE {
        for role in ["timestamp", "Timestamp", "snapshot"] {
            let purpose = purpose(gun, role);
            assert_eq!(
                stores.one.pending(&purpose).await.unwrap(),
                None,
                "{purpose:?}"
            );
            let key = new_key(&purpose, "one");
            let made = put(&*stores.one, &key).await.unwrap();
            assert_eq!(made, key.public, "{purpose:?}");
            assert_eq!(
                stores.other.pending(&purpose).await.unwrap(),
                Some(made.clone())
            );
            let rival = new_key(&purpose, "one");
            let again = put(&*stores.other, &rival).await.unwrap();
            assert_eq!(again, made);
            ids.insert(made.id().to_string());
        }
    }
    assert_eq!(ids.len(), 3 * ALIKE.len());
    let ecdsa = Purpose {
        algorithm: KeyAlgorithm::Ecdsa,
        ..purpose("ex.com/a", "timestamp")
    };
    assert_eq!(stores.one.pending(&ecdsa).await.unwrap(), None);
}

pub(crate) async fn parallel_requests_to_several_signers_get_one_key_for_each_purpose(
    stores: Stores,
) {
    const GUNS: [&str; 3] = ["a", "A", "b"];
    for _ in 0..3 {
        let mut rivals = JoinSet::new();
        for round in 0..4 {
            for (place, gun) in GUNS.into_iter().enumerate() {
                let store = if (round + place) % 2 == 0 {
                    &stores.one
                } else {
                    &stores.other
                };
                let (store, key) = (
                    Arc::clone(store),
                    new_key(&purpose(gun, "timestamp"), "one"),
                );
                rivals.spawn(async move {
                    let won = put(&*store, &key).await.unwrap();
                    (place, won.id().to_string())
                });
            }
        }
        let won: BTreeSet<_> = rivals.join_all().await.into_iter().collect();
        assert_eq!(won.len(), GUNS.len(), "one key for each purpose: {won:?}");
        let uses: Vec<_> = won
            .iter()
            .map(|(_, id)| (KeyId::parse(id).unwrap(), noon()))
            .collect();
        assert_eq!(stores.one.mark_used(&uses).await.unwrap(), []);
    }
    assert_eq!(stores.one.count().await.unwrap(), 9);
}

pub(crate) async fn an_abandoned_request_keeps_nobody_waiting(stores: Stores) {
    // Whatever it was doing when the caller lost patience, it has given up its turn.
    for pause in 0..40 {
        let (store, key) = (
            Arc::clone(&stores.one),
            new_key(&purpose("a", "timestamp"), "one"),
        );
        let abandoned = tokio::spawn(async move {
            _ = put(&*store, &key).await;
        });
        tokio::time::sleep(std::time::Duration::from_micros(100 * pause)).await;
        abandoned.abort();
        let next = insert(&*stores.other, "a", "one");
        let key = tokio::time::timeout(std::time::Duration::from_secs(5), next).await;
        let id = KeyId::from(key.expect("it does not wait").id());
        assert!(stores.one.delete(&id, noon()).await.unwrap());
    }
}

pub(crate) async fn a_key_that_signed_is_pending_no_more(stores: Stores) {
    let key = insert(&*stores.one, "a", "one").await;
    let id = KeyId::from(key.id());
    assert!(!stores.one.find(&id).await.unwrap().unwrap().used);
    stores.one.mark_used(&[(id.clone(), noon())]).await.unwrap();
    assert!(stores.other.find(&id).await.unwrap().unwrap().used);
    assert_eq!(
        stores
            .other
            .pending(&purpose("a", "timestamp"))
            .await
            .unwrap(),
        None
    );
    let next = insert(&*stores.other, "a", "one").await;
    assert_ne!(next, key);
}

pub(crate) async fn uses_are_noted_together_and_keys_that_are_gone_are_named(stores: Stores) {
    let kept = insert_id(&*stores.one, "a", "one").await;
    let deleted = insert_id(&*stores.one, "b", "one").await;
    assert!(stores.one.delete(&deleted, noon()).await.unwrap());
    let never = KeyId::parse(&"0".repeat(64)).unwrap();
    let later = noon() + Duration::minutes(5);
    let uses = [&deleted, &kept, &never].map(|id| (id.clone(), later));
    assert_eq!(
        stores.other.mark_used(&uses).await.unwrap(),
        [deleted.clone(), never]
    );
    let listed = stores.one.list(0, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].last_used, Some(later));
    // The same time again is no reason to think that the key is gone.
    let again = [(kept.clone(), later)];
    assert_eq!(stores.one.mark_used(&again).await.unwrap(), []);
    // Two at once, of which one may be gone, or both be the same.
    let other = insert_id(&*stores.one, "c", "one").await;
    for (pair, gone) in [
        ([&kept, &other], &[][..]),
        ([&deleted, &kept], &[&deleted]),
        ([&kept, &kept], &[]),
    ] {
        let latest = later + Duration::minutes(1);
        let uses = pair.map(|id| (id.clone(), latest));
        let named = stores.other.mark_used(&uses).await.unwrap();
        assert!(named.iter().eq(gone.iter().copied()), "{named:?}");
        let listed = stores.one.list(0, 10).await.unwrap();
        let times: Vec<_> = listed.iter().map(|key| key.last_used).collect();
        assert_eq!(times, [Some(latest), Some(latest)]);
    }
}

pub(crate) async fn a_deleted_key_is_gone_for_every_method_and_its_id_stays_taken(stores: Stores) {
    let key = new_key(&purpose("a", "timestamp"), "one");
    put(&*stores.one, &key).await.unwrap();
    let id = KeyId::from(key.public.id());
    let before = stores.one.find(&id).await.unwrap().unwrap();
    assert!(stores.other.delete(&id, noon()).await.unwrap());
    assert!(!stores.one.delete(&id, noon()).await.unwrap());
    assert!(stores.one.find(&id).await.unwrap().is_none());
    assert_eq!(stores.one.pending(&key.purpose).await.unwrap(), None);
    assert_eq!(stores.one.list(0, 10).await.unwrap(), []);
    assert_eq!(stores.one.count().await.unwrap(), 0);
    assert_eq!(stores.one.aliases().await.unwrap(), [""; 0]);
    assert!(stores.one.under_alias("one", 10).await.unwrap().is_empty());
    let resealed = reseal(&*stores.one, &before, "two", "sealed").await;
    assert_eq!(resealed, Resealed::Stale);
    put(&*stores.one, &key).await.unwrap_err();
    insert(&*stores.one, "a", "one").await;
}

pub(crate) async fn a_key_is_resealed_only_from_the_alias_it_was_read_under(stores: Stores) {
    let id = insert_id(&*stores.one, "a", "One").await;
    let read = stores.one.find(&id).await.unwrap().unwrap();
    let resealed = reseal(&*stores.one, &read, "two", "again").await;
    assert_eq!(resealed, Resealed::Done);
    let moved = stores.other.find(&id).await.unwrap().unwrap();
    assert_eq!(
        (moved.alias.as_str(), &moved.private[..]),
        ("two", &b"again"[..])
    );
    assert_eq!((moved.public, moved.used), (read.public.clone(), false));
    // A caller that read the row before that comes too late.
    let resealed = reseal(&*stores.other, &read, "three", "late").await;
    assert_eq!(resealed, Resealed::Stale);
    let mut shouted = stores.one.find(&id).await.unwrap().unwrap();
    shouted.alias.make_ascii_uppercase();
    let resealed = reseal(&*stores.one, &shouted, "three", "late").await;
    assert_eq!(resealed, Resealed::Stale);
    assert_eq!(stores.one.find(&id).await.unwrap().unwrap().alias, "two");
}

pub(crate) async fn nothing_is_written_whose_precondition_is_not_met(stores: Stores) {
    let with = |id: &KeyId| Precondition::KeyUnderAlias(id.to_string());
    let but = |id: &KeyId| Precondition::NoKeyUnderAliasBut(vec![id.to_string()]);
    let there = insert_id(&*stores.one, "a", "one").await;
    let moving = insert_id(&*stores.one, "b", "other").await;
    let read = stores.one.find(&moving).await.unwrap().unwrap();
    let new = new_key(&purpose("c", "timestamp"), "one");
    // Another key is there already; the key is under another alias; the alias is spelled otherwise.
    for (alias, precondition) in [
        ("one", first()),
        ("one", but(&moving)),
        ("one", with(&moving)),
        ("One", with(&there)),
    ] {
        let case = format!("{alias} {precondition:?}");
        let mut new = new.clone();
        new.holding = holding(alias, "x", precondition);
        let pending = stores.other.insert_pending(&new, noon()).await;
        assert_eq!(pending.unwrap(), None, "{case}");
        let resealed = stores.other.reseal(&read, &new.holding, noon()).await;
        assert_eq!(resealed.unwrap(), Resealed::PreconditionFailed, "{case}");
    }
    assert_eq!(stores.one.count().await.unwrap(), 2);
    let unmoved = stores.one.find(&moving).await.unwrap().unwrap();
    assert_eq!(
        (&unmoved.alias, &unmoved.private),
        (&read.alias, &read.private)
    );

    let new = on(&new, but(&there));
    let pending = stores.other.insert_pending(&new, noon()).await;
    assert_eq!(pending.unwrap(), Some(new.public.clone()));
    let moved = holding("one", "x", with(&there));
    let resealed = stores.other.reseal(&read, &moved, noon()).await;
    assert_eq!(resealed.unwrap(), Resealed::Done);

    assert!(stores.one.delete(&there, noon()).await.unwrap());
    let late = on(&new_key(&purpose("d", "timestamp"), "one"), with(&there));
    let pending = stores.other.insert_pending(&late, noon()).await;
    assert_eq!(pending.unwrap(), None, "it rests on a deleted key");
    // A key that is pending is handed out whatever the precondition.
    let again = stores
        .other
        .insert_pending(&on(&new, with(&there)), noon())
        .await;
    assert_eq!(again.unwrap(), Some(new.public.clone()));
    let free = on(
        &new_key(&purpose("e", "timestamp"), "custody:elsewhere"),
        Precondition::None,
    );
    let pending = stores.one.insert_pending(&free, noon()).await;
    assert_eq!(pending.unwrap(), Some(free.public.clone()));
}

pub(crate) async fn of_first_keys_that_come_under_an_alias_at_once_one_is_the_first(
    stores: Stores,
) {
    let mut moving = Vec::new();
    for number in 0..4 {
        let id = insert_id(&*stores.one, &format!("moving {number}"), "old").await;
        moving.push(stores.one.find(&id).await.unwrap().unwrap());
    }
    for round in 0..5 {
        let alias = format!("alias {round}");
        let mut rivals = JoinSet::new();
        for (number, moving) in moving.iter().enumerate() {
            let (one, other) = if number % 2 == 0 {
                (Arc::clone(&stores.one), Arc::clone(&stores.other))
            } else {
                (Arc::clone(&stores.other), Arc::clone(&stores.one))
            };
            let (alias, moving) = (alias.clone(), moving.clone());
            let new = new_key(&purpose(&format!("{round} {number}"), "snapshot"), &alias);
            rivals.spawn(async move {
                let made = one.insert_pending(&new, noon()).await.unwrap();
                usize::from(made.is_some())
            });
            rivals.spawn(async move {
                let moved = holding(&alias, "moved", first());
                let resealed = other.reseal(&moving, &moved, noon()).await;
                usize::from(resealed.unwrap() == Resealed::Done)
            });
        }
        let won: usize = rivals.join_all().await.into_iter().sum();
        assert_eq!(won, 1, "round {round}");
        let there = stores.one.under_alias(&alias, 10).await.unwrap();
        assert_eq!(there.len(), 2, "twice the same");
        // Back to where it was, for the next round.
        for key in there.iter().take(1).filter(|key| key.role == "timestamp") {
            assert_eq!(
                reseal(&*stores.one, key, "old", "back").await,
                Resealed::Done
            );
        }
    }
}

pub(crate) async fn keys_are_listed_page_by_page_in_the_order_they_were_made(stores: Stores) {
    for gun in ["c", "a", "b"] {
        insert(&*stores.one, gun, "one").await;
    }
    let first = stores.other.list(0, 2).await.unwrap();
    let rest = stores.other.list(first[1].row, 2).await.unwrap();
    let listed: Vec<_> = first.iter().chain(&rest).collect();
    assert_eq!(
        listed
            .iter()
            .map(|key| key.gun.as_str())
            .collect::<Vec<_>>(),
        ["c", "a", "b"]
    );
    for key in listed {
        assert_eq!((key.created, key.last_used), (Some(noon()), None));
        assert_eq!(
            (key.role.as_str(), key.algorithm.as_str()),
            ("timestamp", "ed25519")
        );
        assert_eq!(key.alias, "one");
    }
    assert_eq!(stores.other.list(rest[0].row, 2).await.unwrap(), []);
}

pub(crate) async fn aliases_are_told_apart_letter_by_letter(stores: Stores) {
    let aliases = ["Pass.v2", "pass.v2", "pass.v2\u{e9}", "pass.v2e"];
    for (number, alias) in aliases.into_iter().enumerate() {
        insert(&*stores.one, &number.to_string(), alias).await;
        insert(&*stores.one, &format!("{number} more"), alias).await;
    }
    let found: BTreeSet<_> = stores.one.aliases().await.unwrap().into_iter().collect();
    assert_eq!(found, aliases.map(str::to_owned).into());
    for alias in aliases {
        let under = stores.one.under_alias(alias, 10).await.unwrap();
        assert_eq!(under.len(), 4, "twice both: {alias}");
        assert!(under.iter().all(|key| key.alias == alias));
        let few = stores.one.under_alias(alias, 1).await.unwrap();
        let guns: Vec<_> = few.iter().map(|key| key.gun.ends_with("more")).collect();
        assert_eq!(guns, [false, true], "the oldest and the newest: {alias}");
    }
}

pub(crate) async fn an_id_in_upper_case_names_no_key(stores: Stores) {
    let id = loop {
        let id = insert_id(&*stores.one, "a", "one").await;
        if id.as_str().bytes().any(|digit| digit.is_ascii_lowercase()) {
            break id;
        }
    };
    let upper = KeyId::parse(&id.as_str().to_uppercase()).unwrap();
    assert!(stores.one.find(&upper).await.unwrap().is_none());
    assert!(!stores.one.delete(&upper, noon()).await.unwrap());
    let gone = stores
        .one
        .mark_used(&[(upper.clone(), noon())])
        .await
        .unwrap();
    assert_eq!(gone, [upper]);
    assert!(!stores.one.find(&id).await.unwrap().unwrap().used);
}

pub(crate) async fn bytes_come_back_as_they_were_stored(stores: Stores) {
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let purpose = Purpose {
            algorithm,
            ..purpose("it's \"quoted\"\\ \n ?", "$1")
        };
        let key = new_key(&purpose, "one");
        put(&*stores.one, &key).await.unwrap();
        let found = stores
            .one
            .find(&KeyId::from(key.public.id()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.public, key.public.public_bytes());
        assert_eq!(found.private, key.holding.private);
        assert_eq!((&found.gun, &found.role), (&purpose.gun, &purpose.role));
        assert_eq!(found.id, key.public.id().as_str());
    }
}

pub(crate) async fn names_of_every_kind_are_kept_or_refused_but_never_altered(stores: Stores) {
    let long = "x".repeat(256);
    for gun in ["emoji/\u{1f512}", long.as_str(), "nul\0"] {
        let key = new_key(&purpose(gun, "timestamp"), "one");
        match put(&*stores.one, &key).await {
            Ok(made) => {
                assert_eq!(made, key.public, "{gun}");
                let found = stores
                    .one
                    .find(&KeyId::from(made.id()))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(found.gun, gun);
                assert_eq!(stores.one.pending(&key.purpose).await.unwrap(), Some(made));
            }
            Err(error) => {
                assert_eq!(error.fault, Fault::Unstorable, "{gun}: {error}");
                assert_eq!(stores.one.count().await.unwrap(), 0, "{gun}");
                match stores.one.pending(&key.purpose).await {
                    Ok(pending) => assert_eq!(pending, None),
                    Err(error) => assert_eq!(error.fault, Fault::Unstorable, "{error}"),
                }
            }
        }
        for key in stores.one.list(0, 10).await.unwrap() {
            stores
                .one
                .delete(&KeyId::parse(&key.id).unwrap(), noon())
                .await
                .unwrap();
        }
    }
    // Whatever was refused, the connections work.
    insert(&*stores.one, "a", "one").await;
}

pub(crate) async fn a_probe_of_a_working_database_succeeds(stores: Stores) {
    stores.one.probe().await.unwrap();
    stores.one.record_metrics();
}

pub(crate) async fn a_caller_that_hangs_up_leaves_nothing_behind(stores: Stores) {
    let Stores { one, other } = stores;
    insert(&*one, "there before", "first").await;
    for left in 0.. {
        let start = Instant::now();
        let key = new_key(&purpose(&format!("hung up {left}"), "timestamp"), "first");
        let made = hang_up(put(&*one, &key), left).await;
        // By whichever signer it is asked for, it is made or there.
        put(&*other, &key).await.unwrap();
        put(&*one, &key).await.unwrap();
        let id = KeyId::from(key.public.id());
        let uses = [(id.clone(), noon())];
        let marked = hang_up(one.mark_used(&uses), left).await;
        assert_eq!(other.mark_used(&uses).await.unwrap(), []);
        let read = other.find(&id).await.unwrap().unwrap();
        let resealed = hang_up(
            async {
                let holding = holding("second", "sealed again", met(&*one, "second").await?);
                one.reseal(&read, &holding, noon()).await
            },
            left,
        )
        .await;
        let deleted = hang_up(one.delete(&id, noon()), left).await;
        other.delete(&id, noon()).await.unwrap();
        assert!(one.find(&id).await.unwrap().is_none());
        let elapsed = start.elapsed();
        assert!(elapsed.as_secs() < 8, "it waited for a lock: {elapsed:?}");
        if made.is_some() && marked.is_some() && resealed.is_some() && deleted.is_some() {
            assert!(left > 2, "only {left} await points were met");
            return;
        }
    }
}
