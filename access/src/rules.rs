//! Rules: who may do what, on which GUNs.

mod error;
mod parse;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

pub use error::{InvalidRules, RuleFault};
pub use who::{InvalidWho, Who};

use crate::{Action, Actions, GunPattern, Identity, RolePattern};

/// The rules of an operator. What no rule grants is refused.
#[derive(Clone, Debug)]
pub struct Rules {
    groups: Groups,
    rules: Vec<Rule>,
}

/// The users of the password file in each group.
type Groups = BTreeMap<String, BTreeSet<String>>;

/// One rule. Nothing is ever taken away by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its place in the file, from 1.
    pub number: usize,
    /// Whom it is about: any of these.
    pub who: Vec<Who>,
    /// Only holders of tokens of this issuer, if one is named.
    pub issuer: Option<String>,
    /// What they may do.
    pub may: Actions,
    /// On which GUNs: any of these.
    pub on: Vec<GunPattern>,
    /// In which roles they may push; empty: in all.
    pub roles: Vec<RolePattern>,
}

/// What rules are asked about one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'n> {
    /// Any of these is enough.
    pub(crate) any_of: &'static [Action],
    /// On this GUN; `None`: on all there can be.
    pub(crate) gun: Option<&'n str>,
    /// Pushing in this role; `None`: in any role, or something else than pushing.
    pub(crate) role: Option<&'n str>,
}

impl Rules {
    /// Reads the content of a rules file: `groups` (name → list of users) and `rules` (list). Unknown
    /// members are refused.
    ///
    /// `issuers` are the names of the outside issuers there are; with several of them a rule about
    /// subjects or claims has to name its issuer.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`], for anything that could be a slip: a rule that can never grant what it says is
    /// one, too.
    pub fn parse(content: &Value, issuers: &[&str]) -> Result<Self, InvalidRules> {
        parse::rules(content, issuers)
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that let `identity` push to `gun`, in some role or in all.
    pub fn pushes(&self, identity: &Identity, gun: &str) -> impl Iterator<Item = &Rule> {
        let ask = Ask {
            any_of: &[Action::Push],
            gun: Some(gun),
            role: None,
        };
        self.rules
            .iter()
            .filter(move |rule| rule.grants(ask) && rule.is_about(identity, &self.groups))
    }

    /// The first rule that grants `identity` what is asked.
    pub(crate) fn grant(&self, identity: &Identity, ask: Ask<'_>) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.grants(ask) && rule.is_about(identity, &self.groups))
    }
}

impl Rule {
    fn is_about(&self, identity: &Identity, groups: &Groups) -> bool {
        let issuer_fits = self.issuer.as_ref().is_none_or(
            |issuer| matches!(identity, Identity::Outside(token) if token.issuer == *issuer),
        );
        issuer_fits && self.who.iter().any(|who| who.is(identity, groups))
    }

    fn grants(&self, ask: Ask<'_>) -> bool {
        self.covers(ask.gun)
            && self.covers_role(ask.role)
            && ask.any_of.iter().any(|action| self.may.contains(*action))
    }

    fn covers(&self, gun: Option<&str>) -> bool {
        match gun {
            Some(gun) => self.on.iter().any(|pattern| pattern.matches(gun)),
            None => self.on.iter().any(GunPattern::is_everything),
        }
    }

    fn covers_role(&self, role: Option<&str>) -> bool {
        self.roles.is_empty()
            || role.is_none_or(|role| self.roles.iter().any(|pattern| pattern.matches(role)))
    }
}

impl fmt::Display for Rule {
    /// The rule as a sentence in the words of the file, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", listed(&self.who))?;
        if let Some(issuer) = &self.issuer {
            write!(f, " of {issuer}")?;
        }
        write!(f, " may {} on {}", self.may, listed(&self.on))?;
        if !self.roles.is_empty() {
            write!(f, " in {}", listed(&self.roles))?;
        }
        Ok(())
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
