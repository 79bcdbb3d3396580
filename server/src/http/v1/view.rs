//! The form of the answers.

use std::collections::{BTreeMap, BTreeSet};

use archive::moment;
use insight::{ChangesPage, Due, KeyRoles, KeySummary, Listed};
use inventory::{Health, Owner, Summary};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// How a repository is: `ok`, `warning` (there is something to see to) or `broken` (clients cannot
/// follow it).
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Health)]
#[serde(rename_all = "lowercase")]
pub(super) enum HealthView {
    Ok,
    Warning,
    Broken,
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        match health {
            Health::Whole => Self::Ok,
            Health::Warning => Self::Warning,
            Health::Broken => Self::Broken,
        }
    }
}

/// Who renews a role: the `server` by itself, its `publisher`, or `either`: the server if it has
/// the key.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Owner)]
#[serde(rename_all = "lowercase")]
pub(super) enum OwnerView {
    Server,
    Publisher,
    Either,
}

impl From<Owner> for OwnerView {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Server => Self::Server,
            Owner::Publisher => Self::Publisher,
            Owner::Either => Self::Either,
        }
    }
}

/// What expires first of all that people may have to renew.
#[derive(Serialize, ToSchema)]
pub(super) struct NextExpiry {
    role: String,
    #[schema(format = "date-time")]
    expires: String,
}

/// One repository in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct RepositorySummary {
    gun: String,
    health: HealthView,
    /// The version of the timestamp that all of this was computed from.
    version: i64,
    /// The SHA-256 of that timestamp, in hex.
    sha256: String,
    /// The metadata format.
    format: String,
    /// When that timestamp was stored: by a publish, or by a renewal.
    #[schema(format = "date-time")]
    published_at: String,
    /// When all of this was computed.
    #[schema(format = "date-time")]
    computed_at: String,
    next_expiry: Option<NextExpiry>,
    tag_count: u64,
    /// How many keys may sign for its roles.
    signer_count: u64,
    /// The size of its current files.
    bytes: u64,
}

impl From<Summary> for RepositorySummary {
    fn from(row: Summary) -> Self {
        Self {
            gun: row.gun,
            health: row.health.into(),
            version: row.version,
            sha256: hex::encode(row.sha256),
            format: row.format,
            published_at: moment(row.published_at),
            computed_at: moment(row.computed_at),
            next_expiry: row.next.map(|next| NextExpiry {
                role: next.role,
                expires: moment(next.expires),
            }),
            tag_count: row.tags,
            signer_count: row.signers,
            bytes: row.bytes,
        }
    }
}

/// A page of repositories. A page may be short, or empty, and have a `next`.
#[derive(Serialize, ToSchema)]
pub(super) struct Repositories {
    repositories: Vec<RepositorySummary>,
    /// What to give as `after` for the next page; null at the end.
    next: Option<String>,
}

impl From<Listed<Summary>> for Repositories {
    fn from(page: Listed<Summary>) -> Self {
        Self {
            repositories: page.rows.into_iter().map(Into::into).collect(),
            next: page.next,
        }
    }
}

/// The current file of a role.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub(super) struct RoleView {
    role: String,
    version: i64,
    #[schema(format = "date-time")]
    expires: Option<String>,
    /// The SHA-256 of the file, in hex.
    sha256: String,
    bytes: u64,
    /// How many keys have to sign it.
    threshold: u32,
    /// The ids of the keys that may sign it.
    keys: Vec<String>,
    /// The ids of those that did.
    signed_by: Vec<String>,
    /// The beginnings of the names that it may list.
    paths: Vec<String>,
    /// Whether clients pass over it.
    is_skipped: bool,
    /// Whether it is verified up to the root.
    is_verified: bool,
}

/// A key that may sign for a role.
#[derive(Serialize, ToSchema)]
#[schema(as = Signer)]
pub(super) struct SignerView {
    role: String,
    key_id: String,
    algorithm: String,
    /// Whom its certificate names; null for a bare key.
    certificate: Option<String>,
    #[schema(format = "date-time")]
    certificate_expires: Option<String>,
}

/// Something to see to.
#[derive(Serialize, ToSchema)]
pub(super) struct ProblemOfRepository {
    health: HealthView,
    role: Option<String>,
    text: String,
    /// What to do about it.
    cure: String,
}

/// One repository.
#[derive(Serialize, ToSchema)]
pub(super) struct Repository {
    #[serde(flatten)]
    summary: RepositorySummary,
    /// Root, timestamp, snapshot, targets and delegations, parents first.
    roles: Vec<RoleView>,
    signers: Vec<SignerView>,
    /// Empty if clients can follow it without a warning.
    problems: Vec<ProblemOfRepository>,
}

