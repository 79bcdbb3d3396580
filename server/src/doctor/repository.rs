//! One repository as its clients would meet it: everything verified from the root down, what is
//! about to expire, and the keys that the signer must hold.

use std::sync::Arc;

use time::OffsetDateTime;
use trust::{
    clients,
    renewal::LEAD,
    signer::{MAX_ASKED, RemoteSigner, Signer as _, SignerError},
    store::TrustStore,
};
use tuf::{ClientFile, ClientOutcome, Gun, Role, WalkError};

use super::{Check, NOTICE, Report, signer, words};
use crate::config::{Config, TrustService};

/// Looks at the repository `name`; `behind` picks one kind of returning clients.
pub(super) async fn check(
    report: &mut Report,
    config: &Config,
    store: Arc<dyn TrustStore>,
    name: &str,
    behind: Option<u32>,
    now: OffsetDateTime,
) {
    let Some(gun) = find_gun(report, config, store.as_ref(), name).await else {
        return;
    };
    let walked = match clients::walk_stored(store, &gun, now).await {
        Ok(Ok(walked)) => walked,
        Ok(Err(error)) => return unfollowable(report, &gun, &error),
        Err(error) => return report.tell_failure(&error),
    };
    report.ok(
        Check::Repository,
        format!("the trust data of {gun} is whole: {}", summary(&walked)),
    );
    let held = held_roles(report, config, &gun, &walked, now).await;
    check_expiry(report, &walked, &held, now);
    check_certificates(report, &walked, now);
    check_public_keys(report, &walked);
    check_newcomers(report, &walked, now);
    check_returning(report, &walked, behind, now);
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
    if let Some(cure) = clients::unreadable_cure(error) {
        report.wrong(Check::Clients, format!("{gun}: {error}"), cure);
        return;
    }
    let cure = match error {
        WalkError::Missing { .. } => {
            "put the lost row back from a backup; if there is none, delete the repository and publish it again (its clients then have to forget it)"
        }
        WalkError::Refused { .. } | WalkError::Unreadable { .. } => {
            "restore the row from a backup, or publish a new version with the keys of that role"
        }
    };
    report.wrong(
        Check::Repository,
        format!("no client can follow {gun}: {error}"),
        cure,
    );
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
    now: OffsetDateTime,
) -> Vec<Role> {
    let mut roles = vec![Role::Timestamp, Role::Snapshot];
    if matches!(config.trust_service, TrustService::Local) {
        report.warn(
            Check::Signer,
            "trust_service.type is \"local\": which keys a running server holds cannot be seen from here",
            "run a notary-signer and set trust_service.type to \"remote\"",
        );
        return roles;
    }
    super::certificates::check_signers(report, &config.trust_service, now);
    if let Some(signer) = signer::check(report, &config.trust_service, now).await {
        for role in roles.clone() {
            let needed = walked.root().threshold(&role);
            let held = count_held(&signer, walked, &role).await;
            if held.as_ref().is_ok_and(|held| *held < needed) {
                roles.retain(|known| *known != role);
            }
            check_held(report, &role, held.map(|held| held >= needed));
            check_origins(report, &signer, gun, walked, &role).await;
        }
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

fn check_expiry(report: &mut Report, walked: &ClientOutcome, held: &[Role], now: OffsetDateTime) {
    let before = report.findings.len();
    for met in &walked.files {
        if held.contains(&met.role) {
            check_renewed(report, met, now);
        } else {
            check_published(report, met, now);
        }
    }
    for skipped in &walked.skipped {
        report.warn(
            Check::Repository,
            format!(
                "clients pass over {} with all below it: {}",
                skipped.role, skipped.reason
            ),
            format!(
                "publish {} signed by the keys that its parent names now",
                skipped.role
            ),
        );
    }
    if report.findings.len() == before {
        let owners = walked.files.iter().filter(|met| !held.contains(&met.role));
        let first = owners
            .filter_map(|met| Some((met.expires?, &met.role)))
            .min();
        let text = match first {
            Some((expires, role)) => format!(
                "nothing expires soon that people have to renew; the first is {role}, on {}",
                words::day(expires)
            ),
            None => "nothing expires soon that people have to renew".to_owned(),
        };
        report.ok(Check::Repository, text);
    }
}

/// A file that the server renews by itself, in good time if it runs.
fn check_renewed(report: &mut Report, met: &ClientFile, now: OffsetDateTime) {
    let Some(left) = met.expires.map(|expires| expires - now) else {
        return;
    };
    if left < LEAD - time::Duration::DAY {
        let text = if met.is_expired {
            format!(
                "the {} has expired, and a running server would have renewed it",
                met.role
            )
        } else {
            format!(
                "the {} expires in {}, and a running server would have renewed it",
                met.role,
                words::span(left)
            )
        };
        let cure = "start the server; if it runs, its log says why it cannot renew";
        report.warn(Check::Repository, text, cure);
    }
}

/// A file that a person has to publish again.
fn check_published(report: &mut Report, met: &ClientFile, now: OffsetDateTime) {
    let (role, expires) = (&met.role, met.expires);
    let cure = match role {
        Role::Root => {
            "publish a new root with the root key: `notary key rotate NAME targets` makes one"
                .to_owned()
        }
        Role::Timestamp | Role::Snapshot => format!(
            "make the {role} key available, or rotate it: `notary key rotate NAME {role} -r`"
        ),
        role => format!("publish {role} again with its key: `notary witness NAME {role} -p`"),
    };
    let end = expires.map_or_else(|| "no date".to_owned(), words::day);
    if met.is_expired {
        let text = format!("{role} version {} has expired ({end})", met.version);
        // Clients go on without an expired delegation; the rest they refuse.
        match role {
            Role::Delegation(_) => report.warn(Check::Repository, text, cure),
            _ => report.wrong(Check::Repository, text, cure),
        }
    } else if let Some(left) = expires
        .map(|expires| expires - now)
        .filter(|left| *left < NOTICE)
    {
        let text = format!(
            "{role} version {} expires in {} ({end})",
            met.version,
            words::span(left)
        );
        report.warn(Check::Repository, text, cure);
    }
}

fn check_certificates(report: &mut Report, walked: &ClientOutcome, now: OffsetDateTime) {
    for certificate in walked.root_certificates(walked.root().version()) {
        let end = certificate.expires;
        if end < now + NOTICE {
            let tense = if end < now { "expired" } else { "expires" };
            report.warn(
                Check::Repository,
                format!(
                    "the certificate of a root key ({}) {tense} on {}",
                    certificate.common_name,
                    words::day(end)
                ),
                "replace it while old clients can still follow: `notary key rotate NAME root`",
            );
        }
    }
}

/// A root from before the rule, which one key can sign although two are asked for.
fn check_public_keys(report: &mut Report, walked: &ClientOutcome) {
    for shared in walked.root().shared_keys() {
        report.warn(
            Check::Repository,
            format!("root version {}: {shared}", walked.root().version()),
            format!(
                "publish a root that names {} keys of their own for {}: several certificates over one public key are one key",
                shared.threshold, shared.role
            ),
        );
    }
}

fn check_newcomers(report: &mut Report, walked: &ClientOutcome, now: OffsetDateTime) {
    match walked.check_new_client(now) {
        Ok(()) => report.ok(
            Check::Clients,
            "a fresh client takes the root in force and everything below it that has not expired",
        ),
        Err(reason) => report.wrong(
            Check::Clients,
            format!(
                "a fresh client refuses root version {}: {reason}",
                walked.root().version()
            ),
            "publish a new root with a current certificate: `notary key rotate NAME root`",
        ),
    }
}

/// What clients meet that come with an older root.
fn check_returning(
    report: &mut Report,
    walked: &ClientOutcome,
    behind: Option<u32>,
    now: OffsetDateTime,
) {
    let newest = walked.root().version();
    let versions = match behind {
        Some(behind) => {
            let from = newest - i64::from(behind);
            from..=from
        }
        None => walked.first_root()..=newest,
    };
    let oldest = *versions.start();
    let mut well = true;
    for from in versions {
        if let Err(error) = walked.check_returning_client(from, now) {
            well = false;
            report.warn(
                Check::Clients,
                format!("a client whose root is version {from} cannot get to version {newest}: {error}"),
                "such a client has to forget the repository (delete its folder below trust/tuf) and to trust it again",
            );
        }
    }
    if well {
        report.ok(
            Check::Clients,
            format!("a client whose root is version {oldest} or later gets to version {newest}"),
        );
    }
    if behind.is_none() && walked.first_root() > 2 {
        report.warn(
            Check::Clients,
            format!(
                "roots before version {} are gone: clients that hold one cannot follow",
                walked.first_root()
            ),
            "put the lost rows back from a backup",
        );
    }
}
