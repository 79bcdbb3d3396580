//! The rule engine against a model that is as plain as can be.

use access::{Action, Caller, Identity, Permission, Policy, Rules, Who};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Value, json};

use super::{ISSUER, certificate, entry, may, outside, user};

/// What the rules of this test are made of. Every pattern has its GUNs in [`is_on`].
const GUNS: &[&str] = &["a", "a/x", "a/x/y", "b/x"];
const PATTERNS: &[&str] = &["a", "a/", "a/*", "*/x", "**", "b/x", "**/y"];
const ROLES: &[&str] = &["targets", "targets/a", "targets/a/b"];
const ROLE_PATTERNS: &[&str] = &["targets", "targets/*", "targets/", "targets/a"];
const WORDS: &[&str] = &[
    "pull", "push", "delegate", "rotate", "delete", "see", "audit",
];
const WHO: &[&str] = &[
    "anonymous",
    "authenticated",
    "user:ann",
    "group:g",
    "certificate:ann",
    "subject:ann",
    "claim:team=red",
];

fn is_on(pattern: &str, gun: &str) -> bool {
    match pattern {
        "a/" => ["a/x", "a/x/y"].contains(&gun),
        "a/*" => gun == "a/x",
        "*/x" => ["a/x", "b/x"].contains(&gun),
        "**" => true,
        "**/y" => gun == "a/x/y",
        exact => exact == gun,
    }
}

fn is_role(pattern: &str, role: &str) -> bool {
    match pattern {
        "targets/*" => role == "targets/a",
        "targets/" => role != "targets",
        exact => exact == role,
    }
}

fn is_who(who: &str, identity: &Identity) -> bool {
    let known = match identity {
        Identity::Anonymous => false,
        Identity::Outside(token) => !token.subject.is_empty(),
        _ => true,
    };
    match (who, identity) {
        ("anonymous", _) => true,
        ("authenticated", _) => known,
        ("user:ann", Identity::User(name)) => name == "ann",
        ("group:g", Identity::User(name)) => name == "bob",
        ("certificate:ann", Identity::Certificate(names)) => names.iter().any(|name| name == "ann"),
        ("subject:ann", Identity::Outside(token)) => token.subject == "ann",
        ("claim:team=red", Identity::Outside(token)) => token.claims.contains_key("team"),
        _ => false,
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether one rule grants one action by itself.
fn rule_grants(
    content: &Value,
    identity: &Identity,
    word: &str,
    gun: Option<&str>,
    role: Option<&str>,
) -> bool {
    let roles = texts(&content["roles"]);
    let role_fits = word != "push"
        || roles.is_empty()
        || role.is_none_or(|role| roles.iter().any(|pattern| is_role(pattern, role)));
    let gun_fits = texts(&content["on"]).iter().any(|pattern| match gun {
        Some(gun) => is_on(pattern, gun),
        None => *pattern == "**",
    });
    let words = texts(&content["may"]);
    let word_fits = words.contains(&word) || words.contains(&"*");
    role_fits
        && gun_fits
        && word_fits
        && texts(&content["who"])
            .iter()
            .any(|who| is_who(who, identity))
}

/// Whether a caller may by the rules alone.
fn model(rules: &[Value], caller: &Caller, permission: Permission<'_>) -> bool {
    let grants = |word, gun, role| {
        rules
            .iter()
            .any(|rule| rule_grants(rule, &caller.identity, word, gun, role))
    };
    match permission {
        _ if matches!(caller.identity, Identity::Administrator(_)) => true,
        Permission::Authenticated => is_who("authenticated", &caller.identity),
        Permission::Pull(gun) => grants("pull", Some(gun), None),
        Permission::Publish(gun) => {
            grants("push", Some(gun), None) || grants("delegate", Some(gun), None)
        }
        Permission::Push(gun, role) => grants("push", Some(gun), Some(role)),
        Permission::Delegate(gun) => grants("delegate", Some(gun), None),
        Permission::Rotate(gun) => grants("rotate", Some(gun), None),
        Permission::Delete(gun) => grants("delete", Some(gun), None),
        Permission::See(gun) => grants("pull", Some(gun), None) || grants("see", Some(gun), None),
        Permission::Overview => GUNS
            .iter()
            .any(|gun| model(rules, caller, Permission::See(gun))),
        Permission::Audit(_) | Permission::AuditAll
            if !is_who("authenticated", &caller.identity) =>
        {
            false
        }
        Permission::Audit(gun) => grants("audit", Some(gun), None),
        Permission::AuditAll => grants("audit", None, None),
        Permission::Admin => grants("admin", None, None),
    }
}

fn some(of: &'static [&'static str], at_least: usize) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(of, at_least..=of.len().min(3))
}

