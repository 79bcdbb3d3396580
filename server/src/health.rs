//! Whether this server can do its work, looked at in the background so that asking costs nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use database::Condition;
use tokio_util::sync::CancellationToken;
use trust::Repositories;

/// The check of the database, under Notary's name.
const DATABASE: &str = "DB operational";
/// What Notary says when it fails.
const NO_DATABASE: &str = "Cannot access table: tuf_files";
/// The check of the signer, under Notary's name.
const SIGNER: &str = "Trust operational";
/// What is said of writes while reading goes on.
const WRITES: &str = "writes";

const DATABASE_UP: &str = "notary_server_database_up";
const SIGNER_UP: &str = "notary_server_signer_up";

/// How often the checks run.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often they run after the start, until nothing fails or [`INTERVAL`] has passed: a signer or
/// a database that starts beside the server soon counts.
const SOON: Duration = Duration::from_millis(250);

/// The outcome of the last checks. Nothing fails before the first ones, which run at the start.
#[derive(Debug, Default)]
pub struct Health {
    failing: RwLock<BTreeMap<&'static str, String>>,
    /// What does not work although the server serves: no reason to send clients elsewhere.
    limited: RwLock<BTreeMap<&'static str, String>>,
}

impl Health {
    /// The failing checks by name, each with its reason.
    pub fn failing(&self) -> BTreeMap<&'static str, String> {
        self.failing
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// What does not work although the server serves, each with its reason.
    pub fn limitations(&self) -> BTreeMap<&'static str, String> {
        self.limited
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, name: &'static str, reason: Option<String>) {
        let is_up = if reason.is_none() { 1.0 } else { 0.0 };
        match name {
            DATABASE => metrics::gauge!(DATABASE_UP).set(is_up),
            SIGNER => metrics::gauge!(SIGNER_UP).set(is_up),
            _ => {}
        }
        put(&self.failing, name, reason);
    }
}

/// Tells the recorder what the metrics of health mean.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!(
        DATABASE_UP,
        "1 while the database answers, as far as the last checks and requests saw."
    );
    metrics::describe_gauge!(
        SIGNER_UP,
        "1 while the signer answers, as far as the last check saw."
    );
}

fn put(map: &RwLock<BTreeMap<&'static str, String>>, name: &'static str, reason: Option<String>) {
    let mut map = map
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match reason {
        Some(reason) => map.insert(name, reason),
        None => map.remove(name),
    };
}

/// Checks the store and the signer again and again until `shutdown`, and listens to what requests
/// find out about the database in between.
pub async fn run(repositories: Repositories, health: Arc<Health>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    let look = async {
        check_at_start(&repositories, &health).await;
        loop {
            ticks.tick().await;
            check(&repositories, &health).await;
        }
    };
    let listen = async {
        let mut condition = repositories.store.condition();
        // The store, which is at the other end, lives as long as this task.
        while condition.changed().await.is_ok() {
            let condition = condition.borrow_and_update().clone();
            note(&health, &condition);
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        ((), ()) = async { tokio::join!(look, listen) } => {}
    }
}

/// Runs the checks without a word until nothing fails, for [`INTERVAL`] at most: what fails until
/// then may only be slower to start, and is in health but not yet in the log.
async fn check_at_start(repositories: &Repositories, health: &Health) {
    let start = tokio::time::Instant::now();
    while start.elapsed() < INTERVAL {
        let store = repositories.store.check().await.err();
        let signer = repositories.signer.check().await.err();
        let is_well = store.is_none() && signer.is_none();
        health.set(DATABASE, store.map(|_| NO_DATABASE.to_owned()));
        health.set(SIGNER, signer.map(|error| error.to_string()));
        if is_well {
            return;
        }
        tokio::time::sleep(SOON).await;
    }
}

/// Takes over what requests found out.
fn note(health: &Health, condition: &Condition) {
    let failing = condition.failing.is_some();
    health.set(DATABASE, failing.then(|| NO_DATABASE.to_owned()));
    let writes = condition.is_read_only.then(|| "read-only".to_owned());
    put(&health.limited, WRITES, writes);
}

/// Runs every check once.
pub async fn check(repositories: &Repositories, health: &Health) {
    let store = repositories.store.check().await;
    if let Err(error) = &store
        && !error.is_temporary()
    {
        tracing::error!(%error, "the database is not operational");
    }
    let store = store.err().map(|_| NO_DATABASE.to_owned());
    health.set(DATABASE, store);
    let signer = repositories
        .signer
        .check()
        .await
        .err()
        .map(|error| error.to_string());
    if let Some(reason) = &signer {
        tracing::error!(reason, "Trust not fully operational");
    }
    health.set(SIGNER, signer);
}
