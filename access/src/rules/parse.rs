//! Reads a rules file.

use std::{collections::BTreeSet, str::FromStr as _};

use serde_json::{Map, Value};

use super::{
    Groups, InvalidRules, Rule, RuleFault, Rules, list,
    who::{Who, exact},
};
use crate::{Action, Actions, GunPattern, RolePattern};

const FILE_MEMBERS: &[&str] = &["groups", "rules"];
const RULE_MEMBERS: &[&str] = &["who", "issuer", "may", "on", "roles"];

const A_NAME: &str = "a text, the name of an issuer";
const USERS: &str = "a list of user names";
const WHO: &str = "a text or a list of texts such as user:NAME";
const MAY: &str = "a text or a list of texts such as pull";
const ON: &str = "a text or a list of texts, each a GUN, a prefix that ends in /, or a glob";
const ROLES: &str = "a text or a list of texts such as targets/releases";

pub(super) fn rules(content: &Value, issuers: &[&str]) -> Result<Rules, InvalidRules> {
    let file = object(content, "the rules file", "an object with groups and rules")?;
    only(file, FILE_MEMBERS, "", "groups and rules")?;
    let terms = Terms {
        groups: groups(file.get("groups"))?,
        issuers,
    };
    let rules = listed_rules(file.get("rules"))?
        .iter()
        .enumerate()
        .map(|(index, rule)| terms.rule(index + 1, rule))
        .collect::<Result<_, _>>()?;
    Ok(Rules {
        groups: terms.groups,
        rules,
    })
}

fn listed_rules(rules: Option<&Value>) -> Result<&[Value], InvalidRules> {
    const ACCEPTED: &str = "a list of rules";
    let fault = match rules {
        None => RuleFault::Missing { accepted: ACCEPTED },
        Some(Value::Array(rules)) if rules.is_empty() => {
            RuleFault::EmptyList { accepted: ACCEPTED }
        }
        Some(Value::Array(rules)) => return Ok(rules),
        Some(other) => wrong_kind(other, ACCEPTED),
    };
    Err(fault.at("rules"))
}

fn groups(groups: Option<&Value>) -> Result<Groups, InvalidRules> {
    let Some(groups) = groups else {
        return Ok(Groups::new());
    };
    object(
        groups,
        "groups",
        "an object of names, each with a list of users",
    )?
    .iter()
    .map(|(name, users)| Ok((group_name(name)?, group(name, users)?)))
    .collect()
}

fn group_name(name: &str) -> Result<String, InvalidRules> {
    exact(name, name).map_err(|fault| RuleFault::from(fault).at(format!("groups, {name:?}")))
}

fn group(name: &str, users: &Value) -> Result<BTreeSet<String>, InvalidRules> {
    let place = format!("groups, {name}");
    if !users.is_array() {
        return Err(wrong_kind(users, USERS).at(place));
    }
    each(users, &place, USERS, |user| Ok(exact(user, user)?)).map(BTreeSet::from_iter)
}

/// What rules can refer to.
struct Terms<'c> {
    groups: Groups,
    issuers: &'c [&'c str],
}

impl Terms<'_> {
    fn rule(&self, number: usize, content: &Value) -> Result<Rule, InvalidRules> {
        let name = format!("rule {number}");
        let content = object(content, &name, "an object with who, may and on")?;
        let prefix = format!("{name}, ");
        only(
            content,
            RULE_MEMBERS,
            &prefix,
            "who, issuer, may, on and roles",
        )?;
        let member = |member| Member::new(content, &name, member);
        let rule = Rule {
            number,
            who: member("who").each(WHO, |who| self.who(who))?,
            issuer: member("issuer").text_if_any(A_NAME)?,
            may: member("may")
                .each(MAY, |word| Ok(Actions::parse(word)?))?
                .into_iter()
                .fold(Actions::default(), Actions::with),
            on: member("on").each(ON, |pattern| Ok(GunPattern::parse(pattern)?))?,
            roles: member("roles").each_if_any(ROLES, |role| Ok(RolePattern::parse(role)?))?,
        };
        self.check_issuer(&rule)
            .map_err(|fault| fault.at(format!("{name}, issuer")))?;
        check_admin(&rule, content).map_err(|fault| fault.at(format!("{name}, may")))?;
        check_audit(&rule, content).map_err(|fault| fault.at(format!("{name}, may")))?;
        check_roles(&rule).map_err(|fault| fault.at(format!("{name}, roles")))?;
        Ok(rule)
    }

    fn who(&self, text: &str) -> Result<Who, RuleFault> {
        match Who::from_str(text)? {
            Who::Group(found) if !self.groups.contains_key(&found) => {
                let defined: Vec<_> = self.groups.keys().collect();
                Err(RuleFault::UndefinedGroup {
                    found,
                    defined: or_none(&defined),
                })
            }
            who => Ok(who),
        }
    }

    fn check_issuer(&self, rule: &Rule) -> Result<(), RuleFault> {
        let configured = || or_none(self.issuers);
        match &rule.issuer {
            None => match rule.who.iter().find(|who| who.is_of_an_issuer()) {
                Some(who) if self.issuers.len() > 1 => Err(RuleFault::WhichIssuer {
                    who: who.to_string(),
                    configured: configured(),
                }),
                _ => Ok(()),
            },
            Some(found) if !self.issuers.contains(&found.as_str()) => {
                Err(RuleFault::UnknownIssuer {
                    found: found.clone(),
                    configured: configured(),
                })
            }
            Some(_) => check_issuer_fits(&rule.who),
        }
    }
}

