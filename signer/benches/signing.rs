//! Signing through the whole service, without a network: what one more signature costs when its
//! key is in memory, when it has to be decrypted first, and when it is the first of its key.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use database::{OpenMode, PoolLimits, SqliteUrl, migrate};
use signer::{
    custody::{
        encrypted::{EncryptedRows, envelope::DEFAULT_ROUNDS, passphrases::Passphrases},
        registry::Custodies,
    },
    keys::{Keys, cache::CacheLimits},
    keystore::{KeyId, Purpose, schema::SQLITE, sql::SqlStore},
};
use tokio::runtime::Runtime;
use tuf::KeyAlgorithm;

const ALIAS: &str = "bench";

/// The service on a database in memory.
async fn service() -> Arc<Keys> {
    let pool = SqliteUrl::MEMORY
        .connect(PoolLimits::default(), OpenMode::MayCreate)
        .await
        .expect("memory opens");
    migrate(&pool, &SQLITE)
        .await
        .expect("a new database migrates");
    let passphrases = Passphrases::ephemeral(ALIAS).expect("there is randomness");
    let encrypted = EncryptedRows::new(passphrases, ALIAS.to_owned(), DEFAULT_ROUNDS);
    let limits = CacheLimits {
        keys: NonZeroUsize::new(10_000).expect("not zero"),
        idle: Duration::from_hours(1),
        ..CacheLimits::default()
    };
    let store = Arc::new(SqlStore::new(pool));
    Arc::new(Keys::new(
        store,
        Custodies::new(encrypted),
        limits,
        daemon::clock::now,
    ))
}

async fn key(keys: &Keys, algorithm: KeyAlgorithm, gun: &str) -> KeyId {
    let purpose = Purpose {
        algorithm,
        gun: gun.to_owned(),
        role: "timestamp".to_owned(),
    };
    KeyId::from(keys.create(purpose).await.expect("a key is made").id())
}

fn signing(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let keys = runtime.block_on(service());
    for (name, algorithm) in [
        ("ecdsa", KeyAlgorithm::Ecdsa),
        ("ed25519", KeyAlgorithm::Ed25519),
    ] {
        let id = runtime.block_on(key(&keys, algorithm, name));
        let mut group = criterion.benchmark_group(format!("sign/{name}"));
        for length in [500, 100_000] {
            let content = Bytes::from(vec![b'x'; length]);
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(length.to_string(), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter(|| keys.sign(&id, content.clone()));
            });
        }
        group.finish();
    }
    let id = runtime.block_on(key(&keys, KeyAlgorithm::Ecdsa, "cold"));
    criterion.bench_function("sign/decrypting first", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            keys.cache().remove(&id);
            keys.sign(&id, Bytes::from_static(b"content")).await
        });
    });
}

criterion_group!(benches, signing);
criterion_main!(benches);
