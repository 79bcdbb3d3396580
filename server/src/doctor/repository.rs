//! One repository as its clients would meet it: everything verified from the root down, what is
//! about to expire, and the keys that the signer must hold.

use std::sync::Arc;

use time::OffsetDateTime;
use trust::{
    clients,
    memory::SnapshotLine,
    renewal::LEAD,
    signer::{MAX_ASKED, RemoteSigner, Signer as _, SignerError},
    store::TrustStore,
};
use tuf::{ClientOutcome, Gun, Inspection, Owner, Role, WalkError};

use super::{Check, NOTICE, Report, signer, words};
use crate::config::{Config, TrustService};

/// How the signer is asked for keys.
#[derive(Clone, Copy)]
pub(super) enum Asked<'s> {
    /// It is looked for first, and what is wrong with it is told.
    Afresh,
    /// It was found before; `None` if it cannot be asked.
    Found(Option<&'s RemoteSigner>),
}

/// Looks at the repository `name`; `behind` picks one kind of returning clients.
pub(super) async fn check(
    report: &mut Report,
    config: &Config,
    store: Arc<dyn TrustStore>,
    name: &str,
    behind: Option<u32>,
    asked: Asked<'_>,
    now: OffsetDateTime,
) {
    let Some(gun) = find_gun(report, config, store.as_ref(), name).await else {
        return;
    };
    let walked = match clients::walk_stored(store, &SnapshotLine::default(), &gun, now).await {
        Ok(Ok(walked)) => walked,
        Ok(Err(error)) => return unfollowable(report, &gun, &error),
        Err(error) => return report.tell_failure(&error),
    };
    report.ok(
        Check::Repository,
        format!("the trust data of {gun} is whole: {}", summary(&walked)),
    );
    let held = held_roles(report, config, &gun, &walked, asked, now).await;
    let owner = |role: &Role| {
        if held.contains(role) {
            Owner::Server
        } else {
            Owner::Publisher
        }
    };
    let inspection = Inspection {
        walked: &walked,
        now,
        notice: NOTICE,
        lead: LEAD - time::Duration::DAY,
        owner: &owner,
    };
    check_expiry(report, &inspection);
    report.tell_problems(Check::Repository, inspection.find_certificates());
    report.tell_problems(Check::Repository, inspection.find_shared_keys());
    check_newcomers(report, &inspection);
    check_returning(report, &inspection, behind);
}

/// The repository, if its name is one, it is served here and has trust data.
async fn find_gun(
    report: &mut Report,
    config: &Config,
    store: &dyn TrustStore,
    name: &str,
) -> Option<Gun> {
    let gun = match Gun::parse(name) {
        Ok(gun) => gun,
        Err(error) => {
            report.wrong(Check::Repository, error.to_string(), "correct the name");
            return None;
        }
    };
    let prefixes = &config.gun_prefixes;
    if !prefixes.is_empty() && !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
        report.wrong(
            Check::Repository,
            format!(
                "{gun} is not served: repositories.gun_prefixes allows only {}",
                words::list(prefixes)
            ),
            "add its beginning to repositories.gun_prefixes",
        );
    }
    match store.head(&gun).await {
        Ok(Some(_)) => Some(gun),
        Ok(None) => {
            report.wrong(
                Check::Repository,
                format!("{gun} has no trust data here"),
                "correct the name (Docker's own images are docker.io/library/NAME), or publish it",
            );
            None
        }
        Err(error) => {
            report.tell_failure(&error);
            None
        }
    }
}

fn unfollowable(report: &mut Report, gun: &Gun, error: &WalkError) {
    let (check, sentence) = match error {
        WalkError::Unreadable { .. } => (Check::Clients, format!("{gun}: {error}")),
        _ => (
            Check::Repository,
            format!("no client can follow {gun}: {error}"),
        ),
    };
    report.wrong(check, sentence, error.cure());
}

/// Role and version of everything that is current.
fn summary(walked: &ClientOutcome) -> String {
    let files = walked.files.iter();
    let files: Vec<_> = files
        .map(|met| format!("{} {}", met.role, met.version))
        .collect();
    words::list(&files)
}

/// Asks the signer for the keys of timestamp and snapshot; the roles that the server can sign for,
/// as far as is known.
async fn held_roles(
    report: &mut Report,
    config: &Config,
    gun: &Gun,
    walked: &ClientOutcome,
    asked: Asked<'_>,
    now: OffsetDateTime,
) -> Vec<Role> {
    let roles = vec![Role::Timestamp, Role::Snapshot];
    if let Asked::Found(signer) = asked {
        return match signer {
            Some(signer) => ask_for_keys(report, signer, gun, walked, roles).await,
            None => roles,
        };
    }
    if matches!(config.trust_service, TrustService::Local) {
        report.warn(
            Check::Signer,
            "trust_service.type is \"local\": which keys a running server holds cannot be seen from here",
            "run a notary-signer and set trust_service.type to \"remote\"",
        );
        return roles;
    }
    super::certificates::check_signers(report, &config.trust_service, now);
    match signer::check(report, &config.trust_service, now).await {
        Some(signer) => ask_for_keys(report, &signer, gun, walked, roles).await,
        None => roles,
    }
}

