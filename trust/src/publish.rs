//! Publishing: check an update, sign what the server signs, store it.
//!
//! An update is checked against what is current, so it is built on a state that a rival may replace
//! meanwhile. Nothing is locked against that: the store takes the files only on top of exactly the
//! timestamp that they were checked against. If that is no longer the newest one, the update is
//! checked and sealed again.
//!
//! So the first attempt builds on what this process remembers, without asking the database whether
//! it is current: the store finds out. An attempt that ends before the store takes the files has no
//! such proof. Its outcome counts only if what it built on is confirmed to be current; otherwise
//! the attempt is made again on what is.
//!
//! A client whose own version is taken is told so, unless all of its files are stored already and
//! current: then an earlier attempt succeeded and only its answer was lost.

mod remember;

use std::sync::Arc;

use access::{Caller, Permission, Policy};
use remember::remember_published;
use time::OffsetDateTime;
use tuf::{
    Accepted, Change, Difference, File, Gun, MetadataFormat, Refusal, Role, Stored, StoredFile,
    Update,
};

pub use crate::error::{Denied, PublishError, ReadError};
use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    cache::{Remembered, Ticket, View},
    events::{Attempt, Cause, Failure, Requester, What},
    memory::StoredSpace,
    repository,
    signer::{SealError, check_new_keys, seal, seal_both},
    store::{Head, StoreError},
};

/// By what right an update changes what it changes. Permission to publish one thing does not cover
/// everything, and what an update changes is known only when it was compared with what is current.
pub struct Authority {
    caller: Caller,
    policy: Arc<Policy>,
}

impl Authority {
    /// What `policy` lets `caller` do.
    #[must_use]
    pub fn new(caller: Caller, policy: Arc<Policy>) -> Self {
        Self { caller, policy }
    }

    /// Whether every change is granted to everybody: finding the changes costs as much as the rest.
    fn is_open(&self) -> bool {
        matches!(*self.policy, Policy::Open)
    }

    /// Decides about every change that `accepted` makes to `before`; the first that is refused ends
    /// it.
    fn check(&self, gun: &Gun, accepted: &Accepted, before: &Stored) -> Result<(), Box<Denied>> {
        if self.is_open() {
            return Ok(());
        }
        accepted
            .changes_since(before)
            .into_iter()
            .try_for_each(|change| self.decide(gun, change))
    }

    fn decide(&self, gun: &Gun, change: Change) -> Result<(), Box<Denied>> {
        let permission = match &change {
            Change::Targets(role) => Permission::Push(gun.as_str(), role.as_str()),
            Change::Signers(_) => Permission::Delegate(gun.as_str()),
        };
        let decision = self.policy.decide(&self.caller, permission);
        if decision.is_granted {
            return Ok(());
        }
        let (scope, reason) = (permission.scope(), decision.reason);
        Err(Box::new(Denied {
            change,
            scope,
            reason,
        }))
    }
}

/// Takes the files of an update, together with the snapshot and timestamp that vouch for them: all
/// of it is stored, or nothing. Tells the subscribers how that ended.
pub async fn publish(
    repositories: &Repositories,
    gun: &Gun,
    requester: &Requester,
    authority: &Arc<Authority>,
    update: Update,
    now: OffsetDateTime,
) -> Result<(), PublishError> {
    let version = |file: &File| (file.role().clone(), file.version());
    let sent: Vec<(Role, i64)> = update.files().map(version).collect();
    let outcome = publish_update(repositories, gun, authority, &update, now).await;
    if outcome.is_ok() {
        repositories.losers.note_accepted(gun);
    }
    let what = match &outcome {
        Ok(publication) => What::Published {
            cause: publication.cause,
            files: &publication.files,
            changes: &publication.changes,
        },
        Err(error) => What::Refused {
            attempt: Attempt::Publish(&sent),
            failure: Failure::Publish(error),
        },
    };
    repositories.events.tell(gun, requester, what);
    if outcome.as_ref().is_err_and(PublishError::is_conflict) {
        repositories.losers.wait(gun).await;
    }
    outcome.map(drop)
}

