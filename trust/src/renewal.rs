//! Renewing in the background what is going to expire, so that no reader has to wait for the signer
//! and a signer that is away for days does no harm.
//!
//! A walk over all GUNs looks at the age of each newest timestamp; one that is old is opened, and
//! renewed if it, or its snapshot, expires within [`LEAD`]. Several servers may walk at once: the
//! store lets one renewal win, and the others find theirs done.
//!
//! A walk that failed for want of the signer or of the database is made again as soon as they are
//! back, or after a few seconds, then after more and more: a server often starts before its signer.

mod inspection;
mod renew;

use std::time::Duration as StdDuration;

use inspection::Inspector;
pub use renew::{Horizon, renew};
use time::Duration;
use tokio_util::sync::CancellationToken;
use tuf::Gun;

use crate::{
    Repositories,
    error::ReadError,
    events::{Requester, What},
    signer::SignerError,
    store::Aging,
};

/// How long before its expiry a timestamp is renewed. Timestamps live for 14 days.
pub const LEAD: Duration = Duration::days(5);

/// How long before its expiry a snapshot is renewed. It is looked at together with its timestamp,
/// so it has to last until the next one is due and then as long again.
pub const SNAPSHOT_LEAD: Duration = Duration::days(5 + 14);

/// Younger timestamps are not opened: they live for at least another [`LEAD`].
const MIDDLE_AGE: Duration = Duration::days(14 - 5);

/// How long to rest between two walks.
const REST: StdDuration = StdDuration::from_hours(1);

/// How many GUNs are looked at with one statement.
const PAGE: u32 = 200;

/// How long to rest after a walk that failed for want of the signer or the database; twice as long
/// after each further one, up to [`REST`].
const SOON: StdDuration = StdDuration::from_secs(5);

/// How often walks are made.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The rest between two walks.
    pub rest: StdDuration,
    /// The rest after a walk that may succeed soon, which doubles from one such walk to the next.
    /// While the signer is away, it is looked for as often.
    pub soon: StdDuration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rest: REST,
            soon: SOON,
        }
    }
}

/// What came of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// There is nothing left to do soon.
    Done,
    /// Something could not be renewed because the signer or the database failed.
    Hindered,
}

/// Walks for ever, the first time at once; ends when `shutdown` says so.
pub async fn run(repositories: Repositories, pace: Pace, shutdown: CancellationToken) {
    shutdown
        .run_until_cancelled(keep_walking(&repositories, pace))
        .await;
}

async fn keep_walking(repositories: &Repositories, pace: Pace) {
    let (mut inspector, mut soon) = (Inspector::default(), pace.soon);
    loop {
        match walk_and_inspect(repositories, &mut inspector).await {
            Walk::Done => {
                soon = pace.soon;
                tokio::time::sleep(pace.rest).await;
            }
            Walk::Hindered => {
                if is_signer_away(repositories).await {
                    await_signer(repositories, pace).await;
                } else {
                    tokio::time::sleep(soon).await;
                    soon = (soon * 2).min(pace.rest);
                }
            }
        }
    }
}

/// Waits until the signer is back, but not for ever: the database may tell another server's
/// renewals.
async fn await_signer(repositories: &Repositories, pace: Pace) {
    let mut waited = StdDuration::ZERO;
    while waited < pace.rest {
        tokio::time::sleep(pace.soon).await;
        waited += pace.soon;
        if !is_signer_away(repositories).await {
            return;
        }
    }
}

async fn is_signer_away(repositories: &Repositories) -> bool {
    matches!(
        repositories.signer.check().await,
        Err(SignerError::Unavailable(_))
    )
}

/// One walk over all GUNs.
pub async fn walk(repositories: &Repositories) -> Walk {
    walk_and_inspect(repositories, &mut Inspector::default()).await
}

async fn walk_and_inspect(repositories: &Repositories, inspector: &mut Inspector) -> Walk {
    inspector.begin();
    let mut after = String::new();
    let (mut failed, mut outcome) = (0_u32, Walk::Done);
    // One that is due then is counted without being tried: each would wait for an answer in vain.
    let mut is_away = false;
    loop {
        let page = match repositories.store.timestamps(&after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "cannot look for timestamps to renew; trying again soon");
                return Walk::Hindered;
            }
        };
        let Some(last) = page.last() else { break };
        after.clone_from(&last.name);
        for aging in page {
            if let Some(gun) = due(repositories, &aging) {
                let renewal = if is_away {
                    Renewal::Hindered
                } else {
                    renew_if_due(repositories, gun).await
                };
                failed += u32::from(renewal != Renewal::Well);
                if renewal == Renewal::Hindered {
                    outcome = Walk::Hindered;
                    is_away = is_away || is_signer_away(repositories).await;
                }
            }
            inspector.inspect(repositories, &aging).await;
        }
    }
    metrics::gauge!("notary_server_renewals_failing").set(f64::from(failed));
    inspector.end();
    outcome
}

/// The GUN, if its timestamp is old enough to be opened.
fn due<'a>(repositories: &Repositories, aging: &'a Aging) -> Option<&'a Gun> {
    let is_due = repositories.now() - aging.created_at >= MIDDLE_AGE;
    aging.gun.as_ref().filter(|_| is_due)
}

/// How one GUN fared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    /// It needed nothing, or has it now.
    Well,
    /// It will not be renewed before something is mended.
    Failed,
    /// It can be as soon as the signer and the database do their part.
    Hindered,
}

/// Renews one GUN if it needs it.
async fn renew_if_due(repositories: &Repositories, gun: &Gun) -> Renewal {
    let now = repositories.now();
    let horizon = Horizon {
        timestamp: now + LEAD,
        snapshot: now + SNAPSHOT_LEAD,
    };
    let outcome = renew(repositories, gun, horizon, now).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    metrics::counter!("notary_server_renewals_total", "outcome" => label).increment(1);
    let Err(error) = outcome else {
        return Renewal::Well;
    };
    tracing::warn!(%gun, %error, "cannot renew the timestamp before it expires");
    repositories
        .events
        .tell(gun, &Requester::PROGRAM, What::RenewalFailed(&error));
    match error {
        ReadError::Store(_) | ReadError::Signer(SignerError::Unavailable(_)) => Renewal::Hindered,
        _ => Renewal::Failed,
    }
}
