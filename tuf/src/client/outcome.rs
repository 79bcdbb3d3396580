//! Repositories that clients can follow.

use time::OffsetDateTime;

use super::{
    chain::{RootCertificate, RootChain},
    error::WalkError,
};
use crate::{fault::Fault, files::File, metadata::Root, role::Role};

/// A repository that a client can follow, but for what has expired.
#[derive(Clone, Debug)]
pub struct ClientOutcome {
    /// The current files in the order in which they vouch for each other: root, timestamp,
    /// snapshot, targets, delegations (parents first).
    pub files: Vec<ClientFile>,
    /// Delegations that clients pass over with a warning, and all below them.
    pub skipped: Vec<SkippedDelegation>,
    pub(super) roots: RootChain,
}

impl ClientOutcome {
    /// The current root.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.roots.newest()
    }

    /// The version of the oldest root that is still there. A client whose root is older cannot
    /// catch up.
    #[must_use]
    pub fn first_root(&self) -> i64 {
        self.roots.first_version()
    }

    /// The certificates that speak for the repository in the root of a version, in no particular
    /// order; none if the version is not there.
    #[must_use]
    pub fn root_certificates(&self, version: i64) -> Vec<RootCertificate> {
        self.roots.certificates(version)
    }

    /// Whether a client without trust data takes the current root at `now`.
    ///
    pub fn check_new_client(&self, now: OffsetDateTime) -> Result<(), Fault> {
        self.roots.check_new_client(now)
    }

    /// Whether a client whose root has the version `from` gets to the current root at `now`.
    ///
    /// Notary 0.7's client looks at the dates of certificates in every root it reads, its own
    /// included, although only the last one is to be believed for longer.
    ///
    /// # Errors
    ///
    /// Why it does not, naming the root at which it gives up.
    pub fn check_returning_client(&self, from: i64, now: OffsetDateTime) -> Result<(), WalkError> {
        self.roots.check_returning_client(from, now)
    }

    /// Which clients, by the version of their root, do not get to the current root at `now`, and
    /// why: up to `most` of those with the newest roots, in ascending order.
    #[must_use]
    pub fn check_returning_clients(
        &self,
        now: OffsetDateTime,
        most: usize,
    ) -> Vec<(i64, WalkError)> {
        let versions = self.first_root()..=self.root().version();
        self.roots.check_returning_clients(versions, now, most)
    }

    /// The files that have expired: clients refuse them, except for delegations, which they pass
    /// over.
    pub fn expired_files(&self) -> impl Iterator<Item = &ClientFile> {
        self.files.iter().filter(|file| file.is_expired)
    }
}

/// A current file that is as it should be, unless it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFile {
    /// The role that it is for.
    pub role: Role,
    /// Its version.
    pub version: i64,
    /// When it expires; `None` if it does not say, which counts as long ago.
    pub expires: Option<OffsetDateTime>,
    /// Whether that was before the walk.
    pub is_expired: bool,
}

impl ClientFile {
    pub(super) fn of(file: &File, now: OffsetDateTime) -> Self {
        Self {
            role: file.role().clone(),
            version: file.version(),
            expires: file.expires(),
            is_expired: file.is_expired(now),
        }
    }
}

/// A delegation that clients pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedDelegation {
    /// Which one.
    pub role: Role,
    /// Why.
    pub reason: Fault,
}
