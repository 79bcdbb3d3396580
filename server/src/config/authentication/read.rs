//! Reading the `auth` section, which fails closed: whatever does not fit stops the start.

use authn::settings::{AuthenticationSettings, SchemeSettings};
use daemon::{Settings, SettingsError, settings::likely};

use super::{super::ENV_PREFIX, administrator, options, passwords, refuse::refuse_all};

/// What `auth.type` may be.
const TYPES: [&str; 4] = ["htpasswd", "basic", "token", "none"];

/// Settings without a meaning unless passwords are asked for.
const OF_PASSWORDS: [&str; 8] = [
    "auth.htpasswd_file",
    "auth.realm",
    "auth.token_service",
    "auth.token_issuer",
    "auth.token_audience",
    "auth.token_folder",
    "auth.token_seconds",
    "auth.token_registries",
];

/// Settings without a meaning unless somebody is asked who they are.
const OF_SOMEBODY: [&str; 3] = [
    "auth.options",
    "auth.rules_file",
    "auth.client_certificates",
];

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
    let scheme = scheme(settings, warnings)?;
    let authentication = AuthenticationSettings {
        scheme,
        rules_file: settings.path("auth.rules_file"),
        client_certificates: client_certificates(settings)?,
    };
    require_rules_for_open_id(settings, &authentication)?;
    Ok(authentication)
}

/// Elsewhere, what is unknown is a warning; here it may be what was to keep somebody out.
fn refuse_unknown(settings: &Settings) -> Result<(), SettingsError> {
    for path in settings.unknown() {
        match path.split('.').next() {
            Some("auth") => return Err(settings.refused_unknown(path)),
            Some(section) if likely(section, &["auth"]).is_some() => {
                let reason = "there is no such section; did you mean \"auth\"?";
                return Err(settings.refused(path, reason));
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

fn scheme(
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<SchemeSettings, SettingsError> {
    let administrator = administrator::is_named(settings);
    match settings.text("auth.type") {
        Some("htpasswd" | "basic") => passwords::read(settings).map(SchemeSettings::Passwords),
        None if administrator => passwords::read(settings).map(SchemeSettings::Passwords),
        Some("token") => {
            refuse_all(
                settings,
                &OF_PASSWORDS,
                "goes with auth.type \"htpasswd\", not with \"token\"",
            )?;
            if administrator {
                warnings.push("NOTARY_AUTH has no effect on this server: with auth.type \"token\" nobody logs in here".into());
            }
            options::read(settings, warnings).map(SchemeSettings::OutsideTokens)
        }
        Some("none") => {
            refuse_settings_of_somebody(settings, "auth.type is \"none\"")?;
            warnings.push("authentication is off (auth.type is \"none\"): whoever reaches this server may publish, delete and ask for keys".into());
            Ok(SchemeSettings::None { is_written: true })
        }
        None => {
            refuse_settings_of_somebody(settings, "auth.type is not set")?;
            warnings.push("authentication is off, since the configuration has no auth.type: anybody who reaches this server may publish, delete and ask for keys; if that is meant, write auth.type \"none\", else \"htpasswd\" or \"token\"".into());
            Ok(SchemeSettings::None { is_written: false })
        }
        Some(other) => Err(settings.invalid("auth.type", accepted_types(other))),
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
fn refuse_settings_of_somebody(settings: &Settings, state: &str) -> Result<(), SettingsError> {
    let reason = format!(
        "has no effect while {state}: write auth.type \"htpasswd\" or \"token\", or leave this out"
    );
    refuse_all(settings, &OF_PASSWORDS, &reason)?;
    refuse_all(settings, &OF_SOMEBODY, &reason)?;
    refuse_all(settings, &[administrator::KEY], &reason)
}

fn client_certificates(settings: &Settings) -> Result<bool, SettingsError> {
    const KEY: &str = "auth.client_certificates";
    let wanted = settings.boolean(KEY)?.unwrap_or(false);
    if wanted && !settings.is_set("server.client_ca_file") {
        return Err(settings.refused(
            KEY,
            "needs server.client_ca_file, which says whose certificates are believed",
        ));
    }
    Ok(wanted)
}

/// The token of an `OpenID` provider lists nothing that it is good for, so that without rules it would
/// be good for nothing, or for everything.
fn require_rules_for_open_id(
    settings: &Settings,
    authentication: &AuthenticationSettings,
) -> Result<(), SettingsError> {
    let (SchemeSettings::OutsideTokens(outside), None) =
        (&authentication.scheme, &authentication.rules_file)
    else {
        return Ok(());
    };
    match outside.issuers.iter().find(|issuer| issuer.is_open_id()) {
        None => Ok(()),
        Some(issuer) => Err(settings.refused(
            "auth.options",
            format_args!(
                "issuer {:?} has a jwks and no rootcertbundle, so its tokens do not say what they are good for: name a file of rules in auth.rules_file",
                issuer.name
            ),
        )),
    }
}
