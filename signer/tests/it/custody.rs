//! A second custody beside encrypted rows: a device in memory whose pairs never leave it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use archive::{Emptiness, Header, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use signer::{
    custody::{
        Created, Custody, CustodyError, Report, SigningKey, custody_name, registry::Custodies,
    },
    keystore::{
        Holding, KeyId, KeyStore, NewKey, Precondition, Purpose, StoreError, StoredKey,
        sql::SqlStore,
    },
    rotation::rotate_all,
    trial::{Checked, Tried, check_all, try_keys},
};
use time::OffsetDateTime;
use tonic::Code;
use tuf::{KeyType, PrivateKey, PublicKey};

use crate::support::{TestSigner, custodies, environment, now};

const PASSPHRASE: [(&str, &str); 1] = [("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")];

/// What there is of a device: its pairs by label, whether it is plugged in, and what it waits for
/// between storing a key and answering it.
#[derive(Clone, Default)]
struct Device {
    pairs: Arc<Mutex<HashMap<String, Arc<PrivateKey>>>>,
    is_away: Arc<AtomicBool>,
    answering: Arc<tokio::sync::Mutex<()>>,
}

impl Device {
    fn reach(&self) -> Result<(), CustodyError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(CustodyError::Unavailable("the device is away".into()));
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.pairs.lock().unwrap().len()
    }
}

#[async_trait]
impl Custody for Device {
    fn name(&self) -> &'static str {
        "device"
    }

    async fn create(
        &self,
        purpose: &Purpose,
        rows: &dyn KeyStore,
        now: OffsetDateTime,
    ) -> Result<Created, CustodyError> {
        self.reach()?;
        let pair = PrivateKey::generate(purpose.algorithm)
            .map_err(|error| CustodyError::Broken(error.into()))?;
        let (public, label) = (pair.public().clone(), pair.public().id().to_string());
        self.pairs
            .lock()
            .unwrap()
            .insert(label.clone(), Arc::new(pair));
        let new = NewKey {
            public: public.clone(),
            purpose: purpose.clone(),
            holding: Holding {
                alias: "custody:device".to_owned(),
                encryption: "",
                wrapping: "",
                private: format!("device:{label}").into_bytes(),
                precondition: Precondition::None,
            },
        };
        let pending = rows.insert_pending(&new, now).await?;
        let key = pending.expect("there is no precondition");
        if key != public {
            self.pairs.lock().unwrap().remove(&label);
            return Ok(Created::Before(key));
        }
        let pair = Arc::clone(&self.pairs.lock().unwrap()[&label]);
        let _turn = self.answering.lock().await;
        Ok(Created::Now(Arc::new(Handle {
            device: self.clone(),
            pair,
        })))
    }

    async fn open(&self, key: StoredKey) -> Result<Arc<dyn SigningKey>, CustodyError> {
        self.reach()?;
        let public = PublicKey::new(KeyType::from(key.algorithm.as_str()), key.public);
        let found = self.pairs.lock().unwrap().get(&key.id).cloned();
        match found {
            Some(pair) if *pair.public() == public => Ok(Arc::new(Handle {
                device: self.clone(),
                pair,
            })),
            _ => Err(CustodyError::Broken("the device has no such pair".into())),
        }
    }

    async fn delete(&self, key: &StoredKey) -> Result<(), CustodyError> {
        self.reach()?;
        self.pairs.lock().unwrap().remove(&key.id);
        Ok(())
    }

    async fn check(&self, _: &dyn KeyStore, takes_new_keys: bool) -> Result<Report, StoreError> {
        let mut report = Report::default();
        match self.reach() {
            Err(problem) if takes_new_keys => report.faults.push(problem),
            Err(problem) => report.warnings.push(problem),
            Ok(()) => {}
        }
        Ok(report)
    }

    async fn check_new_keys(&self, _: &dyn KeyStore) -> Result<(), CustodyError> {
        self.reach()
    }

    fn is_restored_from_rows(&self) -> bool {
        false
    }
}

/// A pair in the device, which signs there.
struct Handle {
    device: Device,
    pair: Arc<PrivateKey>,
}

#[async_trait]
impl SigningKey for Handle {
    fn public(&self) -> &PublicKey {
        self.pair.public()
    }

    async fn sign(&self, message: Bytes) -> Result<Vec<u8>, CustodyError> {
        self.device.reach()?;
        self.pair
            .sign(&message)
            .map_err(|error| CustodyError::Broken(error.into()))
    }
}

fn both(device: &Device) -> Custodies {
    custodies(environment(&PASSPHRASE)).with(Arc::new(device.clone()), true)
}

/// A signer on the database of `other`, whose new keys go to `device`.
async fn with_device(other: &TestSigner, device: &Device) -> TestSigner {
    other.beside_with_custodies(both(device)).await
}

#[test]
fn only_an_alias_with_the_mark_names_a_custody() {
    assert_eq!(custody_name("custody:device"), Some("device"));
    assert_eq!(custody_name("custody:device:slot-1:2"), Some("device"));
    assert_eq!(custody_name("timestamp_1"), None);
    assert_eq!(custody_name("my_custody:x"), None);
}

