//! A whole publish and a whole read in process, with targets files of growing size: everything but
//! the network, on `SQLite` in memory and with keys in memory.

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use more of it than the benches")]
mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{Settings, TestServer};
use tokio::runtime::Runtime;

const GUN: &str = "docker.io/library/alpine";
const SIZES: [usize; 3] = [10, 1_000, 10_000];

async fn server() -> TestServer {
    TestServer::with(Settings {
        upload_bytes: 64 << 20,
        cache_bytes: 64 << 20,
        ..Settings::default()
    })
    .await
}

fn publish(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = c.benchmark_group("publish");
    group.sample_size(20);
    for targets in SIZES {
        let (server, mut publisher) = runtime.block_on(async {
            let server = server().await;
            let mut publisher = server.publisher(GUN).await;
            publisher.big_targets(targets);
            server.publish(GUN, &publisher.first_publish()).await.ok();
            (server, publisher)
        });
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter_batched(
                || publisher.next(&["targets"]),
                |parts| runtime.block_on(async { server.publish(GUN, &parts).await.ok() }),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = c.benchmark_group("read");
    for targets in SIZES {
        let (server, sum) = runtime.block_on(async {
            let server = server().await;
            let mut publisher = server.publisher(GUN).await;
            publisher.big_targets(targets);
            server.publish(GUN, &publisher.first_publish()).await.ok();
            let file = server.file(GUN, "targets.json").await.ok().body;
            let sum = hex::encode(ring::digest::digest(&ring::digest::SHA256, &file));
            (server, sum)
        });
        for (name, file) in [
            ("timestamp", "timestamp.json".to_owned()),
            ("targets", "targets.json".to_owned()),
            ("targets by checksum", format!("targets.{sum}.json")),
        ] {
            group.bench_function(BenchmarkId::new(name, targets), |b| {
                b.iter(|| runtime.block_on(async { server.file(GUN, &file).await.ok() }));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, publish, read);
criterion_main!(benches);