impl From<insight::Repository> for Repository {
    fn from(found: insight::Repository) -> Self {
        let insight::Repository { row, signers } = found;
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let roles = row.detail.roles.into_iter().map(|role| RoleView {
            role: role.role,
            version: role.version,
            expires: role.expires.and_then(at).map(moment),
            sha256: role.sha256,
            bytes: role.bytes,
            threshold: role.threshold,
            keys: role.keys,
            signed_by: role.signed_by,
            paths: role.paths,
            is_skipped: role.is_skipped,
            is_verified: role.is_believed,
        });
        let signers = signers.into_iter().map(|signer| SignerView {
            role: signer.role,
            key_id: signer.key_id,
            algorithm: signer.algorithm,
            certificate: signer.certificate,
            certificate_expires: signer.expires.map(moment),
        });
        let problems = row.detail.problems.into_iter();
        let problems = problems.map(|problem| ProblemOfRepository {
            health: problem.health.into(),
            role: problem.role,
            text: problem.text,
            cure: problem.cure,
        });
        Self {
            roles: roles.collect(),
            signers: signers.collect(),
            problems: problems.collect(),
            summary: RepositorySummary {
                gun: row.gun,
                health: row.health.into(),
                version: row.version,
                sha256: hex::encode(row.sha256),
                format: row.format,
                published_at: moment(row.published_at),
                computed_at: moment(row.computed_at),
                next_expiry: row.next.map(|next| NextExpiry {
                    role: next.role,
                    expires: moment(next.expires),
                }),
                tag_count: row.tags,
                signer_count: row.signers,
                bytes: row.bytes,
            },
        }
    }
}

/// A tag.
#[derive(Serialize, ToSchema)]
#[schema(as = Tag)]
pub(super) struct TagView {
    /// The role that lists it.
    role: String,
    name: String,
    /// What it is, as `sha256:…`.
    digest: String,
    /// How many bytes that has.
    length: i64,
}

/// A page of tags.
#[derive(Serialize, ToSchema)]
pub(super) struct Tags {
    tags: Vec<TagView>,
    /// What to give as `after` for the next page; null at the end.
    next: Option<String>,
}

impl From<Listed<inventory::Tag>> for Tags {
    fn from(page: Listed<inventory::Tag>) -> Self {
        let tags = page.rows.into_iter().map(|tag| TagView {
            role: tag.role,
            name: tag.name,
            digest: tag.digest,
            length: tag.length,
        });
        Self {
            tags: tags.collect(),
            next: page.next,
        }
    }
}

/// A key, and how much it may sign.
#[derive(Serialize, ToSchema)]
#[schema(as = KeySummary)]
pub(super) struct KeySummaryView {
    key_id: String,
    algorithm: String,
    /// Whom its certificate names; null for a bare key.
    certificate: Option<String>,
    #[schema(format = "date-time")]
    certificate_expires: Option<String>,
    /// Roles that it may sign for, in some repository.
    roles: BTreeSet<String>,
    /// Whether there are more roles.
    has_more_roles: bool,
    /// In how many repositories.
    repository_count: u64,
}

impl From<KeySummary> for KeySummaryView {
    fn from(key: KeySummary) -> Self {
        Self {
            key_id: key.key_id,
            algorithm: key.algorithm,
            certificate: key.certificate,
            certificate_expires: key.expires.map(moment),
            roles: key.roles,
            has_more_roles: key.has_more_roles,
            repository_count: key.repositories,
        }
    }
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(super) struct Signers {
    signers: Vec<KeySummaryView>,
    /// What to give as `after` for the next page; null at the end.
    next: Option<String>,
}

impl From<Listed<KeySummary>> for Signers {
    fn from(page: Listed<KeySummary>) -> Self {
        Self {
            signers: page.rows.into_iter().map(Into::into).collect(),
            next: page.next,
        }
    }
}

/// That a key may sign for a role of a repository.
#[derive(Serialize, ToSchema)]
pub(super) struct Signs {
    gun: String,
    role: String,
}

/// A key, and a page of what it may sign.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct OneKey {
    key_id: String,
    algorithm: String,
    /// Whom its certificate names; null for a bare key.
    certificate: Option<String>,
    #[schema(format = "date-time")]
    certificate_expires: Option<String>,
    signs: Vec<Signs>,
    /// What to give as `after` for the next page; null at the end.
    next: Option<String>,
}

impl From<KeyRoles> for OneKey {
    fn from(key: KeyRoles) -> Self {
        let signs = key.signs.rows.into_iter();
        Self {
            key_id: key.key_id,
            algorithm: key.algorithm,
            certificate: key.certificate,
            certificate_expires: key.expires.map(moment),
            signs: signs.map(|(gun, role)| Signs { gun, role }).collect(),
            next: key.signs.next,
        }
    }
}

/// A role that expires.
#[derive(Serialize, ToSchema)]
#[schema(as = Expiry)]
pub(super) struct ExpiryView {
    gun: String,
    role: String,
    version: i64,
    #[schema(format = "date-time")]
    expires: String,
    owner: OwnerView,
    /// What to do about it, with the command to type.
    cure: String,
}

