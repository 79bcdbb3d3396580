//! Opening a repository: following its newest timestamp to every file.
//!
//! What is current follows from the newest timestamp: it names a snapshot by checksum, and that
//! names the rest, so a reader never sees a role newer than the snapshot that vouches for it. The
//! walk is made once per timestamp; afterwards everything is remembered, and a read only has to
//! know that nothing has changed ([`crate::follower`]).

use std::{hash::Hash, sync::Arc};

use database::Lane;
use tokio::sync::{MutexGuard, OwnedMutexGuard};
use tuf::{Checksums, Damaged, File, Gun, MetadataFormat, Role, SnapshotView, TimestampView};

pub use crate::error::ReadError;
use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    cache::{Remembered, SIGHT, Ticket, View},
    follower::away,
    locks::GunLocks,
    store::{Head, StoreError, StoredMetadata, VersionName},
};

/// The version of `role` with this checksum.
pub async fn by_checksum(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    match repositories.cache.file(gun, role, sha256) {
        Some(file) => Ok(Some(file)),
        None => load_shared(repositories, gun, role, sha256).await,
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
    repositories.require_database()?;
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
async fn load_shared(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let _turn = take_turn(&repositories.cache.loads, &(gun, role, sha256)).await;
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
    repositories.require_database()?;
    let ticket = repositories.cache.ticket(gun);
    let found = read_stored(repositories, gun, role, sha256).await?;
    if let Some(file) = &found {
        repositories
            .cache
            .keep_file(ticket, gun, role, *sha256, file);
    }
    Ok(found)
}

/// Like [`by_checksum`], for a checksum that a client supplied: another server on the same database
/// may have deleted the repository. Files never change, so a file is there as long as its
/// repository is; within [`SIGHT`] of having seen that, nothing is asked.
pub async fn by_supplied_checksum(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let Some(file) = repositories.cache.file(gun, role, sha256) else {
        return load_shared(repositories, gun, role, sha256).await;
    };
    let follower = &repositories.follower;
    let is_seen = !follower.is_out()
        && (is_in_sight(repositories, gun)
            || recall(repositories, gun).await.is_some() && is_in_sight(repositories, gun));
    // A poll may just have told of a deletion, and another reader have found the repository that
    // came afterwards.
    let is_there = is_seen && repositories.cache.holds_file(gun, role, sha256);
    let is_there = is_there
        || match recall_without_database(repositories, gun) {
            Some(remembered) => remembered?.view().is_some(),
            None => match repositories.store.holds(gun, role, sha256).await {
                Err(error) if follower.is_out_by(&error) => {
                    recall_without_database(repositories, gun)
                        .ok_or(error)??
                        .view()
                        .is_some()
                }
                answer => answer?,
            },
        };
    if is_there {
        return Ok(Some(file));
    }
    // What is remembered must not count now.
    load(repositories, gun, role, sha256).await
}

/// Whether a poll has seen the repository that is remembered, and a moment ago. Another one may
/// have had its name before: only a poll that began later makes this process forget that one's
/// files.
fn is_in_sight(repositories: &Repositories, gun: &Gun) -> bool {
    let cache = &repositories.cache;
    let now = cache.now();
    let (Some(known), Some(polled)) = (cache.known_since(gun), repositories.follower.last_poll())
    else {
        return false;
    };
    polled >= known && now.saturating_duration_since(polled) < SIGHT
}

/// What is remembered of `gun`, if the database holds that now, or has held it since this was
/// called.
async fn recall(repositories: &Repositories, gun: &Gun) -> Option<Remembered> {
    let cache = &repositories.cache;
    // Without anything to confirm there is no reason to wait for a poll.
    let found = match cache.confirmed(gun) {
        Some(_) if repositories.follower.catch_up().await => cache.confirmed(gun),
        _ => None,
    };
    cache.count_head(found.is_some());
    found.map(|(what, _)| what)
}

/// The same from the store, and only if the bytes are what their checksum says: the last line of
/// defence against a database that was tampered with or has rotted.
async fn read_stored(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    sha256: &[u8; 32],
) -> Result<Option<StoredMetadata>, ReadError> {
    let found = repositories.store.by_checksum(gun, role, sha256).await?;
    match found {
        Some(file) if Checksums::of(&file.bytes).sha256 != *sha256 => Err(describe_damage(
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
    pub(crate) fn view(self) -> Option<Arc<View>> {
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
    /// new would accept a root of any client.
    pub(crate) fn view_or_new(self, gun: &Gun) -> Result<Option<Arc<View>>, ReadError> {
        match self {
            Self::Whole(view) => Ok(Some(view)),
            Self::Nothing => Ok(None),
            Self::Broken(role) => Err(describe_damage(
                gun,
                role,
                &"the one that the newest timestamp leads to is not stored",
            )),
        }
    }
}

/// What may be served of `gun` although the database is away; `None` if it is not.
///
/// # Errors
///
/// If nothing may be served.
fn recall_without_database(
    repositories: &Repositories,
    gun: &Gun,
) -> Option<Result<Remembered, StoreError>> {
    let follower = &repositories.follower;
    let now = repositories.now();
    follower.is_out().then(|| {
        follower
            .last_confirmed(gun)
            .filter(|what| what.view().is_some_and(|view| !view.is_expired(now)))
            .ok_or_else(away)
    })
}

/// Follows the newest timestamp of `gun` that the database has now, for those who go on to write.
/// What is remembered is not enough for them, however fresh: a server that takes itself for the
/// only one would refuse what builds on a write of another, or make keys that there are.
///
/// # Errors
///
/// [`ReadError::Outdated`] if the repository was deleted meanwhile: begin again.
pub(crate) async fn open(repositories: &Repositories, gun: &Gun) -> Result<Found, ReadError> {
    repositories.require_database()?;
    ask(repositories, gun).await
}

/// Like [`open`], for those who only read: while the database is away, what was confirmed last.
pub(crate) async fn open_to_read(
    repositories: &Repositories,
    gun: &Gun,
) -> Result<Found, ReadError> {
    if !repositories.follower.is_out()
        && let Some(remembered) = recall(repositories, gun).await
    {
        return Ok(remembered.into());
    }
    if let Some(remembered) = recall_without_database(repositories, gun) {
        return Ok(remembered?.into());
    }
    match ask(repositories, gun).await {
        Err(ReadError::Store(error)) if repositories.follower.is_out_by(&error) => {
            let remembered = recall_without_database(repositories, gun);
            Ok(remembered.ok_or(error)??.into())
        }
        found => found,
    }
}

impl From<Remembered> for Found {
    fn from(remembered: Remembered) -> Self {
        match remembered {
            Remembered::Absent => Self::Nothing,
            Remembered::Repository(view) => Self::Whole(view),
        }
    }
}

/// A turn to ask the store for what others may want at the same time. A publish takes none: it
/// would stand behind readers, who wait for the database in a queue of their own.
async fn take_turn<'l>(line: &'l GunLocks, whom: &impl Hash) -> Option<MutexGuard<'l, ()>> {
    if Lane::current() == Some(Lane::Write) {
        return None;
    }
    line.wait(whom).await
}

/// Asks the store for the newest timestamp. Those who want the same at the same time ask once: what
/// another one has asked for after this one came answers both.
async fn ask(repositories: &Repositories, gun: &Gun) -> Result<Found, ReadError> {
    let cache = &repositories.cache;
    let arrived = cache.now();
    let turn = take_turn(&cache.questions, gun).await;
    if let Some((what, asked)) = cache.confirmed(gun)
        && asked > arrived
    {
        return Ok(what.into());
    }
    let ticket = cache.ticket(gun);
    let Some(head) = repositories.store.head(gun).await? else {
        cache.keep(ticket, gun, Remembered::Absent);
        return Ok(Found::Nothing);
    };
    if let Some(view) = cache.view(gun, &head) {
        cache.keep(ticket, gun, Remembered::Repository(Arc::clone(&view)));
        return Ok(Found::Whole(view));
    }
    drop(turn);
    follow(repositories, gun, ticket, head).await
}

/// Follows the timestamp that `head` names, which was asked for after `ticket` was issued.
async fn follow(
    repositories: &Repositories,
    gun: &Gun,
    ticket: Ticket,
    head: Head,
) -> Result<Found, ReadError> {
    let timestamp = read_stored(repositories, gun, &Role::Timestamp, &head.sha256).await?;
    let Some(timestamp) = unless_outdated(repositories, gun, &head, timestamp).await? else {
        return Ok(Found::Broken(Role::Timestamp));
    };
    let opened = TimestampView::parse(head.format, &timestamp.bytes)
        .map_err(|error| describe_damage(gun, Role::Timestamp, &error))?;
    let snapshot = by_checksum(repositories, gun, &Role::Snapshot, &opened.snapshot_sha256).await?;
    let Some(snapshot) = unless_outdated(repositories, gun, &head, snapshot).await? else {
        return Ok(Found::Broken(Role::Snapshot));
    };
    let listed = listing(repositories, head.format, &snapshot.bytes).await;
    let listed = listed.map_err(|error| describe_damage(gun, Role::Snapshot, &error))?;
    let view = Arc::new(open_view(head, timestamp, &opened, listed));
    let remembered = Remembered::Repository(Arc::clone(&view));
    repositories.cache.keep(ticket, gun, remembered);
    Ok(Found::Whole(view))
}

/// What `head` opens, by the timestamp of that name and the snapshot that it names.
pub(crate) fn open_view(
    head: Head,
    timestamp: StoredMetadata,
    opened: &TimestampView,
    listed: SnapshotView,
) -> View {
    View {
        head,
        timestamp,
        timestamp_expires: opened.expires,
        snapshot: opened.snapshot_sha256,
        snapshot_expires: listed.expires,
        listed: listed.listed,
    }
}

/// The file of `role` that `view` leads to; `None` if it leads to none, or to one that is not
/// stored.
///
/// # Errors
///
/// [`ReadError::Outdated`] if the repository was deleted meanwhile: begin again.
pub(crate) async fn load_listed(
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
        repositories.cache.doubt(gun);
        return Err(ReadError::Outdated(gun.clone()));
    }
    Ok(found)
}

pub(crate) fn parse_file(
    gun: &Gun,
    view: &View,
    role: Role,
    stored: &StoredMetadata,
) -> Result<File, ReadError> {
    let file = File::parse(view.head.format, role.clone(), stored.bytes.clone());
    file.map_err(|error| describe_damage(gun, role, &error))
}

pub(crate) fn describe_damage(gun: &Gun, role: Role, reason: &dyn std::fmt::Display) -> ReadError {
    ReadError::Damaged {
        gun: gun.clone(),
        role,
        reason: reason.to_string(),
    }
}

/// The file of `role` that an update of `gun` would replace, and the format that it is written in;
/// `None` if there is none.
///
/// # Errors
///
/// A repository whose timestamp leads nowhere is damaged, not new.
pub async fn load_replaced(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
) -> Result<Option<(MetadataFormat, StoredMetadata)>, ReadError> {
    let Some(view) = open(repositories, gun).await?.view_or_new(gun)? else {
        return Ok(None);
    };
    let file = load_listed(repositories, gun, &view, role).await?;
    Ok(file.map(|file| (view.head.format, file)))
}

/// The root that `view` leads to, or the newest one where snapshots do not list it.
pub(crate) async fn current_root(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
) -> Result<StoredMetadata, ReadError> {
    let found = if view.head.format.lists_root() {
        load_listed(repositories, gun, view, &Role::Root).await?
    } else {
        repositories
            .store
            .before_version(gun, &Role::Root, i64::MAX)
            .await?
    };
    found.ok_or_else(|| describe_damage(gun, Role::Root, &"it is not stored"))
}

/// The current root, as the key endpoint needs it; `None` if the GUN has no trust data.
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
            parse_file(gun, &view, Role::Root, &root).map(Some)
        }
        None => Ok(None),
    }
}

