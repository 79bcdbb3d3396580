//! Type `token`: Notary's `auth.options`, and what is new in them.

use std::{net::IpAddr, path::PathBuf};

use authn::settings::{IssuerSettings, JwksSettings, OutsideTokenSettings};
use daemon::{
    SettingsError,
    settings::{Entry, likely},
};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::config::sections::Auth;

/// What is understood in `auth.options`.
const OPTIONS: [&str; 8] = [
    "realm",
    "issuer",
    "service",
    "rootcertbundle",
    "autoredirect",
    "jwks",
    "jwks_ca_file",
    "issuers",
];

/// What is understood in an entry of `issuers`.
const OF_ISSUER: [&str; 5] = [
    "issuer",
    "service",
    "rootcertbundle",
    "jwks",
    "jwks_ca_file",
];

/// Some options; their names are in lower case.
struct Options<'s> {
    setting: Entry<'s>,
    members: Map<String, Value>,
}

pub(super) fn read(
    auth: &Auth<'_>,
    warnings: &mut Vec<String>,
) -> Result<OutsideTokenSettings, SettingsError> {
    if !auth.options.is_set() {
        return Err(auth.options.refuse(
            "auth.type \"token\" needs a section with realm, service, issuer and rootcertbundle (or the variables NOTARY_SERVER_AUTH_OPTIONS_REALM, …_SERVICE, …_ISSUER and …_ROOTCERTBUNDLE)",
        ));
    }
    let options = Options {
        setting: *auth.options,
        members: auth.options.get().into_iter().collect(),
    };
    for name in options.unknown_members(&OPTIONS) {
        if let Some(meant) = likely(name, &OPTIONS) {
            return Err(options.refuse(format_args!(
                "there is no option {name:?}; did you mean {meant:?}?"
            )));
        }
        warnings.push(format!("auth.options.{name} is unknown and has no effect"));
    }
    let realm = options.require("realm")?;
    let several = options.several()?;
    let is_alone = several.is_empty() || options.members.contains_key("issuer");
    if is_alone {
        options.require("issuer")?;
    }
    let service = options.require("service")?;
    let mut issuers = Vec::new();
    if is_alone {
        issuers.push(options.issuer(&service)?);
    } else {
        options.refuse_parts_without_issuer()?;
    }
    for entry in several {
        issuers.push(entry.issuer(&service)?);
    }
    refuse_twice(auth, &issuers)?;
    Ok(OutsideTokenSettings {
        realm,
        service,
        autoredirect: options.autoredirect()?,
        issuers,
    })
}

impl Options<'_> {
    fn refuse(&self, reason: impl std::fmt::Display) -> SettingsError {
        self.setting.refuse(reason)
    }

    fn unknown_members<'o>(&'o self, known: &'o [&str]) -> impl Iterator<Item = &'o str> {
        let names = self.members.keys().map(String::as_str);
        names.filter(|name| !known.contains(name))
    }

    fn text(&self, name: &str) -> Result<Option<String>, SettingsError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(self.lacks(name)),
        }
    }

    fn require(&self, name: &str) -> Result<String, SettingsError> {
        self.text(name)?.ok_or_else(|| self.lacks(name))
    }

    /// Notary's words.
    fn lacks(&self, name: &str) -> SettingsError {
        self.refuse(format_args!(
            "token auth requires a valid option string: {name:?}"
        ))
    }

    fn autoredirect(&self) -> Result<bool, SettingsError> {
        match self.members.get("autoredirect") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(wanted)) => Ok(*wanted),
            Some(_) => Err(self.refuse("token auth requires a valid option bool: autoredirect")),
        }
    }

    /// The entries of `issuers`.
    fn several(&self) -> Result<Vec<Self>, SettingsError> {
        let entries = match self.members.get("issuers") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(self.refuse("issuers must be a list of sections")),
        };
        entries.iter().map(|entry| self.entry(entry)).collect()
    }

    fn entry(&self, entry: &Value) -> Result<Self, SettingsError> {
        let Value::Object(members) = entry else {
            return Err(self.refuse("issuers must be a list of sections"));
        };
        let mut lowered = Map::new();
        for (name, value) in members {
            if lowered.insert(name.to_lowercase(), value.clone()).is_some() {
                return Err(self.refuse(format_args!(
                    "issuers: {name} is given twice; names are the same whatever their case"
                )));
            }
        }
        let entry = Self {
            setting: self.setting,
            members: lowered,
        };
        if let Some(name) = entry.unknown_members(&OF_ISSUER).next() {
            return Err(self.refuse(format_args!(
                "issuers: {name} is unknown; accepted: {}",
                OF_ISSUER.join(", ")
            )));
        }
        Ok(entry)
    }

    fn issuer(&self, service: &str) -> Result<IssuerSettings, SettingsError> {
        let issuer = IssuerSettings {
            name: self.require("issuer")?,
            audience: self.text("service")?.unwrap_or_else(|| service.to_owned()),
            bundle: self.text("rootcertbundle")?.map(PathBuf::from),
            jwks: self.jwks()?,
        };
        if issuer.bundle.is_none() && issuer.jwks.is_none() {
            return Err(self.lacks("rootcertbundle"));
        }
        Ok(issuer)
    }

    fn jwks(&self) -> Result<Option<JwksSettings>, SettingsError> {
        let ca = self.text("jwks_ca_file")?.map(PathBuf::from);
        let place = self.text("jwks")?;
        let url = place.as_deref().filter(|place| place.contains("://"));
        match (url, ca) {
            (Some(url), ca) => Ok(Some(JwksSettings::Url {
                url: self.url(url)?,
                ca,
            })),
            (None, None) => Ok(place.map(|file| JwksSettings::File(file.into()))),
            (None, Some(_)) => Err(self.refuse(
                "jwks_ca_file says whom to believe when a jwks is fetched, but no jwks is an address here",
            )),
        }
    }

    fn url(&self, text: &str) -> Result<String, SettingsError> {
        let url = Url::parse(text).ok();
        let is_safe = |url: &Url| match url.scheme() {
            "https" => true,
            "http" => url.host().is_some_and(|host| is_loopback(&host)),
            _ => false,
        };
        match url.filter(is_safe) {
            Some(url) if url.username().is_empty() && url.password().is_none() => Ok(url.into()),
            _ => Err(self.refuse(
                "jwks must be a path or an https:// address without a user (http:// only on the loopback)",
            )),
        }
    }

    /// What describes the one issuer is not to be lost because that has no name.
    fn refuse_parts_without_issuer(&self) -> Result<(), SettingsError> {
        let parts = ["rootcertbundle", "jwks", "jwks_ca_file"];
        match parts.iter().find(|part| self.members.contains_key(**part)) {
            None => Ok(()),
            Some(_) => Err(self.lacks("issuer")),
        }
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

fn refuse_twice(auth: &Auth<'_>, issuers: &[IssuerSettings]) -> Result<(), SettingsError> {
    let mut names: Vec<_> = issuers.iter().map(|issuer| &issuer.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(auth
            .options
            .refuse(format_args!("issuer {:?} is there twice", pair[0]))),
    }
}
