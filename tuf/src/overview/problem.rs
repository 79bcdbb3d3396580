//! What is wrong with the files of a repository, or soon will be, and what to do about it.

use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::{
    client::WalkError,
    fault::{Fault, SharedKey},
    role::Role,
    words,
};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Clients go on, today or some of them.
    Warning,
    /// A client cannot read or follow the repository.
    Broken,
}

/// Something that is wrong with a repository. It is displayed as one sentence, which names neither
/// the repository nor the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The role that it is about.
    pub role: Role,
    /// What it is.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No client can follow the repository, or none with an older root.
    Unfollowable(WalkError),
    /// A file that the server renews by itself has expired, or is about to.
    NotRenewed {
        /// Of which role.
        role: Role,
        /// How long it is still good; `None` if it has expired.
        left: Option<Duration>,
    },
    /// A file has expired that either the server or a person makes.
    Unrenewed {
        /// Of which role.
        role: Role,
        /// Its version.
        version: i64,
        /// When it expired; `None` if it does not say.
        expires: Option<OffsetDateTime>,
    },
    /// A file that a person has to publish again has expired.
    Expired {
        /// Of which role.
        role: Role,
        /// Its version.
        version: i64,
        /// When it expired; `None` if it does not say.
        expires: Option<OffsetDateTime>,
    },
    /// A file that a person has to publish again expires soon.
    ExpiresSoon {
        /// Of which role.
        role: Role,
        /// Its version.
        version: i64,
        /// When it expires.
        expires: OffsetDateTime,
        /// How long it is still good.
        left: Duration,
    },
    /// Clients pass over a delegation, with all below it.
    Skipped {
        /// Which delegation.
        role: Role,
        /// Why.
        reason: Fault,
    },
    /// The certificate of a root key has expired, or soon will.
    Certificate {
        /// Whom it names.
        common_name: String,
        /// The last second in which clients take it.
        expires: OffsetDateTime,
        /// Whether that is past.
        is_expired: bool,
    },
    /// One key can sign a role for which several are asked.
    SharedKeys {
        /// The version of the root that says so.
        version: i64,
        /// Which role, and how many keys it has.
        shared: SharedKey,
    },
    /// A client without trust data refuses the current root.
    NewcomersRefused {
        /// The version of that root.
        version: i64,
        /// Why.
        reason: Fault,
    },
    /// A client with an older root cannot get to the current root.
    ReturningRefused {
        /// The version of the root that the client has.
        from: i64,
        /// The version of the current root.
        newest: i64,
        /// Where it gives up, and why.
        reason: WalkError,
    },
    /// Old roots are gone.
    RootsMissing {
        /// The version of the first one that is there.
        first: i64,
    },
    /// A file lists targets that it may not list; clients ignore them.
    OutsidePaths {
        /// Which file.
        role: Role,
        /// How many there are.
        count: usize,
        /// The name of one.
        example: String,
    },
    /// A file lists more targets than its size allows for, and an overview leaves some out.
    Crowded {
        /// Which file.
        role: Role,
        /// How many are left out.
        left_out: usize,
    },
}

impl Problem {
    pub(super) fn new(severity: Severity, kind: ProblemKind) -> Self {
        Self {
            severity,
            role: kind.role().clone(),
            kind,
        }
    }

