//! Whom a rule is about.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

use super::Groups;
use crate::{Identity, OutsideToken};

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// `anonymous`: every unknown caller. (A known caller may do it as well.)
    Anonymous,
    /// `authenticated`: every known caller, in whatever way.
    Authenticated,
    /// `user:NAME`: a user of the password file.
    User(String),
    /// `group:NAME`: a user in this group of the rules file.
    Group(String),
    /// `certificate:NAME`: who shows a client certificate with this name.
    Certificate(String),
    /// `subject:NAME`: who shows a token made out to this subject.
    Subject(String),
    /// `claim:NAME=VALUE`: who shows a token with this claim, or with a list that holds the value.
    ///
    /// Dots in the name lead into objects, unless there is a claim of just this name.
    Claim(String, String),
}

/// A text that names no caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWho {
    /// It begins with none of the known words.
    #[error(
        "{0:?} is nobody: anonymous, authenticated, user:NAME, group:NAME, certificate:NAME, subject:NAME or claim:NAME=VALUE"
    )]
    Unknown(String),
    /// There is nothing where a name has to be.
    #[error("there is no name in {0:?}")]
    EmptyName(String),
    /// `*`, which looks like a wildcard.
    #[error("* is no name, and names are exact; write authenticated for whoever is known")]
    Star,
    /// Blanks around a name, or control characters in it.
    #[error("{0:?} begins or ends with a blank, or holds a control character")]
    Character(String),
    /// A claim without a value.
    #[error("{0:?} has no value: claim:NAME=VALUE")]
    NoValue(String),
}

impl Who {
    /// Whether only holders of outside tokens can be meant.
    pub(super) fn is_of_an_issuer(&self) -> bool {
        matches!(self, Self::Subject(_) | Self::Claim(..))
    }

    pub(super) fn is(&self, identity: &Identity, groups: &Groups) -> bool {
        match (self, identity) {
            (Self::Anonymous, _) => true,
            (Self::Authenticated, _) => !identity.is_anonymous(),
            (Self::User(name), Identity::User(user)) => name == user,
            (Self::Group(name), Identity::User(user)) => {
                groups.get(name).is_some_and(|users| users.contains(user))
            }
            (Self::Certificate(name), Identity::Certificate(names)) => names.contains(name),
            (Self::Subject(name), Identity::Outside(token)) => *name == token.subject,
            (Self::Claim(name, value), Identity::Outside(token)) => has_claim(token, name, value),
            _ => false,
        }
    }
}

impl FromStr for Who {
    type Err = InvalidWho;

    fn from_str(text: &str) -> Result<Self, InvalidWho> {
        match text.split_once(':') {
            None if text == "anonymous" => Ok(Self::Anonymous),
            None if text == "authenticated" => Ok(Self::Authenticated),
            Some(("user", name)) => exact(name, text).map(Self::User),
            Some(("group", name)) => exact(name, text).map(Self::Group),
            Some(("certificate", name)) => exact(name, text).map(Self::Certificate),
            Some(("subject", name)) => exact(name, text).map(Self::Subject),
            Some(("claim", claim)) => self::claim(claim, text),
            _ => Err(InvalidWho::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Certificate(name) => write!(f, "certificate:{name}"),
            Self::Subject(name) => write!(f, "subject:{name}"),
            Self::Claim(name, value) => write!(f, "claim:{name}={value}"),
        }
    }
}

fn claim(claim: &str, text: &str) -> Result<Who, InvalidWho> {
    let (name, value) = claim
        .split_once('=')
        .ok_or_else(|| InvalidWho::NoValue(text.to_owned()))?;
    Ok(Who::Claim(exact(name, text)?, exact(value, text)?))
}

/// A name as it is compared: any text that cannot be mistaken for another, or for a wildcard.
pub(super) fn exact(name: &str, found_in: &str) -> Result<String, InvalidWho> {
    if name.is_empty() {
        Err(InvalidWho::EmptyName(found_in.to_owned()))
    } else if name == "*" {
        Err(InvalidWho::Star)
    } else if name.trim() != name || name.contains(char::is_control) {
        Err(InvalidWho::Character(found_in.to_owned()))
    } else {
        Ok(name.to_owned())
    }
}

fn has_claim(token: &OutsideToken, name: &str, value: &str) -> bool {
    find_claim(&token.claims, name).is_some_and(|claim| match claim {
        Value::Array(items) => items.iter().any(|item| is_text_of(item, value)),
        claim => is_text_of(claim, value),
    })
}

/// The claim of this very name or, if there is none, the one that its dots lead to.
fn find_claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (first, path) = name.split_once('.')?;
        path.split('.')
            .try_fold(claims.get(first)?, |value, member| {
                value.as_object()?.get(member)
            })
    })
}

fn is_text_of(claim: &Value, text: &str) -> bool {
    match claim {
        Value::String(claim) => claim == text,
        Value::Number(claim) => claim.to_string() == text,
        Value::Bool(claim) => claim.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