/// What became current, or was already.
struct Publication {
    cause: Cause,
    files: Vec<File>,
    changes: Difference,
}

/// Tries until no rival comes first.
async fn publish_update(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: &Update,
    now: OffsetDateTime,
) -> Result<Publication, PublishError> {
    let mut turn = None;
    let mut conflict = None;
    repositories.require_database()?;
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        if turn.is_none() {
            turn = repositories.locks.wait(gun).await;
        }
        let remembered = (attempt == 0).then(|| repositories.cache.remembered(gun));
        let published = match remembered.flatten() {
            Some(Remembered::Repository(view)) => {
                publish_on_memory(repositories, gun, authority, update, view, now).await
            }
            _ => publish_on_newest(repositories, gun, authority, update, now).await,
        };
        match published {
            Err(error) if is_lost_race(repositories, gun, update, &error).await? => {
                tracing::debug!(%gun, attempt, %error, "a rival came first; trying again");
                repositories.cache.doubt(gun);
                conflict = Some(error);
            }
            outcome => return outcome,
        }
    }
    let conflict = conflict.expect("every attempt returns, but for a lost race");
    Err(PublishError::Contended(Box::new(conflict)))
}

/// An attempt on the state that `view` remembers. If it ends without the store's word on whether
/// that is current, the database is asked.
async fn publish_on_memory(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: &Update,
    view: Arc<View>,
    now: OffsetDateTime,
) -> Result<Publication, PublishError> {
    let ticket = repositories.cache.ticket(gun);
    let built_on = view.head.clone();
    let basis = Basis {
        view: Some(view),
        ticket,
    };
    let outcome = publish_once(repositories, gun, authority, update, basis, now).await;
    let is_settled = match &outcome {
        Ok(publication) => publication.cause == Cause::Publish,
        // The version may be taken in what is remembered only.
        Err(PublishError::Store(StoreError::VersionExists(_))) => false,
        Err(error) => matches!(error, PublishError::Store(_) | PublishError::Signer(_)),
    };
    if is_settled || repositories.store.head(gun).await?.as_ref() == Some(&built_on) {
        return outcome;
    }
    tracing::debug!(%gun, "what was remembered is not current; trying again");
    repositories.cache.doubt(gun);
    publish_on_newest(repositories, gun, authority, update, now).await
}

/// An attempt on the state that the database has.
async fn publish_on_newest(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: &Update,
    now: OffsetDateTime,
) -> Result<Publication, PublishError> {
    let ticket = repositories.cache.ticket(gun);
    let found = repository::open(repositories, gun).await?;
    let view = found.view_or_new(gun)?;
    let basis = Basis { view, ticket };
    publish_once(repositories, gun, authority, update, basis, now).await
}

/// What an attempt builds on.
struct Basis {
    /// The repository; `None` if there is none.
    view: Option<Arc<View>>,
    /// From before the view was looked for.
    ticket: Ticket,
}

/// One attempt: check the update against what it builds on, seal it, store it.
async fn publish_once(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: &Update,
    basis: Basis,
    now: OffsetDateTime,
) -> Result<Publication, PublishError> {
    let mut space = repositories.memory.no_stored();
    let view = basis.view.as_deref();
    let current = Current::load(repositories, gun, view, update, &mut space).await?;
    let is_repeated = current.holds(update);
    let before = if is_repeated && !authority.is_open() {
        versions_before(repositories, gun, current.stored.format, update, &mut space).await?
    } else {
        current.stored.clone()
    };
    space.complete();
    let is_small = current.bytes + bytes_of(update) <= CHECKED_AT_ONCE;
    let (stored, update) = (current.stored, update.clone());
    let work = {
        let (gun, authority) = (gun.clone(), Arc::clone(authority));
        move || {
            let checked = check(&gun, &authority, &stored, &before, update, now)?;
            if !is_repeated {
                refuse_taken(&checked.0, &stored)?;
            }
            Ok::<_, PublishError>(checked)
        }
    };
    let (accepted, changes) = if is_small {
        work()?
    } else {
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?
    };
    if is_repeated {
        return Ok(Publication {
            cause: Cause::Repeat,
            files: accepted.into_files(),
            changes,
        });
    }
    check_new_keys(&*repositories.signer, gun, &accepted).await?;
    let files = seal_update(repositories, accepted, now).await?;
    repositories
        .store_files(gun, current.head.as_ref(), &files, now)
        .await?;
    let base = current.head.as_ref();
    remember_published(repositories, basis.ticket, gun, base, &files, now);
    Ok(Publication {
        cause: Cause::Publish,
        files,
        changes,
    })
}

