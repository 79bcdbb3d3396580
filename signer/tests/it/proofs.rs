//! Nothing is encrypted with a passphrase that does not open what is stored under its alias.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use database::Condition;
use proto::{KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH};
use signer::{
    custody::{
        CustodyError, Report,
        encrypted::{
            EncryptedRows, RowError,
            envelope::{self, DEFAULT_ROUNDS},
            passphrases::Passphrases,
        },
        registry::Custodies,
    },
    keys::{KeyError, Keys, cache::CacheLimits},
    keystore::{
        Holding, KeyId, KeyStore, ListedKey, NewKey, Origin, Purpose, Resealed, StoreError,
        StoredKey, sql::SqlStore,
    },
    open::check_keys,
    rotation::{rotate_all, rotate_one},
    trial::{Checked, check_all},
};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::sync::watch;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tuf::{KeyAlgorithm, PublicKey};

use crate::support::{ALIAS, TestSigner, environment, now};

const RIGHT: &str = "throwaway-pass-1";
const WRONG: &str = "changed in place";

/// A signer whose passphrase is in a file, as orchestrators hand it over.
struct Stage {
    signer: TestSigner,
    file: PathBuf,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        fs::write(&file, RIGHT).unwrap();
        let variable = [("NOTARY_SIGNER_TIMESTAMP_1_FILE", file.to_str().unwrap())];
        let signer = TestSigner::with(environment(&variable)).await;
        Self {
            signer,
            file,
            folder,
        }
    }

    fn change(&self, passphrase: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, passphrase).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

fn with(passphrase: &str) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    environment(&[("NOTARY_SIGNER_TIMESTAMP_1", passphrase)])
}

fn purpose(gun: &str) -> Purpose {
    Purpose {
        algorithm: KeyAlgorithm::Ecdsa,
        gun: gun.to_owned(),
        role: "timestamp".to_owned(),
    }
}

async fn assert_refused(signer: &TestSigner, gun: &str) {
    let status = signer.create("ecdsa", gun, "timestamp").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(
        status.message(),
        "new keys cannot be encrypted at the moment"
    );
}

async fn is_serving(signer: &TestSigner) -> bool {
    signer.health.check(&signer.keys).await;
    let mut answers = Vec::new();
    for service in ["", KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH] {
        let service = service.to_owned();
        let mut client = HealthClient::new(signer.router.clone());
        let answer = client.check(HealthCheckRequest { service }).await.unwrap();
        answers.push(answer.into_inner().status == 1);
    }
    assert_eq!(signer.health.failing().is_empty(), answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    answers[0]
}

/// What a wrapper of a vault should have replaced.
const REFERENCE: &str = "keeper://UID/field/password";

#[tokio::test]
async fn a_reference_in_the_place_of_a_passphrase_stops_the_start_of_a_new_signer() {
    let signer = TestSigner::with(with(REFERENCE)).await;
    let error = check_keys(&signer.keys).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("NOTARY_SIGNER_TIMESTAMP_1"), "{text}");
    assert!(text.contains("`ksm exec --`"), "{text}");
    assert!(!text.contains("UID"), "{text}");
    assert_refused(&signer, "new").await;
    assert!(!is_serving(&signer).await);
}

#[tokio::test]
async fn a_reference_that_keys_were_encrypted_with_opens_them_and_encrypts_no_more() {
    let signer = TestSigner::with(with(RIGHT)).await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    let key = KeyId::parse(&id).unwrap();
    let stored = signer.keys.store().find(&key).await.unwrap().unwrap();
    let private = envelope::open(&stored.private, RIGHT.as_bytes()).unwrap();
    let sealed = envelope::seal(&private, REFERENCE.as_bytes(), DEFAULT_ROUNDS).unwrap();
    let update = format!(
        "UPDATE private_keys SET private = X'{}'",
        hex::encode(sealed)
    );
    signer.execute(&update).await;

    let signer = signer.restarted(with(REFERENCE)).await;
    check_keys(&signer.keys).await.unwrap();
    signer.sign(&id, b"x").await.unwrap();
    assert_refused(&signer, "new").await;
    assert!(is_serving(&signer).await);
    let Report {
        faults, warnings, ..
    } = signer.keys.check().await.unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let text = warnings[0].to_string();
    assert!(text.contains("key rotate-passphrase"), "{text}");
    assert!(text.contains("encrypts nothing"), "{text}");

    let both = environment(&[
        ("NOTARY_SIGNER_TIMESTAMP_1", REFERENCE),
        ("NOTARY_SIGNER_REAL", RIGHT),
    ]);
    let signer = signer.restarted(both).await;
    rotate_one(&signer.keys, &key, "real").await.unwrap();
    let signer = signer
        .restarted(environment(&[("NOTARY_SIGNER_REAL", RIGHT)]))
        .await;
    signer.sign(&id, b"x").await.unwrap();
}

