//! Looking for what is wrong with a repository that clients can follow.

use time::{Duration, OffsetDateTime};

use super::problem::{Problem, ProblemKind, Severity};
use crate::{
    client::{ClientFile, ClientOutcome, WalkError},
    role::Role,
};

/// How many old roots are named whose clients cannot follow.
const MOST_ROOTS: usize = 20;

/// Who makes the next file of a role before the current one expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The server, by itself.
    Server,
    /// A person, by a publish.
    Publisher,
    /// One of them: which keys the server has is not known.
    Unknown,
}

/// What is asked about a repository that clients can follow. Each question has a method, and the
/// problems come in the order of the files.
pub struct Inspection<'i> {
    /// What the walk found.
    pub walked: &'i ClientOutcome,
    /// The present time.
    pub now: OffsetDateTime,
    /// How long before its end something counts as a problem that people have to renew.
    pub notice: Duration,
    /// How long before its end something counts as a problem that the server should have renewed.
    pub lead: Duration,
    /// Who makes the next file of each role.
    pub owner: &'i dyn Fn(&Role) -> Owner,
}

impl<'i> Inspection<'i> {
    /// What has happened already, whatever keys the server has.
    pub(super) fn today(walked: &'i ClientOutcome, now: OffsetDateTime) -> Self {
        Self {
            walked,
            now,
            notice: Duration::ZERO,
            lead: Duration::ZERO,
            owner: &|role| match role {
                // Notary's clients never keep the key of a timestamp.
                Role::Timestamp => Owner::Server,
                Role::Snapshot => Owner::Unknown,
                _ => Owner::Publisher,
            },
        }
    }

    /// The answers to all questions.
    pub(super) fn find_all(&self) -> Vec<Problem> {
        let mut problems = self.find_expiry();
        problems.extend(self.find_skipped());
        problems.extend(self.find_certificates());
        problems.extend(self.find_shared_keys());
        problems.extend(self.judge_newcomers());
        problems.extend(self.judge_returning_clients(MOST_ROOTS));
        problems.extend(self.find_missing_roots());
        problems
    }

    /// Which files have expired, or soon will.
    #[must_use]
    pub fn find_expiry(&self) -> Vec<Problem> {
        let files = self.walked.files.iter();
        files.filter_map(|file| self.check_expiry(file)).collect()
    }

    fn check_expiry(&self, file: &ClientFile) -> Option<Problem> {
        let ClientFile { role, expires, .. } = file.clone();
        let version = file.version;
        let left = expires.map(|expires| expires - self.now);
        match (self.owner)(&role) {
            Owner::Server if file.is_expired => {
                let kind = ProblemKind::NotRenewed { role, left: None };
                Some(Problem::new(Severity::Warning, kind))
            }
            Owner::Server => {
                let left = Some(left.filter(|left| *left < self.lead)?);
                let kind = ProblemKind::NotRenewed { role, left };
                Some(Problem::new(Severity::Warning, kind))
            }
            Owner::Unknown if file.is_expired => {
                let kind = ProblemKind::Unrenewed {
                    role,
                    version,
                    expires,
                };
                Some(Problem::new(Severity::Warning, kind))
            }
            Owner::Publisher if file.is_expired => {
                // Clients go on without an expired delegation; the rest they refuse.
                let severity = match role {
                    Role::Delegation(_) => Severity::Warning,
                    _ => Severity::Broken,
                };
                let kind = ProblemKind::Expired {
                    role,
                    version,
                    expires,
                };
                Some(Problem::new(severity, kind))
            }
            Owner::Unknown | Owner::Publisher => {
                let left = left.filter(|left| *left < self.notice)?;
                let kind = ProblemKind::ExpiresSoon {
                    role,
                    version,
                    expires: expires?,
                    left,
                };
                Some(Problem::new(Severity::Warning, kind))
            }
        }
    }

    /// Which delegations clients pass over.
    #[must_use]
    pub fn find_skipped(&self) -> Vec<Problem> {
        let skipped = self.walked.skipped.iter().cloned().map(|skipped| {
            let kind = ProblemKind::Skipped {
                role: skipped.role,
                reason: skipped.reason,
            };
            Problem::new(Severity::Warning, kind)
        });
        skipped.collect()
    }

    /// Which certificates of root keys have expired, or soon will.
    #[must_use]
    pub fn find_certificates(&self) -> Vec<Problem> {
        let certificates = self.walked.root_certificates(self.walked.root().version());
        let ending = certificates
            .into_iter()
            .filter(|certificate| certificate.expires < self.now + self.notice);
        let problems = ending.map(|certificate| {
            let kind = ProblemKind::Certificate {
                is_expired: certificate.expires < self.now,
                common_name: certificate.common_name,
                expires: certificate.expires,
            };
            Problem::new(Severity::Warning, kind)
        });
        problems.collect()
    }

    /// Which roles one key can sign although several are asked for, by a root from before the rule.
    #[must_use]
    pub fn find_shared_keys(&self) -> Vec<Problem> {
        let root = self.walked.root();
        let shared = root.shared_keys().into_iter().map(|shared| {
            let version = root.version();
            let kind = ProblemKind::SharedKeys { version, shared };
            Problem::new(Severity::Warning, kind)
        });
        shared.collect()
    }

    /// Whether a client without trust data refuses the current root.
    #[must_use]
    pub fn judge_newcomers(&self) -> Option<Problem> {
        let reason = self.walked.check_new_client(self.now).err()?;
        let version = self.walked.root().version();
        let kind = ProblemKind::NewcomersRefused { version, reason };
        Some(Problem::new(Severity::Broken, kind))
    }

    /// Which clients with an older root, by the version of that root, cannot get to the
    /// current one.
    #[must_use]
    pub fn judge_returning_clients(&self, most: usize) -> Vec<Problem> {
        let refused = self.walked.check_returning_clients(self.now, most);
        let refused = refused.into_iter();
        refused
            .map(|(from, reason)| self.refuse_returning(from, reason))
            .collect()
    }

    /// Whether a client whose root has the version `from` cannot get to the current one.
    #[must_use]
    pub fn judge_returning_client(&self, from: i64) -> Option<Problem> {
        let reason = self.walked.check_returning_client(from, self.now).err()?;
        Some(self.refuse_returning(from, reason))
    }

    fn refuse_returning(&self, from: i64, reason: WalkError) -> Problem {
        let newest = self.walked.root().version();
        let kind = ProblemKind::ReturningRefused {
            from,
            newest,
            reason,
        };
        Problem::new(Severity::Warning, kind)
    }

    /// Whether old roots are gone. The first one may have version 1 or 2.
    #[must_use]
    pub fn find_missing_roots(&self) -> Option<Problem> {
        let first = self.walked.first_root();
        let kind = ProblemKind::RootsMissing { first };
        (first > 2).then(|| Problem::new(Severity::Warning, kind))
    }
}