fn rule() -> impl Strategy<Value = Value> {
    let words = prop_oneof![4 => some(WORDS, 1), 1 => Just(vec!["*"])];
    (
        some(WHO, 1),
        words,
        some(PATTERNS, 1),
        some(ROLE_PATTERNS, 0),
    )
        .prop_map(|(who, mut may, on, roles)| {
            if who.contains(&"anonymous") && may.contains(&"audit") {
                may = vec!["pull"];
            }
            let can_push = may.contains(&"push") || may.contains(&"*");
            let mut rule = json!({"who": who, "may": may, "on": on});
            if can_push && !roles.is_empty() {
                rule["roles"] = json!(roles);
            }
            rule
        })
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(rule(), 1..5)
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        Just(Caller::anonymous()),
        select(&["ann", "bob", "eve"][..]).prop_map(user),
        Just(Caller::new(Identity::Administrator("ann".to_owned()))),
        select(&["ann", "eve"][..]).prop_map(|name| certificate(&["other", name])),
        select(&["ann", "eve", ""][..]).prop_map(|name| outside(name, json!({}))),
        select(&["eve", ""][..]).prop_map(|name| outside(name, json!({"team": ["red"]}))),
    ]
}

fn permission() -> impl Strategy<Value = Permission<'static>> {
    (select(GUNS), select(ROLES)).prop_flat_map(|(gun, role)| {
        select(vec![
            Permission::Authenticated,
            Permission::Pull(gun),
            Permission::Publish(gun),
            Permission::Push(gun, role),
            Permission::Delegate(gun),
            Permission::Rotate(gun),
            Permission::Delete(gun),
            Permission::Overview,
            Permission::See(gun),
            Permission::Audit(gun),
            Permission::AuditAll,
            Permission::Admin,
        ])
    })
}

fn limits() -> impl Strategy<Value = Vec<access::Access>> {
    let entries = (
        select(&["repository", "registry"][..]),
        select(&["a", "a/x", "catalog"][..]),
        some(&["pull", "push", "*"], 0),
    )
        .prop_map(|(kind, name, actions)| entry(kind, name, &actions));
    proptest::collection::vec(entries, 0..4)
}

fn policy(rules: &[Value]) -> Policy {
    super::policy(&json!({"groups": {"g": ["bob"]}, "rules": rules}))
}