/// What each row opens with, of the passphrases that play a part here.
async fn opens_with(signer: &TestSigner) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for listed in signer.keys.store().list(0, 1000).await.unwrap() {
        let id = KeyId::parse(&listed.id).unwrap();
        let stored = signer.keys.store().find(&id).await.unwrap().unwrap();
        let fits = [RIGHT, WRONG]
            .into_iter()
            .find(|passphrase| envelope::open(&stored.private, passphrase.as_bytes()).is_ok());
        found.insert(listed.gun, fits.unwrap());
    }
    found
}

#[tokio::test]
async fn a_passphrase_that_was_changed_in_place_makes_no_key_and_stored_ones_go_on_signing() {
    let stage = Stage::new().await;
    let signer = &stage.signer;
    let (known, cold) = (signer.create_id("a").await, signer.create_id("b").await);
    signer.sign(&known, b"x").await.unwrap();
    signer.forget(&cold);

    stage.change(WRONG);
    assert_refused(signer, "new").await;
    assert_refused(signer, "new").await;
    signer.sign(&known, b"x").await.unwrap();
    signer.sign(&cold, b"read from the database").await.unwrap();
    assert_eq!(
        signer.keys.store().count().await.unwrap(),
        2,
        "nothing was stored"
    );

    stage.change(RIGHT);
    let id = signer.create_id("new").await;
    signer.sign(&id, b"x").await.unwrap();
    let found = opens_with(signer).await;
    assert!(found.values().all(|passphrase| *passphrase == RIGHT));
}

