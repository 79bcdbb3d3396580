//! What tokens are made with, and what they are believed by.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use access::token::TrustedKeys;
use authn::{
    fetch_keys,
    settings::{IssuerSettings, JwksSettings, OutsideTokenSettings, TokenServiceSettings},
    token_service::KeyState,
    without_query,
};
use daemon::regular;
use time::OffsetDateTime;

use super::super::{Check, Report, Verdict, certificates::Chain, words};

/// Looks at the keys of the token service. What is not there yet is made when the server starts.
pub(super) fn check_service(
    report: &mut Report,
    service: &TokenServiceSettings,
    now: OffsetDateTime,
) {
    let inspected = authn::token_service::TokenService::inspect(service, now);
    match (&service.folder, inspected) {
        (_, Err(error)) => report.wrong(
            Check::Access,
            error.to_string(),
            "see to it: the server does not start with it",
        ),
        (None, Ok(_)) => report.ok(
            Check::Access,
            "the token service keeps its keys in memory: several servers behind one name need auth.token_folder",
        ),
        (Some(folder), Ok(state)) => tell_folder(report, folder, state),
    }
}

fn tell_folder(report: &mut Report, folder: &Path, state: Option<KeyState>) {
    let what = format!("the folder of the token service ({})", folder.display());
    let Some(state) = state else {
        let text = format!("{what} holds no keys yet: the server makes them");
        return report.ok(Check::Access, text);
    };
    warn_if_writable(report, folder);
    let end = words::day(state.ca_expires);
    let text = format!("{what} holds an authority that is good until {end}");
    report.ok(Check::Access, text);
    for warning in state.warnings {
        let text = format!("{what}: {warning}");
        report.add(Check::Access, Verdict::Warning, text, None);
    }
}

/// Warns of a folder in which others can put keys of their own.
fn warn_if_writable(report: &mut Report, folder: &Path) {
    let is_open = fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o022 != 0);
    if is_open {
        let place = folder.display();
        report.warn(
            Check::Access,
            format!("auth.token_folder ({place}) can be changed by other users of this machine, and everyone who puts keys there may do everything"),
            format!("chmod 700 {place}"),
        );
    }
}

/// Checks the keys of every outside issuer.
pub(super) async fn check_issuers(
    report: &mut Report,
    outside: &OutsideTokenSettings,
    now: OffsetDateTime,
) {
    for issuer in &outside.issuers {
        if let Some(bundle) = &issuer.bundle {
            check_bundle(report, issuer, bundle, now);
        }
        match &issuer.jwks {
            None => {}
            Some(JwksSettings::File(file)) => check_jwks(report, issuer, file),
            Some(JwksSettings::Url { url, ca }) => {
                let keys = fetch_keys(url, ca.as_deref()).await;
                tell_keys(
                    report,
                    issuer,
                    without_query(url),
                    keys.map_err(|error| format!("{error:#}")),
                );
            }
        }
    }
}

fn check_bundle(report: &mut Report, issuer: &IssuerSettings, file: &Path, now: OffsetDateTime) {
    let what = format!(
        "the certificates of issuer {:?} ({})",
        issuer.name,
        file.display()
    );
    let keys = regular::read(file)
        .map_err(|error| error.to_string())
        .and_then(|pem| TrustedKeys::from_bundle(&pem).map_err(|error| error.to_string()));
    if let Err(error) = keys {
        return report.wrong(
            Check::Access,
            format!("{what} cannot be used: {error}"),
            "correct rootcertbundle, or what it names: the server does not start with it",
        );
    }
    let chain = Chain::read(file);
    let expired: Vec<String> = chain
        .parse()
        .filter(|one| one.validity().not_after.to_datetime() < now)
        .map(|one| one.subject().to_string())
        .collect();
    if expired.is_empty() {
        report.ok(Check::Access, format!("{what} are current"));
    } else {
        report.warn(
            Check::Access,
            format!(
                "of {what}, {} expired: tokens that rest on it are refused",
                words::list(&expired)
            ),
            "add the issuer's new certificate to the file",
        );
    }
}

fn check_jwks(report: &mut Report, issuer: &IssuerSettings, file: &Path) {
    let keys = regular::read(file)
        .map_err(|error| error.to_string())
        .and_then(|json| TrustedKeys::from_jwks(&json).map_err(|error| error.to_string()));
    tell_keys(report, issuer, &file.display().to_string(), keys);
}

fn tell_keys(
    report: &mut Report,
    issuer: &IssuerSettings,
    place: &str,
    keys: Result<TrustedKeys, String>,
) {
    let what = format!("the key set of issuer {:?} ({place})", issuer.name);
    match keys {
        Err(error) => report.wrong(
            Check::Access,
            format!("{what} cannot be used: {error}"),
            "correct jwks, or what it names: the server does not start without the keys of every issuer",
        ),
        Ok(keys) => {
            let keys = words::count(keys.ids().len() as u64, "key", "keys");
            report.ok(Check::Access, format!("{what} holds {keys}"));
        }
    }
}
