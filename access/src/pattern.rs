//! Which GUNs and roles a rule is about.

mod automaton;

use std::fmt;

use automaton::Automaton;
#[cfg(test)]
pub(crate) use automaton::work;

/// The longest name a role can have, in bytes (Notary 0.7).
const ROLE_MAX_BYTES: usize = 255;

/// Which GUNs a rule is about: a prefix that ends in `/`, a glob (`*` within a segment, `**` across
/// segments), or one exact GUN. `*` and `**` alone mean all.
///
/// A prefix may hold wildcards as well. There are no others: `?` and `[` stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunPattern(Glob);

/// Which roles a rule lets a caller push: as [`GunPattern`], over role names (`targets`,
/// `targets/releases`, `targets/*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePattern(Glob);

/// A pattern that makes no sense, or that nothing could ever match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// There is nothing in it.
    #[error("an empty text is no pattern; write ** for everything")]
    Empty,
    /// GUNs have no `/` in front.
    #[error("{0:?} begins with /, as no name does")]
    LeadingSlash(String),
    /// Two slashes in a row.
    #[error("{0:?} holds an empty segment (//), as no name does")]
    EmptySegment(String),
    /// White space or a control character.
    #[error("{0:?} holds a blank or a control character")]
    Character(String),
    /// More than two stars in a row.
    #[error("{0:?} holds more than two stars in a row; * is within a segment, ** across segments")]
    Stars(String),
    /// A registry's host alone, which is the name of no repository.
    #[error("{0:?} is a host and names no repository; write {0}/ for all repositories below it")]
    HostAlone(String),
    /// A role that is not in the targets tree, or that no role could be called.
    #[error(
        "{0:?} is no role that anybody pushes: targets, or targets/ and more, of a-z, 0-9, -, _, / and *"
    )]
    NotTargets(String),
}

impl GunPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`], for what no GUN could match and for what another tool might read
    /// otherwise.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let glob = Glob::parse(text)?;
        if is_host(text) {
            return Err(InvalidPattern::HostAlone(text.to_owned()));
        }
        Ok(Self(glob))
    }

    /// Whether `gun` is one of those meant, byte for byte.
    #[must_use]
    pub fn matches(&self, gun: &str) -> bool {
        self.0.matches(gun)
    }

    /// What all GUNs that are meant begin with.
    #[must_use]
    pub fn beginning(&self) -> &str {
        &self.0.literal
    }

    /// Whether every GUN there can be is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.is_everything()
    }
}

impl RolePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`], also for what no role of the targets tree could match.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let glob = Glob::parse(text)?;
        if glob.is_everything() || may_be_in_targets_tree(text) {
            return Ok(Self(glob));
        }
        Err(InvalidPattern::NotTargets(text.to_owned()))
    }

    /// Whether the role of this name is one of those meant.
    #[must_use]
    pub fn matches(&self, role: &str) -> bool {
        self.0.matches(role)
    }
}

impl fmt::Display for GunPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Display for RolePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Whether `text` is the host of a registry, as docker recognises one at the beginning of a name.
fn is_host(text: &str) -> bool {
    !text.contains(['/', '*']) && (text == "localhost" || text.contains(['.', ':']))
}

/// Whether a role of the targets tree could have a name of this pattern.
fn may_be_in_targets_tree(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'/' | b'*');
    text.len() <= ROLE_MAX_BYTES
        && text.bytes().all(allowed)
        && (text == "targets" || text.starts_with("targets/"))
}

/// A pattern, taken apart: literal text up to the first wildcard, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob {
    text: String,
    literal: String,
    rest: Rest,
}

/// What a pattern says behind its literal text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    /// That the name ends.
    Nothing,
    /// `**`, and no more.
    Anything,
    Wildcards(Automaton),
}

impl Glob {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        check(text)?;
        if text == "*" {
            return Ok(Self::new(text, "**"));
        }
        if text.ends_with('/') {
            return Ok(Self::new(text, &format!("{text}**")));
        }
        Ok(Self::new(text, text))
    }

    fn new(text: &str, meaning: &str) -> Self {
        let (literal, rest) = meaning.split_at(meaning.find('*').unwrap_or(meaning.len()));
        Self {
            text: text.to_owned(),
            literal: literal.to_owned(),
            rest: match rest {
                "" => Rest::Nothing,
                "**" => Rest::Anything,
                rest => Rest::Wildcards(Automaton::new(rest)),
            },
        }
    }

    fn is_everything(&self) -> bool {
        self.literal.is_empty() && self.rest == Rest::Anything
    }

    fn matches(&self, name: &str) -> bool {
        name.strip_prefix(self.literal.as_str())
            .is_some_and(|rest| match &self.rest {
                Rest::Nothing => rest.is_empty(),
                Rest::Anything => true,
                Rest::Wildcards(automaton) => automaton.matches(rest.as_bytes()),
            })
    }
}

fn check(text: &str) -> Result<(), InvalidPattern> {
    let refused = |character: char| character.is_whitespace() || character.is_control();
    if text.is_empty() {
        Err(InvalidPattern::Empty)
    } else if text.contains(refused) {
        Err(InvalidPattern::Character(text.to_owned()))
    } else if text.starts_with('/') {
        Err(InvalidPattern::LeadingSlash(text.to_owned()))
    } else if text.contains("//") {
        Err(InvalidPattern::EmptySegment(text.to_owned()))
    } else if text.contains("***") {
        Err(InvalidPattern::Stars(text.to_owned()))
    } else {
        Ok(())
    }
}
