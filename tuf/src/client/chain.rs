//! The roots of a repository, each signed by the keys of the one before it.

use std::ops::RangeInclusive;

use time::OffsetDateTime;

use super::{error::WalkError, request::FileRequest, signed::SignedFile, source::Source};
use crate::{
    fault::{Fault, RootFault},
    files::File,
    gun::Gun,
    key::KeyId,
    metadata::Root,
    role::Role,
    rules::{
        effort::Effort,
        root::{Dates, Terms, check_trust, trusted_bundles},
    },
};

/// The roots that are there, oldest first, without a gap, the last one current.
#[derive(Clone, Debug)]
pub(super) struct RootChain {
    gun: Gun,
    roots: Vec<File>,
    /// Whose signatures of the current root were verified.
    signers: Vec<KeyId>,
}

/// A certificate that speaks for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificate {
    /// The GUN that it names, or the beginning of one followed by `*`.
    pub common_name: String,
    /// The last second in which clients take it.
    pub expires: OffsetDateTime,
}

impl RootChain {
    /// Finds all roots up to `current` and checks each against the one before it.
    ///
    /// The dates of certificates do not matter here: they were current when the roots were taken.
    pub(super) fn load(gun: &Gun, current: File, source: &Source<'_>) -> Result<Self, WalkError> {
        let signers = verify(gun, &current, None, Dates::Ignored, &source.effort)?;
        let version = current.version();
        let by_version = source.read(&Role::Root, FileRequest::Version(version))?;
        if by_version.bytes() != current.bytes() {
            return Err(WalkError::refuse(&by_version)(RootFault::NotTheListed));
        }
        let mut roots = vec![current];
        for version in (1..version).rev() {
            let Some(root) = find(source, version)? else {
                no_gap(source, version)?;
                break;
            };
            roots.push(root);
        }
        roots.reverse();
        check(gun, &roots[0], None, Dates::Ignored)?;
        for pair in roots.windows(2) {
            check(gun, &pair[1], Some(&pair[0]), Dates::Ignored)?;
        }
        Ok(Self {
            gun: gun.clone(),
            roots,
            signers,
        })
    }

    /// The current root, and who signed it.
    pub(super) fn newest_signed(&self) -> SignedFile {
        SignedFile {
            file: self.newest_file().clone(),
            signers: self.signers.clone(),
        }
    }

    pub(super) fn newest_file(&self) -> &File {
        self.roots.last().expect("a chain has a current root")
    }

    pub(super) fn newest(&self) -> &Root {
        self.newest_file()
            .root()
            .expect("every root of a chain was verified")
    }

    pub(super) fn first_version(&self) -> i64 {
        self.roots
            .first()
            .map_or_else(|| self.newest_file().version(), File::version)
    }

    pub(super) fn certificates(&self, version: i64) -> Vec<RootCertificate> {
        let root = self.at(version).map(|index| &self.roots[index]);
        let Some(root) = root.and_then(|file| file.root().ok()) else {
            return Vec::new();
        };
        let bundles = trusted_bundles(&self.gun, root, Dates::Ignored);
        let certificates = bundles.iter().map(|bundle| RootCertificate {
            common_name: bundle.leaf.common_name().to_owned(),
            expires: OffsetDateTime::from_unix_timestamp(bundle.leaf.validity()[1])
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        });
        certificates.collect()
    }

    pub(super) fn check_new_client(&self, now: OffsetDateTime) -> Result<(), Fault> {
        let root = self.newest_file();
        let effort = Effort::unlimited();
        let terms = Terms::stored_root(Dates::Checked(now), &effort);
        check_trust(&self.gun, root, None, terms)?;
        root.check_expiry(now)
    }

    pub(super) fn check_returning_client(
        &self,
        from: i64,
        now: OffsetDateTime,
    ) -> Result<(), WalkError> {
        if self.at(from).is_none() {
            return Err(WalkError::Missing {
                role: Role::Root,
                wanted: FileRequest::Version(from),
            });
        }
        let mut refused = self.check_returning_clients(from..=from, now, 1);
        refused.pop().map_or(Ok(()), |(_, reason)| Err(reason))
    }

    /// Which clients, by the version of their root, do not get to the current root at `now`: up to
    /// `most` of those with the newest roots, in ascending order.
    ///
    /// No step from one root to the next is checked twice, so the work grows with the number of
    /// roots and not with its square.
    pub(super) fn check_returning_clients(
        &self,
        versions: RangeInclusive<i64>,
        now: OffsetDateTime,
        most: usize,
    ) -> Vec<(i64, WalkError)> {
        let dates = Dates::Checked(now);
        let newest = self.newest_file();
        let mut refused = Vec::new();
        // Steps from this place on were checked; the first that fails, of those.
        let (mut begin, mut broken) = (self.roots.len() - 1, None);
        for place in (0..self.roots.len()).rev() {
            let own = &self.roots[place];
            if !versions.contains(&own.version()) {
                continue;
            }
            if refused.len() >= most {
                break;
            }
            let mut follow = || {
                check(&self.gun, own, None, dates)?;
                // Only a client whose keys did not sign the newest root reads those in between.
                if check(&self.gun, newest, Some(own), Dates::Ignored).is_ok() {
                    check(&self.gun, newest, Some(own), dates)?;
                } else {
                    while begin > place {
                        begin -= 1;
                        let (from, to) = (&self.roots[begin], &self.roots[begin + 1]);
                        broken = check(&self.gun, to, Some(from), dates)
                            .err()
                            .or(broken.take());
                    }
                    if let Some(error) = &broken {
                        return Err(error.clone());
                    }
                }
                newest.check_expiry(now).map_err(WalkError::refuse(newest))
            };
            if let Err(error) = follow() {
                refused.push((own.version(), error));
            }
        }
        refused.reverse();
        refused
    }

    /// Where the root of a version is.
    fn at(&self, version: i64) -> Option<usize> {
        self.roots.iter().position(|root| root.version() == version)
    }
}

fn find(source: &Source<'_>, version: i64) -> Result<Option<File>, WalkError> {
    let found = source.find(&Role::Root, FileRequest::Version(version))?;
    match found.as_ref().filter(|file| file.version() != version) {
        None => Ok(found),
        Some(file) => Err(WalkError::refuse(file)(RootFault::StoredAs(version))),
    }
}

/// Checks that there is no root further back than a missing one. The first one is where a
/// repository begins that was always whole.
fn no_gap(source: &Source<'_>, missing: i64) -> Result<(), WalkError> {
    if missing == 1 || source.find(&Role::Root, FileRequest::Version(1))?.is_none() {
        return Ok(());
    }
    Err(WalkError::Missing {
        role: Role::Root,
        wanted: FileRequest::Version(missing),
    })
}

fn check(gun: &Gun, file: &File, previous: Option<&File>, dates: Dates) -> Result<(), WalkError> {
    verify(gun, file, previous, dates, &Effort::unlimited()).map(drop)
}

/// Checks a root by itself and against the one before it, and answers who signed it.
fn verify(
    gun: &Gun,
    file: &File,
    previous: Option<&File>,
    dates: Dates,
    effort: &Effort,
) -> Result<Vec<KeyId>, WalkError> {
    let refused = WalkError::refuse(file);
    let previous = previous.map(File::root).transpose().map_err(&refused)?;
    let terms = Terms::stored_root(dates, effort);
    check_trust(gun, file, previous, terms).map_err(&refused)
}
