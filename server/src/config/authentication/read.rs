//! Reading the `auth` section, which fails closed: whatever does not fit stops the start.

use authn::settings::{AuthenticationSettings, SchemeSettings};
use daemon::{
    Settings, SettingsError,
    settings::{Entry, likely},
};

use super::{options, passwords, refuse::refuse_all};
use crate::config::{
    ENV_PREFIX,
    sections::{Auth, Server},
};

/// What `auth.type` may be.
const TYPES: [&str; 4] = ["htpasswd", "basic", "token", "none"];

/// Settings without a meaning unless the server asks for passwords.
fn of_passwords<'a, 's>(auth: &'a Auth<'s>) -> [&'a Entry<'s>; 8] {
    [
        &auth.htpasswd_file,
        &auth.realm,
        &auth.token_service,
        &auth.token_issuer,
        &auth.token_audience,
        &auth.token_folder,
        &auth.token_seconds,
        &auth.token_registries,
    ]
}

/// Settings without a meaning unless callers are authenticated.
fn of_authentication<'a, 's>(auth: &'a Auth<'s>) -> [&'a Entry<'s>; 4] {
    [
        &auth.options,
        &auth.rules_file,
        &auth.client_certificates,
        &auth.administrator,
    ]
}

/// Reads the `auth` section; sentences for the operator go to `warnings`.
///
/// # Errors
///
/// Whatever makes no sense: nothing here ever falls back to no authentication.
pub(in crate::config) fn read(
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<AuthenticationSettings, SettingsError> {
    refuse_unknown(settings)?;
    let auth = Auth::of(settings);
    let authentication = AuthenticationSettings {
        scheme: scheme(&auth, warnings)?,
        rules_file: auth.rules_file.path(),
        client_certificates: client_certificates(&auth, &Server::of(settings))?,
    };
    require_rules_for_open_id(&auth, &authentication)?;
    Ok(authentication)
}

/// Elsewhere, an unknown setting is a warning; here it may be one that was meant to keep callers
/// out.
fn refuse_unknown(settings: &Settings) -> Result<(), SettingsError> {
    for path in settings.unknown_paths() {
        match path.split('.').next() {
            Some("auth") => return Err(settings.refuse_unknown(path)),
            Some(section) if likely(section, &["auth"]).is_some() => {
                return Err(settings.refuse_section(path, "auth"));
            }
            _ => {}
        }
    }
    for name in settings.unknown_variables() {
        let rest = name
            .strip_prefix(ENV_PREFIX)
            .map_or("AUTH", |rest| rest.trim_start_matches('_'));
        let section = rest.split('_').next().unwrap_or_default().to_lowercase();
        if section == "auth" || (section.len() == 4 && likely(&section, &["auth"]).is_some()) {
            return Err(settings.refused_variable(name));
        }
    }
    Ok(())
}

fn scheme(auth: &Auth<'_>, warnings: &mut Vec<String>) -> Result<SchemeSettings, SettingsError> {
    let administrator = auth.administrator.is_set();
    match auth.kind.text() {
        Some("htpasswd" | "basic") => passwords::read(auth).map(SchemeSettings::Passwords),
        None if administrator => passwords::read(auth).map(SchemeSettings::Passwords),
        Some("token") => {
            refuse_all(
                &of_passwords(auth),
                "goes with auth.type \"htpasswd\", not with \"token\"",
            )?;
            if administrator {
                warnings.push("NOTARY_AUTH has no effect on this server: with auth.type \"token\" no user logs in here".into());
            }
            options::read(auth, warnings).map(SchemeSettings::OutsideTokens)
        }
        Some("none") => {
            refuse_without_effect(auth, "auth.type is \"none\"")?;
            warnings.push("authentication is off (auth.type is \"none\"): everyone who reaches this server may publish, delete and ask for keys".into());
            Ok(SchemeSettings::None { is_written: true })
        }
        None => {
            refuse_without_effect(auth, "auth.type is not set")?;
            warnings.push("authentication is off, since the configuration has no auth.type: anybody who reaches this server may publish, delete and ask for keys; if that is meant, write auth.type \"none\", else \"htpasswd\" or \"token\"".into());
            Ok(SchemeSettings::None { is_written: false })
        }
        Some(other) => Err(auth.kind.invalid(accepted_types(other))),
    }
}

fn accepted_types(found: &str) -> String {
    let meant = likely(&found.to_lowercase(), &TYPES);
    let meant = meant.map(|meant| format!("; did you mean {meant:?}?"));
    format!(
        "\"htpasswd\" (or \"basic\"), \"token\" or \"none\"{}",
        meant.unwrap_or_default()
    )
}

/// Refuses what an operator would only write to have some authentication.
fn refuse_without_effect(auth: &Auth<'_>, state: &str) -> Result<(), SettingsError> {
    let reason = format!(
        "has no effect while {state}: write auth.type \"htpasswd\" or \"token\", or leave this out"
    );
    refuse_all(&of_passwords(auth), &reason)?;
    refuse_all(&of_authentication(auth), &reason)
}

fn client_certificates(auth: &Auth<'_>, server: &Server<'_>) -> Result<bool, SettingsError> {
    let wanted = auth.client_certificates.get()?;
    if wanted && !server.client_ca_file.is_set() {
        return Err(auth
            .client_certificates
            .refuse("needs server.client_ca_file, which says whose certificates are believed"));
    }
    Ok(wanted)
}

/// The token of an `OpenID` provider lists nothing that it is good for, so that without rules it
/// would be good for nothing, or for everything.
fn require_rules_for_open_id(
    auth: &Auth<'_>,
    authentication: &AuthenticationSettings,
) -> Result<(), SettingsError> {
    let (SchemeSettings::OutsideTokens(outside), None) =
        (&authentication.scheme, &authentication.rules_file)
    else {
        return Ok(());
    };
    match outside.issuers.iter().find(|issuer| issuer.is_open_id()) {
        None => Ok(()),
        Some(issuer) => Err(auth.options.refuse(
            format_args!(
                "issuer {:?} has a jwks and no rootcertbundle, so its tokens do not say what they are good for: name a file of rules in auth.rules_file",
                issuer.name
            ),
        )),
    }
}
