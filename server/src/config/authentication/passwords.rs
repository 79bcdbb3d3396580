//! Types `htpasswd` and `basic`, and the token service.

use std::{collections::BTreeMap, time::Duration};

use authn::settings::{PasswordSettings, TokenServiceSettings};
use daemon::SettingsError;
use serde_json::Value;

use super::{administrator, refuse::refuse_all};
use crate::config::sections::Auth;

pub(super) fn read(auth: &Auth<'_>) -> Result<PasswordSettings, SettingsError> {
    refuse_all(
        &[&auth.options],
        "goes with auth.type \"token\" alone: what \"htpasswd\" needs stands beside auth.type",
    )?;
    let passwords = PasswordSettings {
        realm: auth.realm.require()?.to_owned(),
        file: auth.htpasswd_file.path(),
        administrator: administrator::read(auth)?,
        token_service: token_service(auth)?,
    };
    if passwords.file.is_none() && passwords.administrator.is_none() {
        return Err(auth.htpasswd_file.refuse(
            "no user could log in: name a password file, or an administrator in NOTARY_AUTH",
        ));
    }
    Ok(passwords)
}

fn token_service(auth: &Auth<'_>) -> Result<Option<TokenServiceSettings>, SettingsError> {
    if !auth.token_service.get()? {
        refuse_all(
            &[
                &auth.token_issuer,
                &auth.token_audience,
                &auth.token_folder,
                &auth.token_seconds,
                &auth.token_registries,
            ],
            "has no effect while auth.token_service is false",
        )?;
        return Ok(None);
    }
    let seconds = auth.token_seconds.get()?;
    let folder = auth.token_folder.path();
    let registries = registries(auth)?;
    if folder.is_none() && !registries.is_empty() {
        return Err(auth.token_registries.refuse(
            "needs auth.token_folder: a registry trusts the ca.crt in it, which has to outlive this process",
        ));
    }
    Ok(Some(TokenServiceSettings {
        issuer: auth.token_issuer.require()?.to_owned(),
        audience: auth.token_audience.require()?.to_owned(),
        folder,
        lifetime: Duration::from_secs(seconds),
        registries,
    }))
}

fn registries(auth: &Auth<'_>) -> Result<BTreeMap<String, String>, SettingsError> {
    let prefix = |(service, prefix): (String, Value)| match prefix {
        Value::String(prefix) if is_prefix(&prefix) => Ok((service, prefix)),
        _ => Err(auth.token_registries.refuse(format_args!(
            "{service:?} needs a prefix of GUNs that ends in a slash, such as registry.example.com/"
        ))),
    };
    let registries = auth.token_registries.get();
    registries.into_iter().map(prefix).collect()
}

fn is_prefix(text: &str) -> bool {
    text.strip_suffix('/').is_some_and(|path| {
        !path
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
    })
}