#[tokio::test]
async fn the_refusal_says_which_alias_where_it_is_from_and_the_cure_but_no_passphrase() {
    let stage = Stage::new().await;
    let id = stage.signer.create_id("a").await;
    stage.change(WRONG);
    let error = stage.signer.keys.create(purpose("b")).await.unwrap_err();
    let text = format!("{error} {error:?}");
    let KeyError::Custody(CustodyError::Unavailable(cause)) = &error else {
        panic!("{error:?}");
    };
    let cause = cause.downcast_ref::<RowError>();
    assert!(matches!(cause, Some(RowError::Unproven { .. })));
    for part in [
        "alias timestamp_1",
        stage.file.to_str().unwrap(),
        &id,
        "put the previous passphrase back",
        "`notary-signer key rotate-passphrase`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(WRONG) && !text.contains(RIGHT), "{text}");
}

#[tokio::test]
async fn a_signer_whose_passphrase_was_changed_goes_on_serving_what_it_can_open_and_says_so() {
    let stage = Stage::new().await;
    stage.signer.create_id("a").await;
    assert!(is_serving(&stage.signer).await);
    stage.change(WRONG);
    assert!(is_serving(&stage.signer).await);
    let Report {
        faults,
        warnings,
        keys,
        ..
    } = stage.signer.keys.check().await.unwrap();
    assert!(faults.is_empty() && keys.is_empty());
    assert!(
        warnings[0].to_string().contains("nothing is encrypted"),
        "{}",
        warnings[0]
    );
    // Without a memory of the right one, a start is refused: it could not open anything.
    let fresh = stage.signer.beside_with(with(WRONG)).await;
    check_keys(&fresh.keys).await.unwrap_err();
    assert!(!is_serving(&fresh).await);
    assert_refused(&fresh, "b").await;
    // A passphrase that was taken away is not gone back to.
    fs::remove_file(&stage.file).unwrap();
    assert!(!is_serving(&stage.signer).await);
}

#[tokio::test]
async fn an_alias_without_keys_takes_a_changed_passphrase() {
    let stage = Stage::new().await;
    stage.change(WRONG);
    stage.signer.create_id("a").await;
    assert_eq!(opens_with(&stage.signer).await["a"], WRONG);
    stage.change(RIGHT);
    assert_refused(&stage.signer, "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_signers_with_different_passphrases_for_a_new_alias_the_one_with_the_first_key_wins() {
    for _ in 0..5 {
        let one = TestSigner::with(with(RIGHT)).await;
        let other = one.beside_with(with(WRONG)).await;
        check_keys(&one.keys).await.unwrap();
        check_keys(&other.keys).await.unwrap();
        let requests = (0..16).map(|number| {
            let keys = if number % 2 == 0 {
                &one.keys
            } else {
                &other.keys
            };
            let keys = Arc::clone(keys);
            tokio::spawn(async move { keys.create(purpose(&number.to_string())).await.is_ok() })
        });
        let mut made = 0;
        for request in requests.collect::<Vec<_>>() {
            made += usize::from(request.await.unwrap());
        }
        let found = opens_with(&one).await;
        assert_eq!((made, found.len()), (8, 8), "those of one signer");
        let passphrases: std::collections::BTreeSet<_> = found.values().collect();
        assert_eq!(passphrases.len(), 1, "{found:?}");
    }
}

#[tokio::test]
async fn keys_that_come_back_from_a_backup_count_from_then_on() {
    let one = TestSigner::with(with(RIGHT)).await;
    let running = one.beside_with(with(WRONG)).await;
    check_keys(&running.keys).await.unwrap();
    // Restored while the other runs.
    one.create_id("a").await;
    assert_refused(&running, "b").await;
}

#[tokio::test]
async fn a_passphrase_is_proven_anew_when_the_key_that_proved_it_is_gone() {
    let one = TestSigner::with(with(RIGHT)).await;
    one.create_id("a").await;
    // The alias is emptied, and another passphrase is the first under it.
    one.execute("UPDATE private_keys SET passphrase_alias = 'elsewhere'")
        .await;
    let other = one.beside_with(with(WRONG)).await;
    other.create_id("b").await;
    assert_refused(&one, "c").await;
    other.create_id("c").await;
    // Emptied once more, nothing speaks against either.
    other
        .execute("UPDATE private_keys SET passphrase_alias = 'elsewhere'")
        .await;
    other.create_id("d").await;
    assert_eq!(opens_with(&other).await["d"], WRONG);
}

#[tokio::test]
async fn what_was_proven_encrypts_and_not_what_the_file_says_by_then() {
    let stage = Stage::new().await;
    stage.signer.create_id("a").await;
    let encrypted = stage.signer.keys.custodies().encrypted();
    let store = stage.signer.keys.store();
    let proven = encrypted.prove(store, ALIAS).await.unwrap();
    stage.change(WRONG);
    let key = b"a key".to_vec().into();
    let sealed = encrypted.seal(&proven, key).await.unwrap();
    assert_eq!(
        *envelope::open(sealed.as_bytes(), RIGHT.as_bytes()).unwrap(),
        b"a key"
    );
}

#[tokio::test]
async fn a_key_that_was_left_by_an_earlier_change_in_place_does_not_prove_the_next() {
    let stage = Stage::new().await;
    for gun in ["a", "b", "lost"] {
        stage.signer.create_id(gun).await;
    }
    let other = TestSigner::with(with(WRONG)).await;
    other.create_id("x").await;
    let row = "SELECT hex(key_id || '/' || hex(public) || '/' || private) FROM private_keys";
    let row = hex::decode(other.text(row).await.unwrap()).unwrap();
    let row = String::from_utf8(row).unwrap();
    let [id, public, private] = row.split('/').collect::<Vec<_>>()[..] else {
        panic!("{row}");
    };
    stage
        .signer
        .execute(&format!(
            "UPDATE private_keys SET key_id = '{id}', public = x'{public}', \
             private = CAST('{private}' AS BLOB) WHERE gun = 'lost'"
        ))
        .await;
    check_keys(&stage.signer.keys).await.unwrap();
    stage.change(WRONG);
    assert_refused(&stage.signer, "new").await;
    assert!(is_serving(&stage.signer).await);
    assert_eq!(
        stage.signer.keys.check().await.unwrap().warnings.len(),
        1,
        "it is told"
    );
    // What that passphrase opens is opened with it.
    stage.signer.sign(id, b"x").await.unwrap();
    stage.change(RIGHT);
    stage.signer.create_id("new").await;
    assert_eq!(opens_with(&stage.signer).await["new"], RIGHT);
}

#[tokio::test]
async fn damaged_keys_say_nothing_about_a_passphrase_and_do_not_keep_an_alias_from_being_used() {
    let signer = TestSigner::with(with(RIGHT)).await;
    for gun in 0..8 {
        signer.create_id(&gun.to_string()).await;
    }
    signer
        .execute("UPDATE private_keys SET private = 'garbage' WHERE gun <> '4'")
        .await;
    // The one in the middle is found.
    let wrong = signer.beside_with(with(WRONG)).await;
    check_keys(&wrong.keys).await.unwrap_err();
    assert_refused(&wrong, "new").await;
    let right = signer.beside_with(with(RIGHT)).await;
    check_keys(&right.keys).await.unwrap();
    assert_eq!(right.keys.check().await.unwrap().keys.len(), 1);
    right.create_id("new").await;
    // There is none.
    signer
        .execute("UPDATE private_keys SET private = 'garbage'")
        .await;
    let first = signer.beside_with(with(WRONG)).await;
    check_keys(&first.keys).await.unwrap();
    assert!(is_serving(&first).await);
    let id = first.create_id("first").await;
    first.sign(&id, b"x").await.unwrap();
    let late = signer.beside_with(with(RIGHT)).await;
    assert_refused(&late, "late").await;
}

#[tokio::test]
async fn no_key_is_moved_to_an_alias_whose_passphrase_does_not_open_its_keys() {
    let signer = TestSigner::with(environment(&[
        ("NOTARY_SIGNER_TIMESTAMP_1", RIGHT),
        ("NOTARY_SIGNER_NEXT", RIGHT),
    ]))
    .await;
    let (a, b) = (signer.create_id("a").await, signer.create_id("b").await);
    let a = KeyId::parse(&a).unwrap();
    assert_eq!(rotate_one(&signer.keys, &a, "next").await.unwrap().moved, 1);
    let changed = signer
        .beside_with(environment(&[
            ("NOTARY_SIGNER_TIMESTAMP_1", RIGHT),
            ("NOTARY_SIGNER_NEXT", WRONG),
        ]))
        .await;
    let b = KeyId::parse(&b).unwrap();
    let one = rotate_one(&changed.keys, &b, "next").await.unwrap_err();
    let all = rotate_all(&changed.keys, "next", |_, _| ()).await;
    for error in [one, all.unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("alias next (NOTARY_SIGNER_NEXT)"), "{text}");
    }
    let checked = check_all(&signer.keys, |_, _| ()).await.unwrap();
    assert_eq!(
        checked,
        Checked {
            usable: 2,
            unusable: 0
        }
    );
}

#[tokio::test]
async fn of_rotations_at_once_to_a_new_alias_with_different_passphrases_one_goes_on() {
    let both = |next| {
        environment(&[
            ("NOTARY_SIGNER_TIMESTAMP_1", RIGHT),
            ("NOTARY_SIGNER_NEXT", next),
        ])
    };
    let one = TestSigner::with(both(RIGHT)).await;
    for gun in 0..30 {
        one.create_id(&gun.to_string()).await;
    }
    let other = one.beside_with(both(WRONG)).await;
    let (first, second) = tokio::join!(
        rotate_all(&one.keys, "next", |_, _| ()),
        rotate_all(&other.keys, "next", |_, _| ()),
    );
    let moved = [first, second].map(|rotated| rotated.map_or(0, |rotated| rotated.moved));
    assert!(moved.contains(&30) && moved.contains(&0), "{moved:?}");
    let passphrases: std::collections::BTreeSet<_> = opens_with(&one).await.into_values().collect();
    assert_eq!(passphrases.len(), 1, "{passphrases:?}");
}

#[tokio::test]
async fn one_key_of_another_alias_that_does_not_open_stops_nobody_and_is_told() {
    let signer = TestSigner::with(environment(&[
        ("NOTARY_SIGNER_TIMESTAMP_1", RIGHT),
        ("NOTARY_SIGNER_OLD", WRONG),
    ]))
    .await;
    let (good, bad) = (signer.create_id("a").await, signer.create_id("bad").await);
    signer
        .execute("UPDATE private_keys SET passphrase_alias = 'old' WHERE gun = 'bad'")
        .await;
    check_keys(&signer.keys).await.unwrap();
    assert!(is_serving(&signer).await);
    signer.sign(&good, b"x").await.unwrap();
    signer.create_id("new").await;
    signer.forget(&bad);
    let status = signer.sign(&bad, b"x").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::Internal,
            format!("Signing failed for KeyID {bad}").as_str()
        )
    );
    let report = signer.keys.check().await.unwrap();
    assert!(report.faults.is_empty());
    let problem = report.warnings[0].to_string();
    let expected = format!("alias old (NOTARY_SIGNER_OLD) does not open key {bad}");
    assert!(problem.contains(&expected), "{problem}");
}

