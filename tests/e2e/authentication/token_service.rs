//! The built-in token service, the same for a registry and the trust server: people with a password
//! sign, and who has none still pulls.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Account, AuthSetup, Cli, Collaborator, Engine, Pair, Person, RegistryAuth, Sandbox, Trust,
    htpasswd, process::eventually, scan_for_secrets,
};
use serde_json::{Value, json};

use super::{NOT_AUTHORIZED, TAKEN_UP, guarded, passwords, root_of};

on_our_pair![
    people_sign_and_strangers_pull,
    notary_reads_without_a_password_and_publishes_with_one,
    a_token_dies_with_the_password_it_was_given_for,
    keys_are_published_and_outlive_a_restart,
    keys_without_a_folder_end_with_the_server,
    a_key_that_others_can_read_stops_the_start,
];

mod newer_cli {
    fn people_sign_and_strangers_pull(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::people_sign(sandbox, pair, harness::Cli::Newer)
    }

    on_our_pair![people_sign_and_strangers_pull];
}

const GUN: &str = "example.com/open/app";
const PRIVATE: &str = "example.com/private/app";
const EVERYBODY: [Account; 3] = [Account::ALICE, Account::BOB, Account::CAROL];
/// What the registry calls itself.
const REGISTRY: &str = "registry.example.com";

/// A service for a registry at `registry`: everyone may pull what is open, alice may do everything,
/// and carol push.
fn auth_setup(sandbox: &Sandbox, registry: SocketAddr) -> Result<AuthSetup> {
    let prefix = format!("localhost:{}/", registry.port());
    let rules = json!({"rules": [
        {"who": "anonymous", "may": "pull", "on": ["example.com/open/", format!("{prefix}open/")]},
        {"who": "user:alice", "may": "*", "on": "**"},
        {"who": "user:carol", "may": ["pull", "push"], "on": "**"},
    ]});
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let auth = json!({
        "type": "htpasswd",
        "htpasswd_file": passwords(sandbox, &EVERYBODY)?,
        "token_folder": folder(sandbox),
        "token_registries": {REGISTRY: prefix},
    });
    Ok(guarded(sandbox, auth).with_rules(&rules))
}

fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join("tokens")
}

fn start(sandbox: &Sandbox, pair: Pair) -> Result<Trust> {
    Trust::start_guarded(sandbox, pair, auth_setup(sandbox, sandbox.address()?)?)
}

fn people_sign_and_strangers_pull(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    people_sign(sandbox, pair, Cli::Debian)
}

