//! Reading: the current version of a role, and renewing what is about to expire.
//!
//! What is current follows from the newest timestamp: it names a snapshot by checksum, and that names
//! the rest, so a reader never sees a role newer than the snapshot that vouches for it. The walk is
//! made once per timestamp; afterwards a read asks the store for the name of the newest timestamp and
//! finds everything else remembered.
//!
//! No read depends on the signer: timestamps are renewed in the background long before they expire
//! (see [`crate::renewal`]), and one that is still valid is always served. Only a reader who comes
//! upon an expired timestamp has to wait for a renewal.

use std::sync::Arc;

use time::OffsetDateTime;
use tuf::{Checksums, File, Gun, Role, SnapshotView, TimestampView};

use crate::{
    App,
    cache::View,
    signer::{SealError, SignerError, seal},
    store::{StoreError, StoredMetadata},
};

/// How often a renewal or a publish begins anew because another one came first.
pub(crate) const ATTEMPTS: usize = 8;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something stored is not what it should be.
    #[error("the stored {role} of {gun} is damaged: {reason}")]
    Damaged {
        /// The repository.
        gun: Gun,
        /// Whose file it is.
        role: Role,
        /// What is wrong with it.
        reason: String,
    },
    /// Expired metadata cannot be renewed here, because its key is held elsewhere.
    #[error("the {role} of {gun} has expired and this server does not hold its key")]
    CannotRenew {
        /// The repository.
        gun: Gun,
        /// What has expired.
        role: Role,
    },
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The current version of `role`, with the time it was stored.
pub async fn current(
    app: &App,
    gun: &Gun,
    role: &Role,
    now: OffsetDateTime,
) -> Result<Option<StoredMetadata>, ReadError> {
    let Some(mut view) = view(app, gun).await? else {
        return Ok(None);
    };
    if matches!(role, Role::Timestamp | Role::Snapshot) && expired(&view, now) {
        view = match renew(app, gun, Horizon::expired(now), now).await? {
            Some(renewed) => renewed,
            None => return Ok(None),
        };
    }
    if *role == Role::Timestamp {
        return Ok(Some(view.timestamp.clone()));
    }
    match view.checksum(role) {
        Some(sha256) => by_checksum(app, gun, role, &sha256).await,
        None => Ok(None),
    }
}

/// The version of `role` with this checksum.
pub async fn by_checksum(
    app: &App,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    match app.cache.file(gun, role, sha256) {
        Some(file) => Ok(Some(file)),
        None => loaded(app, gun, role, sha256).await,
    }
}

/// The same from the store, to be remembered.
async fn loaded(
    app: &App,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let ticket = app.cache.ticket();
    let found = stored(app, gun, role, sha256).await?;
    if let Some(file) = &found {
        app.cache.keep_file(ticket, gun, role, *sha256, file);
    }
    Ok(found)
}

/// The same for who names the checksum himself: asks the store whether the file is still there, unless
/// the operator has allowed to do without. Another server on the same database may have deleted the
/// repository.
pub async fn named(
    app: &App,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let remembered = app.cache.file(gun, role, sha256);
    if let Some(file) = remembered
        && (app.caching.is_memory_trusted() || app.store.holds(gun, role, sha256).await?)
    {
        return Ok(Some(file));
    }
    loaded(app, gun, role, sha256).await
}

/// The same from the store, and only if the bytes are what their checksum says: the last line of
/// defence against a database that was tampered with or has rotted.
async fn stored(
    app: &App,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let found = app.store.by_checksum(gun, role, sha256).await?;
    match found {
        Some(file) if Checksums::of(&file.bytes).sha256 != *sha256 => Err(damaged(
            gun,
            role.clone(),
            &"its bytes do not have the checksum stored beside them",
        )),
        found => Ok(found),
    }
}

/// What the newest timestamp opens; `None` if the GUN holds no trust data, or its timestamp names a
/// snapshot that is not there.
pub async fn view(app: &App, gun: &Gun) -> Result<Option<Arc<View>>, ReadError> {
    let ticket = app.cache.ticket();
    let Some(head) = app.store.head(gun).await? else {
        return Ok(None);
    };
    if let Some(view) = app.cache.view(gun, &head.sha256) {
        return Ok(Some(view));
    }
    let Some(timestamp) = stored(app, gun, &Role::Timestamp, &head.sha256).await? else {
        return Ok(None);
    };
    let opened = TimestampView::parse(&timestamp.bytes)
        .map_err(|error| damaged(gun, Role::Timestamp, &error))?;
    let Some(snapshot) = by_checksum(app, gun, &Role::Snapshot, &opened.snapshot_sha256).await?
    else {
        return Ok(None);
    };
    let listed = SnapshotView::parse(&snapshot.bytes)
        .map_err(|error| damaged(gun, Role::Snapshot, &error))?;
    let view = Arc::new(View {
        head: head.sha256,
        timestamp,
        timestamp_expires: opened.expires,
        snapshot: opened.snapshot_sha256,
        snapshot_expires: listed.expires,
        roles: listed
            .sha256_by_role
            .into_iter()
            .filter_map(|(name, sha256)| Some((Role::parse(&name).ok()?, sha256)))
            .collect(),
    });
    app.cache.keep_view(ticket, gun, &view);
    Ok(Some(view))
}