/// Whether `error` only says that a rival was faster, so that the update may be tried again.
async fn is_lost_race(
    repositories: &Repositories,
    gun: &Gun,
    update: &Update,
    error: &PublishError,
) -> Result<bool, PublishError> {
    let role = match error {
        PublishError::Store(StoreError::VersionExists(role)) if update.contains(role) => role,
        error => {
            return Ok(matches!(
                error,
                PublishError::Store(StoreError::Moved | StoreError::VersionExists(_))
                    | PublishError::Read(ReadError::Outdated(_))
            ));
        }
    };
    // The client's own version of `role` is taken, unless an earlier attempt at the same update
    // took it: the next attempt will find that one.
    match Current::load_newest(repositories, gun, update).await {
        Ok(current) => Ok(current.holds(update)),
        Err(ReadError::Outdated(_)) => Ok(true),
        Err(error) => {
            tracing::debug!(%gun, %role, %error, "cannot tell who took the version");
            Err(error.into())
        }
    }
}

/// How many bytes of files are checked where other requests wait for it: what an ordinary publish
/// has, which takes less than handing it to another thread and back.
const CHECKED_AT_ONCE: usize = 32 << 10;

fn bytes_of(update: &Update) -> usize {
    update.files().map(|file| file.bytes().len()).sum()
}

/// Checks an update against what is `stored`, and whether its sender may change what it changes of
/// the files in `before`. Says what it changes of what is stored.
fn check(
    gun: &Gun,
    authority: &Authority,
    stored: &Stored,
    before: &Stored,
    update: Update,
    now: OffsetDateTime,
) -> Result<(Accepted, Difference), PublishError> {
    let accepted = tuf::check(gun, stored, update, now).map_err(PublishError::Refused)?;
    authority
        .check(gun, &accepted, before)
        .map_err(PublishError::Denied)?;
    let changes = accepted.difference();
    Ok((accepted, changes))
}

/// Refuses an update whose versions are taken, as the store would, but before anything is signed.
fn refuse_taken(accepted: &Accepted, stored: &Stored) -> Result<(), StoreError> {
    let is_taken = |file: &&File| {
        let current = stored.get(file.role()).map(StoredFile::version);
        matches!(current, Some(Ok(version)) if version >= file.version())
    };
    match accepted.files().iter().find(is_taken) {
        Some(file) => Err(StoreError::VersionExists(file.role().clone())),
        None => Ok(()),
    }
}

/// Everything there is to store for an update: its files, then the snapshot and timestamp that
/// vouch for them.
async fn seal_update(
    repositories: &Repositories,
    accepted: Accepted,
    now: OffsetDateTime,
) -> Result<Vec<File>, PublishError> {
    let signer = &repositories.signer;
    let made = if let Some(draft) = accepted.snapshot_to_make(now) {
        let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, now);
        seal_both(signer, draft, timestamp).await.map(Vec::from)
    } else {
        let snapshot = accepted.files().last();
        let snapshot =
            snapshot.expect("a snapshot that is not made is the last file of its update");
        let draft = accepted.timestamp_to_make(snapshot, now);
        seal(signer, draft).await.map(|timestamp| vec![timestamp])
    };
    let made = made.map_err(publish_error)?;
    let mut files = accepted.into_files();
    files.extend(made);
    Ok(files)
}

/// A key that the signer does not hold is the update's fault, not the server's: root names it.
fn publish_error(error: SealError) -> PublishError {
    match error {
        SealError::KeysMissing(role) => PublishError::Refused(Refusal::missing_key(&role)),
        SealError::Signer(error) => error.into(),
    }
}