/// Any JSON, of members that rules files have and others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(
            &[
                "anonymous",
                "user:a",
                "group:g",
                "claim:a=b",
                "pull",
                "*",
                "a/",
                ISSUER
            ][..]
        )
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let name = prop_oneof![
            8 => select(&["groups", "rules", "who", "may", "on", "roles", "issuer", "g"][..])
                .prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_granted_is_what_the_model_grants(rules in rules(), caller in caller(), permission in permission()) {
        prop_assert_eq!(may(&policy(&rules), &caller, permission), model(&rules, &caller, permission));
    }

    #[test]
    fn nothing_is_granted_that_no_single_rule_grants(rules in rules(), caller in caller(), permission in permission()) {
        let alone = |rule: &Value| may(&policy(std::slice::from_ref(rule)), &caller, permission);
        prop_assert_eq!(may(&policy(&rules), &caller, permission), rules.iter().any(alone));
    }

    #[test]
    fn another_rule_takes_nothing_away(
        rules in rules(), another in rule(), at in any::<prop::sample::Index>(),
        caller in caller(), limits in proptest::option::of(limits()), permission in permission(),
    ) {
        let caller = Caller { access: limits, ..caller };
        let before = may(&policy(&rules), &caller, permission);
        let mut more = rules.clone();
        more.insert(at.index(rules.len() + 1), another);
        prop_assert!(!before || may(&policy(&more), &caller, permission));
    }

    #[test]
    fn the_limits_of_a_token_add_nothing_to_the_rules(
        rules in rules(), caller in caller(), limits in limits(), permission in permission(),
    ) {
        let policy = policy(&rules);
        let limited = Caller { access: Some(limits.clone()), ..caller.clone() };
        let covered = permission.scope().is_covered_by(&limits);
        let is_apart = matches!(permission, Permission::Authenticated | Permission::Overview);
        if !is_apart {
            prop_assert_eq!(may(&policy, &limited, permission), covered && may(&policy, &caller, permission));
        }
    }

    #[test]
    fn the_actions_of_a_caller_agree_with_decisions(
        rules in rules(), caller in caller(), limits in proptest::option::of(limits()), gun in select(GUNS),
    ) {
        let (policy, caller) = (policy(&rules), Caller { access: limits, ..caller });
        let actions = policy.actions_for(&caller, gun);
        let is = |action| actions.contains(action);
        let may = |permission| may(&policy, &caller, permission);
        prop_assert_eq!(is(Action::Pull), may(Permission::Pull(gun)));
        prop_assert_eq!(is(Action::Delegate), may(Permission::Delegate(gun)));
        prop_assert_eq!(is(Action::Rotate), may(Permission::Rotate(gun)));
        prop_assert_eq!(is(Action::Delete), may(Permission::Delete(gun)));
        prop_assert_eq!(is(Action::Admin), may(Permission::Admin));
        prop_assert_eq!(is(Action::See), may(Permission::See(gun)));
        prop_assert_eq!(is(Action::Audit), may(Permission::Audit(gun)));
        prop_assert!(!is(Action::Pull) || is(Action::See));
        prop_assert_eq!(is(Action::Push), ROLES.iter().any(|role| may(Permission::Push(gun, role))));
        prop_assert_eq!(is(Action::Push) || is(Action::Delegate), may(Permission::Publish(gun)));
    }

    #[test]
    fn every_gun_that_a_caller_sees_has_one_of_the_beginnings(
        rules in rules(), is_open in any::<bool>(), caller in caller(),
        limits in proptest::option::of(limits()), gun in select(GUNS),
    ) {
        let policy = if is_open { Policy::Users } else { policy(&rules) };
        let caller = Caller { access: limits, ..caller };
        let beginnings = policy.beginnings_seen_by(&caller);
        let has_one = beginnings.iter().any(|beginning| gun.starts_with(beginning.as_str()));
        if may(&policy, &caller, Permission::See(gun)) {
            prop_assert!(has_one, "{beginnings:?}");
            prop_assert!(may(&policy, &caller, Permission::Overview));
        }
        for (index, one) in beginnings.iter().enumerate() {
            let others = beginnings.iter().enumerate().filter(|(other, _)| *other != index);
            prop_assert!(others.map(|(_, other)| other).all(|other| !other.starts_with(one.as_str())));
        }
    }

    #[test]
    fn the_words_of_a_rule_read_as_the_same_rule(rules in rules()) {
        let read = |rules: &[Value]| {
            Rules::parse(&json!({"groups": {"g": ["bob"]}, "rules": rules}), &[ISSUER]).unwrap()
        };
        let once = read(&rules);
        let words: Vec<_> = once.rules().iter().map(|rule| from_words(&rule.to_string())).collect();
        let again = read(&words);
        prop_assert_eq!(once.rules(), again.rules());
    }

    #[test]
    fn a_caller_is_written_as_it_is_read(text in prop_oneof![
        "(user|group|certificate|subject|claim)?:?[a-z:=*. ]{0,8}", any::<String>(),
    ]) {
        if let Ok(who) = text.parse::<Who>() {
            prop_assert_eq!(who.to_string(), text);
        }
    }

    #[test]
    fn no_file_makes_the_reader_panic(content in any_json(), rules in any_json(), rule in any_json()) {
        let issuers = [ISSUER, "https://other"];
        for content in [content, json!({"rules": rules}), json!({"rules": [rule]})] {
            for count in 0..=2 {
                if let Err(refused) = Rules::parse(&content, &issuers[..count]) {
                    prop_assert!(!refused.to_string().is_empty());
                }
            }
        }
    }
}

/// The members of a rule, read back from its sentence.
fn from_words(sentence: &str) -> Value {
    let list = |words: &str| json!(words.split(", ").collect::<Vec<_>>());
    let (who, rest) = sentence.split_once(" may ").unwrap();
    let (may, rest) = rest.split_once(" on ").unwrap();
    let (on, roles) = rest.split_once(" in ").unwrap_or((rest, ""));
    let mut rule = json!({"who": list(who), "may": list(may), "on": list(on)});
    if !roles.is_empty() {
        rule["roles"] = list(roles);
    }
    rule
}
