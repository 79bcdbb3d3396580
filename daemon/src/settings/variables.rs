//! Environment variables that look like settings and are none: a misspelt one would silently have
//! no effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
};

use strsim::levenshtein;

use super::{Key, Settings, SettingsError, likely};
use crate::{Origin, secret};

/// Names that old samples have, and the setting that does what they were to do.
const RENAMED: [(&str, &str); 6] = [
    ("storage.type", "storage.backend"),
    ("storage.options", "storage.db_url"),
    ("auth.issuer", "auth.options.issuer"),
    ("auth.service", "auth.options.service"),
    ("auth.rootcertbundle", "auth.options.rootcertbundle"),
    ("auth.autoredirect", "auth.options.autoredirect"),
];

/// The variable of the setting `path`.
pub(super) fn derive(prefix: &str, path: &str) -> String {
    format!("{prefix}_{}", path.replace('.', "_").to_uppercase())
}

/// What of `known` does what the old name `path` was to do.
pub(super) fn find_new_name<'k>(path: &str, known: &[&'k str]) -> Option<&'k str> {
    let (_, new) = RENAMED.iter().find(|(old, _)| *old == path)?;
    known.iter().find(|known| *known == new).copied()
}

impl Key {
    /// The variables that set this key.
    fn variables(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> = self.overriding_variable(prefix).into_iter().collect();
        if self.has_sources()
            && let Some(name) = names.first().cloned()
        {
            let endings = [secret::FILE, secret::COMMAND].map(str::to_uppercase);
            names.extend(endings.map(|ending| name.clone() + &ending));
        }
        names.extend(self.member_variables(prefix));
        names
    }
}

impl Settings {
    /// Notes the variables of `env` that are called as settings are, and are none.
    pub(super) fn note_unknown_variables(&mut self, env: &BTreeMap<OsString, OsString>) {
        let known = self.variables();
        let families: Vec<String> = std::iter::once(self.prefix)
            .chain(self.keys().filter_map(|key| key.variable))
            .map(|name| format!("{name}_"))
            .collect();
        let names = env.iter().filter(|(_, value)| !value.is_empty());
        let names = names.filter_map(|(name, value)| Some((name.to_str()?, value)));
        let unknown = names.filter(|(name, value)| {
            families.iter().any(|family| name.starts_with(family))
                && !known.contains(*name)
                && !is_service_link(name, &value.to_string_lossy())
        });
        self.unknown_variables = unknown.map(|(name, _)| name.to_owned()).collect();
    }

    /// The variables that are called as settings are, and are none; those of Kubernetes, which are
    /// made for every service of a namespace, are left out.
    #[must_use]
    pub fn unknown_variables(&self) -> &[String] {
        &self.unknown_variables
    }

    /// A sentence for each of [`unknown_variables`](Self::unknown_variables) but those that
    /// `is_meant` says have another meaning, naming the variable that was likely meant.
    #[must_use]
    pub fn variable_warnings(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let unknown = self.unknown_variables.iter();
        let unknown = unknown.filter(|name| !is_meant(name));
        unknown
            .map(|name| {
                let meant = self.meant(name);
                format!(
                    "environment variable {name}: there is no such setting; it has no effect{meant}"
                )
            })
            .collect()
    }

    /// The error for one of [`unknown_variables`](Self::unknown_variables) where nothing may be
    /// unknown.
    #[must_use]
    pub fn refused_variable(&self, name: &str) -> SettingsError {
        SettingsError::UnknownVariable {
            origin: Origin::Variable(name.to_owned()),
            meant: self.meant(name),
        }
    }

    /// Whether the variable `name` is as good as the name of a setting: it begins with the name of
    /// a section, or only a letter or two are wrong.
    #[must_use]
    pub fn resembles_setting(&self, name: &str) -> bool {
        let is_close = |known: &String| levenshtein(name, known) <= 2;
        let sections = self.keys().filter_map(|key| key.path.split_once('.'));
        let mut sections = sections.map(|(section, _)| derive(self.prefix, section) + "_");
        sections.any(|section| name.starts_with(&section)) || self.variables().iter().any(is_close)
    }

    fn meant(&self, name: &str) -> String {
        let known = self.variables();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let old = RENAMED.map(|(old, new)| (derive(self.prefix, old), derive(self.prefix, new)));
        let renamed = old.iter().find(|(old, _)| old == name);
        let renamed = renamed.map(|(_, new)| new.as_str());
        match renamed.filter(|new| known.contains(new)) {
            Some(new) => format!("; write {new}"),
            None => likely(name, &known)
                .map_or_else(String::new, |meant| format!("; did you mean {meant}?")),
        }
    }

    fn variables(&self) -> BTreeSet<String> {
        let names = self.keys().map(|key| key.variables(self.prefix));
        names.flatten().collect()
    }
}

/// Whether Kubernetes, or docker's old links, made this variable for a service whose name begins as
/// our variables do: `NOTARY_SERVER_SERVICE_HOST`, `NOTARY_SERVER_PORT_4443_TCP_ADDR` and so on.
fn is_service_link(name: &str, value: &str) -> bool {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let has_port = name
        .split("_PORT_")
        .skip(1)
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    ends(&["_SERVICE_HOST", "_SERVICE_PORT"])
        || name.contains("_SERVICE_PORT_")
        || (is_address && ends(&["_PORT"]))
        || has_port
}

#[cfg(test)]
mod tests {
    use super::is_service_link;

    #[test]
    fn variables_that_kubernetes_makes_are_told_from_settings() {
        for (name, value) in [
            ("NOTARY_SERVER_SERVICE_HOST", "10.0.0.1"),
            ("NOTARY_SERVER_SERVICE_PORT", "4443"),
            ("NOTARY_SERVER_SERVICE_PORT_HTTPS", "4443"),
            ("NOTARY_SERVER_PORT", "tcp://10.0.0.1:4443"),
            ("NOTARY_SERVER_PORT_4443_TCP", "tcp://10.0.0.1:4443"),
            ("NOTARY_SERVER_PORT_4443_TCP_ADDR", "10.0.0.1"),
            ("NOTARY_SERVER_METRICS_PORT_9090_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [
            ("NOTARY_SERVER_PORT", "4443"),
            ("NOTARY_SERVER_AUTH_TYP", "htpasswd"),
            ("NOTARY_SERVER_TRUST_SERVICE_PROT", "7899"),
        ] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
