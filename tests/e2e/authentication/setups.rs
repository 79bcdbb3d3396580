//! What an operator sees of it: warnings, starts that are refused, and the commands under `auth`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use harness::{
    Account, AuthSetup, Collaborator, Pair, Sandbox, Trust,
    issuer::{ISSUER, Named, SERVICE, Span, TokenServer, access},
    pair::find_built,
    process::{Said, client},
    scan_for_secrets,
};
use serde_json::{Value, json};

use super::{guarded, passwords, root_of, targets};

on_our_pair![
    no_authentication_is_said_at_each_start,
    what_makes_no_sense_stops_the_start,
    hashes_that_are_made_here_let_people_in,
    it_is_explained_which_rule_decides,
    it_is_explained_what_a_token_is_worth,
    what_is_done_and_refused_is_written_down,
];

const GUN: &str = "example.com/team/app";
const OFF: &str = "authentication is off";

fn no_authentication_is_said_at_each_start(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    // At the level at which most services run.
    let quiet = |auth_setup: AuthSetup| auth_setup.and("logging", json!({"level": "error"}));
    let left_out = quiet(AuthSetup::unmentioned());
    let mut trust = Trust::start_guarded(sandbox, pair, left_out.clone())?;
    let log = sandbox.log("notary-server");
    let warnings = || {
        let text = fs::read_to_string(&log)?.to_lowercase();
        anyhow::Ok(text.lines().filter(|line| line.contains(OFF)).count())
    };
    ensure!(trust.get("/v2/")?.status == 200);
    ensure!(warnings()? == 1, "it is not said that anybody is let in");
    trust.restart_server(left_out)?;
    ensure!(warnings()? == 2, "it is said once");
    trust.restart_server(quiet(AuthSetup::with_auth(json!({"type": "none"}))))?;
    ensure!(trust.get("/v2/")?.status == 200);
    ensure!(warnings()? == 3, "it is not said where it is written");
    Ok(())
}