fn people_sign(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let registry = sandbox.address()?;
    let trust = Trust::start_guarded(sandbox, pair, auth_setup(sandbox, registry)?)?;
    let auth = RegistryAuth::Token {
        realm: format!("{}/auth/token", trust.url()),
        service: REGISTRY.to_owned(),
        issuer: "notary-server".to_owned(),
        bundle: folder(sandbox).join("ca.crt"),
    };
    let engine = Engine::start_at(sandbox, registry, &auth)?;
    let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
    let (alice, bob, stranger) = (person("alice")?, person("bob")?, person("stranger")?);
    alice.logs_in(Account::ALICE, &engine.host())?;
    bob.logs_in(Account::BOB, &engine.host())?;
    let mistaken = Account::of("alice", "not her password");
    let refused = stranger.logs_in(mistaken, &engine.host());
    ensure!(refused.is_err(), "anybody can log in");
    let repository = engine.image("open/app");
    let (image, secret) = (format!("{repository}:1"), engine.image("private/app:1"));
    alice.makes_image(&image, "signed")?;
    alice.does_untrusted(&["tag", &image, &secret])?;

    let digest = alice.pushes_signed(&image)?;
    alice.pushes_signed(&secret)?;

    alice.forgets(&[&image, &secret])?;
    let pulled = stranger.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    let inspected = stranger.does(&["trust", "inspect", &repository])?;
    ensure!(inspected.contains(r#""SignedTag": "1""#), "{inspected}");
    for (who, image) in [(&stranger, &image), (&stranger, &secret), (&bob, &secret)] {
        let refused = who.docker(&["push", image])?;
        ensure!(!refused.is_success(), "{refused}");
    }
    for who in [&stranger, &bob] {
        who.docker(&["pull", &secret])?
            .fails_saying(NOT_AUTHORIZED)?;
    }
    // The trust server is asked itself: the registry would not let the stranger get so far.
    let key = stranger.folder().join("stranger.pub");
    stranger.does(&["trust", "key", "generate", "stranger"])?;
    let key = key.to_str().context("a path of ours is UTF-8")?;
    stranger
        .docker(&[
            "trust",
            "signer",
            "add",
            "stranger",
            "--key",
            key,
            &engine.image("open/other"),
        ])?
        .fails_saying(NOT_AUTHORIZED)?;
    has_no_gun(&trust, &engine.image("open/other"))?;
    a_login_dies_with_its_password(sandbox, &alice, &image)?;
    stranger.does(&["pull", &image])?;
    scan_for_secrets(sandbox, &EVERYBODY)
}

/// docker keeps no password where a token service gives it a token to come back with.
fn a_login_dies_with_its_password(sandbox: &Sandbox, alice: &Person, image: &str) -> Result<()> {
    let kept = fs::read_to_string(alice.config().join("config.json"))?;
    ensure!(kept.contains("identitytoken"), "docker kept the password");
    alice.does(&["push", image])?;

    htpasswd(&sandbox.path().join("htpasswd"), &[Account::BOB])?;

    eventually("alice is refused", TAKEN_UP, || {
        Ok(!alice.docker(&["push", image])?.is_success())
    })
}

/// Checks that there is no such GUN, by a token: passwords are shown to the token service alone.
fn has_no_gun(trust: &Trust, gun: &str) -> Result<()> {
    let token = token(
        trust,
        Some(Account::ALICE),
        &format!("repository:{gun}:pull"),
    )?;
    let answer = trust.get_with_token(&token, &root_of(gun))?;
    ensure!(answer.status == 404, "{gun} should not be there: {answer}");
    Ok(())
}

/// A token for this server, as clients get it.
fn token(trust: &Trust, account: Option<Account>, scope: &str) -> Result<String> {
    let answer = ask_for_token(trust, account, scope)?;
    ensure!(answer.status == 200, "{answer}");
    let answer = answer.json()?;
    let token = answer["token"].as_str().context("there is no token")?;
    Ok(token.to_owned())
}

fn ask_for_token(
    trust: &Trust,
    account: Option<Account>,
    scope: &str,
) -> Result<harness::http::Answer> {
    trust.ask("/auth/token", |curl| {
        curl.args(["--get", "--data-urlencode", "service=notary-server"])
            .args(["--data-urlencode", &format!("scope={scope}")]);
        if let Some(account) = account {
            curl.args(["--user", &account.plain()]);
        }
    })
}

fn notary_reads_without_a_password_and_publishes_with_one(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let trust = start(sandbox, pair)?;
    let person = |name| Collaborator::new(sandbox, name, &trust);
    let (alice, carol) = (
        person("alice")?.known_as(Account::ALICE),
        person("carol")?.known_as(Account::CAROL),
    );
    for gun in [GUN, PRIVATE] {
        alice.does(&["init", gun])?;
        alice.publishes(gun, "v1")?;
    }
    carol.takes_keys_of(&alice)?;
    carol.publishes(GUN, "v2")?;

    let stranger = person("stranger")?;
    stranger.sees(GUN, &["v1:targets", "v2:targets"])?;
    stranger
        .notary(&["list", PRIVATE])?
        .fails_saying(NOT_AUTHORIZED)?;
    carol.sees(PRIVATE, &["v1:targets"])?;
    let bob = person("bob")?.known_as(Account::BOB);
    for person in [&stranger, &bob] {
        let refused = person.notary(&["init", "example.com/open/other", "--publish"])?;
        ensure!(!refused.is_success(), "{refused}");
    }
    has_no_gun(&trust, "example.com/open/other")?;

    let rotate = ["key", "rotate", GUN, "snapshot", "--server-managed"];
    carol.notary(&rotate)?.fails_saying(NOT_AUTHORIZED)?;
    for person in [&carol, &stranger] {
        let refused = person.notary(&["delete", GUN, "--remote"])?;
        ensure!(!refused.is_success(), "{refused}");
    }
    alice.does(&rotate)?;
    alice.publishes(GUN, "v3")?;
    stranger.sees(GUN, &["v1:targets", "v2:targets", "v3:targets"])?;
    alice.does(&["delete", GUN, "--remote"])?;
    has_no_gun(&trust, GUN)?;
    scan_for_secrets(sandbox, &EVERYBODY)
}

fn a_token_dies_with_the_password_it_was_given_for(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const CHANGED: Account = Account::of("alice", "a new password");
    let trust = start(sandbox, pair)?;
    let scope = format!("repository:{GUN}:pull");
    let tokens = [Account::ALICE, Account::CAROL].map(|who| token(&trust, Some(who), &scope));
    let [alices, carols] = tokens;
    let (alices, carols) = (alices?, carols?);
    let status =
        |token: &str| Ok::<_, anyhow::Error>(trust.get_with_token(token, &root_of(GUN))?.status);
    ensure!(status(&alices)? == 404 && status(&carols)? == 404);

    htpasswd(&sandbox.path().join("htpasswd"), &[CHANGED, Account::BOB])?;

    eventually("tokens of before are void", TAKEN_UP, || {
        Ok(status(&alices)? == 401 && status(&carols)? == 401)
    })?;
    ensure!(status(&token(&trust, Some(CHANGED), &scope)?)? == 404);
    for gone in [Account::ALICE, Account::CAROL] {
        let refused = ask_for_token(&trust, Some(gone), &scope)?;
        ensure!(refused.status == 401, "{refused}");
    }
    ensure!(
        status(&token(&trust, None, &scope)?)? == 404,
        "strangers may read"
    );
    scan_for_secrets(sandbox, &[&EVERYBODY[..], &[CHANGED]].concat())
}

fn keys_are_published_and_outlive_a_restart(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let auth_setup = auth_setup(sandbox, sandbox.address()?)?;
    let mut trust = Trust::start_guarded(sandbox, pair, auth_setup.clone())?;
    let challenge = trust.get("/v2/")?;
    let realm = format!(
        r#"Bearer realm="{}/auth/token",service="notary-server""#,
        trust.url()
    );
    let found = challenge.header("www-authenticate").unwrap_or_default();
    ensure!(
        challenge.status == 401 && found.starts_with(&realm),
        "{found}"
    );
    let scope = format!("repository:{GUN}:push,pull");
    let token = token(&trust, Some(Account::ALICE), &scope)?;
    let published = |trust: &Trust| trust.get("/auth/jwks.json")?.json();
    let keys = published(&trust)?;
    ensure!(
        keys["keys"].as_array().is_some_and(|keys| keys.len() == 1),
        "{keys}"
    );
    ensure!(
        private_members(&keys) == 0,
        "private keys are published: {keys}"
    );

    trust.restart_server(auth_setup)?;

    ensure!(published(&trust)? == keys, "the keys were made again");
    let answer = trust.get_with_token(&token, &root_of(GUN))?;
    ensure!(answer.status == 404, "{answer}");
    scan_for_secrets(sandbox, &EVERYBODY)
}

fn keys_without_a_folder_end_with_the_server(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let auth = json!({"type": "htpasswd", "htpasswd_file": passwords(sandbox, &EVERYBODY)?});
    // At the level at which most services run.
    let auth_setup = guarded(sandbox, auth).and("logging", json!({"level": "error"}));
    let mut trust = Trust::start_guarded(sandbox, pair, auth_setup.clone())?;
    let scope = format!("repository:{GUN}:push,pull");
    let before = token(&trust, Some(Account::ALICE), &scope)?;
    let status =
        |trust: &Trust, token: &str| anyhow::Ok(trust.get_with_token(token, &root_of(GUN))?.status);
    ensure!(status(&trust, &before)? == 404);
    ensure!(
        status(&trust, &token(&trust, None, &scope)?)? == 401,
        "strangers get a token that lists something"
    );
    let lasting = trust.ask(
        "/auth/token?service=notary-server&offline_token=true",
        |curl| {
            curl.args(["--user", &Account::ALICE.plain()]);
        },
    )?;
    ensure!(lasting.json()?.get("refresh_token").is_none(), "{lasting}");
    let log = fs::read_to_string(sandbox.log("notary-server"))?;
    ensure!(log.matches("its keys are in memory").count() == 1, "{log}");

    trust.restart_server(auth_setup)?;

    ensure!(status(&trust, &before)? == 401);
    ensure!(status(&trust, &token(&trust, Some(Account::ALICE), &scope)?)? == 404);
    scan_for_secrets(sandbox, &EVERYBODY)
}

fn a_key_that_others_can_read_stops_the_start(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let auth_setup = auth_setup(sandbox, sandbox.address()?)?;
    let trust = Trust::start_guarded(sandbox, pair, auth_setup.clone())?;
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder(sandbox))? {
        let file = entry?.path();
        let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
        if file.extension().is_some_and(|extension| extension == "key") {
            ensure!(mode == 0o600, "{}: {mode:o}", file.display());
            keys.push(file);
        }
    }
    ensure!(keys.len() == 2, "an authority and a signing key: {keys:?}");
    for key in keys {
        let name = key.file_name().context("a file has a name")?;
        let name = name.to_string_lossy().into_owned();
        fs::set_permissions(&key, Permissions::from_mode(0o644))?;
        let said = trust.refusal_to_start(sandbox, &auth_setup)?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        ensure!(said.has(&name), "{said}");
        said.fails_saying("others can read")?;
    }
    Ok(())
}

/// How many members of keys say what only their owner may know (RFC 7518, section 6).
fn private_members(keys: &Value) -> usize {
    const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
    let keys = keys["keys"].as_array().into_iter().flatten();
    keys.filter_map(Value::as_object)
        .flat_map(|key| key.keys())
        .filter(|name| PRIVATE.contains(&name.as_str()))
        .count()
}
