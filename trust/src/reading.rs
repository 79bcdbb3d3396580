//! Reading what is current.
//!
//! No read depends on the signer: timestamps are renewed in the background long before they expire
//! (see [`crate::renewal`]), and one that is still valid is always served. Only a reader who comes
//! upon an expired timestamp has to wait for a renewal.

use time::OffsetDateTime;
use tuf::{Gun, Role};

use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    error::ReadError,
    renewal::{Horizon, renew},
    repository::{listed, open_to_read},
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
        view = match renew(repositories, gun, Horizon::expired(now), now).await? {
            Some(renewed) => renewed,
            None => return Ok(None),
        };
    }
    if *role == Role::Timestamp {
        return Ok(Some(view.timestamp.clone()));
    }
    listed(repositories, gun, &view, role).await
}