fn expired(view: &View, now: OffsetDateTime) -> bool {
    view.timestamp_expires < now || view.snapshot_expires < now
}

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
    fn expired(now: OffsetDateTime) -> Self {
        Self {
            timestamp: now,
            snapshot: now,
        }
    }
}

/// Renews whatever of timestamp and snapshot expires before `horizon`, and answers what is current
/// then: this renewal, or that of another server that came first.
///
/// A snapshot whose key a client holds is left alone while it is valid; after that nobody but the
/// client can help.
pub async fn renew(
    app: &App,
    gun: &Gun,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Arc<View>>, ReadError> {
    let _turn = app.turns.wait(gun).await;
    for _ in 0..ATTEMPTS {
        let Some(view) = view(app, gun).await? else {
            return Ok(None);
        };
        if view.timestamp_expires >= horizon.timestamp && view.snapshot_expires >= horizon.snapshot
        {
            return Ok(Some(view));
        }
        let Some(files) = renewed(app, gun, &view, horizon, now).await? else {
            return Ok(Some(view));
        };
        match app.store.publish(gun, &files, now).await {
            Ok(()) => tracing::info!(%gun, "renewed the timestamp"),
            Err(StoreError::VersionExists(_)) => {
                tracing::debug!(%gun, "another server renewed first");
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Eight rivals in a row have each stored a newer timestamp: the newest is as good as ours.
    view(app, gun).await
}

/// The files of a renewal; `None` if there is nothing this server can renew and nothing has expired.
async fn renewed(
    app: &App,
    gun: &Gun,
    view: &View,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Vec<File>>, ReadError> {
    let root = parsed(gun, Role::Root, &current_root(app, gun, view).await?)?;
    let previous = by_checksum(app, gun, &Role::Snapshot, &view.snapshot)
        .await?
        .ok_or_else(|| damaged(gun, Role::Snapshot, &"it is not stored"))?;
    let previous = parsed(gun, Role::Snapshot, &previous)?;
    let timestamp = parsed(gun, Role::Timestamp, &view.timestamp)?;
    let mut files = Vec::new();
    if view.snapshot_expires < horizon.snapshot {
        let draft = tuf::renew_snapshot(&root, &previous, now)
            .map_err(|error| damaged(gun, Role::Snapshot, &error))?;
        match seal(&app.signer, draft).await {
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
        .map_err(|error| damaged(gun, Role::Timestamp, &error))?;
    let timestamp = seal(&app.signer, draft)
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

fn parsed(gun: &Gun, role: Role, stored: &StoredMetadata) -> Result<File, ReadError> {
    File::parse(role.clone(), stored.bytes.clone()).map_err(|error| damaged(gun, role, &error))
}

fn damaged(gun: &Gun, role: Role, reason: &dyn std::fmt::Display) -> ReadError {
    ReadError::Damaged {
        gun: gun.clone(),
        role,
        reason: reason.to_string(),
    }
}

/// The [`view`] of a GUN that has trust data; `None` only if it has none at all.
///
/// # Errors
///
/// A repository that has a timestamp which leads nowhere is damaged, never "new": taking it for new
/// would let anybody bring a root of their own.
pub async fn view_or_new(app: &App, gun: &Gun) -> Result<Option<Arc<View>>, ReadError> {
    match view(app, gun).await? {
        Some(view) => Ok(Some(view)),
        None if app.store.head(gun).await?.is_none() => Ok(None),
        None => Err(damaged(
            gun,
            Role::Snapshot,
            &"the one that the newest timestamp names is not stored",
        )),
    }
}

/// The root that `view` leads to.
pub async fn current_root(app: &App, gun: &Gun, view: &View) -> Result<StoredMetadata, ReadError> {
    let missing = || damaged(gun, Role::Root, &"it is not stored");
    let sha256 = view.checksum(&Role::Root).ok_or_else(missing)?;
    by_checksum(app, gun, &Role::Root, &sha256)
        .await?
        .ok_or_else(missing)
}

/// The root in force, as the key endpoint needs it; `None` if the GUN has no trust data.
pub async fn root(app: &App, gun: &Gun) -> Result<Option<File>, ReadError> {
    match view_or_new(app, gun).await? {
        Some(view) => parsed(gun, Role::Root, &current_root(app, gun, &view).await?).map(Some),
        None => Ok(None),
    }
}
