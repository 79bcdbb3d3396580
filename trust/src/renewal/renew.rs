//! Renewing one repository: its timestamp, and its snapshot if this server holds the key.

use std::sync::Arc;

use time::OffsetDateTime;
use tuf::{Difference, File, Gun, Role};

use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    cache::View,
    error::ReadError,
    events::{Cause, Requester, What},
    repository::{current_root, describe_damage, load_listed, open, parse_file, turn_if_large},
    signer::{SealError, seal},
    store::StoreError,
};

/// What expires before these moments is to be renewed.
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    /// For a timestamp.
    pub timestamp: OffsetDateTime,
    /// For a snapshot.
    pub snapshot: OffsetDateTime,
}

impl Horizon {
    /// Only what has expired already.
    #[must_use]
    pub fn expired(now: OffsetDateTime) -> Self {
        Self {
            timestamp: now,
            snapshot: now,
        }
    }
}

/// Renews whatever of timestamp and snapshot expires before `horizon`, and answers what is current
/// then: this renewal, or that of another server that came first.
///
/// A snapshot whose key a client holds is left alone while it is valid; after that only the
/// client can help.
pub async fn renew(
    repositories: &Repositories,
    gun: &Gun,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Arc<View>>, ReadError> {
    let mut turn = None;
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        if turn.is_none() {
            turn = repositories.locks.wait(gun).await;
        }
        match renew_once(repositories, gun, horizon, now).await {
            Err(
                ReadError::Outdated(_)
                | ReadError::Store(StoreError::Moved | StoreError::VersionExists(_)),
            ) => {
                tracing::debug!(%gun, attempt, "a rival came before this renewal");
                repositories.cache.doubt(gun);
            }
            outcome => return outcome,
        }
    }
    Err(ReadError::Contended(gun.clone()))
}

async fn renew_once(
    repositories: &Repositories,
    gun: &Gun,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Arc<View>>, ReadError> {
    let Some(view) = open(repositories, gun).await?.view() else {
        return Ok(None);
    };
    if view.timestamp_expires >= horizon.timestamp && view.snapshot_expires >= horizon.snapshot {
        return Ok(Some(view));
    }
    let Some(files) = make_renewal(repositories, gun, &view, horizon, now).await? else {
        return Ok(Some(view));
    };
    repositories
        .store_files(gun, Some(&view.head), &files, now)
        .await?;
    let what = What::Published {
        cause: Cause::Renewal,
        files: &files,
        changes: &Difference::default(),
    };
    repositories.events.tell(gun, &Requester::PROGRAM, what);
    Ok(open(repositories, gun).await?.view())
}

/// The files of a renewal; `None` if there is nothing this server can renew and nothing has
/// expired.
async fn make_renewal(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Vec<File>>, ReadError> {
    let root = parse_file(
        gun,
        view,
        Role::Root,
        &current_root(repositories, gun, view).await?,
    )?;
    let previous = load_listed(repositories, gun, view, &Role::Snapshot)
        .await?
        .ok_or_else(|| describe_damage(gun, Role::Snapshot, &"it is not stored"))?;
    let _turn = turn_if_large(repositories, &previous.bytes).await;
    let previous = parse_file(gun, view, Role::Snapshot, &previous)?;
    let timestamp = parse_file(gun, view, Role::Timestamp, &view.timestamp)?;
    let mut files = Vec::new();
    if view.snapshot_expires < horizon.snapshot {
        let draft = tuf::renew_snapshot(&root, &previous, now)
            .map_err(|error| describe_damage(gun, Role::Snapshot, &error))?;
        match seal(&repositories.signer, draft).await {
            Ok(snapshot) => files.push(snapshot),
            Err(SealError::KeysMissing(role)) if view.snapshot_expires < now => {
                return Err(ReadError::CannotRenew {
                    gun: gun.clone(),
                    role,
                });
            }
            Err(SealError::KeysMissing(_)) if view.timestamp_expires >= horizon.timestamp => {
                return Ok(None);
            }
            Err(SealError::KeysMissing(_)) => {}
            Err(SealError::Signer(error)) => return Err(error.into()),
        }
    }
    let snapshot = files.first().unwrap_or(&previous);
    let draft = tuf::renew_timestamp(&root, snapshot, &timestamp, now)
        .map_err(|error| describe_damage(gun, Role::Timestamp, &error))?;
    let timestamp = seal(&repositories.signer, draft)
        .await
        .map_err(|error| match error {
            SealError::KeysMissing(role) => ReadError::CannotRenew {
                gun: gun.clone(),
                role,
            },
            SealError::Signer(error) => error.into(),
        })?;
    files.push(timestamp);
    Ok(Some(files))
}
