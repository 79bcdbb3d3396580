//! Who may sign is not who may say who signs.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::{
    Account, Cli, Collaborator, Engine, Pair, Person, RegistryAuth, Sandbox, Trust,
    certificates::Leaf, process::Said, scan_for_secrets,
};
use serde_json::{Value, json};

use super::{NOT_AUTHORIZED, guarded, has_nothing, passwords, root_of, targets};

on_our_pair![
    a_delegate_signs_but_adds_no_signer,
    who_may_push_neither_rotates_nor_deletes,
];

mod newer_cli {
    fn a_delegate_signs_but_adds_no_signer(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::delegate_signs(sandbox, pair, harness::Cli::Newer)
    }

    on_our_pair![a_delegate_signs_but_adds_no_signer];
}

const GUN: &str = "example.com/team/app";
const EVERYBODY: [Account; 3] = [Account::ALICE, Account::BOB, Account::CAROL];

/// bob may do everything; alice may read, and sign as the delegate she is; carol may sign anything.
fn start(sandbox: &Sandbox, pair: Pair) -> Result<Trust> {
    let rules = json!({"rules": [
        {"who": "user:bob", "may": "*", "on": "**"},
        {"who": "user:alice", "may": ["pull", "push"], "on": "**", "roles": ["targets/releases", "targets/alice"]},
        {"who": "user:carol", "may": ["pull", "push"], "on": "**"},
    ]});
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let auth = json!({"type": "htpasswd", "htpasswd_file": passwords(sandbox, &EVERYBODY)?});
    Trust::start_guarded(sandbox, pair, guarded(sandbox, auth).with_rules(&rules))
}

fn a_delegate_signs_but_adds_no_signer(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    delegate_signs(sandbox, pair, Cli::Debian)
}

fn delegate_signs(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let trust = start(sandbox, pair)?;
    let auth = RegistryAuth::Htpasswd(sandbox.path().join("htpasswd"));
    let engine = Engine::start_at(sandbox, sandbox.address()?, &auth)?;
    let person = |name, account: Account| {
        let person = Person::new(sandbox, name, cli, &engine, &trust.url())?;
        person.logs_in(account, &engine.host())?;
        anyhow::Ok(person)
    };
    let (alice, bob) = (
        person("alice", Account::ALICE)?,
        person("bob", Account::BOB)?,
    );
    let repository = engine.image("team/app");
    let image = format!("{repository}:1");
    alice.makes_image(&image, "signed")?;
    let add = |who: &Person, name: &str| {
        let key = alice.folder().join(format!("{name}.pub"));
        let key = key.to_str().context("a path of ours is UTF-8")?.to_owned();
        who.docker(&["trust", "signer", "add", name, "--key", &key, &repository])
    };
    for name in ["alice", "mallory"] {
        alice.does(&["trust", "key", "generate", name])?;
    }
    // She may sign there, but not say that she may, also where there is no repository yet.
    let hasty = person("hasty", Account::ALICE)?;
    add(&hasty, "alice")?.fails_saying(NOT_AUTHORIZED)?;
    has_nothing(&trust, &repository, Account::BOB)?;
    add(&bob, "alice")?.succeeds()?;

    alice.does(&["trust", "sign", &image])?;
    let signed = state(&bob, &repository)?;
    ensure!(
        signed["SignedTags"][0]["Signers"] == json!(["alice"]),
        "{signed}"
    );

    // With bob's own keys she still is not bob.
    alice.takes_keys_of(&bob)?;
    add(&alice, "mallory")?.fails_saying(NOT_AUTHORIZED)?;
    ensure!(
        state(&bob, &repository)? == signed,
        "alice changed something"
    );
    add(&bob, "mallory")?.succeeds()?;
    let now = state(&bob, &repository)?;
    ensure!(
        now["Signers"].as_array().is_some_and(|all| all.len() == 2),
        "{now}"
    );
    scan_for_secrets(sandbox, &EVERYBODY)
}

/// What `docker trust inspect` shows.
fn state(person: &Person, repository: &str) -> Result<Value> {
    let said = person.does(&["trust", "inspect", repository])?;
    let all: Value = serde_json::from_str(&said)?;
    Ok(all[0].clone())
}

fn who_may_push_neither_rotates_nor_deletes(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = start(sandbox, pair)?;
    let person = |account: Account| {
        let person = Collaborator::new(sandbox, account.user, &trust)?;
        anyhow::Ok(person.known_as(account))
    };
    let (alice, bob, carol) = (
        person(Account::ALICE)?,
        person(Account::BOB)?,
        person(Account::CAROL)?,
    );
    bob.does(&["init", GUN])?;
    bob.publishes(GUN, "v1")?;
    alice.takes_keys_of(&bob)?;
    carol.takes_keys_of(&bob)?;
    let root = || Ok::<_, anyhow::Error>(trust.get_as(Account::BOB, &root_of(GUN))?.body);
    let before = root()?;

    carol.publishes(GUN, "v2")?;
    let file = alice.file("v3")?;
    alice
        .notary(&["add", GUN, "v3", &file, "--publish"])?
        .fails_saying(NOT_AUTHORIZED)?;
    for person in [&alice, &carol] {
        delegation(person, "add")?.fails_saying(NOT_AUTHORIZED)?;
        // What was staged in vain would be published with the next change.
        person.does(&["reset", GUN, "--all"])?;
        for role in ["snapshot", "timestamp"] {
            person
                .notary(&["key", "rotate", GUN, role, "--server-managed"])?
                .fails_saying(NOT_AUTHORIZED)?;
        }
        for role in ["targets", "root"] {
            let rotated = person.notary(&["key", "rotate", GUN, role])?;
            ensure!(!rotated.is_success(), "{rotated}");
        }
        let deleted = person.notary(&["delete", GUN, "--remote"])?;
        ensure!(!deleted.is_success(), "{deleted}");
    }
    ensure!(root()? == before, "somebody changed the keys");
    ensure!(targets(&trust, GUN, Account::BOB)? == ["v1", "v2"]);

    delegation(&bob, "add")?.succeeds()?;
    carol.takes_keys_of(&bob)?;
    delegation(&carol, "remove")?.fails_saying(NOT_AUTHORIZED)?;
    delegation(&bob, "remove")?.succeeds()?;
    bob.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
    bob.does(&["delete", GUN, "--remote"])?;
    has_nothing(&trust, GUN, Account::BOB)?;
    scan_for_secrets(sandbox, &EVERYBODY)
}

/// Adds or removes a delegation to the holder of a certificate.
fn delegation(person: &Collaborator, what: &str) -> Result<Said> {
    let certificate = Leaf::of_delegate("qa")?.certificate;
    fs::write(person.folder().join("qa.crt"), certificate)?;
    let delegation = ["delegation", what, GUN, "targets/qa"];
    match what {
        "add" => {
            person.notary(&[&delegation[..], &["qa.crt", "--all-paths", "--publish"]].concat())
        }
        _ => person.notary(&[&delegation[..], &["--publish"]].concat()),
    }
}
