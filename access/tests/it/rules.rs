//! Rules: what they mean, what is refused as a rule, and that nothing is granted beyond them.

mod decisions;
mod file;
mod patterns;
mod properties;

use access::{Access, Caller, Decision, Identity, OutsideToken, Permission, Policy, Reason, Rules};
use serde_json::{Map, Value};

const ISSUER: &str = "https://idp.example.com";

/// A policy of these rules, with one issuer.
fn policy(content: &Value) -> Policy {
    Policy::Rules(Rules::parse(content, &[ISSUER]).unwrap())
}

fn user(name: &str) -> Caller {
    Caller::new(Identity::User(name.to_owned()))
}

fn certificate(names: &[&str]) -> Caller {
    let names = names.iter().copied().map(str::to_owned).collect();
    Caller::new(Identity::Certificate(names))
}

/// The holder of a token of an issuer that keeps no `access`.
fn outside(subject: &str, claims: Value) -> Caller {
    let Value::Object(claims) = claims else {
        panic!("claims are an object")
    };
    Caller::new(Identity::Outside(OutsideToken {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        claims,
    }))
}

fn robot() -> Caller {
    outside("robot", Value::Object(Map::new()))
}

/// `caller` with a token that lists `actions` on repository `gun`.
fn limited_to(caller: Caller, gun: &str, actions: &[&str]) -> Caller {
    let mut access = caller.access.unwrap_or_default();
    access.push(entry("repository", gun, actions));
    Caller {
        access: Some(access),
        ..caller
    }
}

fn entry(kind: &str, name: &str, actions: &[&str]) -> Access {
    Access {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.iter().copied().map(str::to_owned).collect(),
    }
}

/// Whether it is granted, and in one word why.
fn in_a_word(decision: &Decision) -> String {
    let sign = if decision.is_granted { '+' } else { '-' };
    let word = match &decision.reason {
        Reason::Open => "open".to_owned(),
        Reason::Administrator => "admin".to_owned(),
        Reason::Known => "known".to_owned(),
        Reason::Unknown => "unknown".to_owned(),
        Reason::TokenLists => "lists".to_owned(),
        Reason::TokenLacks { .. } => "lacks".to_owned(),
        Reason::Rule(number, _) => format!("rule{number}"),
        Reason::NoRule => "none".to_owned(),
        Reason::Authenticated => "somebody".to_owned(),
    };
    format!("{sign}{word}")
}

fn may(policy: &Policy, caller: &Caller, permission: Permission<'_>) -> bool {
    policy.decide(caller, permission).is_granted
}
