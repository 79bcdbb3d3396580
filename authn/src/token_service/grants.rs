//! Which of the requested scopes a token lists.

use access::{Access, Action, Actions, Caller, Permission, Policy};

use super::scopes::{Requested, Scopes};

/// The service that a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience<'s> {
    /// This server: names are GUNs.
    Ours,
    /// A registry, whose names become GUNs with this prefix.
    Registry(&'s str),
}

/// The entries of `asked` that are granted to `caller`, with the granted actions.
pub(super) fn list_granted(
    policy: &Policy,
    caller: &Caller,
    audience: Audience<'_>,
    asked: &Scopes,
) -> Vec<Access> {
    let entry = |asked: Requested<'_>| {
        let listable = Listable::of(policy, caller, audience, asked);
        let may = |action: &&String| listable.has(action);
        let actions: Vec<String> = asked.actions.iter().filter(may).cloned().collect();
        (!actions.is_empty()).then(|| Access {
            kind: asked.kind.to_owned(),
            name: asked.name.to_owned(),
            actions,
        })
    };
    asked.iter().filter_map(entry).collect()
}

/// The actions on one thing that may be listed; the rules are asked once for all of them.
enum Listable {
    Catalog { is_granted: bool },
    Here(Actions),
    There(Actions),
    Nothing,
}

impl Listable {
    fn of(policy: &Policy, caller: &Caller, audience: Audience<'_>, asked: Requested<'_>) -> Self {
        match (asked.kind, asked.name, audience) {
            ("registry", "catalog", _) => Self::Catalog {
                is_granted: policy.decide(caller, Permission::Admin).is_granted,
            },
            ("repository", gun, Audience::Ours) => Self::Here(policy.actions_for(caller, gun)),
            ("repository", name, Audience::Registry(prefix)) => {
                Self::There(policy.actions_for(caller, &format!("{prefix}{name}")))
            }
            _ => Self::Nothing,
        }
    }

    fn has(&self, action: &str) -> bool {
        match *self {
            Self::Catalog { is_granted } => is_granted && action == "*",
            Self::Here(actions) => may_here(actions, action),
            Self::There(actions) => may_there(actions, action),
            Self::Nothing => false,
        }
    }
}

/// This server asks the rules again with each request: a token only narrows what they grant. So
/// `*`, which clients request to rotate or delete, is listed for permission to do either. `pull`,
/// without which no token is good for publishing, is listed for permission to publish anything, or
/// to see the inventory.
fn may_here(actions: Actions, action: &str) -> bool {
    let any = |of: &[Action]| of.iter().any(|it| actions.contains(*it));
    match action {
        "pull" => any(&[Action::Pull, Action::Push, Action::Delegate, Action::See]),
        "push" => any(&[Action::Push, Action::Delegate]),
        "*" => any(&[Action::Rotate, Action::Delete]),
        _ => false,
    }
}

/// A registry knows nothing but the token: `*` is everything there is.
fn may_there(actions: Actions, action: &str) -> bool {
    let all = |of: &[Action]| of.iter().all(|it| actions.contains(*it));
    match action {
        "pull" => all(&[Action::Pull]),
        "push" => all(&[Action::Push]),
        "delete" => all(&[Action::Delete]),
        "*" => all(&[Action::Pull, Action::Push, Action::Delete]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use access::{Identity, Rules};
    use serde_json::json;

    use super::*;

    fn policy() -> Policy {
        let rules = json!({"rules": [
            {"who": "anonymous", "may": "pull", "on": "r.example.com/open/"},
            {"who": "user:alice", "may": ["pull", "push"], "on": "r.example.com/team/"},
            {"who": "user:dora", "may": "delegate", "on": "r.example.com/team/"},
            {"who": "user:rita", "may": ["pull", "push", "delete"], "on": "r.example.com/team/"},
            {"who": "user:ada", "may": "*", "on": "**"},
        ]});
        Policy::Rules(Rules::parse(&rules, &[]).unwrap())
    }

    fn user(name: &str) -> Caller {
        Caller::new(Identity::User(name.to_owned()))
    }

    fn listed(caller: &Caller, audience: Audience<'_>, scope: &str) -> String {
        list_granted(&policy(), caller, audience, &Scopes::parse([scope]))
            .iter()
            .map(|it| format!("{}:{}:{}", it.kind, it.name, it.actions.join(",")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_token_for_this_server_lists_what_rules_grant_on_the_gun() {
        let all = "repository:r.example.com/team/app:pull,push,*";
        for (name, expected) in [
            ("alice", "repository:r.example.com/team/app:pull,push"),
            ("dora", "repository:r.example.com/team/app:pull,push"),
            ("rita", all),
            ("ada", all),
            ("nobody", ""),
        ] {
            assert_eq!(listed(&user(name), Audience::Ours, all), expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_listed_that_was_not_asked_for() {
        let scope = "repository:r.example.com/team/app:pull";
        assert_eq!(listed(&user("ada"), Audience::Ours, scope), scope);
    }

    #[test]
    fn anonymous_callers_get_what_rules_grant_to_anonymous() {
        let scope =
            "repository:r.example.com/open/app:pull,push repository:r.example.com/team/app:pull";
        assert_eq!(
            listed(&Caller::anonymous(), Audience::Ours, scope),
            "repository:r.example.com/open/app:pull"
        );
    }

    #[test]
    fn names_of_a_registry_become_guns() {
        let registry = Audience::Registry("r.example.com/");
        let all = "repository:team/app:pull,push,delete,*";
        for (name, expected) in [
            ("alice", "repository:team/app:pull,push"),
            ("dora", ""),
            ("rita", all),
        ] {
            assert_eq!(listed(&user(name), registry, all), expected, "{name}");
        }
        let elsewhere = Audience::Registry("other.example.com/");
        assert_eq!(listed(&user("alice"), elsewhere, all), "");
    }

    #[test]
    fn the_catalog_is_for_whom_rules_grant_admin() {
        let scope = "registry:catalog:* registry:other:* registry:catalog:pull";
        assert_eq!(
            listed(&user("ada"), Audience::Ours, scope),
            "registry:catalog:*"
        );
        assert_eq!(listed(&user("rita"), Audience::Ours, scope), "");
    }

    #[test]
    fn without_rules_users_get_everything_and_anonymous_callers_nothing() {
        let scope = Scopes::parse(["repository:a:pull,push,* registry:catalog:*"]);
        let of = |caller| list_granted(&Policy::Users, &caller, Audience::Ours, &scope).len();
        assert_eq!(of(user("alice")), 2);
        assert_eq!(of(Caller::anonymous()), 0);
    }
}
