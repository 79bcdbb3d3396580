//! Types `htpasswd` and `basic`, and the token service.

use std::{collections::BTreeMap, time::Duration};

use authn::settings::{PasswordSettings, TokenServiceSettings};
use daemon::{Settings, SettingsError};
use serde_json::Value;

use super::{administrator, refuse::refuse_all};

/// What issuer, audience and realm are called unless the operator says otherwise.
const NAME: &str = "notary-server";

/// Settings without a meaning unless there is a token service.
const OF_TOKEN_SERVICE: [&str; 5] = [
    "auth.token_issuer",
    "auth.token_audience",
    "auth.token_folder",
    "auth.token_seconds",
    "auth.token_registries",
];

pub(super) fn read(settings: &Settings) -> Result<PasswordSettings, SettingsError> {
    refuse_all(
        settings,
        &["auth.options"],
        "goes with auth.type \"token\" alone: what \"htpasswd\" needs stands beside auth.type",
    )?;
    let passwords = PasswordSettings {
        realm: text(settings, "auth.realm"),
        file: settings.path("auth.htpasswd_file"),
        administrator: administrator::read(settings)?,
        token_service: token_service(settings)?,
    };
    if passwords.file.is_none() && passwords.administrator.is_none() {
        return Err(settings.refused(
            "auth.htpasswd_file",
            "nobody could log in: name a password file, or an administrator in NOTARY_AUTH",
        ));
    }
    Ok(passwords)
}

fn text(settings: &Settings, key: &str) -> String {
    settings.text(key).unwrap_or(NAME).to_owned()
}

fn token_service(settings: &Settings) -> Result<Option<TokenServiceSettings>, SettingsError> {
    if !settings.boolean("auth.token_service")?.unwrap_or(true) {
        refuse_all(
            settings,
            &OF_TOKEN_SERVICE,
            "has no effect while auth.token_service is false",
        )?;
        return Ok(None);
    }
    let seconds = settings.integer_in("auth.token_seconds", 60..=3600, 300)?;
    let folder = settings.path("auth.token_folder");
    let registries = registries(settings)?;
    if folder.is_none() && !registries.is_empty() {
        return Err(settings.refused(
            "auth.token_registries",
            "needs auth.token_folder: a registry trusts the ca.crt in it, which has to outlive this process",
        ));
    }
    Ok(Some(TokenServiceSettings {
        issuer: text(settings, "auth.token_issuer"),
        audience: text(settings, "auth.token_audience"),
        folder,
        lifetime: Duration::from_secs(seconds.unsigned_abs()),
        registries,
    }))
}

fn registries(settings: &Settings) -> Result<BTreeMap<String, String>, SettingsError> {
    const KEY: &str = "auth.token_registries";
    let prefix = |(service, prefix): (String, Value)| {
        match prefix {
        Value::String(prefix) if is_prefix(&prefix) => Ok((service, prefix)),
        _ => Err(settings.refused(
            KEY,
            format_args!("{service:?} needs a prefix of GUNs that ends in a slash, such as registry.example.com/"),
        )),
    }
    };
    settings.map(KEY).into_iter().map(prefix).collect()
}

fn is_prefix(text: &str) -> bool {
    text.strip_suffix('/').is_some_and(|path| {
        !path
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
    })
}
