//! Publishing: check an update, sign what the server signs, store it.
//!
//! An update is checked against what is current, so it is built on a state that a rival may replace
//! meanwhile. Nothing is locked against that: the store takes the files only on top of exactly the
//! timestamp that they were checked against. If that is no longer the newest one, the update is checked
//! and sealed again. A client whose own version is taken is told so, unless all of its files are
//! stored already and current: then an earlier attempt succeeded and only its answer was lost.

use std::sync::Arc;

use access::{Caller, Need, Policy, Reason, Scope};
use time::OffsetDateTime;
use tuf::{Accepted, Change, File, Gun, Refusal, Role, Stored, Update};

use crate::{
    Repositories,
    memory::StoredSpace,
    repository::{self, ATTEMPTS, ReadError, pause_before},
    signer::{NewKeyError, SealError, SignerError, check_new_keys, seal},
    store::{Head, StoreError},
};

/// Why an update was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A rule of trust forbids it.
    #[error("{0}")]
    Refused(Refusal),
    /// It changes something that its sender may not change.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// What is current could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A version exists, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rivals came first each time that this was tried.
    #[error("rivals changed the repository during each of {ATTEMPTS} attempts; the last one: {0}")]
    Contended(Box<PublishError>),
}

impl From<NewKeyError> for PublishError {
    fn from(error: NewKeyError) -> Self {
        match error {
            NewKeyError::Refused(refusal) => Self::Refused(refusal),
            NewKeyError::Signer(error) => Self::Signer(error),
        }
    }
}

/// By what right an update changes what it changes. Whoever may publish something may not publish
/// everything, and what an update changes is known only when it was compared with what is current.
pub struct Authority {
    caller: Caller,
    policy: Arc<Policy>,
}

/// A change that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change} is not granted: {reason}")]
pub struct Denied {
    /// What the update would change.
    pub change: Change,
    /// What it takes, in the words of tokens.
    pub scope: Scope,
    /// Why not, for operators.
    pub reason: Reason,
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

    /// Decides about every change that `accepted` makes to `before`; the first that is refused ends it.
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
        let need = match &change {
            Change::Targets(role) => Need::Push(gun.as_str(), role.as_str()),
            Change::Signers(_) => Need::Delegate(gun.as_str()),
        };
        let decision = self.policy.decide(&self.caller, need);
        if decision.is_granted {
            return Ok(());
        }
        let (scope, reason) = (need.scope(), decision.reason);
        Err(Box::new(Denied {
            change,
            scope,
            reason,
        }))
    }
}

/// Takes the files of an update, together with the snapshot and timestamp that vouch for them: all of
/// it is stored, or nothing. Says what was stored.
pub async fn publish(
    repositories: &Repositories,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: Update,
    now: OffsetDateTime,
) -> Result<Vec<File>, PublishError> {
    let mut turn = None;
    let mut conflict = None;
    for attempt in 0..ATTEMPTS {
        pause_before(attempt).await;
        if turn.is_none() {
            turn = repositories.locks.wait(gun).await;
        }
        match publish_once(repositories, gun, authority, &update, now).await {
            Err(error) if is_lost_race(repositories, gun, &update, &error).await? => {
                tracing::debug!(%gun, attempt, %error, "a rival came first; trying again");
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
) -> Result<Vec<File>, PublishError> {
    let mut space = repositories.memory.no_stored();
    let current = Current::load(repositories, gun, update, &mut space).await?;
    let is_repeated = current.holds(update);
    let before = if is_repeated && !authority.is_open() {
        versions_before(repositories, gun, update, &mut space).await?
    } else {
        current.stored.clone()
    };
    space.complete();
    let accepted = check(gun, authority, current.stored, before, update.clone(), now).await?;
    if is_repeated {
        tracing::info!(%gun, "the update is stored already and current");
        return Ok(accepted.into_files());
    }
    check_new_keys(&*repositories.signer, gun, &accepted).await?;
    let files = sealed(repositories, accepted, now).await?;
    repositories
        .store
        .publish(gun, current.head.as_ref(), &files, now)
        .await?;
    log_success(gun, &files);
    Ok(files)
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
    // The client's own version of `role` is taken, unless an earlier attempt at the same update took
    // it: the next attempt will find that one.
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

/// Checks an update against what is `stored`, and whether its sender may change what it changes of the
/// files in `before`.
async fn check(
    gun: &Gun,
    authority: &Arc<Authority>,
    stored: Stored,
    before: Stored,
    update: Update,
    now: OffsetDateTime,
) -> Result<Accepted, PublishError> {
    let (gun, authority) = (gun.clone(), authority.clone());
    let checked = tokio::task::spawn_blocking(move || {
        let accepted = tuf::check(&gun, &stored, update, now).map_err(PublishError::Refused)?;
        authority
            .check(&gun, &accepted, &before)
            .map_err(PublishError::Denied)?;
        Ok(accepted)
    });
    checked
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Everything there is to store for an update: its files, then the snapshot and timestamp that vouch
/// for them.
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
        SealError::KeysMissing(Role::Snapshot) => {
            PublishError::Refused(Refusal::missing_snapshot())
        }
        SealError::KeysMissing(_) => PublishError::Refused(Refusal::Root(
            "no  timestamp keys exist on the server".into(),
        )),
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
        let mut stored = Stored {
            root: Some(
                repository::current_root(repositories, gun, &view)
                    .await?
                    .bytes,
            ),
            timestamp: Some(view.timestamp.bytes.clone()),
            snapshot: bytes(&Role::Snapshot).await?,
            ..Stored::default()
        };
        for role in update.needed() {
            if let Some(bytes) = bytes(&role).await? {
                let length = bytes.len() as u64;
                space.add(length).await.map_err(ReadError::NoSpace)?;
                stored.targets.insert(role, bytes);
            }
        }
        let head = Some(view.head.clone());
        Ok(Self { head, stored })
    }

    /// Whether every file of `update` is the current one of its role. An update without files is none
    /// that could be stored already: it asks for a new snapshot and timestamp.
    fn holds(&self, update: &Update) -> bool {
        let current = |role: &Role| match role {
            Role::Root => self.stored.root.as_ref(),
            Role::Snapshot => self.stored.snapshot.as_ref(),
            role => self.stored.targets.get(role),
        };
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
    update: &Update,
    space: &mut StoredSpace<'_>,
) -> Result<Stored, ReadError> {
    let mut before = Stored::default();
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
        match role {
            Role::Root => before.root = Some(bytes),
            Role::Snapshot => before.snapshot = Some(bytes),
            role => {
                before.targets.insert(role.clone(), bytes);
            }
        }
    }
    Ok(before)
}

fn log_success(gun: &Gun, files: &[File]) {
    let roles: Vec<&str> = files.iter().map(|file| file.role().as_str()).collect();
    if let Some(timestamp) = files.last() {
        tracing::info!(
            %gun,
            roles = roles.join(","),
            version = timestamp.version(),
            sha256 = hex::encode(timestamp.checksums().sha256),
            "updated to a new timestamp"
        );
    }
}
