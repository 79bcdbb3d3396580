//! Whether the signer can do its work, for gRPC callers and the debug page.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::{KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService as Inner},
};

use crate::{custody::Report, keys::Keys, metrics};

/// The gRPC health service.
pub type HealthService = HealthServer<Inner>;

/// Names under which health can be asked for. The empty one stands for the whole process.
const NAMES: [&str; 3] = ["", KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH];
/// The check of the database, under Notary's name.
const DATABASE: &str = "DB operational";
/// The check of the dates of the signer's own certificate.
const CERTIFICATE: &str = "Certificate current";
/// The check of the passphrases: of that of new keys, and whether any key opens.
const PASSPHRASES: &str = "Passphrases";
/// How often the database is checked, and what waits for it is written.
const PERIOD: Duration = Duration::from_secs(5);
/// After how many periods the passphrases are tried again.
const PASSPHRASES_EVERY: u32 = 12;
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is wrong at the moment.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    failing: Arc<Mutex<BTreeMap<String, String>>>,
    /// Warnings that were logged, and are still so.
    logged: Arc<Mutex<BTreeSet<String>>>,
    /// Why clients refuse the signer's certificate, if they do.
    certificate: Arc<Mutex<Option<String>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            reporter: HealthReporter::new(),
            failing: Arc::default(),
            logged: Arc::default(),
            certificate: Arc::default(),
        }
    }
}

impl Health {
    /// The service that answers gRPC health checks.
    #[must_use]
    pub fn service(&self) -> HealthService {
        HealthServer::new(Inner::from_health_reporter(self.reporter.clone()))
    }

    /// Failing checks by name, each with what is wrong.
    #[must_use]
    pub fn failing(&self) -> BTreeMap<String, String> {
        self.failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes why clients refuse the signer's certificate, if they do; the next check reports it.
    pub fn note_certificate(&self, problem: Option<String>) {
        *self
            .certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Checks everything once.
    pub async fn check(&self, keys: &Keys) {
        let mut failing = self.failing();
        match check_store(keys).await {
            Ok(()) => {
                failing.remove(DATABASE);
                let outcome = check_custodies(keys, &self.logged).await;
                note(&mut failing, PASSPHRASES, outcome);
            }
            // What is known about the passphrases stays: they cannot be tried now.
            problem => note(&mut failing, DATABASE, problem),
        }
        self.report(failing).await;
    }

    /// Checks the database only, unless it is back: then everything.
    async fn check_database(&self, keys: &Keys) {
        let mut failing = self.failing();
        if failing.contains_key(DATABASE) {
            return self.check(keys).await;
        }
        note(&mut failing, DATABASE, check_store(keys).await);
        self.report(failing).await;
    }

    /// Says that the signer is going away.
    pub async fn stop(&self) {
        for name in NAMES {
            self.reporter
                .set_service_status(name, ServingStatus::NotServing)
                .await;
        }
    }

    /// Checks again and again until `shutdown` (the first [`check`](Self::check) is the caller's),
    /// and does periodic work: writes down when keys were used, removes old keys from the cache,
    /// and sets gauges.
    pub async fn watch(self, keys: Arc<Keys>, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round = 1_u32;
        let mut condition = keys.store().condition();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Ok(()) = condition.changed() => {
                    let failing = condition.borrow_and_update().failing.clone();
                    match failing {
                        Some(problem) => self.note_database(problem).await,
                        None => self.check_database(&keys).await,
                    }
                    continue;
                }
                _ = ticks.tick() => {}
            }
            if round.is_multiple_of(PASSPHRASES_EVERY) {
                self.check(&keys).await;
            } else {
                self.check_database(&keys).await;
            }
            round = round.wrapping_add(1);
            keys.sweep();
            keys.store().record_metrics();
        }
        self.stop().await;
    }

    /// Notes a problem with the database that a request met.
    async fn note_database(&self, problem: String) {
        let mut failing = self.failing();
        note(&mut failing, DATABASE, Err(problem));
        self.report(failing).await;
    }

    async fn report(&self, mut failing: BTreeMap<String, String>) {
        let certificate = self
            .certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        note(&mut failing, CERTIFICATE, certificate.map_or(Ok(()), Err));
        let status = if failing.is_empty() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        let before = {
            let mut known = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, failing.clone())
        };
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
        log_changes(&before, &failing);
    }
}

/// Remembers the outcome of one check.
fn note(failing: &mut BTreeMap<String, String>, check: &str, outcome: Result<(), String>) {
    match outcome {
        Ok(()) => _ = failing.remove(check),
        Err(problem) => _ = failing.insert(check.to_owned(), problem),
    }
}

/// Logs faults when they appear and when they go, not every few seconds.
fn log_changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    for (check, problem) in now.iter().filter(|(check, _)| !before.contains_key(*check)) {
        tracing::error!(check, "not serving: {problem}");
    }
    for check in before.keys().filter(|check| !now.contains_key(*check)) {
        tracing::warn!(check, "in order again");
    }
}

/// Reads from the database, and writes what waits for it.
async fn check_store(keys: &Keys) -> Result<(), String> {
    let work = async {
        keys.store().probe().await?;
        keys.write_uses().await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "the key database did not answer within {PATIENCE:?}"
        )),
    }
}

/// Why no key can be used, or none can be made. What concerns some keys only is logged, when it
/// appears and when it goes, and counted: otherwise one bad row would stop all.
async fn check_custodies(keys: &Keys, logged: &Mutex<BTreeSet<String>>) -> Result<(), String> {
    let report = keys.check().await.map_err(|error| error.to_string())?;
    metrics::faults(
        report.faults.len() + report.warnings.len(),
        report.keys.len(),
    );
    log_warnings(&report, logged);
    let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

/// Logs what was not `logged` yet, and what is no longer so.
fn log_warnings(report: &Report, logged: &Mutex<BTreeSet<String>>) {
    let warnings: BTreeSet<_> = report.warnings.iter().map(ToString::to_string).collect();
    let keys: BTreeSet<_> = report.keys.iter().map(ToString::to_string).collect();
    let now = &warnings | &keys;
    let before = {
        let mut logged = logged.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *logged, now.clone())
    };
    for problem in warnings.difference(&before) {
        tracing::error!(check = PASSPHRASES, "still serving: {problem}");
    }
    for problem in keys.difference(&before) {
        tracing::warn!(check = PASSPHRASES, "a key cannot be used: {problem}");
    }
    for problem in before.difference(&now) {
        tracing::warn!(check = PASSPHRASES, "no longer found: {problem}");
    }
}
