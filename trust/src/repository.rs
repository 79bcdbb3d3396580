//! Reading: the current version of a role, and renewing what is about to expire.
//!
//! What is current follows from the newest timestamp: it names a snapshot by checksum, and that
//! names the rest, so a reader never sees a role newer than the snapshot that vouches for it. The
//! walk is made once per timestamp; afterwards a read asks the store for the name of the newest
//! timestamp and finds everything else remembered.
//!
//! No read depends on the signer: timestamps are renewed in the background long before they expire
//! (see [`crate::renewal`]), and one that is still valid is always served. Only a reader who comes
//! upon an expired timestamp has to wait for a renewal.

use std::sync::Arc;

use time::OffsetDateTime;
use tuf::{Checksums, Damaged, Dialect, Difference, File, Gun, Role, SnapshotView, TimestampView};

pub use crate::error::ReadError;
use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    cache::View,
    events::{Cause, Requester, What},
    signer::{SealError, seal},
    store::{Head, StoreError, StoredMetadata, VersionName},
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
    let Some(mut view) = open(repositories, gun).await?.view() else {
        return Ok(None);
    };
    if matches!(role, Role::Timestamp | Role::Snapshot) && expired(&view, now) {
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

/// The version of `role` with this checksum.
pub async fn by_checksum(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    match repositories.cache.file(gun, role, sha256) {
        Some(file) => Ok(Some(file)),
        None => loaded(repositories, gun, role, sha256).await,
    }
}

/// One version of `role`. What is remembered is shared by all who read it, which matters for a
/// large file that many ask for and read slowly.
pub async fn by_version(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    version: i32,
) -> Result<Option<StoredMetadata>, ReadError> {
    match repositories
        .store
        .name_of_version(gun, role, version)
        .await?
    {
        None => Ok(None),
        Some(VersionName::Sha256(sha256)) => by_checksum(repositories, gun, role, &sha256).await,
        Some(VersionName::Unknown) => Ok(repositories.store.by_version(gun, role, version).await?),
    }
}

/// The same from the store, to be remembered. Of several who want the same file one loads it.
async fn loaded(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let _turn = repositories.cache.loads.wait(&(gun, role, sha256)).await;
    match repositories.cache.file(gun, role, sha256) {
        Some(file) => Ok(Some(file)),
        None => load(repositories, gun, role, sha256).await,
    }
}

async fn load(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let ticket = repositories.cache.ticket();
    let found = stored(repositories, gun, role, sha256).await?;
    if let Some(file) = &found {
        repositories
            .cache
            .keep_file(ticket, gun, role, *sha256, file);
    }
    Ok(found)
}

/// The same for who names the checksum himself: asks the store whether the file is still there,
/// unless the operator has allowed to do without. Another server on the same database may have
/// deleted the repository.
pub async fn named(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let Some(file) = repositories.cache.file(gun, role, sha256) else {
        return loaded(repositories, gun, role, sha256).await;
    };
    if repositories.cache.is_trusted() || repositories.store.holds(gun, role, sha256).await? {
        return Ok(Some(file));
    }
    // What is remembered must not count now.
    load(repositories, gun, role, sha256).await
}

/// The same from the store, and only if the bytes are what their checksum says: the last line of
/// defence against a database that was tampered with or has rotted.
async fn stored(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let found = repositories.store.by_checksum(gun, role, sha256).await?;
    match found {
        Some(file) if Checksums::of(&file.bytes).sha256 != *sha256 => Err(damaged(
            gun,
            role.clone(),
            &"its bytes do not have the checksum stored beside them",
        )),
        found => Ok(found),
    }
}

/// What there is of a GUN.
pub(crate) enum Found {
    /// No trust data.
    Nothing,
    /// A timestamp that leads nowhere: what it names for this role is not stored.
    Broken(Role),
    /// A repository.
    Whole(Arc<View>),
}

impl Found {
    /// The repository, if there is one that can be read.
    fn view(self) -> Option<Arc<View>> {
        match self {
            Self::Whole(view) => Some(view),
            Self::Nothing | Self::Broken(_) => None,
        }
    }

    /// The repository; `None` only if the GUN has no trust data at all.
    ///
    /// # Errors
    ///
    /// A repository that has a timestamp which leads nowhere is damaged, never "new": taking it for
    /// new would let anybody bring a root of their own.
    pub(crate) fn view_or_new(self, gun: &Gun) -> Result<Option<Arc<View>>, ReadError> {
        match self {
            Self::Whole(view) => Ok(Some(view)),
            Self::Nothing => Ok(None),
            Self::Broken(role) => Err(damaged(
                gun,
                role,
                &"the one that the newest timestamp leads to is not stored",
            )),
        }
    }
}

/// Follows the newest timestamp of `gun`.
///
/// # Errors
///
/// [`ReadError::Outdated`] if the repository was deleted meanwhile: begin again.
pub(crate) async fn open(repositories: &Repositories, gun: &Gun) -> Result<Found, ReadError> {
    let ticket = repositories.cache.ticket();
    let Some(head) = repositories.store.head(gun).await? else {
        return Ok(Found::Nothing);
    };
    if let Some(view) = repositories.cache.view(gun, &head) {
        return Ok(Found::Whole(view));
    }
    let timestamp = stored(repositories, gun, &Role::Timestamp, &head.sha256).await?;
    let Some(timestamp) = unless_outdated(repositories, gun, &head, timestamp).await? else {
        return Ok(Found::Broken(Role::Timestamp));
    };
    let opened = TimestampView::parse(head.dialect, &timestamp.bytes)
        .map_err(|error| damaged(gun, Role::Timestamp, &error))?;
    let snapshot = by_checksum(repositories, gun, &Role::Snapshot, &opened.snapshot_sha256).await?;
    let Some(snapshot) = unless_outdated(repositories, gun, &head, snapshot).await? else {
        return Ok(Found::Broken(Role::Snapshot));
    };
    let listed = listing(repositories, head.dialect, &snapshot.bytes).await;
    let listed = listed.map_err(|error| damaged(gun, Role::Snapshot, &error))?;
    let view = Arc::new(View {
        head,
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
    repositories.cache.keep_view(ticket, gun, &view);
    Ok(Found::Whole(view))
}

/// The file of `role` that `view` leads to; `None` if it leads to none, or to one that is not
/// stored.
///
/// # Errors
///
/// [`ReadError::Outdated`] if the repository was deleted meanwhile: begin again.
pub(crate) async fn listed(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
    role: &Role,
) -> Result<Option<StoredMetadata>, ReadError> {
    let Some(sha256) = view.checksum(role) else {
        return Ok(None);
    };
    let found = by_checksum(repositories, gun, role, &sha256).await?;
    unless_outdated(repositories, gun, &view.head, found).await
}

/// `found`, what `head` leads to. Files go only by a deletion, and a deletion takes the newest
/// timestamp with them: if something is missing while `head` is still the newest, it really is not
/// stored.
async fn unless_outdated(
    repositories: &Repositories,
    gun: &Gun,
    head: &Head,
    found: Option<StoredMetadata>,
) -> Result<Option<StoredMetadata>, ReadError> {
    if found.is_none() && repositories.store.head(gun).await?.as_ref() != Some(head) {
        tracing::debug!(%gun, "the repository was deleted while it was read; reading it again");
        return Err(ReadError::Outdated(gun.clone()));
    }
    Ok(found)
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
    let Some(files) = renewed(repositories, gun, &view, horizon, now).await? else {
        return Ok(Some(view));
    };
    repositories
        .store
        .publish(gun, Some(&view.head), &files, now)
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
async fn renewed(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
    horizon: Horizon,
    now: OffsetDateTime,
) -> Result<Option<Vec<File>>, ReadError> {
    let root = parsed(
        gun,
        view,
        Role::Root,
        &current_root(repositories, gun, view).await?,
    )?;
    let previous = listed(repositories, gun, view, &Role::Snapshot)
        .await?
        .ok_or_else(|| damaged(gun, Role::Snapshot, &"it is not stored"))?;
    let previous = parsed(gun, view, Role::Snapshot, &previous)?;
    let timestamp = parsed(gun, view, Role::Timestamp, &view.timestamp)?;
    let mut files = Vec::new();
    if view.snapshot_expires < horizon.snapshot {
        let draft = tuf::renew_snapshot(&root, &previous, now)
            .map_err(|error| damaged(gun, Role::Snapshot, &error))?;
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
        .map_err(|error| damaged(gun, Role::Timestamp, &error))?;
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

fn parsed(gun: &Gun, view: &View, role: Role, stored: &StoredMetadata) -> Result<File, ReadError> {
    let file = File::parse(view.head.dialect, role.clone(), stored.bytes.clone());
    file.map_err(|error| damaged(gun, role, &error))
}

fn damaged(gun: &Gun, role: Role, reason: &dyn std::fmt::Display) -> ReadError {
    ReadError::Damaged {
        gun: gun.clone(),
        role,
        reason: reason.to_string(),
    }
}

/// The file of `role` that an update of `gun` would replace, and the dialect that it is written in;
/// `None` if there is none.
///
/// # Errors
///
/// A repository whose timestamp leads nowhere is damaged, not new.
pub async fn load_replaced(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
) -> Result<Option<(Dialect, StoredMetadata)>, ReadError> {
    let Some(view) = open(repositories, gun).await?.view_or_new(gun)? else {
        return Ok(None);
    };
    let file = listed(repositories, gun, &view, role).await?;
    Ok(file.map(|file| (view.head.dialect, file)))
}

/// The root that `view` leads to.
pub(crate) async fn current_root(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
) -> Result<StoredMetadata, ReadError> {
    listed(repositories, gun, view, &Role::Root)
        .await?
        .ok_or_else(|| damaged(gun, Role::Root, &"it is not stored"))
}

/// The root in force, as the key endpoint needs it; `None` if the GUN has no trust data.
pub async fn root(repositories: &Repositories, gun: &Gun) -> Result<Option<File>, ReadError> {
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        match root_once(repositories, gun).await {
            Err(ReadError::Outdated(_)) => {}
            outcome => return outcome,
        }
    }
    Err(ReadError::Contended(gun.clone()))
}

async fn root_once(repositories: &Repositories, gun: &Gun) -> Result<Option<File>, ReadError> {
    match open(repositories, gun).await?.view_or_new(gun)? {
        Some(view) => {
            let root = current_root(repositories, gun, &view).await?;
            parsed(gun, &view, Role::Root, &root).map(Some)
        }
        None => Ok(None),
    }
}

/// The size from which a snapshot is not read beside everything else.
const LARGE_SNAPSHOT: usize = 1 << 20;

/// What a stored snapshot lists. A large one takes a while and several times its size in memory, so
/// one is read at a time, and not where other requests would have to wait.
async fn listing(
    repositories: &Repositories,
    dialect: Dialect,
    bytes: &bytes::Bytes,
) -> Result<SnapshotView, Damaged> {
    if bytes.len() < LARGE_SNAPSHOT {
        return SnapshotView::parse(dialect, bytes);
    }
    let turn = repositories.memory.turn_to_read().await;
    let bytes = bytes.clone();
    // It is read to its end when the client hangs up, and the next one waits for that.
    let reading = move || {
        let _turn = turn;
        SnapshotView::parse(dialect, &bytes)
    };
    tokio::task::spawn_blocking(reading)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
