//! How the server under test is told who may do what: settings beyond those every scenario has, and
//! its environment.

use std::path::Path;

use serde_json::{Map, Value, json};

/// What the configuration of a server holds beyond the usual, and its environment.
#[derive(Clone, Debug, Default)]
pub struct AuthSetup {
    settings: Map<String, Value>,
    environment: Vec<(String, String)>,
}

impl AuthSetup {
    /// A server with this `auth` section, which logs all it can: whatever it should not say, it
    /// says then.
    #[must_use]
    pub fn with_auth(auth: Value) -> Self {
        Self::unmentioned().and("auth", auth)
    }

    /// A server whose configuration says nothing of authentication.
    #[must_use]
    pub fn unmentioned() -> Self {
        Self::default().and("logging", json!({"level": "trace"}))
    }

    /// The members of `settings` in the section `name` of the configuration.
    #[must_use]
    pub fn and(mut self, name: &str, settings: Value) -> Self {
        merge(self.settings.entry(name).or_insert(Value::Null), settings);
        self
    }

    /// The same, and rules from this file.
    #[must_use]
    pub fn with_rules(self, file: &Path) -> Self {
        self.and("auth", json!({"rules_file": file}))
    }

    /// The same, with what is done written to this file.
    #[must_use]
    pub fn with_audit_file(self, file: &Path) -> Self {
        self.and("logging", json!({"audit_file": file}))
    }

    /// A variable in the server's environment.
    #[must_use]
    pub fn and_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration `usual` with these settings in it.
    pub(crate) fn configure(&self, mut usual: Value) -> Value {
        merge(&mut usual, Value::Object(self.settings.clone()));
        usual
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Members of objects are put beside each other; anything else is replaced.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