#[tokio::test]
async fn what_a_passphrase_gave_is_wiped_by_the_check_after_it_is_gone() {
    let stage = Stage::new().await;
    let signer = &stage.signer;
    let id = signer.create_id("a").await;
    let derived = || signer.keys.custodies().encrypted().derivations();
    signer.forget(&id);
    signer.describe(&id).await.unwrap();
    assert_eq!(derived(), 1, "it is kept");

    fs::remove_file(&stage.file).unwrap();
    assert_eq!(signer.keys.check().await.unwrap().faults.len(), 1);
    stage.change(RIGHT);
    signer.forget(&id);
    signer.describe(&id).await.unwrap();
    assert_eq!(derived(), 2);
}

#[tokio::test]
async fn what_a_passphrase_gave_is_wiped_by_the_check_after_its_last_key_moved() {
    let variables = [
        ("NOTARY_SIGNER_TIMESTAMP_1", RIGHT),
        ("NOTARY_SIGNER_NEXT", "another"),
    ];
    let signer = TestSigner::with(environment(&variables)).await;
    signer.create_id("a").await;
    rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    rotate_all(&signer.keys, ALIAS, |_, _| ()).await.unwrap();
    let derived = || signer.keys.custodies().encrypted().derivations();
    assert_eq!(derived(), 2, "one for each alias");
    signer.keys.check().await.unwrap();
    rotate_all(&signer.keys, "next", |_, _| ()).await.unwrap();
    assert_eq!(derived(), 3, "again for the alias that had no key");
}

