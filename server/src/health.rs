//! Whether this server can do its work, looked at in the background so that asking costs nothing.

pub(crate) mod ask;

use std::{collections::BTreeMap, sync::RwLock, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::App;

/// How often the checks run; the first time after as long.
const INTERVAL: Duration = Duration::from_secs(10);

/// The outcome of the last checks: nothing fails until one has been seen to.
#[derive(Debug, Default)]
pub struct Health {
    failing: RwLock<BTreeMap<&'static str, String>>,
}

impl Health {
    /// The failing checks by name, each with its reason.
    pub fn failing(&self) -> BTreeMap<&'static str, String> {
        self.failing
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, name: &'static str, reason: Option<String>) {
        let mut failing = self
            .failing
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match reason {
            Some(reason) => failing.insert(name, reason),
            None => failing.remove(name),
        };
    }
}

/// Checks the store and the signer again and again until `shutdown`.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => check(&app).await,
        }
    }
}

/// Runs every check once.
pub async fn check(app: &App) {
    let store = app.store.check().await;
    if let Err(error) = &store {
        tracing::error!(%error, "the database is not operational");
    }
    let store = store
        .err()
        .map(|_| "Cannot access table: tuf_files".to_owned());
    app.health.set("DB operational", store);
    let signer = app
        .signer
        .check()
        .await
        .err()
        .map(|error| error.to_string());
    if let Some(reason) = &signer {
        tracing::error!(reason, "Trust not fully operational");
    }
    app.health.set("Trust operational", signer);
}
