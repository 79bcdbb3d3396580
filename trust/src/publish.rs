//! Publishing: check an update, sign what the server signs, store it.
//!
//! An update is checked against what is current, so it is built on a state that a rival may replace
//! meanwhile. Nothing is locked against that: the store takes the files only on top of exactly the
//! timestamp that they were checked against. If that is no longer the newest one, the update is
//! checked and sealed again. A client whose own version is taken is told so, unless all of its
//! files are stored already and current: then an earlier attempt succeeded and only its answer was
//! lost.

use std::sync::Arc;

use access::{Caller, Permission, Policy};
use time::OffsetDateTime;
use tuf::{
    Accepted, Change, Difference, File, Gun, MetadataFormat, Refusal, Role, Stored, StoredFile,
    Update,
};

pub use crate::error::{Denied, PublishError, ReadError};
use crate::{
    Repositories,
    attempts::{ATTEMPTS, pause_before},
    events::{Attempt, Cause, Failure, Requester, What},
    memory::StoredSpace,
    repository,
    signer::{SealError, check_new_keys, seal},
    store::{Head, StoreError},
};

/// By what right an update changes what it changes. Whoever may publish something may not publish
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
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        if turn.is_none() {
            turn = repositories.locks.wait(gun).await;
        }
        match publish_once(repositories, gun, authority, update, now).await {
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

/// One attempt: check the update against what is current, seal it, store it.
async fn publish_once(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: &Update,
    now: OffsetDateTime,
) -> Result<Publication, PublishError> {
    let mut space = repositories.memory.no_stored();
    let current = Current::load(repositories, gun, update, &mut space).await?;
    let is_repeated = current.holds(update);
    let before = if is_repeated && !authority.is_open() {
        versions_before(repositories, gun, current.stored.format, update, &mut space).await?
    } else {
        current.stored.clone()
    };
    space.complete();
    let (accepted, changes) =
        check(gun, authority, current.stored, before, update.clone(), now).await?;
    if is_repeated {
        return Ok(Publication {
            cause: Cause::Repeat,
            files: accepted.into_files(),
            changes,
        });
    }
    check_new_keys(&*repositories.signer, gun, &accepted).await?;
    let files = sealed(repositories, accepted, now).await?;
    repositories
        .store
        .publish(gun, current.head.as_ref(), &files, now)
        .await?;
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
    match Current::load(
        repositories,
        gun,
        update,
        &mut repositories.memory.no_stored(),
    )
    .await
    {
        Ok(current) => Ok(current.holds(update)),
        Err(ReadError::Outdated(_)) => Ok(true),
        Err(error) => {
            tracing::debug!(%gun, %role, %error, "cannot tell who took the version");
            Err(error.into())
        }
    }
}

/// Checks an update against what is `stored`, and whether its sender may change what it changes of
/// the files in `before`. Says what it changes of what is stored.
async fn check(
    gun: &Gun,
    authority: &Arc<Authority>,
    stored: Stored,
    before: Stored,
    update: Update,
    now: OffsetDateTime,
) -> Result<(Accepted, Difference), PublishError> {
    let (gun, authority) = (gun.clone(), authority.clone());
    let checked = tokio::task::spawn_blocking(move || {
        let accepted = tuf::check(&gun, &stored, update, now).map_err(PublishError::Refused)?;
        authority
            .check(&gun, &accepted, &before)
            .map_err(PublishError::Denied)?;
        let changes = accepted.difference();
        Ok((accepted, changes))
    });
    checked
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Everything there is to store for an update: its files, then the snapshot and timestamp that
/// vouch for them.
async fn sealed(
    repositories: &Repositories,
    accepted: Accepted,
    now: OffsetDateTime,
) -> Result<Vec<File>, PublishError> {
    let made = match accepted.snapshot_to_make(now) {
        Some(draft) => Some(seal(&repositories.signer, draft).await.map_err(refused)?),
        None => None,
    };
    let snapshot = made
        .as_ref()
        .or_else(|| accepted.files().last())
        .expect("a snapshot is either made here or sent, as the last of its update");
    let draft = accepted.timestamp_to_make(snapshot, now);
    let timestamp = seal(&repositories.signer, draft).await.map_err(refused)?;
    let mut files = accepted.into_files();
    files.extend(made);
    files.push(timestamp);
    Ok(files)
}

/// A key that the signer does not hold is the update's fault, not the server's: root names it.
fn refused(error: SealError) -> PublishError {
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
}

impl Current {
    /// Reads the files, counting their memory in `space`.
    async fn load(
        repositories: &Repositories,
        gun: &Gun,
        update: &Update,
        space: &mut StoredSpace<'_>,
    ) -> Result<Self, ReadError> {
        let Some(view) = repository::open(repositories, gun)
            .await?
            .view_or_new(gun)?
        else {
            return Ok(Self::default());
        };
        let bytes = async |role: &Role| -> Result<Option<bytes::Bytes>, ReadError> {
            let file = repository::listed(repositories, gun, &view, role).await?;
            Ok(file.map(|file| file.bytes))
        };
        let root = repository::current_root(repositories, gun, &view).await?;
        let mut stored = Stored::new(view.head.format);
        stored.insert_bytes(Role::Root, root.bytes);
        stored.insert_bytes(Role::Timestamp, view.timestamp.bytes.clone());
        if let Some(snapshot) = bytes(&Role::Snapshot).await? {
            stored.insert_bytes(Role::Snapshot, snapshot);
        }
        for role in update.needed(view.listed.names()) {
            if let Some(bytes) = bytes(&role).await? {
                let length = bytes.len() as u64;
                space.add(length).await.map_err(ReadError::NoSpace)?;
                stored.insert_bytes(role, bytes);
            }
        }
        let head = Some(view.head.clone());
        Ok(Self { head, stored })
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