    /// What to do about it, with the command to type where there is one.
    #[must_use]
    pub fn cure(&self) -> String {
        self.kind.cure()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl ProblemKind {
    fn role(&self) -> &Role {
        match self {
            Self::Unfollowable(
                WalkError::Missing { role, .. }
                | WalkError::Unreadable { role, .. }
                | WalkError::Refused { role, .. },
            )
            | Self::NotRenewed { role, .. }
            | Self::Unrenewed { role, .. }
            | Self::Expired { role, .. }
            | Self::ExpiresSoon { role, .. }
            | Self::Skipped { role, .. }
            | Self::OutsidePaths { role, .. }
            | Self::Crowded { role, .. } => role,
            Self::SharedKeys { shared, .. } => &shared.role,
            Self::Certificate { .. }
            | Self::NewcomersRefused { .. }
            | Self::ReturningRefused { .. }
            | Self::RootsMissing { .. } => &Role::Root,
        }
    }

    fn cure(&self) -> String {
        match self {
            Self::Unfollowable(error) => error.cure().to_owned(),
            Self::NotRenewed { .. } => {
                "start the server; if it runs, its log says why it cannot renew".to_owned()
            }
            Self::Unrenewed { role, .. } => format!(
                "start the server, whose log says why it cannot renew; if the publisher holds the \
                 key, publish again: `notary publish NAME`, or give the key to the server: \
                 `notary key rotate NAME {role} -r`"
            ),
            Self::Expired { role, .. } | Self::ExpiresSoon { role, .. } => cure_expiry(role),
            Self::Skipped { role, .. } => {
                format!("publish {role} signed by the keys that its parent names now")
            }
            Self::Certificate { .. } => {
                "replace it while old clients can still follow: `notary key rotate NAME root`"
                    .to_owned()
            }
            Self::SharedKeys { shared, .. } => format!(
                "publish a root that names {} keys of their own for {}: several certificates over \
                 one public key are one key",
                shared.threshold, shared.role
            ),
            Self::NewcomersRefused { .. } => {
                "publish a new root with a current certificate: `notary key rotate NAME root`"
                    .to_owned()
            }
            Self::ReturningRefused { .. } => {
                "such a client has to forget the repository (delete its folder below trust/tuf) and \
                 to trust it again"
                    .to_owned()
            }
            Self::RootsMissing { .. } => "put the lost rows back from a backup".to_owned(),
            Self::OutsidePaths { role, .. } => format!(
                "delegate the paths: `notary delegation add NAME {role} --paths PATH -p`, or remove \
                 the targets: `notary remove NAME TARGET -r {role} -p`"
            ),
            Self::Crowded { role, .. } => {
                format!("publish {role} with entries that have a length and a SHA-256")
            }
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfollowable(error @ WalkError::Unreadable { .. }) => error.fmt(f),
            Self::Unfollowable(error) => write!(f, "no client can follow the repository: {error}"),
            Self::NotRenewed { role, left: None } => write!(
                f,
                "the {role} has expired, and a running server would have renewed it"
            ),
            Self::NotRenewed {
                role,
                left: Some(left),
            } => write!(
                f,
                "the {role} expires in {}, and a running server would have renewed it",
                words::span(*left)
            ),
            Self::Unrenewed {
                role,
                version,
                expires,
            } => write!(
                f,
                "{role} version {version} has expired ({}), and a running server would have \
                 renewed it, if it has the key",
                day(*expires)
            ),
            Self::Expired {
                role,
                version,
                expires,
            } => write!(
                f,
                "{role} version {version} has expired ({})",
                day(*expires)
            ),
            Self::ExpiresSoon {
                role,
                version,
                expires,
                left,
            } => write!(
                f,
                "{role} version {version} expires in {} ({})",
                words::span(*left),
                words::day(*expires)
            ),
            Self::Skipped { role, reason } => {
                write!(f, "clients pass over {role} with all below it: {reason}")
            }
            Self::Certificate {
                common_name,
                expires,
                is_expired,
            } => {
                let tense = if *is_expired { "expired" } else { "expires" };
                let day = words::day(*expires);
                write!(
                    f,
                    "the certificate of a root key ({common_name}) {tense} on {day}"
                )
            }
            Self::SharedKeys { version, shared } => write!(f, "root version {version}: {shared}"),
            Self::NewcomersRefused { version, reason } => {
                write!(f, "a fresh client refuses root version {version}: {reason}")
            }
            Self::ReturningRefused {
                from,
                newest,
                reason,
            } => write!(
                f,
                "a client whose root is version {from} cannot get to version {newest}: {reason}"
            ),
            Self::RootsMissing { first } => write!(
                f,
                "roots before version {first} are gone: clients that hold one cannot follow"
            ),
            Self::OutsidePaths {
                role,
                count,
                example,
            } => write!(
                f,
                "{role} lists targets that its paths do not cover, and clients ignore them: \
                 {count}, among them {example:?}"
            ),
            Self::Crowded { role, left_out } => write!(
                f,
                "{role} lists more targets than its size allows for: {left_out} are left out here"
            ),
        }
    }
}

fn day(expires: Option<OffsetDateTime>) -> String {
    expires.map_or_else(|| "no date".to_owned(), words::day)
}

fn cure_expiry(role: &Role) -> String {
    match role {
        Role::Root => {
            "publish a new root with the root key: `notary key rotate NAME targets` makes one"
                .to_owned()
        }
        Role::Timestamp | Role::Snapshot => format!(
            "make the {role} key available, or rotate it: `notary key rotate NAME {role} -r`"
        ),
        role => format!("publish {role} again with its key: `notary witness NAME {role} -p`"),
    }
}