#[tokio::test]
async fn one_key_that_does_not_open_among_others_is_named_and_stops_nobody() {
    let signer = TestSigner::with(with(RIGHT)).await;
    let mut ids = Vec::new();
    for gun in ["a", "b", "c", "last"] {
        ids.push(signer.create_id(gun).await);
    }
    let other = TestSigner::with(with(WRONG)).await;
    other.create_id("x").await;
    let sealed = other
        .text("SELECT CAST(private AS TEXT) FROM private_keys")
        .await
        .unwrap();
    signer
        .execute(&format!(
            "UPDATE private_keys SET private = CAST('{sealed}' AS BLOB) WHERE gun = 'last'"
        ))
        .await;
    let signer = signer.beside_with(with(RIGHT)).await;
    check_keys(&signer.keys).await.unwrap();
    assert!(is_serving(&signer).await);
    let report = signer.keys.check().await.unwrap();
    assert!(report.faults.is_empty() && report.warnings.is_empty());
    assert!(report.keys[0].to_string().contains(&ids[3]), "{report:?}");
    signer.sign(&ids[3], b"x").await.unwrap_err();
    signer.sign(&ids[0], b"x").await.unwrap();
    signer.create_id("new").await;
}

#[tokio::test]
async fn a_start_is_refused_if_no_key_opens_though_the_alias_of_new_keys_is_a_new_one() {
    let signer = TestSigner::with(with(RIGHT)).await;
    signer.create_id("a").await;
    signer
        .execute("UPDATE private_keys SET passphrase_alias = 'old'")
        .await;
    for old in [None, Some(("NOTARY_SIGNER_OLD", WRONG))] {
        let new = ("NOTARY_SIGNER_TIMESTAMP_1", "new");
        let variables: Vec<_> = [new].into_iter().chain(old).collect();
        let signer = signer.beside_with(environment(&variables)).await;
        let error = check_keys(&signer.keys).await.unwrap_err();
        assert!(error.to_string().contains("NOTARY_SIGNER_OLD"), "{error}");
        assert!(!is_serving(&signer).await);
    }
}

