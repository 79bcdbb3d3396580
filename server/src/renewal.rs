//! Renewing in the background what is going to expire, so that no reader has to wait for the signer
//! and a signer that is away for days does no harm.
//!
//! A walk over all GUNs looks at the age of each newest timestamp; one that is old is opened, and
//! renewed if it, or its snapshot, expires within [`LEAD`]. Several servers may walk at once: the store
//! lets one renewal win, and the others find theirs done.

mod inspection;

use std::time::Duration as StdDuration;

use time::Duration;
use tokio_util::sync::CancellationToken;

use crate::{
    App,
    repository::{self, Horizon},
    store::Aging,
};

use inspection::Inspector;

/// How long before its expiry a timestamp is renewed. Timestamps live for 14 days.
pub const LEAD: Duration = Duration::days(5);

/// How long before its expiry a snapshot is renewed. It is looked at together with its timestamp, so it
/// has to last until the next one is due and then as long again.
pub const SNAPSHOT_LEAD: Duration = Duration::days(5 + 14);

/// Younger timestamps are not opened: they live for at least another [`LEAD`].
const MIDDLE_AGE: Duration = Duration::days(14 - 5);

/// How long to rest between two walks.
const REST: StdDuration = StdDuration::from_hours(1);

/// How many GUNs are looked at with one statement.
const PAGE: u32 = 200;

/// Walks for ever, the first time at once; ends when `shutdown` says so.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut inspector = Inspector::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = walk_and_inspect(&app, &mut inspector) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(REST) => {}
        }
    }
}

/// One walk over all GUNs.
pub async fn walk(app: &App) {
    walk_and_inspect(app, &mut Inspector::default()).await;
}

async fn walk_and_inspect(app: &App, inspector: &mut Inspector) {
    inspector.begin();
    let mut after = String::new();
    let mut failed = 0_u32;
    loop {
        let page = match app.store.timestamps(&after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "cannot look for timestamps to renew; trying again later");
                return;
            }
        };
        let Some(last) = page.last() else { break };
        after.clone_from(&last.name);
        for aging in page {
            failed += u32::from(!renewed(app, &aging).await);
            inspector.inspect(app, &aging).await;
        }
    }
    metrics::gauge!("notary_server_renewals_failing").set(f64::from(failed));
    inspector.end();
}

/// Renews one GUN if it needs it; says whether it is well.
async fn renewed(app: &App, aging: &Aging) -> bool {
    let now = app.now();
    let Some(gun) = &aging.gun else { return true };
    if now - aging.created_at < MIDDLE_AGE {
        return true;
    }
    let horizon = Horizon {
        timestamp: now + LEAD,
        snapshot: now + SNAPSHOT_LEAD,
    };
    let outcome = repository::renew(app, gun, horizon, now).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    metrics::counter!("notary_server_renewals_total", "outcome" => label).increment(1);
    if let Err(error) = &outcome {
        tracing::warn!(%gun, %error, "cannot renew the timestamp before it expires");
    }
    outcome.is_ok()
}