fn what_makes_no_sense_stops_the_start(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let file = passwords(sandbox, &[Account::ALICE])?;
    let missing = sandbox.path().join("missing");
    let written = |name: &str, text: &str| sandbox.file(name, text);
    let auth = AuthSetup::with_auth;
    let htpasswd = |file: &Path| auth(json!({"type": "htpasswd", "htpasswd_file": file}));
    let rules =
        |name: &str, text: &str| anyhow::Ok(htpasswd(&file).with_rules(&written(name, text)?));
    let administrator = |variable| AuthSetup::unmentioned().and_variable("NOTARY_AUTH", variable);
    let notary = |options: Value| auth(json!({"type": "token", "options": options}));
    let md5 = written("md5", "alice:$apr1$CNrQkXm6$5t9vSJgMhB0lyYsxkVSma.\n")?;
    let empty = written("empty", "# nobody\n")?;
    let no_bundle = json!({"realm": "https://x.example.com", "service": "s", "issuer": "i", "rootcertbundle": missing});
    let plain = Account::ALICE.plain();
    for (auth_setup, sentence) in [
        (
            auth(json!({"type": "htpaswd", "htpasswd_file": file})),
            "htpasswd",
        ),
        (auth(json!({"type": "htpasswd"})), "htpasswd_file"),
        (htpasswd(&missing), "missing"),
        (htpasswd(&md5), "htpasswd -B"),
        (htpasswd(&empty), "empty"),
        (rules("none.json", r#"{"rules": []}"#)?, "none.json"),
        (
            rules(
                "nowhere.json",
                r#"{"rules": [{"who": "user:alice", "may": "pull"}]}"#,
            )?,
            "rule 1",
        ),
        (rules("broken.yaml", "rules: [")?, "broken.yaml"),
        (
            auth(json!({"type": "none", "rules_file": file})),
            "rules_file",
        ),
        (
            auth(json!({"type": "none"})).and_variable("NOTARY_AUTH", "YTpi"),
            "NOTARY_AUTH",
        ),
        (administrator(&plain), "base64"),
        (administrator(&STANDARD.encode("nobody")), "base64"),
        (
            administrator("YTpi").and_variable("NOTARY_AUTH_FILE", "x"),
            "NOTARY_AUTH_FILE",
        ),
        (
            notary(json!({"service": "s"})),
            "token auth requires a valid option string",
        ),
        (notary(no_bundle), "missing"),
    ] {
        let said = trust.refusal_to_start(sandbox, &auth_setup)?;
        ensure!(!said.has(&plain) && !said.has("$apr1$CNrQ"), "{said}");
        said.fails_saying(sentence)?;
    }
    Ok(())
}

fn hashes_that_are_made_here_let_people_in(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let hash = |arguments: &[&str], account: Account| {
        let mut command = client(find_built("notary-server")?);
        command
            .args(["auth", "hash"])
            .args(arguments)
            .arg(account.user);
        Said::by(command, &format!("{}\n", account.password))?.succeeds()
    };
    let lines = hash(&[], Account::ALICE)? + &hash(&["--argon2id"], Account::BOB)?;
    ensure!(
        lines.contains("alice:$2y$") && lines.contains("bob:$argon2id$"),
        "{lines}"
    );
    let file = sandbox.file("htpasswd", lines)?;
    let auth = json!({"type": "basic", "htpasswd_file": file});
    let trust = Trust::start_guarded(sandbox, pair, guarded(sandbox, auth))?;
    for (account, status) in [
        (Account::ALICE, 200),
        (Account::BOB, 200),
        (Account::of("alice", Account::BOB.password), 401),
        (Account::of("bob", Account::ALICE.password), 401),
        (Account::CAROL, 401),
    ] {
        let answer = trust.get_as(account, "/v2/")?;
        ensure!(answer.status == status, "{account:?}: {answer}");
    }
    scan_for_secrets(sandbox, &[Account::ALICE, Account::BOB, Account::CAROL])
}

/// What `auth explain` says, and its status.
fn explains(trust: &Trust, arguments: &[&str]) -> Result<(bool, Value)> {
    let said = trust.server_command(&[&["auth", "explain", "--json"], arguments].concat())?;
    let granted = said.is_success();
    let answer = serde_json::from_str(&said.output).with_context(|| said.to_string())?;
    Ok((granted, answer))
}

fn it_is_explained_which_rule_decides(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let rules = json!({
        "groups": {"signers": ["alice"]},
        "rules": [
            {"who": "anonymous", "may": "pull", "on": "example.com/open/"},
            {"who": "group:signers", "may": ["pull", "push"], "on": "example.com/team/*", "roles": "targets/*"},
        ],
    });
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let everybody = [Account::ALICE, Account::BOB];
    let auth = json!({"type": "htpasswd", "htpasswd_file": passwords(sandbox, &everybody)?});
    let trust = Trust::start_guarded(sandbox, pair, guarded(sandbox, auth).with_rules(&rules))?;
    let (alice, bob) = (["--user", "alice"], ["--user", "bob"]);
    let to = |action: &'static str| ["--gun", GUN, "--action", action];
    for (who, what, role, granted, reason) in [
        (&alice[..], to("pull"), &[][..], true, "rule 2"),
        (
            &alice,
            to("push"),
            &["--role", "targets/releases"],
            true,
            "group:signers",
        ),
        (&alice, to("push"), &["--role", "targets"], false, "no rule"),
        (&alice, to("delegate"), &[], false, "no rule"),
        (&bob, to("pull"), &[], false, "no rule"),
        (&["--anonymous"], to("pull"), &[], false, "no rule"),
        (
            &["--anonymous"],
            ["--gun", "example.com/open/x", "--action", "pull"],
            &[],
            true,
            "rule 1",
        ),
    ] {
        let (is_granted, answer) = explains(&trust, &[who, &what, role].concat())?;
        ensure!(
            is_granted == granted && answer["granted"] == granted,
            "{answer}"
        );
        let found = answer["reason"].as_str().unwrap_or_default();
        ensure!(found.contains(reason), "{answer}");
    }
    // What it says is what the server does.
    ensure!(trust.get_as(Account::ALICE, &root_of(GUN))?.status == 404);
    ensure!(trust.get_as(Account::BOB, &root_of(GUN))?.status == 401);
    let unknown = [
        "auth", "explain", "--user", "nobody", "--gun", GUN, "--action", "pull",
    ];
    let said = trust.server_command(&unknown)?;
    ensure!(
        !said.is_success() && said.has("there is no user \"nobody\""),
        "{said}"
    );
    Ok(())
}

fn it_is_explained_what_a_token_is_worth(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let tokens = TokenServer::start(sandbox, &[], Named::X5c)?;
    let bundle = sandbox.file("bundle.pem", tokens.bundle())?;
    let auth = json!({"type": "token", "options": {
        "realm": tokens.realm(), "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle,
    }});
    let trust = Trust::start_guarded(sandbox, pair, guarded(sandbox, auth))?;
    for (span, action, granted) in [
        (Span::USUAL, "pull", true),
        (Span::USUAL, "push", false),
        (Span::OVER, "pull", false),
    ] {
        let token = tokens.token("alice", &access(GUN, &["pull"]), span)?;
        let file = sandbox.file("token.jwt", &token)?;
        let file = file.to_str().context("a path of ours is UTF-8")?;
        let asked = ["--token", file, "--gun", GUN, "--action", action];
        let (is_granted, answer) = explains(&trust, &asked)?;
        ensure!(
            is_granted == granted && answer["granted"] == granted,
            "{answer}"
        );
        ensure!(!answer.to_string().contains(&token), "{answer}");
    }
    scan_for_secrets(sandbox, &[])
}

fn what_is_done_and_refused_is_written_down(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let rules = json!({"rules": [
        {"who": "user:alice", "may": "*", "on": "**"},
        {"who": "user:bob", "may": "pull", "on": "**"},
    ]});
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let everybody = [Account::ALICE, Account::BOB];
    let auth = json!({"type": "htpasswd", "htpasswd_file": passwords(sandbox, &everybody)?});
    let trust = Trust::start_guarded(sandbox, pair, guarded(sandbox, auth).with_rules(&rules))?;
    let person = |account: Account| {
        let person = Collaborator::new(sandbox, account.user, &trust)?;
        anyhow::Ok(person.known_as(account))
    };
    let (alice, bob) = (person(Account::ALICE)?, person(Account::BOB)?);
    alice.does(&["init", GUN])?;
    alice.publishes(GUN, "v1")?;
    alice.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
    ensure!(targets(&trust, GUN, Account::BOB)? == ["v1"]);
    let deleted = bob.notary(&["delete", GUN, "--remote"])?;
    ensure!(!deleted.is_success(), "{deleted}");
    alice.does(&["delete", GUN, "--remote"])?;

    let lines = fs::read_to_string(sandbox.log("audit"))?;
    let lines: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let count = |user: &str, event: &str, outcome: &str| {
        let is = |line: &&Value| {
            line["caller.name"] == user
                && line["event"] == event
                && line["outcome"] == outcome
                && line["gun"] == GUN
                && line["address"] == "127.0.0.1"
        };
        lines.iter().filter(is).count()
    };
    ensure!(count("alice", "key.create", "done") == 1, "{lines:#?}");
    ensure!(count("alice", "publish", "done") == 2, "{lines:#?}");
    ensure!(count("alice", "key.rotate", "done") == 1, "{lines:#?}");
    ensure!(count("alice", "delete", "done") == 1, "{lines:#?}");
    let refused = lines.iter().filter(|line| line["outcome"] == "refused");
    let refused: Vec<_> = refused.map(|line| &line["caller.name"]).collect();
    ensure!(refused == ["bob"], "{lines:#?}");
    scan_for_secrets(sandbox, &everybody)
}
