//! What a publish costs: canonical JSON, reading a file, signatures, names, and the whole
//! validation of first and following updates.

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
                    |parts| accept(&gun, &parts),
                    BatchSize::LargeInput,
                );
            },
        );
    }
    group.finish();
}

/// From the bytes of an upload to what it changes, with stored files that are kept from before.
fn next_updates(criterion: &mut Criterion) {
    let gun = Gun::parse(GUN).expect("a repository's name");
    let mut group = criterion.benchmark_group("update");
    for count in [10, 1_000, 50_000] {
        let mut owner = Publisher::new(GUN).holds_snapshot(true);
        owner.big_targets(count);
        let mut stored = Stored::default();
        for (name, bytes) in owner.first_publish() {
            stored.insert_bytes(role(&name), bytes.into());
        }
        for (name, bytes) in owner.as_server() {
            stored.insert_bytes(role(&name), bytes.into());
        }
        owner.add_target("targets", "one-more", b"content");
        let next = owner.next(&["targets", "snapshot"]).into_iter();
        let parts: Vec<(Role, Bytes)> = next
            .map(|(name, bytes)| (role(&name), bytes.into()))
            .collect();
        let length: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("judge", count), |bencher| {
            bencher.iter(|| {
                let accepted = check(&gun, &stored, update(&parts), clock()).expect("it is good");
                (accepted.changes(), accepted.difference())
            });
        });
    }
    group.finish();
}

/// The names of repositories and roles, as they stand in paths.
fn names(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("name");
    for name in [
        "library/alpine",
        "registry.example.com:5000/team/project/image",
    ] {
        group.bench_with_input(BenchmarkId::new("gun", name), name, |bencher, name| {
            bencher.iter(|| Gun::parse(black_box(name)));
        });
    }
    for name in ["timestamp", "targets/releases/nightly"] {
        group.bench_with_input(BenchmarkId::new("role", name), name, |bencher, name| {
            bencher.iter(|| Role::parse(black_box(name)));
        });
    }
    group.finish();
}

fn update(parts: &[(Role, Bytes)]) -> Update {
    let mut update = Update::default();
    for (role, bytes) in parts {
        let file = Uploaded::read(role.clone(), bytes.clone(), &Limits::default());
        update.insert(file.expect("the publisher writes JSON"));
    }
    update
}

fn accept(gun: &Gun, parts: &[(Role, Bytes)]) -> Vec<u8> {
    let first = check(gun, &Stored::default(), update(parts), clock());
    let accepted = first.expect("the publish is good");
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

criterion_group!(benches, files, signatures, checks, next_updates, names);
criterion_main!(benches);
