//! Publishing: check an update, sign what the server signs, store it.
//!
//! An update is checked against what is current, so it rests on a state that a rival may replace
//! meanwhile. Nothing is locked against that: the unique key of the store decides, since every
//! publish writes the version after the newest timestamp. Whoever loses only because of files the
//! *server* made begins anew; a client whose own version is taken is told so.

use std::sync::Arc;

use ::access::{Caller, Need, Policy, Reason, Scope};
use time::OffsetDateTime;
use tuf::{Accepted, Change, File, Gun, Refusal, Role, Stored, Update, Uploaded};

use crate::{
    App,
    cache::View,
    repository::{self, ATTEMPTS, ReadError},
    signer::{SealError, SignerError, seal},
    store::StoreError,
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

    /// Decides about every change; the first that is refused ends it.
    fn check(&self, gun: &Gun, accepted: &Accepted) -> Result<(), Box<Denied>> {
        if matches!(*self.policy, Policy::Open) {
            // Whatever it changes, everybody may: finding out would cost as much as the rest.
            return Ok(());
        }
        accepted
            .changes()
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
    app: &App,
    gun: &Gun,
    authority: &Arc<Authority>,
    sent: Vec<Uploaded>,
    now: OffsetDateTime,
) -> Result<Vec<File>, PublishError> {
    let sent_roles: Vec<Role> = sent.iter().map(|sent| sent.file().role().clone()).collect();
    let mut update = Update::default();
    for file in sent {
        update.insert(file);
    }
    let _turn = app.turns.wait(gun).await;
    for attempt in 1.. {
        let files = accepted(app, gun, authority, update.clone(), now).await?;
        match app.store.publish(gun, &files, now).await {
            Ok(()) => {
                log_success(gun, &files);
                return Ok(files);
            }
            Err(StoreError::VersionExists(role))
                if attempt < ATTEMPTS && !sent_roles.contains(&role) =>
            {
                tracing::debug!(%gun, %role, attempt, "another publish came first; checking anew");
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last attempt returns")
}

/// Everything there is to store for an update: checked against what is current, found to be its sender's
/// right, and sealed.
async fn accepted(
    app: &App,
    gun: &Gun,
    authority: &Arc<Authority>,
    update: Update,
    now: OffsetDateTime,
) -> Result<Vec<File>, PublishError> {
    let stored = stored(app, gun, &update).await?;
    let checked = {
        let (gun, authority) = (gun.clone(), authority.clone());
        tokio::task::spawn_blocking(move || {
            let accepted = tuf::check(&gun, &stored, update, now).map_err(PublishError::Refused)?;
            authority
                .check(&gun, &accepted)
                .map_err(PublishError::Denied)?;
            Ok::<_, PublishError>(accepted)
        })
    };
    let accepted = checked
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;

    let made = match accepted.snapshot_to_make(now) {
        Some(draft) => Some(seal(&app.signer, draft).await.map_err(refused)?),
        None => None,
    };
    let snapshot = made
        .as_ref()
        .or_else(|| accepted.files().last())
        .expect("a snapshot is either made here or sent, as the last of its update");
    let draft = accepted.timestamp_to_make(snapshot, now);
    let timestamp = seal(&app.signer, draft).await.map_err(refused)?;
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

/// The current files that `update` has to be checked against.
async fn stored(app: &App, gun: &Gun, update: &Update) -> Result<Stored, ReadError> {
    let Some(view) = repository::view_or_new(app, gun).await? else {
        return Ok(Stored::default());
    };
    let mut stored = Stored {
        root: Some(repository::current_root(app, gun, &view).await?.bytes),
        timestamp: Some(view.timestamp.bytes.clone()),
        snapshot: bytes(app, gun, &view, &Role::Snapshot).await?,
        ..Stored::default()
    };
    for role in update.needed() {
        if let Some(bytes) = bytes(app, gun, &view, &role).await? {
            stored.targets.insert(role, bytes);
        }
    }
    Ok(stored)
}

async fn bytes(
    app: &App,
    gun: &Gun,
    view: &View,
    role: &Role,
) -> Result<Option<bytes::Bytes>, ReadError> {
    match view.checksum(role) {
        Some(sha256) => Ok(repository::by_checksum(app, gun, role, &sha256)
            .await?
            .map(|file| file.bytes)),
        None => Ok(None),
    }
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
