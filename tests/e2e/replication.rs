//! A PostgreSQL with a synchronous standby: a server on the standby is a read replica, and a
//! promoted standby has every publish that was acknowledged.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::Publisher;
use harness::{Backend, Network, Pair, Routes, Trust, process::eventually};
use serde_json::Value;

const GUN: &str = "example.com/app";

#[test]
fn a_server_on_a_standby_reads_and_a_promoted_standby_has_every_acknowledged_publish() -> Result<()>
{
    harness::play_on(Backend::Postgres, |sandbox| {
        const BEFORE: u64 = 5;
        const RECOVERY: Duration = Duration::from_secs(30);
        let mut trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        let way = Network::to(trust.database()?.address())?;
        trust.reroute(Routes {
            database: Some(way.address()),
            ..Routes::default()
        })?;
        let standby = trust.database()?.start_standby()?;
        let mut replica = trust.beside(sandbox, Pair::COUNTERSIGN)?;
        replica.reroute(Routes {
            database: Some(standby.address()),
            ..Routes::default()
        })?;

        let mut owner = Publisher::new(GUN);
        for role in ["timestamp", "snapshot"] {
            let key = trust.metadata(GUN, &format!("{role}.key"))?;
            owner = owner.with_server_key_document(role, &key);
        }
        let mut parts = owner.first_publish();
        for _ in 1..=BEFORE {
            trust.publish(GUN, &parts)?.ok()?;
            parts = owner.next(&["targets"]);
        }

        eventually("the replica shows the publishes", RECOVERY, || {
            Ok(replica.get(&path("targets.json"))?.status == 200 && version(&replica)? == BEFORE)
        })?;
        let refused = replica.publish(GUN, &parts)?;
        ensure!(refused.status == 503, "{refused}");
        ensure!(refused.header("retry-after").is_some(), "{refused}");
        let health = replica.get("/_notary_server/health")?;
        let words = String::from_utf8_lossy(&health.body).into_owned();
        ensure!(words.contains("read-only"), "{words}");
        ensure!(version(&replica)? == BEFORE, "reads go on");

        trust.database()?.kill()?;
        standby.promote()?;
        way.lead_to(standby.address());
        eventually("publishes go on", RECOVERY, || {
            Ok(trust.publish(GUN, &parts)?.status == 200)
        })?;
        ensure!(version(&trust)? == BEFORE + 1);
        (1..=BEFORE + 1).try_for_each(|version| crate::crashes::is_whole(&trust, GUN, version))?;
        let parts = owner.next(&["targets"]);
        eventually("the replica accepts publishes", RECOVERY, || {
            Ok(replica.publish(GUN, &parts)?.status == 200)
        })
    })
}

fn path(file: &str) -> String {
    format!("/v2/{GUN}/_trust/tuf/{file}")
}

fn version(trust: &Trust) -> Result<u64> {
    let targets: Value = serde_json::from_slice(&trust.metadata(GUN, "targets.json")?)?;
    targets["signed"]["version"].as_u64().context("no version")
}
