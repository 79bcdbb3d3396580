//! Decisions: every permission of every kind of caller under every policy.

use access::{Action, Actions, Caller, Identity, Permission, Policy, Rules};
use serde_json::{Value, json};

use super::{ISSUER, certificate, entry, in_a_word, limited_to, may, outside, policy, robot, user};

const GUN: &str = "r.io/team/app";
const RELEASES: &str = "targets/releases";

const PERMISSIONS: [(&str, Permission<'_>); 8] = [
    ("identity", Permission::Authenticated),
    ("pull", Permission::Pull(GUN)),
    ("contribute", Permission::Publish(GUN)),
    ("push", Permission::Push(GUN, RELEASES)),
    ("delegate", Permission::Delegate(GUN)),
    ("rotate", Permission::Rotate(GUN)),
    ("delete", Permission::Delete(GUN)),
    ("admin", Permission::Admin),
];

fn administrator() -> Caller {
    Caller::new(Identity::Administrator("root".to_owned()))
}

fn anonymous_of_an_issuer() -> Caller {
    outside("", json!({}))
}

/// With a token that lists everything there is.
fn unlimited(caller: Caller) -> Caller {
    let mut caller = limited_to(caller, GUN, &["*"]);
    let catalog = entry("registry", "catalog", &["*"]);
    caller.access.as_mut().unwrap().push(catalog);
    caller
}

fn pulling(caller: Caller) -> Caller {
    limited_to(caller, GUN, &["pull"])
}

fn pushing(caller: Caller) -> Caller {
    limited_to(caller, GUN, &["pull", "push"])
}

/// Every decision for these callers: a line a permission, a column a caller.
fn table(policy: &Policy, callers: &[Caller]) -> Vec<String> {
    PERMISSIONS
        .iter()
        .map(|(name, permission)| {
            let cells = callers
                .iter()
                .map(|caller| in_a_word(&policy.decide(caller, *permission)));
            let line: Vec<_> = std::iter::once((*name).to_owned()).chain(cells).collect();
            line.join(" ")
        })
        .collect()
}

/// A written table, without the blanks that line it up.
fn written(table: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    table.trim().lines().map(line).collect()
}

fn some_rules() -> Policy {
    policy(&json!({
        "groups": {"releasers": ["bob"]},
        "rules": [
            {"who": "anonymous", "may": "pull", "on": "r.io/team/*"},
            {"who": "group:releasers", "may": "push", "on": "r.io/team/", "roles": "targets/releases"},
            {"who": "user:alice", "may": ["delegate", "rotate"], "on": GUN},
            {"who": "certificate:ci.example.com", "may": "*", "on": "r.io/"},
            {"who": "subject:robot", "may": "*", "on": "**"},
        ],
    }))
}

#[test]
fn without_authentication_everybody_may_do_everything() {
    let callers = [
        Caller::anonymous(),
        user("alice"),
        anonymous_of_an_issuer(),
        limited_to(robot(), "other", &["pull"]),
    ];
    for caller in &callers {
        for (_, permission) in PERMISSIONS {
            assert_eq!(in_a_word(&Policy::Open.decide(caller, permission)), "+open");
        }
        let actions = Policy::Open.actions_for(caller, GUN);
        let is_known = !caller.identity.is_anonymous();
        assert_eq!(actions == Actions::all(), is_known);
        assert_eq!(
            actions.with(Actions::parse("audit").unwrap()),
            Actions::all()
        );
    }
}

#[test]
fn without_rules_known_callers_may_do_everything() {
    let callers = [
        Caller::anonymous(),
        user("alice"),
        administrator(),
        certificate(&["ci.example.com"]),
        robot(),
        anonymous_of_an_issuer(),
    ];
    assert_eq!(
        table(&Policy::Users, &callers),
        written(
            "
            identity   -unknown +somebody +admin +somebody +somebody -unknown
            pull       -unknown +known    +admin +known    -none     -none
            contribute -unknown +known    +admin +known    -none     -none
            push       -unknown +known    +admin +known    -none     -none
            delegate   -unknown +known    +admin +known    -none     -none
            rotate     -unknown +known    +admin +known    -none     -none
            delete     -unknown +known    +admin +known    -none     -none
            admin      -unknown +known    +admin +known    -none     -none
            "
        )
    );
}

#[test]
fn without_rules_an_outside_token_is_judged_by_its_list_alone() {
    let callers = [
        unlimited(robot()),
        pushing(robot()),
        pulling(robot()),
        pulling(anonymous_of_an_issuer()),
        unlimited(anonymous_of_an_issuer()),
    ];
    assert_eq!(
        table(&Policy::Users, &callers),
        written(
            "
            identity   +lists -lacks -lacks -lacks +lists
            pull       +lists +lists +lists +lists +lists
            contribute +lists +lists -lacks -lacks +lists
            push       +lists +lists -lacks -lacks +lists
            delegate   +lists +lists -lacks -lacks +lists
            rotate     +lists -lacks -lacks -lacks +lists
            delete     +lists -lacks -lacks -lacks +lists
            admin      +lists -lacks -lacks -lacks +lists
            "
        )
    );
}

#[test]
fn without_rules_a_token_of_ours_limits_what_its_user_may() {
    let callers = [
        unlimited(user("alice")),
        pushing(user("alice")),
        pulling(user("alice")),
        unlimited(Caller::anonymous()),
        pulling(Caller::anonymous()),
        pushing(administrator()),
    ];
    assert_eq!(
        table(&Policy::Users, &callers),
        written(
            "
            identity   +somebody +somebody +somebody -unknown -unknown +admin
            pull       +known    +known    +known    -unknown -unknown +admin
            contribute +known    +known    -lacks    -unknown -lacks   +admin
            push       +known    +known    -lacks    -unknown -lacks   +admin
            delegate   +known    +known    -lacks    -unknown -lacks   +admin
            rotate     +known    -lacks    -lacks    -unknown -lacks   -lacks
            delete     +known    -lacks    -lacks    -unknown -lacks   -lacks
            admin      +known    -lacks    -lacks    -unknown -lacks   -lacks
            "
        )
    );
}

#[test]
fn with_rules_they_alone_grant() {
    let callers = [
        Caller::anonymous(),
        user("alice"),
        user("bob"),
        user("carol"),
        administrator(),
        certificate(&["other", "ci.example.com"]),
        robot(),
        outside("alice", json!({})),
        anonymous_of_an_issuer(),
    ];
    assert_eq!(
        table(&some_rules(), &callers),
        written(
            "
            identity   -unknown +somebody +somebody +somebody +admin +somebody +somebody +somebody -unknown
            pull       +rule1   +rule1    +rule1    +rule1    +admin +rule1    +rule1    +rule1    +rule1
            contribute -none    +rule3    +rule2    -none     +admin +rule4    +rule5    -none     -none
            push       -none    -none     +rule2    -none     +admin +rule4    +rule5    -none     -none
            delegate   -none    +rule3    -none     -none     +admin +rule4    +rule5    -none     -none
            rotate     -none    +rule3    -none     -none     +admin +rule4    +rule5    -none     -none
            delete     -none    -none     -none     -none     +admin +rule4    +rule5    -none     -none
            admin      -none    -none     -none     -none     +admin -none     +rule5    -none     -none
            "
        )
    );
}

#[test]
fn with_rules_a_token_still_limits() {
    let callers = [
        unlimited(robot()),
        pushing(robot()),
        unlimited(anonymous_of_an_issuer()),
        unlimited(user("alice")),
        pulling(user("alice")),
        pulling(Caller::anonymous()),
        pulling(administrator()),
    ];
    assert_eq!(
        table(&some_rules(), &callers),
        written(
            "
            identity   +lists -lacks +lists +somebody +somebody -unknown +admin
            pull       +rule1 +rule1 +rule1 +rule1    +rule1    +rule1   +admin
            contribute +rule5 +rule5 -none  +rule3    -lacks    -lacks   -lacks
            push       +rule5 +rule5 -none  -none     -lacks    -lacks   -lacks
            delegate   +rule5 +rule5 -none  +rule3    -lacks    -lacks   -lacks
            rotate     +rule5 -lacks -none  +rule3    -lacks    -lacks   -lacks
            delete     +rule5 -lacks -none  -none     -lacks    -lacks   -lacks
            admin      +rule5 -lacks -none  -none     -lacks    -lacks   -lacks
            "
        )
    );
}

#[test]
fn a_token_for_another_gun_grants_nothing_on_this_one() {
    let caller = limited_to(robot(), "r.io/team/other", &["*"]);
    for policy in [Policy::Users, some_rules()] {
        assert_eq!(
            in_a_word(&policy.decide(&caller, Permission::Pull(GUN))),
            "-lacks"
        );
    }
}

#[test]
fn push_is_granted_in_the_roles_of_the_rule_alone() {
    let policy = some_rules();
    let bob = user("bob");
    assert!(may(&policy, &bob, Permission::Push(GUN, RELEASES)));
    for role in ["targets", "targets/other", "targets/releases/deep"] {
        assert!(!may(&policy, &bob, Permission::Push(GUN, role)), "{role}");
    }
}

#[test]
fn a_user_a_certificate_and_a_subject_of_one_name_are_three() {
    let named = [
        "user:x",
        "certificate:x",
        "subject:x",
        "claim:sub=x",
        "group:x",
    ];
    let callers = [
        user("x"),
        certificate(&["x"]),
        outside("x", json!({"sub": "x"})),
        Caller::new(Identity::Administrator("x".to_owned())),
    ];
    let granted: Vec<Vec<bool>> = named
        .iter()
        .map(|who| {
            let policy = policy(&json!({
                "groups": {"x": ["x"]},
                "rules": [{"who": who, "may": "pull", "on": "**"}],
            }));
            callers
                .iter()
                .map(|caller| may(&policy, caller, Permission::Pull(GUN)))
                .collect()
        })
        .collect();
    assert_eq!(
        granted,
        [
            [true, false, false, true],
            [false, true, false, true],
            [false, false, true, true],
            [false, false, true, true],
            [true, false, false, true],
        ]
    );
}

#[test]
fn authenticated_is_every_known_caller_and_anonymous_is_everybody() {
    let rule = |who| policy(&json!({"rules": [{"who": who, "may": "push", "on": "**"}]}));
    let (known, all) = (rule("authenticated"), rule("anonymous"));
    for caller in [user("x"), certificate(&["x"]), robot()] {
        assert!(may(&known, &caller, Permission::Push(GUN, "targets")));
        assert!(may(&all, &caller, Permission::Push(GUN, "targets")));
    }
    for caller in [Caller::anonymous(), anonymous_of_an_issuer()] {
        assert!(!may(&known, &caller, Permission::Push(GUN, "targets")));
        assert!(may(&all, &caller, Permission::Push(GUN, "targets")));
    }
}

#[test]
fn a_rule_of_an_issuer_is_about_its_tokens_alone() {
    let content =
        |who| json!({"rules": [{"who": who, "issuer": "https://a", "may": "pull", "on": "**"}]});
    for who in ["subject:robot", "claim:team=red", "authenticated"] {
        let issuers = ["https://a", ISSUER];
        let policy = Policy::Rules(Rules::parse(&content(who), &issuers).unwrap());
        let of_another = outside("robot", json!({"team": "red"}));
        let mut of_this = of_another.clone();
        if let Identity::Outside(token) = &mut of_this.identity {
            "https://a".clone_into(&mut token.issuer);
        }
        assert!(may(&policy, &of_this, Permission::Pull(GUN)), "{who}");
        assert!(!may(&policy, &of_another, Permission::Pull(GUN)), "{who}");
        assert!(
            !may(&policy, &user("robot"), Permission::Pull(GUN)),
            "{who}"
        );
    }
}

#[test]
fn a_claim_matches_by_its_text_in_a_list_or_down_a_path() {
    let has = |claim: &str, claims: Value| {
        let who = format!("claim:{claim}");
        let policy = policy(&json!({"rules": [{"who": who, "may": "pull", "on": "**"}]}));
        may(&policy, &outside("robot", claims), Permission::Pull(GUN))
    };
    assert!(has("team=red", json!({"team": "red"})));
    assert!(has("team=red", json!({"team": ["blue", "red"]})));
    assert!(has("level=3", json!({"level": 3})));
    assert!(has("level=3", json!({"level": [2, 3]})));
    assert!(has("admin=true", json!({"admin": true})));
    assert!(has("realm.roles=red", json!({"realm": {"roles": ["red"]}})));
    assert!(has(
        "realm.roles=red",
        json!({"realm.roles": "red", "realm": {"roles": "blue"}})
    ));

    assert!(!has(
        "realm.roles=red",
        json!({"realm.roles": "blue", "realm": {"roles": "red"}})
    ));
    assert!(!has("realm.roles=red", json!({"realm": "red"})));
    assert!(!has(
        "realm.roles.x=red",
        json!({"realm": {"roles": ["red"]}})
    ));
    assert!(!has("team=red", json!({"team": "redder"})));
    assert!(!has("team=red", json!({"team": "Red"})));
    assert!(!has("team=red", json!({"team": [["red"]]})));
    assert!(!has("team=red", json!({"team": {"red": true}})));
    assert!(!has("team=null", json!({"team": null})));
    assert!(!has("team=red", json!({})));
}

#[test]
fn actions_on_a_gun_are_those_that_decisions_grant() {
    let policy = some_rules();
    let actions = |caller: &Caller, gun: &str| policy.actions_for(caller, gun).to_string();
    assert_eq!(actions(&Caller::anonymous(), GUN), "pull, see");
    assert_eq!(actions(&Caller::anonymous(), "elsewhere"), "");
    assert_eq!(actions(&user("alice"), GUN), "pull, delegate, rotate, see");
    assert_eq!(actions(&user("bob"), GUN), "pull, push, see");
    assert_eq!(actions(&administrator(), "elsewhere"), "*");
    assert_eq!(actions(&robot(), "elsewhere"), "*");
    let ci = certificate(&["ci.example.com"]);
    assert_eq!(
        actions(&ci, GUN),
        "pull, push, delegate, rotate, delete, see, audit"
    );
    assert_eq!(actions(&pulling(robot()), GUN), "pull, see");
    assert!(
        !policy
            .actions_for(&user("carol"), GUN)
            .contains(Action::Push)
    );
}

#[test]
fn the_audit_log_is_never_for_anonymous_callers() {
    let anything = policy(&json!({"rules": [{"who": "anonymous", "may": "*", "on": "**"}]}));
    for policy in [Policy::Open, Policy::Users, anything] {
        for caller in [Caller::anonymous(), unlimited(anonymous_of_an_issuer())] {
            for permission in [Permission::Audit(GUN), Permission::AuditAll] {
                assert!(!policy.decide(&caller, permission).is_granted);
            }
        }
    }
    assert!(
        Policy::Users
            .decide(&user("alice"), Permission::AuditAll)
            .is_granted
    );
    let some =
        policy(&json!({"rules": [{"who": "user:alice", "may": "audit", "on": "r.io/team/"}]}));
    assert!(
        some.decide(&user("alice"), Permission::Audit(GUN))
            .is_granted
    );
    assert!(!some.decide(&user("alice"), Permission::AuditAll).is_granted);
    assert!(!some.decide(&user("alice"), Permission::See(GUN)).is_granted);
    assert!(
        !some
            .decide(&user("alice"), Permission::Audit("r.io/other"))
            .is_granted
    );
}

#[test]
fn seeing_is_less_than_pulling_and_administrators_see_everything() {
    let policy = policy(&json!({"rules": [
        {"who": "user:alice", "may": "see", "on": "r.io/team/"},
        {"who": "user:bob", "may": "pull", "on": ["r.io/*/app", "r.io/x"]},
        {"who": "user:carol", "may": "admin", "on": "**"},
        {"who": "user:dave", "may": "push", "on": "**"},
    ]}));
    let sees = |name: &str, gun| policy.decide(&user(name), Permission::See(gun)).is_granted;
    assert!(sees("alice", GUN) && !sees("alice", "r.io/other/app"));
    assert!(
        !policy
            .decide(&user("alice"), Permission::Pull(GUN))
            .is_granted
    );
    assert!(sees("bob", GUN) && sees("carol", GUN) && !sees("dave", GUN));
    let beginnings = |name: &str| policy.beginnings_seen_by(&user(name));
    assert_eq!(beginnings("alice"), ["r.io/team/"]);
    assert_eq!(beginnings("bob"), ["r.io/"]);
    assert_eq!(beginnings("carol"), [""]);
    assert!(beginnings("dave").is_empty());
    let listed = limited_to(pulling(user("carol")), "r.io/other", &["push"]);
    assert_eq!(policy.beginnings_seen_by(&listed), [GUN]);
}

#[test]
fn gun_readable_by_anonymous_callers_is_public() {
    assert!(Policy::Open.anonymous_may_pull(GUN));
    assert!(!Policy::Users.anonymous_may_pull(GUN));
    assert!(some_rules().anonymous_may_pull(GUN));
    assert!(!some_rules().anonymous_may_pull("r.io/other/app"));
}

#[test]
fn permissions_are_spelled_as_notary_spells_them() {
    let scopes: Vec<_> = PERMISSIONS
        .iter()
        .map(|(_, permission)| permission.scope().to_string())
        .collect();
    assert_eq!(
        scopes,
        [
            "registry:catalog:*",
            "repository:r.io/team/app:pull",
            "repository:r.io/team/app:push,pull",
            "repository:r.io/team/app:push,pull",
            "repository:r.io/team/app:push,pull",
            "repository:r.io/team/app:*",
            "repository:r.io/team/app:*",
            "registry:catalog:*",
        ]
    );
}

#[test]
fn reasons_are_sentences_on_one_line() {
    let reason = |policy: &Policy, caller: &Caller, permission| {
        policy.decide(caller, permission).reason.to_string()
    };
    assert_eq!(
        reason(&some_rules(), &user("bob"), Permission::Push(GUN, RELEASES)),
        "rule 2 grants it: group:releasers may push on r.io/team/ in targets/releases"
    );
    assert_eq!(
        reason(&some_rules(), &user("x"), Permission::Delete(GUN)),
        "no rule grants it"
    );
    assert_eq!(
        reason(
            &Policy::Users,
            &pulling(robot()),
            Permission::Publish("a/b\r\nc")
        ),
        "the token does not list repository:a/b\\r\\nc:push,pull; it lists repository:r.io/team/app:pull"
    );
    assert_eq!(
        reason(&Policy::Users, &Caller::anonymous(), Permission::Admin),
        "the caller is not authenticated"
    );
}
