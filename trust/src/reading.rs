//! Reading what is current.
//!
//! No read depends on the signer: timestamps are renewed in the background long before they expire
//! (see [`crate::renewal`]), and one that is still valid is always served. Only a reader who comes
//! upon an expired timestamp has to wait for a renewal.

use std::{panic::resume_unwind, sync::Arc};

use database::Lane;
use time::OffsetDateTime;
use tuf::{Gun, Role};

use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    cache::View,
    error::ReadError,
    renewal::{Horizon, renew},
    repository::{load_listed, open_to_read},
    signer::REQUEST_ID,
    store::StoredMetadata,
};

/// The current version of `role`, with the time it was stored.
pub async fn current(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    now: OffsetDateTime,
) -> Result<Option<StoredMetadata>, ReadError> {
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        match current_once(repositories, gun, role, now).await {
            Err(ReadError::Outdated(_)) => {}
            outcome => return outcome,
        }
    }
    Err(ReadError::Contended(gun.clone()))
}

async fn current_once(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    now: OffsetDateTime,
) -> Result<Option<StoredMetadata>, ReadError> {
    let Some(mut view) = open_to_read(repositories, gun).await?.view() else {
        return Ok(None);
    };
    if matches!(role, Role::Timestamp | Role::Snapshot) && view.is_expired(now) {
        view = match renew_to_the_end(repositories, gun, now).await? {
            Some(renewed) => renewed,
            None => return Ok(None),
        };
    }
    if *role == Role::Timestamp {
        return Ok(Some(view.timestamp.clone()));
    }
    load_listed(repositories, gun, &view, role).await
}

/// Renews what has expired in a task of its own: if the reader hangs up, a renewal that is
/// committed is still told.
async fn renew_to_the_end(
    repositories: &Repositories,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<Option<Arc<View>>, ReadError> {
    let (repositories, gun) = (repositories.clone(), gun.clone());
    let id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let work = async move { renew(&repositories, &gun, Horizon::expired(now), now).await };
    tokio::spawn(REQUEST_ID.scope(id, Lane::Read.within(work)))
        .await
        .unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
}
