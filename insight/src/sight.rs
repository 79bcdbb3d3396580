//! Which repositories a caller may see.

use std::sync::Arc;

use access::{Caller, Permission, Policy};

/// What a caller may see: only the policy makes one.
pub struct Sight {
    scope: Scope,
    /// The prefixes of names that are served; empty: all are.
    served: Vec<String>,
    /// What the names of all that is seen begin with; sorted, and none begins with another one.
    beginnings: Vec<String>,
}

enum Scope {
    /// Everything that is served.
    Everything,
    /// What the policy lets the caller see.
    Some { policy: Arc<Policy>, caller: Caller },
}

impl Sight {
    /// What `policy` lets `caller` see of the names that begin with one of `served`, or of all if
    /// there is none. Administrators see everything, and so does every caller without
    /// authentication.
    #[must_use]
    pub fn of(policy: &Arc<Policy>, caller: &Caller, served: &[String]) -> Self {
        let sees_all = policy.decide(caller, Permission::Admin).is_granted;
        let mut beginnings = match served {
            [] => vec![String::new()],
            served => served.to_vec(),
        };
        beginnings.sort_unstable();
        beginnings.dedup_by(|next, kept| next.starts_with(kept.as_str()));
        if !sees_all {
            let allowed = policy.beginnings_seen_by(caller);
            let both = allowed.iter().flat_map(|one| within(&beginnings, one));
            beginnings = both.collect();
            beginnings.sort_unstable();
        }
        Self {
            scope: if sees_all {
                Scope::Everything
            } else {
                Scope::Some {
                    policy: Arc::clone(policy),
                    caller: caller.clone(),
                }
            },
            served: served.to_vec(),
            beginnings,
        }
    }

    /// Whether the repository of this name may be seen, if there is one.
    #[must_use]
    pub fn sees(&self, gun: &str) -> bool {
        let is_served = |prefix: &String| gun.starts_with(prefix.as_str());
        if !self.served.is_empty() && !self.served.iter().any(is_served) {
            return false;
        }
        match &self.scope {
            Scope::Everything => true,
            Scope::Some { policy, caller } => {
                policy.decide(caller, Permission::See(gun)).is_granted
            }
        }
    }

    /// Whether all that is stored may be seen.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.scope, Scope::Everything) && self.served.is_empty()
    }

    /// Prefixes that all names have that may be seen and begin with `prefix`; in order, and no name
    /// has two of them.
    pub(super) fn ranges(&self, prefix: &str) -> Vec<String> {
        within(&self.beginnings, prefix)
    }
}

/// The beginnings of names that begin with one of `beginnings`, and with `prefix`.
fn within(beginnings: &[String], prefix: &str) -> Vec<String> {
    if beginnings
        .iter()
        .any(|one| prefix.starts_with(one.as_str()))
    {
        return vec![prefix.to_owned()];
    }
    let narrower = beginnings.iter().filter(|one| one.starts_with(prefix));
    narrower.cloned().collect()
}

#[cfg(test)]
mod tests {
    use access::{Identity, Rules};
    use serde_json::json;

    use super::*;

    fn rules() -> Arc<Policy> {
        let rules = json!({"rules": [
            {"who": "user:alice", "may": "pull", "on": ["a/", "b/*/app", "c"]},
            {"who": "user:root", "may": "admin", "on": "**"},
        ]});
        Arc::new(Policy::Rules(Rules::parse(&rules, &[]).unwrap()))
    }

    fn user(name: &str) -> Caller {
        Caller::new(Identity::User(name.to_owned()))
    }

    #[test]
    fn only_what_the_policy_grants_is_seen() {
        let sight = Sight::of(&rules(), &user("alice"), &[]);
        for (gun, is_seen) in [
            ("a/x", true),
            ("b/x/app", true),
            ("b/x/other", false),
            ("c", true),
            ("cc", false),
            ("d", false),
        ] {
            assert_eq!(sight.sees(gun), is_seen, "{gun}");
        }
        assert!(!sight.is_everything());
        assert_eq!(sight.ranges(""), ["a/", "b/", "c"]);
        assert_eq!(sight.ranges("a/b"), ["a/b"]);
        assert_eq!(sight.ranges("b"), ["b/"]);
        assert!(sight.ranges("d").is_empty());
    }

    #[test]
    fn strangers_see_nothing_and_administrators_everything() {
        let none = Sight::of(&rules(), &Caller::anonymous(), &[]);
        assert!(!none.sees("a/x") && none.ranges("").is_empty());
        let all = Sight::of(&rules(), &user("root"), &[]);
        assert!(all.sees("d") && all.is_everything());
        assert_eq!(all.ranges(""), [""]);
    }

    #[test]
    fn what_is_not_served_is_seen_by_nobody() {
        let served = ["a/b/".to_owned(), "b/".to_owned()];
        let alice = Sight::of(&rules(), &user("alice"), &served);
        assert!(alice.sees("a/b/x") && !alice.sees("a/x") && !alice.sees("c"));
        assert_eq!(alice.ranges(""), ["a/b/", "b/"]);
        let root = Sight::of(&rules(), &user("root"), &served);
        assert!(root.sees("b/x") && !root.sees("d") && !root.is_everything());
        assert_eq!(root.ranges(""), ["a/b/", "b/"]);
        let open = Sight::of(&Arc::new(Policy::Open), &Caller::anonymous(), &served);
        assert!(open.sees("b/x") && !open.sees("d"));
    }
}