impl From<Due> for ExpiryView {
    fn from(due: Due) -> Self {
        let Due { expiry, cure } = due;
        Self {
            gun: expiry.gun,
            role: expiry.role,
            version: expiry.version,
            expires: moment(expiry.expires),
            owner: expiry.owner.into(),
            cure,
        }
    }
}

/// A page of what expires.
#[derive(Serialize, ToSchema)]
pub(super) struct Expiring {
    expiring: Vec<ExpiryView>,
    /// What to give as `after` for the next page; null at the end.
    next: Option<String>,
}

impl From<Listed<Due>> for Expiring {
    fn from(page: Listed<Due>) -> Self {
        Self {
            expiring: page.rows.into_iter().map(Into::into).collect(),
            next: page.next,
        }
    }
}

/// Something was `published` (also a renewal by the server) or `deleted`.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChangeKind {
    Published,
    Deleted,
}

/// A change.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct ChangeView {
    /// Tells it from all others.
    id: String,
    change: ChangeKind,
    #[schema(format = "date-time")]
    at: String,
    gun: String,
    /// The version of the timestamp that it made; null for a deletion.
    version: Option<i64>,
    /// The SHA-256 of that timestamp, in hex; null for a deletion.
    sha256: Option<String>,
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    changes: Vec<ChangeView>,
    /// What to give as `after` for what comes next; there is always something.
    next: String,
}

impl From<ChangesPage> for Changes {
    fn from(page: ChangesPage) -> Self {
        let changes = page.changes.into_iter().map(|change| ChangeView {
            id: change.id,
            change: match change.version {
                Some(_) => ChangeKind::Published,
                None => ChangeKind::Deleted,
            },
            at: moment(change.at),
            gun: change.gun,
            version: change.version,
            sha256: change.sha256,
        });
        Self {
            changes: changes.collect(),
            next: page.next,
        }
    }
}

/// Whether the inventory says what the files say: `current`; `behind` the changefeed; `off` by the
/// configuration; its `tables-missing`; `being-filled` for the first time; `unavailable` because
/// the database is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Current,
    Behind,
    Off,
    TablesMissing,
    BeingFilled,
    Unavailable,
}

/// The inventory itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Inventory {
    pub(super) state: State,
    /// When it was current last, if it is behind.
    #[schema(format = "date-time")]
    pub(super) since: Option<String>,
    /// What to do about it, if there is something.
    pub(super) cure: Option<String>,
}

/// How many repositories there are.
#[derive(Serialize, ToSchema)]
pub(super) struct Counts {
    all: u64,
    ok: u64,
    warning: u64,
    broken: u64,
    /// Whether all were counted; otherwise there are more.
    is_complete: bool,
}

/// How the server and the repositories are.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// The version of the server.
    version: &'static str,
    /// Whether all checks of the server pass.
    is_healthy: bool,
    /// The checks that fail, with their reasons.
    failing: BTreeMap<&'static str, String>,
    /// What does not work although the server serves, with reasons.
    limited: BTreeMap<&'static str, String>,
    inventory: Inventory,
    /// Null without an inventory.
    repositories: Option<Counts>,
    /// The first repositories with problems or warnings.
    unhealthy: Vec<RepositorySummary>,
    /// Whether there are more, in `repositories?unhealthy=true`.
    has_more_unhealthy: bool,
    /// What expires first within 90 days.
    due: Vec<ExpiryView>,
    /// Whether there is more, in `expiry?within=90d`.
    has_more_due: bool,
}

type Checks = BTreeMap<&'static str, String>;

impl Status {
    /// The checks that fail and what is limited, the inventory, and what that says.
    pub(super) fn of(
        (failing, limited): (Checks, Checks),
        inventory: Inventory,
        status: Option<insight::Status>,
    ) -> Self {
        let empty = Self {
            version: env!("CARGO_PKG_VERSION"),
            is_healthy: failing.is_empty(),
            failing,
            limited,
            inventory,
            repositories: None,
            unhealthy: Vec::new(),
            has_more_unhealthy: false,
            due: Vec::new(),
            has_more_due: false,
        };
        let Some(status) = status else { return empty };
        let counts = status.counts;
        Self {
            repositories: Some(Counts {
                all: counts.all(),
                ok: counts.whole,
                warning: counts.warning,
                broken: counts.broken,
                is_complete: counts.is_complete,
            }),
            has_more_unhealthy: status.unhealthy.next.is_some(),
            unhealthy: status.unhealthy.rows.into_iter().map(Into::into).collect(),
            has_more_due: status.due.next.is_some(),
            due: status.due.rows.into_iter().map(Into::into).collect(),
            ..empty
        }
    }
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    /// The newest first, each as it stands in the log.
    lines: Vec<serde_json::Value>,
    /// What to give as `after` for older lines; null where the file begins.
    next: Option<String>,
}

impl Audit {
    /// Lines, and where older ones are.
    pub(super) fn of(lines: Vec<serde_json::Value>, next: Option<String>) -> Self {
        Self { lines, next }
    }
}
