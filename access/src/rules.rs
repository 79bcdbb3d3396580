//! Rules: who may do what, on which GUNs.

mod error;
mod parse;
mod who;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use error::{InvalidRules, RuleFault};
use serde_json::Value;
pub use who::{InvalidWho, Who};

use crate::{Action, Actions, GunPattern, Identity, RolePattern};

/// No GUN has more bytes: 255 characters, of up to four each (Notary 0.7).
const GUN_MAX_BYTES: usize = 255 * 4;

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
pub(crate) struct Query<'n> {
    /// Any of these is enough.
    pub(crate) any_of: &'static [Action],
    /// On this GUN; `None`: on all there can be.
    pub(crate) gun: Option<&'n str>,
    /// Pushing in this role; `None`: in any role, or something else than pushing.
    pub(crate) role: Option<&'n str>,
}

impl Rules {
    /// Reads the content of a rules file: `groups` (name → list of users) and `rules` (list).
    /// Unknown members are refused.
    ///
    /// `issuers` are the names of the outside issuers there are; with several of them a rule about
    /// subjects or claims has to name its issuer.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`], for anything that could be a slip: a rule that can never grant what it
    /// says is one, too.
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
        let query = Query {
            any_of: &[Action::Push],
            gun: Some(gun),
            role: None,
        };
        self.rules
            .iter()
            .filter(move |rule| rule.grants(identity, &self.groups, query))
    }

    /// The rules about `identity` that grant any of these actions on some GUN.
    pub(crate) fn about(
        &self,
        identity: &Identity,
        any_of: &'static [Action],
    ) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| {
            any_of.iter().any(|action| rule.may.contains(*action))
                && rule.is_about(identity, &self.groups)
        })
    }

    /// The first rule that grants `identity` what is asked.
    pub(crate) fn grant(&self, identity: &Identity, query: Query<'_>) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.grants(identity, &self.groups, query))
    }
}

impl Rule {
    fn is_about(&self, identity: &Identity, groups: &Groups) -> bool {
        let issuer_fits = self.issuer.as_ref().is_none_or(
            |issuer| matches!(identity, Identity::Outside(token) if token.issuer == *issuer),
        );
        issuer_fits && self.who.iter().any(|who| who.is(identity, groups))
    }

    /// Patterns come last: they cost the most, and callers choose the names to hold against them.
    fn grants(&self, identity: &Identity, groups: &Groups, query: Query<'_>) -> bool {
        query.any_of.iter().any(|action| self.may.contains(*action))
            && self.is_about(identity, groups)
            && self.covers(query.gun)
            && self.covers_role(query.role)
    }

    fn covers(&self, gun: Option<&str>) -> bool {
        match gun {
            Some(gun) if gun.len() > GUN_MAX_BYTES => false,
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
        write!(f, "{}", list(&self.who))?;
        if let Some(issuer) = &self.issuer {
            write!(f, " of {issuer}")?;
        }
        write!(f, " may {} on {}", self.may, list(&self.on))?;
        if !self.roles.is_empty() {
            write!(f, " in {}", list(&self.roles))?;
        }
        Ok(())
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Caller, Policy, pattern::work};

    const LONGEST: usize = 255;

    /// A hundred rules for `who`, whose patterns are hard to tell from a name of nothing but `a`.
    fn hundred_rules(who: &str) -> Policy {
        let rule = json!({"who": who, "may": "*", "on": format!("{}b", "*a".repeat(60))});
        Policy::Rules(Rules::parse(&json!({"rules": vec![rule; 100]}), &[]).unwrap())
    }

    fn asking_for_actions_on(policy: &Policy, gun: &str) -> usize {
        work::of(|| {
            assert!(policy.actions_for(&Caller::anonymous(), gun).is_empty());
        })
    }

    #[test]
    fn patterns_of_rules_about_others_are_not_looked_at() {
        let policy = hundred_rules("user:alice");
        assert_eq!(asking_for_actions_on(&policy, &"a".repeat(LONGEST)), 0);
    }

    #[test]
    fn what_a_stranger_can_ask_for_at_once_costs_little() {
        let policy = hundred_rules("anonymous");
        let words = asking_for_actions_on(&policy, &"a".repeat(LONGEST));
        // Six actions, a hundred rules, two words for each byte; a word takes about a nanosecond.
        assert!((1..=6 * 100 * 2 * LONGEST).contains(&words), "{words}");
    }

    #[test]
    fn names_longer_than_any_gun_are_held_against_no_pattern() {
        let policy = hundred_rules("anonymous");
        assert_eq!(
            asking_for_actions_on(&policy, &"a".repeat(4 * LONGEST + 1)),
            0
        );
        let everything = json!({"rules": [{"who": "anonymous", "may": "pull", "on": "**"}]});
        let policy = Policy::Rules(Rules::parse(&everything, &[]).unwrap());
        assert!(policy.anonymous_may_pull(&"\u{1f980}".repeat(LONGEST)));
        assert!(!policy.anonymous_may_pull(&"a".repeat(4 * LONGEST + 1)));
    }
}
