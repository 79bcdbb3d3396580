//! Scopes and accesses in the words of the registry's token protocol.

use serde::{Deserialize, Serialize};

/// What a request needs, as challenges and tokens spell it: `repository:GUN:push,pull`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What is accessed.
    pub kind: ScopeKind,
    /// The GUN, or `catalog`.
    pub name: String,
    /// All that is needed, in the order in which Notary lists them.
    pub actions: &'static [&'static str],
}

/// What kind of thing a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// One GUN.
    Repository,
    /// The whole server, whose only name is `catalog`.
    Registry,
}

/// One entry of a token's `access` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `repository` or `registry`; others mean nothing here.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The GUN, or `catalog`.
    #[serde(default)]
    pub name: String,
    /// What is granted; `*` for everything.
    #[serde(default, deserialize_with = "or_none")]
    pub actions: Vec<String>,
}

/// `null` as an empty list, as Go reads it.
fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ScopeKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Registry => "registry",
        }
    }
}

impl Scope {
    /// Whether `access` lists everything that is needed (reference: token access, step 6).
    ///
    /// Entries of the same type and name add up; `*` in the token covers every action, a needed `*`
    /// is covered by `*` alone. Names match exactly.
    #[must_use]
    pub fn is_covered_by(&self, access: &[Access]) -> bool {
        self.actions.iter().all(|needed| {
            access
                .iter()
                .filter(|entry| entry.kind == self.kind.name() && entry.name == self.name)
                .flat_map(|entry| &entry.actions)
                .any(|action| action == needed || action == "*")
        })
    }
}

impl std::fmt::Display for Access {
    /// As scopes are written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            self.kind.name(),
            self.name,
            self.actions.join(",")
        )
    }
}
