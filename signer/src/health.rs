//! Whether the signer can do its work, told truthfully: to gRPC callers and to the debug page.

pub(crate) mod ask;

use std::{
    collections::BTreeMap,
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

use crate::{
    keys::Keys,
    keystore::StoredKey,
    passphrases::PassphraseError,
    vault::{Vault, VaultError},
};

/// The gRPC health service.
pub type HealthService = HealthServer<Inner>;

/// Names under which health can be asked for. The empty one stands for the whole process.
const NAMES: [&str; 3] = ["", KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH];
/// The check of the database, under Notary's name.
const DATABASE: &str = "DB operational";
/// The check of the passphrases of all aliases in use.
const PASSPHRASES: &str = "Passphrases";
/// How often the database is looked at, and what waits for it is written.
const PERIOD: Duration = Duration::from_secs(5);
/// Every how many periods the passphrases are tried.
const PASSPHRASES_EVERY: u32 = 12;
/// How many of the oldest and of the newest keys of an alias are tried before its passphrase is
/// called wrong: a single damaged row must not look like that, nor must keys of before the
/// passphrase was changed in place.
const TRIES: u16 = 3;
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is wrong at the moment.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    failing: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            reporter: HealthReporter::new(),
            failing: Arc::default(),
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

    /// Checks everything once.
    pub async fn check(&self, keys: &Keys) {
        let mut failing = self.failing();
        match database(keys).await {
            Ok(()) => {
                failing.remove(DATABASE);
                note(&mut failing, PASSPHRASES, passphrases(keys).await);
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
        note(&mut failing, DATABASE, database(keys).await);
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
    /// and does what has to be done now and then: writes down when keys were used, empties the
    /// cache of what is too old, and sets gauges.
    pub async fn watch(self, keys: Arc<Keys>, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round = 1_u32;
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
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

    async fn report(&self, failing: BTreeMap<String, String>) {
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

/// A fault is logged when it appears and when it goes, not every few seconds.
fn log_changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    for (check, problem) in now.iter().filter(|(check, _)| !before.contains_key(*check)) {
        tracing::error!(check, "not serving: {problem}");
    }
    for check in before.keys().filter(|check| !now.contains_key(*check)) {
        tracing::warn!(check, "in order again");
    }
}

/// Reads from the database, and writes what waits for it.
async fn database(keys: &Keys) -> Result<(), String> {
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

/// Whether every alias in use can be opened.
async fn passphrases(keys: &Keys) -> Result<(), String> {
    let problems = unopenable(keys).await.map_err(|error| error.to_string())?;
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("; "))
    }
}

/// One problem for every alias in use whose keys do not open, and for the alias of new keys if it
/// has no passphrase. Fails if the database does.
pub async fn unopenable(keys: &Keys) -> Result<Vec<VaultError>, crate::keystore::StoreError> {
    let mut problems = Vec::new();
    let aliases = keys.store().aliases().await?;
    if !aliases.iter().any(|alias| alias == keys.default_alias())
        && let Err(error) = keys.vault().try_passphrase(keys.default_alias()).await
    {
        problems.push(error);
    }
    for alias in aliases {
        let some = keys.store().under_alias(&alias, TRIES).await?;
        if let Err(problem) = open_any(keys.vault(), some).await {
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// One problem for every alias of whose keys some open and some do not. Fails if the database does.
pub async fn partly_unopenable(
    keys: &Keys,
) -> Result<Vec<VaultError>, crate::keystore::StoreError> {
    let mut problems = Vec::new();
    for alias in keys.store().aliases().await? {
        let (mut opened, mut problem) = (false, None);
        for key in keys.store().under_alias(&alias, 1).await? {
            match keys.vault().open(key).await {
                Ok(_) => opened = true,
                Err(error) => problem = Some(error),
            }
        }
        problems.extend(problem.filter(|_| opened));
    }
    Ok(problems)
}

/// Opens one of `stored`; if none opens, says what is wrong with the first.
async fn open_any(vault: &Vault, stored: Vec<StoredKey>) -> Result<(), VaultError> {
    let mut first = None;
    for key in stored {
        match vault.open(key).await {
            Ok(_) => return Ok(()),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Whether `problem` must keep the signer from starting: with a wrong passphrase new keys would
/// be put where nobody finds them, and with none for new keys there would be no new keys.
#[must_use]
pub fn is_fatal(problem: &VaultError, default_alias: &str) -> bool {
    match problem {
        VaultError::WrongPassphrase { .. } => true,
        VaultError::Passphrase(
            PassphraseError::Missing { alias, .. } | PassphraseError::Unusable { alias, .. },
        ) => alias == default_alias,
        _ => false,
    }
}