/// A store that counts how often it is asked for keys to try passphrases on, and how often for
/// anything.
struct Counted {
    store: Arc<dyn KeyStore>,
    trials: AtomicUsize,
    calls: AtomicUsize,
}

impl Counted {
    fn count_call(&self) -> &dyn KeyStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }

    fn counts(&self) -> (usize, usize) {
        let trials = self.trials.load(Ordering::Relaxed);
        (trials, self.calls.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl KeyStore for Counted {
    async fn pending(&self, purpose: &Purpose) -> Result<Option<PublicKey>, StoreError> {
        self.count_call().pending(purpose).await
    }

    async fn still_pending(
        &self,
        id: &KeyId,
        purpose: &Purpose,
    ) -> Result<Option<PublicKey>, StoreError> {
        self.count_call().still_pending(id, purpose).await
    }

    async fn count_pending(&self, most: u32) -> Result<u64, StoreError> {
        self.count_call().count_pending(most).await
    }

    async fn insert_pending(
        &self,
        key: &NewKey,
        now: OffsetDateTime,
    ) -> Result<Option<PublicKey>, StoreError> {
        self.count_call().insert_pending(key, now).await
    }

    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.count_call().find(id).await
    }

    async fn origin(&self, id: &KeyId) -> Result<Option<Origin>, StoreError> {
        self.count_call().origin(id).await
    }

    async fn mark_used(&self, uses: &[(KeyId, OffsetDateTime)]) -> Result<Vec<KeyId>, StoreError> {
        self.count_call().mark_used(uses).await
    }

    async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.count_call().delete(id, now).await
    }

    async fn reseal(
        &self,
        key: &StoredKey,
        holding: &Holding,
        now: OffsetDateTime,
    ) -> Result<Resealed, StoreError> {
        self.count_call().reseal(key, holding, now).await
    }

    async fn list(&self, after: i64, limit: u16) -> Result<Vec<ListedKey>, StoreError> {
        self.count_call().list(after, limit).await
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.count_call().count().await
    }

    async fn aliases(&self) -> Result<Vec<String>, StoreError> {
        self.count_call().aliases().await
    }

    async fn under_alias(&self, alias: &str, limit: u16) -> Result<Vec<StoredKey>, StoreError> {
        self.trials.fetch_add(1, Ordering::Relaxed);
        self.count_call().under_alias(alias, limit).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.count_call().probe().await
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.store.condition()
    }

    fn is_indexed(&self) -> bool {
        self.store.is_indexed()
    }

    fn record_metrics(&self) {
        self.store.record_metrics();
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[tokio::test]
async fn a_proof_is_made_once_for_each_passphrase_and_a_signature_costs_none() {
    let stage = Stage::new().await;
    stage.signer.create_id("there before").await;
    let store = Arc::new(Counted {
        store: Arc::new(SqlStore::new(stage.signer.pool.clone())),
        trials: AtomicUsize::new(0),
        calls: AtomicUsize::new(0),
    });
    let variable = [(
        "NOTARY_SIGNER_TIMESTAMP_1_FILE",
        stage.file.to_str().unwrap(),
    )];
    let passphrases = Passphrases::new(environment(&variable), []);
    let keys = Keys::new(
        Arc::clone(&store) as Arc<dyn KeyStore>,
        Custodies::new(EncryptedRows::new(
            passphrases,
            ALIAS.to_owned(),
            DEFAULT_ROUNDS,
        )),
        CacheLimits::default(),
        now,
    );
    let key = keys.create(purpose("a")).await.unwrap();
    for gun in 0..5 {
        keys.create(purpose(&gun.to_string())).await.unwrap();
    }
    assert_eq!(store.counts().0, 1, "several keys, one proof");
    let id = KeyId::from(key.id());
    keys.sign(&id, "x".into()).await.unwrap();
    let before = store.counts();
    for _ in 0..5 {
        keys.sign(&id, "x".into()).await.unwrap();
    }
    assert_eq!(store.counts(), before, "nothing is asked");

    stage.change(WRONG);
    let many = (0..5).map(|number| keys.create(purpose(&format!("refused {number}"))));
    for refused in futures_util::future::join_all(many).await {
        refused.unwrap_err();
    }
    assert_eq!(store.counts().0, 2, "and one refusal");
    stage.change(RIGHT);
    keys.create(purpose("b")).await.unwrap();
    assert_eq!(store.counts().0, 2, "the one before is remembered");
}