/// What an update is checked against.
#[derive(Default)]
struct Current {
    /// The newest timestamp; `None` if the GUN has no trust data.
    head: Option<Head>,
    /// The files that it leads to.
    stored: Stored,
    /// How many bytes they have.
    bytes: usize,
}

impl Current {
    /// Reads the files that are current in the database.
    async fn load_newest(
        repositories: &Repositories,
        gun: &Gun,
        update: &Update,
    ) -> Result<Self, ReadError> {
        let found = repository::open(repositories, gun).await?;
        let view = found.view_or_new(gun)?;
        let mut space = repositories.memory.no_stored();
        Self::load(repositories, gun, view.as_deref(), update, &mut space).await
    }

    /// Reads the files that `view` leads to, counting their memory in `space`.
    async fn load(
        repositories: &Repositories,
        gun: &Gun,
        view: Option<&View>,
        update: &Update,
        space: &mut StoredSpace<'_>,
    ) -> Result<Self, ReadError> {
        let Some(view) = view else {
            return Ok(Self::default());
        };
        let bytes = async |role: &Role| -> Result<Option<bytes::Bytes>, ReadError> {
            let file = repository::load_listed(repositories, gun, view, role).await?;
            Ok(file.map(|file| file.bytes))
        };
        let mut stored = Stored::new(view.head.format);
        let root = load_root(repositories, gun, view).await?;
        let timestamp = view.timestamp.bytes.clone();
        let mut bytes_read = root.bytes().len() + timestamp.len();
        stored.insert(root);
        stored.insert_bytes(Role::Timestamp, timestamp);
        if let Some(snapshot) = bytes(&Role::Snapshot).await? {
            bytes_read += snapshot.len();
            stored.insert_bytes(Role::Snapshot, snapshot);
        }
        for role in update.needed_roles(view.listed.names()) {
            if let Some(bytes) = bytes(&role).await? {
                let length = bytes.len();
                space.add(length as u64).await.map_err(ReadError::NoSpace)?;
                bytes_read += length;
                stored.insert_bytes(role, bytes);
            }
        }
        Ok(Self {
            head: Some(view.head.clone()),
            stored,
            bytes: bytes_read,
        })
    }

    /// Whether every file of `update` is the current one of its role. An update without files is
    /// none that could be stored already: it asks for a new snapshot and timestamp.
    fn holds(&self, update: &Update) -> bool {
        let current = |role: &Role| self.stored.get(role).map(StoredFile::bytes);
        !update.is_empty()
            && update
                .files()
                .all(|file| current(file.role()) == Some(file.bytes()))
    }
}

/// The root that `view` leads to, read and judged if that was done before.
async fn load_root(
    repositories: &Repositories,
    gun: &Gun,
    view: &View,
) -> Result<StoredFile, ReadError> {
    let sha256 = view.checksum(&Role::Root);
    if let Some(root) = sha256.and_then(|sha256| repositories.roots.get(gun, sha256)) {
        return Ok(root);
    }
    let root = repository::current_root(repositories, gun, view).await?;
    let root = StoredFile::new(view.head.format, Role::Root, root.bytes);
    if let Some(sha256) = sha256 {
        repositories.roots.keep(gun, sha256, &root);
    }
    Ok(root)
}

/// The files that those of `update` replaced when they were stored: what the update changed follows
/// from them, and with it who may publish it.
async fn versions_before(
    repositories: &Repositories,
    gun: &Gun,
    format: MetadataFormat,
    update: &Update,
    space: &mut StoredSpace<'_>,
) -> Result<Stored, ReadError> {
    let mut before = Stored::new(format);
    for file in update.files() {
        let role = file.role();
        let found = repositories
            .store
            .before_version(gun, role, file.version())
            .await?;
        let Some(bytes) = found.map(|file| file.bytes) else {
            continue;
        };
        let length = bytes.len() as u64;
        space.add(length).await.map_err(ReadError::NoSpace)?;
        before.insert_bytes(role.clone(), bytes);
    }
    Ok(before)
}