/// Those of `roles` whose keys `signer` holds.
async fn ask_for_keys(
    report: &mut Report,
    signer: &RemoteSigner,
    gun: &Gun,
    walked: &ClientOutcome,
    mut roles: Vec<Role>,
) -> Vec<Role> {
    for role in roles.clone() {
        let needed = walked.root().threshold(&role);
        let held = count_held(signer, walked, &role).await;
        if held.as_ref().is_ok_and(|held| *held < needed) {
            roles.retain(|known| *known != role);
        }
        check_held(report, &role, held.map(|held| held >= needed));
        check_origins(report, signer, gun, walked, &role).await;
    }
    roles
}

fn check_held(report: &mut Report, role: &Role, held: Result<bool, SignerError>) {
    match held {
        Ok(true) => report.ok(Check::Signer, format!("the signer holds the {role} key")),
        Ok(false) if *role == Role::Timestamp => report.wrong(
            Check::Signer,
            "the signer does not hold the timestamp key that root names: nothing can be published, and the timestamp will expire",
            "restore the signer's database from a backup, or rotate the key: `notary key rotate NAME timestamp -r`",
        ),
        Ok(false) => report.ok(
            Check::Signer,
            format!("the {role} key is its publisher's: only a publish makes a new {role}"),
        ),
        Err(error) => report.wrong(
            Check::Signer,
            format!("the signer cannot be asked for the {role} key: {error}"),
            "see the signer's log: its database is away, or the passphrase of the key's alias is missing or wrong",
        ),
    }
}

/// Looks for keys of the signer that were made for another repository or role. A new root cannot
/// introduce them any more, but older ones may name them.
async fn check_origins(
    report: &mut Report,
    signer: &RemoteSigner,
    gun: &Gun,
    walked: &ClientOutcome,
    role: &Role,
) {
    let keys = walked.root().keys(role);
    let ids: Vec<_> = keys.iter().map(|key| key.id().clone()).collect();
    // That the signer does not answer is said already.
    let origins = signer.origins(&ids).await.unwrap_or_default();
    for origin in origins.iter().filter(|origin| !origin.fits(gun, role)) {
        let made_for = match (origin.gun.as_str(), origin.role.as_str()) {
            ("", role) => format!("role {role}"),
            (gun, "") => gun.to_owned(),
            (gun, role) => format!("the {role} of {gun}"),
        };
        report.warn(
            Check::Signer,
            format!(
                "the {role} key {} is shared: the signer made it for {made_for}, and what it signs \
                 there is accepted by clients of {gun}",
                origin.id
            ),
            format!("rotate it: `notary key rotate {gun} {role} -r`"),
        );
    }
}

/// How many of a role's keys the signer holds.
async fn count_held(
    signer: &RemoteSigner,
    walked: &ClientOutcome,
    role: &Role,
) -> Result<u32, SignerError> {
    let mut count = 0;
    for key in walked.root().keys(role).iter().take(MAX_ASKED) {
        match signer.public_key(key.id()).await {
            Ok(_) => count += 1,
            Err(SignerError::KeyNotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn check_expiry(report: &mut Report, inspection: &Inspection<'_>) {
    let mut problems = inspection.find_expiry();
    problems.extend(inspection.find_skipped());
    if problems.is_empty() {
        report.ok(Check::Repository, first_expiry(inspection));
    }
    report.tell_problems(Check::Repository, problems);
}

/// What people have to renew first.
fn first_expiry(inspection: &Inspection<'_>) -> String {
    let files = inspection.walked.files.iter();
    let owned = files.filter(|file| (inspection.owner)(&file.role) == Owner::Publisher);
    let first = owned
        .filter_map(|file| Some((file.expires?, &file.role)))
        .min();
    match first {
        Some((expires, role)) => format!(
            "nothing expires soon that people have to renew; the first is {role}, on {}",
            words::day(expires)
        ),
        None => "nothing expires soon that people have to renew".to_owned(),
    }
}

fn check_newcomers(report: &mut Report, inspection: &Inspection<'_>) {
    let problem = inspection.judge_newcomers();
    if problem.is_none() {
        report.ok(
            Check::Clients,
            "a fresh client takes the root in force and everything below it that has not expired",
        );
    }
    report.tell_problems(Check::Clients, problem);
}

/// What clients meet that come with an older root.
fn check_returning(report: &mut Report, inspection: &Inspection<'_>, behind: Option<u32>) {
    let (newest, first) = (
        inspection.walked.root().version(),
        inspection.walked.first_root(),
    );
    let (oldest, problems) = match behind {
        Some(behind) => {
            let from = newest - i64::from(behind);
            let problem = inspection.judge_returning_client(from);
            (from, problem.into_iter().collect())
        }
        None => (first, inspection.judge_returning_clients(usize::MAX)),
    };
    if problems.is_empty() {
        report.ok(
            Check::Clients,
            format!("a client whose root is version {oldest} or later gets to version {newest}"),
        );
    }
    report.tell_problems(Check::Clients, problems);
    if behind.is_none() {
        report.tell_problems(Check::Clients, inspection.find_missing_roots());
    }
}
