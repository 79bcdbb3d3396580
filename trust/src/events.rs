//! What happened to trust data: the service that did it tells every subscriber once.
//!
//! Subscribers are told after the store has committed and before the caller is answered, in the
//! order in which they subscribed. They must be quick and cannot fail. What must survive a kill of
//! the process is no subscriber: it is written in the store's own transaction, as the changefeed
//! is.

pub(crate) mod count;
pub(crate) mod invalidate;
mod log;

use std::{any::Any, sync::Arc};

pub use log::Log;
use tuf::{Difference, File, Gun, KeyId, Role};

use crate::{
    error::{PublishError, ReadError},
    signer::SignerError,
    store::StoreError,
};

/// One thing that happened to the trust data of a repository.
#[derive(Clone, Copy)]
pub struct Event<'e> {
    /// The repository.
    pub gun: &'e Gun,
    /// Who asked for it.
    pub requester: &'e Requester,
    /// What it was.
    pub what: What<'e>,
}

/// What happened.
#[derive(Clone, Copy)]
pub enum What<'e> {
    /// New versions of roles are current.
    Published {
        /// What they were made for.
        cause: Cause,
        /// The files that were stored, in that order. After [`Cause::Repeat`] those that were
        /// stored already.
        files: &'e [File],
        /// What they changed, and whose signatures were verified. After [`Cause::Repeat`] only the
        /// latter, because those files changed nothing again; nothing after [`Cause::Renewal`].
        changes: &'e Difference,
    },
    /// The server could not renew what is about to expire. Told once for each walk over all
    /// repositories, not for each reader who then finds an expired file.
    RenewalFailed(&'e ReadError),
    /// All trust data is gone.
    Deleted {
        /// Whether there was any.
        existed: bool,
    },
    /// The signer made a key that a first root may name.
    KeyCreated(Key<'e>),
    /// The signer made a key that a later root may name in the place of another.
    KeyRotated(Key<'e>),
    /// Something was attempted and nothing changed.
    Refused {
        /// What was attempted.
        attempt: Attempt<'e>,
        /// Why nothing came of it.
        failure: Failure<'e>,
    },
}

/// What new versions were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A client sent an update.
    Publish,
    /// A client sent once more the very files that are current: they were stored when it sent them
    /// first, and that answer was lost. Nothing is stored again.
    Repeat,
    /// The old ones were about to expire.
    Renewal,
}

/// A key that the signer made.
#[derive(Clone, Copy)]
pub struct Key<'e> {
    /// The role that it is for.
    pub role: &'e Role,
    /// Its id.
    pub id: &'e KeyId,
}

/// What was attempted.
#[derive(Clone, Copy)]
pub enum Attempt<'e> {
    /// To publish these versions of roles.
    Publish(&'e [(Role, i64)]),
    /// To delete all trust data.
    Delete,
    /// To have a key made for this role.
    CreateKey(&'e Role),
    /// To have another key made for this role.
    RotateKey(&'e Role),
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy)]
pub enum Failure<'e> {
    /// The update was refused, or could not be stored.
    Publish(&'e PublishError),
    /// The store failed.
    Store(&'e StoreError),
    /// The signer failed.
    Signer(&'e SignerError),
}

/// Who asked for something. Only the layer that admitted the request knows what is inside.
#[derive(Clone)]
pub struct Requester(Option<Arc<dyn Any + Send + Sync>>);

impl Requester {
    /// This program itself.
    pub const PROGRAM: Self = Self(None);

    /// The caller that `known` stands for.
    pub fn new(known: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(known)))
    }

    /// What is known of who asked, if it is a `T`.
    #[must_use]
    pub fn downcast<T: Any>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

/// Follows what happens to trust data.
pub trait Subscriber: Send + Sync + 'static {
    /// Takes note of `event`.
    fn notice(&self, event: &Event<'_>);
}

/// The subscribers; cheap to clone.
#[derive(Clone, Default)]
pub struct Events(Arc<[Arc<dyn Subscriber>]>);

impl Events {
    /// The same, with another subscriber at the end.
    #[must_use]
    pub fn with(self, subscriber: impl Subscriber) -> Self {
        let subscriber: Arc<dyn Subscriber> = Arc::new(subscriber);
        Self(self.0.iter().cloned().chain([subscriber]).collect())
    }

    /// Tells all subscribers.
    pub(crate) fn tell(&self, gun: &Gun, requester: &Requester, what: What<'_>) {
        let event = Event {
            gun,
            requester,
            what,
        };
        for subscriber in self.0.iter() {
            subscriber.notice(&event);
        }
    }
}