fn check_issuer_fits(who: &[Who]) -> Result<(), RuleFault> {
    let fits = |who: &&Who| **who == Who::Authenticated || who.is_of_an_issuer();
    match who.iter().find(|who| !fits(who)) {
        Some(who) => Err(RuleFault::NotOfAnIssuer {
            who: who.to_string(),
        }),
        None => Ok(()),
    }
}

/// `*` on some GUNs stands for all that can be granted there; `admin`, written out, is a mistake.
fn check_admin(rule: &Rule, content: &Map<String, Value>) -> Result<(), RuleFault> {
    if is_written(Action::Admin, content) && !rule.on.iter().any(GunPattern::is_everything) {
        return Err(RuleFault::AdminOnSome {
            found: list(&rule.on),
        });
    }
    Ok(())
}

/// Whether a rule names an action, which `*` does not.
fn is_written(action: Action, content: &Map<String, Value>) -> bool {
    match &content["may"] {
        Value::Array(words) => words.iter().any(|word| word == action.name()),
        word => word == action.name(),
    }
}

/// Anonymous callers are never shown the audit log, so a rule that says so is a mistake.
fn check_audit(rule: &Rule, content: &Map<String, Value>) -> Result<(), RuleFault> {
    if is_written(Action::Audit, content) && rule.who.contains(&Who::Anonymous) {
        return Err(RuleFault::AuditForAnonymous);
    }
    Ok(())
}

fn check_roles(rule: &Rule) -> Result<(), RuleFault> {
    if rule.roles.is_empty() || rule.may.contains(Action::Push) {
        return Ok(());
    }
    Err(RuleFault::RolesWithoutPush)
}

/// One member of a rule, and its place for the one who reads an error.
struct Member<'c> {
    value: Option<&'c Value>,
    place: String,
}

impl<'c> Member<'c> {
    fn new(content: &'c Map<String, Value>, rule: &str, name: &str) -> Self {
        Self {
            value: content.get(name),
            place: format!("{rule}, {name}"),
        }
    }

    fn each<T>(
        self,
        accepted: &'static str,
        read: impl Fn(&str) -> Result<T, RuleFault>,
    ) -> Result<Vec<T>, InvalidRules> {
        match self.value {
            Some(value) => each(value, &self.place, accepted, read),
            None => Err(RuleFault::Missing { accepted }.at(self.place)),
        }
    }

    fn each_if_any<T>(
        self,
        accepted: &'static str,
        read: impl Fn(&str) -> Result<T, RuleFault>,
    ) -> Result<Vec<T>, InvalidRules> {
        match self.value {
            Some(_) => self.each(accepted, read),
            None => Ok(Vec::new()),
        }
    }

    fn text_if_any(self, accepted: &'static str) -> Result<Option<String>, InvalidRules> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(wrong_kind(other, accepted).at(self.place)),
        }
    }
}

/// Reads every text of a list, or a text alone. There is at least one, and none is there twice.
fn each<T>(
    value: &Value,
    place: &str,
    accepted: &'static str,
    read: impl Fn(&str) -> Result<T, RuleFault>,
) -> Result<Vec<T>, InvalidRules> {
    texts(value, accepted)
        .and_then(|texts| texts.into_iter().map(read).collect())
        .map_err(|fault| fault.at(place))
}

fn texts<'v>(value: &'v Value, accepted: &'static str) -> Result<Vec<&'v str>, RuleFault> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.is_empty() {
        return Err(RuleFault::EmptyList { accepted });
    }
    let mut seen = BTreeSet::new();
    items
        .iter()
        .map(|item| match item.as_str() {
            None => Err(wrong_kind(item, accepted)),
            Some(text) if seen.insert(text) => Ok(text),
            Some(text) => Err(RuleFault::Twice(text.to_owned())),
        })
        .collect()
}

fn object<'v>(
    value: &'v Value,
    place: &str,
    accepted: &'static str,
) -> Result<&'v Map<String, Value>, InvalidRules> {
    value
        .as_object()
        .ok_or_else(|| wrong_kind(value, accepted).at(place))
}

/// Refuses members that mean nothing.
fn only(
    content: &Map<String, Value>,
    members: &[&str],
    prefix: &str,
    accepted: &'static str,
) -> Result<(), InvalidRules> {
    match content
        .keys()
        .find(|name| !members.contains(&name.as_str()))
    {
        Some(name) => {
            Err(RuleFault::UnknownMember { accepted }.at(format!("{prefix}member {name:?}")))
        }
        None => Ok(()),
    }
}

impl RuleFault {
    fn at(self, place: impl Into<String>) -> InvalidRules {
        InvalidRules {
            place: place.into(),
            fault: self,
        }
    }
}

fn wrong_kind(found: &Value, accepted: &'static str) -> RuleFault {
    let found = match found {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "a true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    RuleFault::Kind { found, accepted }
}

fn or_none<T: ToString>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    list(names)
}
