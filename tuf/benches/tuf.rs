//! What a publish costs: canonical JSON, reading a file, signatures, and the whole validation.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Part, Publisher, clock};
use tuf::{
    Checksums, File, Gun, KeyAlgorithm, Limits, MetadataFormat, PrivateKey, Role, Stored, Update,
    Uploaded, canonical, check,
};

const GUN: &str = "example.com/app";
const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// A first publish of root, `count` targets and a snapshot made by the client.
fn publish(count: usize) -> Vec<(Role, Bytes)> {
    let mut owner = Publisher::new(GUN).holds_snapshot(true);
    owner.big_targets(count);
    owner
        .first_publish()
        .into_iter()
        .map(|part: Part| (role(&part.0), part.1.into()))
        .collect()
}

fn role(name: &str) -> Role {
    Role::parse(name).expect("the publisher names roles")
}

fn targets(count: usize) -> Bytes {
    publish(count)
        .into_iter()
        .find(|(role, _)| *role == Role::Targets)
        .expect("targets are published")
        .1
}

fn files(criterion: &mut Criterion) {
    for count in SIZES {
        let bytes = targets(count);
        let mut group = criterion.benchmark_group("file");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("canonical", count),
            &bytes,
            |bencher, bytes| {
                bencher.iter(|| canonical::encode(black_box(bytes)));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("parse", count),
            &bytes,
            |bencher, bytes| {
                bencher.iter(|| File::parse(MetadataFormat::NOTARY, Role::Targets, bytes.clone()));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("upload", count),
            &bytes,
            |bencher, bytes| {
                let limits = Limits::default();
                bencher.iter(|| Uploaded::read(Role::Targets, bytes.clone(), &limits));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("checksums", count),
            &bytes,
            |bencher, bytes| {
                bencher.iter(|| Checksums::of(black_box(bytes)));
            },
        );
        group.finish();
    }
}

fn signatures(criterion: &mut Criterion) {
    let message = [b'x'; 1024];
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).expect("the system has random bytes");
        let signature = key.sign(&message).expect("the system has random bytes");
        let method = key.public().signature_method();
        let mut group = criterion.benchmark_group(method.as_str());
        group.bench_function("sign", |bencher| {
            bencher.iter(|| key.sign(black_box(&message)));
        });
        group.bench_function("verify", |bencher| {
            bencher.iter(|| {
                key.public()
                    .verifies(&method, black_box(&message), &signature)
            });
        });
        group.finish();
    }
}

/// From the bytes of an upload to the timestamp's draft.
fn checks(criterion: &mut Criterion) {
    let gun = Gun::parse(GUN).expect("a repository's name");
    let mut group = criterion.benchmark_group("publish");
    for count in SIZES {
        let parts = publish(count);
        group.bench_with_input(
            BenchmarkId::new("parse and check", count),
            &parts,
            |bencher, parts| {
                bencher.iter_batched(
                    || parts.clone(),
                    |parts| accept(&gun, parts),
                    BatchSize::LargeInput,
                );
            },
        );
    }
    group.finish();
}

fn accept(gun: &Gun, parts: Vec<(Role, Bytes)>) -> Vec<u8> {
    let mut update = Update::default();
    for (role, bytes) in parts {
        update.insert(
            Uploaded::read(role, bytes, &Limits::default()).expect("the publisher writes JSON"),
        );
    }
    let accepted = check(gun, &Stored::default(), update, clock()).expect("the publish is good");
    let snapshot = accepted
        .files()
        .last()
        .expect("a snapshot was sent")
        .clone();
    accepted
        .timestamp_to_make(&snapshot, clock())
        .message()
        .to_vec()
}

criterion_group!(benches, files, signatures, checks);
criterion_main!(benches);