#[tokio::test]
async fn keys_of_two_custodies_stand_beside_each_other_in_one_table() {
    let before = TestSigner::start().await;
    let encrypted = before.create_id("a").await;
    let device = Device::default();
    let signer = with_device(&before, &device).await;
    let resident = signer.create_id("b").await;
    assert_eq!(signer.create_id("b").await, resident, "it is pending");
    assert_eq!(signer.create_id("a").await, encrypted, "so is this one");
    assert_eq!(device.len(), 1, "nothing is left of a pair made in vain");
    for id in [&encrypted, &resident] {
        signer.sign(id, b"content").await.unwrap();
        signer.sign(id, b"from the cache").await.unwrap();
    }
    let checked = check_all(&signer.keys, |_, _| ()).await.unwrap();
    assert_eq!((checked.usable, checked.unusable), (2, 0));
    let row = "SELECT CAST(private AS TEXT) FROM private_keys WHERE gun = 'b'";
    assert_eq!(
        signer.text(row).await.unwrap(),
        format!("device:{resident}")
    );

    signer.delete(&resident).await.unwrap();
    assert_eq!(device.len(), 0);
    assert_eq!(
        signer.sign(&resident, b"x").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_key_that_is_deleted_before_its_maker_answers_does_not_stay_open() {
    let device = Device::default();
    let start = TestSigner::start().await;
    let signer = with_device(&start, &device).await;
    let turn = device.answering.lock().await;
    let delete_then_answer = async {
        let id = loop {
            let id = "SELECT COALESCE(MAX(key_id), '') FROM private_keys";
            match signer.text(id).await {
                Some(id) if !id.is_empty() => break id,
                _ => tokio::task::yield_now().await,
            }
        };
        signer.delete(&id).await.unwrap();
        drop(turn);
        id
    };
    let (created, deleted) = tokio::join!(signer.create_id("a"), delete_then_answer);
    assert_eq!(created, deleted);
    assert!(signer.keys.cache().is_empty());
    let status = signer.describe(&deleted).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    signer.create_id("b").await;
    assert_eq!(signer.keys.cache().len(), 1, "the next one stays open");
}

#[tokio::test]
async fn a_signer_without_the_custody_fails_on_its_rows_alone_and_says_why() {
    let plain = TestSigner::start().await;
    let encrypted = plain.create_id("a").await;
    let device = Device::default();
    let resident = with_device(&plain, &device).await.create_id("b").await;

    let status = plain.sign(&resident, b"x").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    plain.sign(&encrypted, b"x").await.unwrap();
    signer::open::check_keys(&plain.keys).await.unwrap();
    let mut problems = Vec::new();
    let checked = check_all(&plain.keys, |_, problem| problems.extend(problem)).await;
    let expected = Checked {
        usable: 1,
        unusable: 1,
    };
    assert_eq!(checked.unwrap(), expected);
    assert_eq!(
        problems[0].to_string(),
        format!("key {resident} is kept in device, which this signer is not set up for")
    );
    // No alias of a passphrase can pass for the mark.
    let error = rotate_all(&plain.keys, "custody:device", |_, _| ()).await;
    assert!(error.unwrap_err().to_string().contains("custody:device"));
}

#[tokio::test]
async fn a_device_that_is_away_is_told_and_needs_no_restart_when_it_is_back() {
    let device = Device::default();
    let start = TestSigner::start().await;
    let signer = with_device(&start, &device).await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();

    device.is_away.store(true, Ordering::Relaxed);
    let sign = signer.sign(&id, b"x").await.unwrap_err();
    let create = signer.create("ecdsa", "b", "timestamp").await.unwrap_err();
    assert_eq!(sign.code(), Code::Unavailable);
    assert_eq!(create.code(), Code::Unavailable);
    signer.health.check(&signer.keys).await;
    assert!(signer.health.failing()["Passphrases"].contains("the device is away"));

    device.is_away.store(false, Ordering::Relaxed);
    signer.sign(&id, b"x").await.unwrap();
    signer.create_id("b").await;
    signer.health.check(&signer.keys).await;
    assert!(signer.health.failing().is_empty());
}

#[tokio::test]
async fn a_rotation_of_passphrases_leaves_keys_in_a_device_alone() {
    let variables = [PASSPHRASE[0], ("NOTARY_SIGNER_NEXT", "two")];
    let start = TestSigner::with(environment(&variables)).await;
    start.create_id("a").await;
    let device = Device::default();
    let resident = with_device(&start, &device).await.create_id("b").await;
    let rotated = rotate_all(&start.keys, "next", |_, _| ()).await.unwrap();
    assert_eq!((rotated.moved, rotated.untouched), (1, 1));
    let id = KeyId::parse(&resident).unwrap();
    let found = start.keys.store().find(&id).await.unwrap().unwrap();
    assert_eq!(found.alias, "custody:device");
}

#[tokio::test]
async fn a_backup_counts_the_keys_that_it_does_not_bring_back() {
    let start = TestSigner::start().await;
    start.create_id("a").await;
    let device = Device::default();
    let signer = with_device(&start, &device).await;
    signer.create_id("b").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signer.backup");
    let header = Header {
        kind: Kind::Keys,
        taken_at: now(),
        program: "test".to_owned(),
    };
    let store = SqlStore::new(signer.pool.clone());
    archive::backup(&store, &file, header, None, Emptiness::Refused)
        .await
        .unwrap();
    let (reader, size) = archive::open(&file, None).unwrap();
    let tried = try_keys(&both(&device), reader, size).await.unwrap();
    let expected = Tried {
        open: 1,
        elsewhere: 1,
        ..Tried::default()
    };
    assert_eq!(tried, expected);
}