/// The size from which a snapshot is not read beside everything else.
pub(crate) const LARGE_SNAPSHOT: usize = 1 << 20;

/// What a stored snapshot lists. A large one takes a while and several times its size in memory, so
/// one is read at a time, and not where other requests would have to wait.
async fn listing(
    repositories: &Repositories,
    format: MetadataFormat,
    bytes: &bytes::Bytes,
) -> Result<SnapshotView, Damaged> {
    let Some(turn) = turn_if_large(repositories, bytes).await else {
        return SnapshotView::parse(format, bytes);
    };
    let bytes = bytes.clone();
    // It is read to its end when the client hangs up, and the next one waits for that.
    let reading = move || {
        let _turn = turn;
        SnapshotView::parse(format, &bytes)
    };
    tokio::task::spawn_blocking(reading)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// A turn to read a stored snapshot, if it is one of those that are read one at a time.
pub(crate) async fn turn_if_large(
    repositories: &Repositories,
    snapshot: &bytes::Bytes,
) -> Option<OwnedMutexGuard<()>> {
    if snapshot.len() < LARGE_SNAPSHOT {
        return None;
    }
    Some(repositories.memory.turn_to_read().await)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_publish_does_not_stand_in_line_with_readers() {
        let line = GunLocks::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let first = Lane::Read.within(take_turn(&line, &"a")).now_or_never();
            assert!(matches!(first, Some(Some(_))));
            let reader = Lane::Read.within(take_turn(&line, &"a")).now_or_never();
            assert!(reader.is_none(), "it waits");
            let publish = Lane::Write.within(take_turn(&line, &"a")).now_or_never();
            assert!(matches!(publish, Some(None)), "it goes on without a turn");
        });
    }
}
