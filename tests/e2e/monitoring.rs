//! Prometheus with the rules that come with the programs, against a running server.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use daemon::clock;
use harness::{
    Daemon, Pair, Said, Sandbox, Trust,
    process::{eventually, program},
};
use serde_json::Value;
use time::Duration as Span;

use crate::counts::repository;

/// Longer than a server takes to look at its signer, and Prometheus to look at the server.
const PATIENCE: Duration = Duration::from_mins(1);

/// What comes with the programs for Prometheus and Grafana.
fn packaged(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let path = path.join(file);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let documented: BTreeSet<String> = fs::read_to_string(page)?
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    let mut found = 0;
    for file in ["prometheus/alerts.yml", "grafana/countersign.json"] {
        let text = packaged(file)?;
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        let is_ours = |word: &&str| {
            ["notary_server_", "signer_", "database_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
        };
        for word in words.filter(is_ours) {
            let name = word.strip_suffix("_bucket").unwrap_or(word);
            ensure!(documented.contains(name), "{file} names {name}");
            found += 1;
        }
    }
    ensure!(found > 30, "only {found} names were found");
    Ok(())
}

/// A Prometheus with our rules.
struct Prometheus {
    address: SocketAddr,
    _daemon: Daemon,
}

impl Prometheus {
    /// Watches the server of `trust`.
    fn start(sandbox: &Sandbox, trust: &Trust) -> Result<Self> {
        let address = sandbox.address()?;
        sandbox.file("alerts.yml", packaged("prometheus/alerts.yml")?)?;
        let settings = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [alerts.yml]\n\
             scrape_configs:\n\
             - job_name: notary-server\n\
             \x20 scheme: https\n\
             \x20 tls_config: {{ca_file: {}}}\n\
             \x20 static_configs: [{{targets: ['{}']}}]\n",
            trust.authority().display(),
            trust.host(),
        );
        let settings = sandbox.file("prometheus.yml", settings)?;
        let mut command = program("prometheus");
        command
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                sandbox.folder("prometheus")?.display()
            ));
        let daemon = Daemon::start("prometheus", &command, &sandbox.log("prometheus"))?;
        let prometheus = Self {
            address,
            _daemon: daemon.until_listening(address)?,
        };
        // It listens before it has read what it stored.
        eventually("Prometheus is ready", PATIENCE, || {
            let ready = prometheus.ask("/-/ready", None)?;
            Ok(ready.contains("is Ready"))
        })?;
        Ok(prometheus)
    }

    fn ask(&self, path: &str, query: Option<&str>) -> Result<String> {
        let mut curl = program("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10", "--get"]);
        if let Some(query) = query {
            curl.arg("--data-urlencode").arg(format!("query={query}"));
        }
        curl.arg(format!("http://{}{path}", self.address));
        Said::by(curl, "")?.succeeds()
    }

    /// The labels and the value of everything that `query` finds now.
    fn find(&self, query: &str) -> Result<Vec<(Value, String)>> {
        let said = self.ask("/api/v1/query", Some(query))?;
        let answer: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        let found = answer["data"]["result"].as_array();
        let found = found.with_context(|| format!("{query}: {said}"))?;
        let value = |item: &Value| item["value"][1].as_str().unwrap_or_default().to_owned();
        Ok(found
            .iter()
            .map(|item| (item["metric"].clone(), value(item)))
            .collect())
    }

    fn has(&self, query: &str, wanted: &str) -> Result<bool> {
        let found = self.find(query)?;
        Ok(found.iter().any(|(_, value)| value == wanted))
    }
}

#[test]
fn prometheus_sees_a_signer_go_away() -> Result<()> {
    harness::play(|sandbox| {
        let mut trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        let prometheus = Prometheus::start(sandbox, &trust)?;
        eventually("the server is watched", PATIENCE, || {
            prometheus.has("notary_server_signer_up", "1")
        })?;
        ensure!(prometheus.has("notary_server_database_up", "1")?);
        let [(labels, _)] = &prometheus.find("notary_server_build_info")?[..] else {
            anyhow::bail!("no version is told");
        };
        ensure!(labels["version"] == env!("CARGO_PKG_VERSION"), "{labels}");
        eventually("the inventory is counted", PATIENCE, || {
            prometheus.has("sum(notary_server_inventory_repositories)", "0")
        })?;
        ensure!(prometheus.find("ALERTS")?.is_empty(), "something is wrong");

        trust.kill_signer()?;
        let alert = r#"ALERTS{alertname="NotarySignerAway", alertstate="pending"}"#;
        eventually("an alert waits for its time", PATIENCE, || {
            prometheus.has(alert, "1")
        })?;
        ensure!(prometheus.has("notary_server_signer_up", "0")?);
        ensure!(prometheus.has("notary_server_database_up", "1")?);
        Ok(())
    })
}

#[test]
fn prometheus_sees_what_expires() -> Result<()> {
    harness::play(|sandbox| {
        let trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        for (gun, days) in [("a", 5), ("b", 20), ("c", 400)] {
            let gun = format!("example.com/{gun}");
            let mut publisher = repository(&trust, &gun)?;
            publisher.expire("targets", clock::now() + Span::days(days));
            trust.publish(&gun, &publisher.first_publish())?.ok()?;
        }
        let prometheus = Prometheus::start(sandbox, &trust)?;
        let roles = |days| {
            format!(r#"notary_server_inventory_expiring_roles{{owner="publisher", days="{days}"}}"#)
        };
        eventually("what expires is counted", PATIENCE, || {
            prometheus.has(&roles(30), "2")
        })?;
        ensure!(prometheus.has(&roles(7), "1")?);
        ensure!(prometheus.has(&roles(0), "0")?);
        for alert in ["NotaryMetadataExpires", "NotaryMetadataExpiresVerySoon"] {
            let query = format!(r#"ALERTS{{alertname="{alert}", alertstate="pending"}}"#);
            eventually(alert, PATIENCE, || prometheus.has(&query, "1"))?;
        }
        ensure!(
            prometheus
                .find(r#"ALERTS{alertname=~".*Expired|.*Stale"}"#)?
                .is_empty()
        );
        Ok(())
    })
}
