//! Tokens of a server that is not ours, as Notary 0.7 takes them, and keys that are published as
//! JWK sets.

use std::{path::Path, thread, time::Duration};

use anyhow::{Result, anyhow, ensure};
use harness::{
    Account, AuthSetup, Cli, Collaborator, Engine, Make, Pair, Person, Sandbox, Trust,
    issuer::{ISSUER, Named, SERVICE, Span, TokenServer, access},
    process::eventually,
    proxy::Proxy,
    scan_for_secrets,
};
use serde_json::{Value, json};

use super::{NOT_AUTHORIZED, guarded, root_of};

/// Longer than any push takes, and than any token that ends during one.
const A_PUSH: Duration = Duration::from_secs(30);

const GUN: &str = "example.com/team/app";

/// With Notary's own server too: where only ours fails, the difference is ours.
macro_rules! on_both_servers {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair!(@module countersign COUNTERSIGN $($scenario)*);
        on_every_pair!(@module notary NOTARY $($scenario)*);
    };
}

on_both_servers![
    docker_signs_and_strangers_pull,
    notary_publishes_and_strangers_read,
    a_token_that_expires_during_a_push_stores_nothing_and_the_next_one_does,
    clocks_may_differ_by_a_minute,
];

mod newer_cli {
    fn docker_signs_and_strangers_pull(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::docker_signs(sandbox, pair, harness::Cli::Newer)
    }

    on_our_pair![docker_signs_and_strangers_pull];
}

on_our_pair![
    a_jwk_set_in_a_file_is_read_again_when_it_changes,
    a_jwk_set_at_an_address_is_asked_for_again,
];

fn auth_setup(sandbox: &Sandbox, pair: Pair, tokens: &TokenServer, keys: &Value) -> AuthSetup {
    let mut options = json!({"realm": tokens.realm(), "service": SERVICE, "issuer": ISSUER});
    for (name, value) in keys.as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
    let auth = json!({"type": "token", "options": options});
    match pair.server {
        Make::Countersign => guarded(sandbox, auth),
        Make::Notary => AuthSetup::with_auth(auth).and("logging", json!({"level": "debug"})),
    }
}

fn with_bundle(sandbox: &Sandbox, pair: Pair, tokens: &TokenServer) -> Result<Trust> {
    let bundle = sandbox.file("bundle.pem", tokens.bundle())?;
    Trust::start_guarded(
        sandbox,
        pair,
        auth_setup(sandbox, pair, tokens, &json!({"rootcertbundle": bundle})),
    )
}

/// Tokens of who publishes keys in this way may list nothing, so that rules have to say who may do
/// what.
fn with_jwks(sandbox: &Sandbox, pair: Pair, tokens: &TokenServer, jwks: &Value) -> Result<Trust> {
    let rules = json!({"rules": [{"who": "subject:alice", "may": "pull", "on": "**"}]});
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let auth_setup = auth_setup(sandbox, pair, tokens, &json!({"jwks": jwks})).with_rules(&rules);
    Trust::start_guarded(sandbox, pair, auth_setup)
}

/// Go's server is not ours to search.
fn search(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    match pair.server {
        Make::Countersign => scan_for_secrets(sandbox, &[Account::ALICE]),
        Make::Notary => Ok(()),
    }
}

fn docker_signs_and_strangers_pull(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    docker_signs(sandbox, pair, Cli::Debian)
}

fn docker_signs(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let tokens = TokenServer::start(sandbox, &[Account::ALICE], Named::X5c)?;
    let (trust, engine) = (
        with_bundle(sandbox, pair, &tokens)?,
        Engine::start(sandbox)?,
    );
    let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
    let (alice, stranger) = (person("alice")?, person("stranger")?);
    alice.logs_in(Account::ALICE, &engine.host())?;
    let (image, other) = (engine.image("team/app:1"), engine.image("team/other:1"));
    alice.makes_image(&image, "signed")?;

    let digest = alice.pushes_signed(&image)?;

    alice.forgets(&[&image])?;
    let pulled = stranger.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    stranger.does_untrusted(&["tag", &image, &other])?;
    for pushed in [&image, &other] {
        stranger
            .docker(&["push", pushed])?
            .fails_saying(NOT_AUTHORIZED)?;
    }
    search(sandbox, pair)
}

fn notary_publishes_and_strangers_read(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let tokens = TokenServer::start(sandbox, &[Account::ALICE], Named::Kid)?;
    let trust = with_bundle(sandbox, pair, &tokens)?;
    let alice = Collaborator::new(sandbox, "alice", &trust)?.known_as(Account::ALICE);
    alice.does(&["init", GUN])?;
    alice.publishes(GUN, "v1")?;
    alice.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
    alice.publishes(GUN, "v2")?;

    let stranger = Collaborator::new(sandbox, "stranger", &trust)?;
    stranger.sees(GUN, &["v1:targets", "v2:targets"])?;
    let mistaken = Account::of("alice", "something-else");
    let mistaken = Collaborator::new(sandbox, "mistaken", &trust)?.known_as(mistaken);
    let refused = mistaken.notary(&["init", "example.com/mine", "--publish"])?;
    ensure!(!refused.is_success(), "{refused}");
    alice.does(&["delete", GUN, "--remote"])?;
    search(sandbox, pair)
}

/// docker asks for one token and uses it until the end of the command.
fn a_token_that_expires_during_a_push_stores_nothing_and_the_next_one_does(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    /// The question for a challenge, and the first one with the token.
    const BEGUN: usize = 2;
    let tokens = TokenServer::start(sandbox, &[Account::ALICE], Named::X5c)?;
    let (trust, engine) = (
        with_bundle(sandbox, pair, &tokens)?,
        Engine::start(sandbox)?,
    );
    let proxy = Proxy::start(sandbox, trust.address())?;
    let alice = Person::new(sandbox, "alice", Cli::Debian, &engine, &proxy.url())?;
    alice.logs_in(Account::ALICE, &engine.host())?;
    let gun = engine.image("app");
    let image = format!("{gun}:1");
    alice.makes_image(&image, "signed")?;
    let status = |span| {
        let token = tokens.token("alice", &access(&gun, &["pull"]), span)?;
        let (trust, gun) = (&trust, &gun);
        anyhow::Ok(move || anyhow::Ok(trust.get_with_token(&token, &root_of(gun))?.status))
    };
    let stored = status(Span::USUAL)?;

    proxy.hold_after(BEGUN);
    tokens.give_tokens_for(Span::NEARLY_OVER);
    let push = thread::scope(|threads| {
        let push = threads.spawn(|| alice.docker(&["push", &image]));
        eventually("the push is in its middle", A_PUSH, || {
            Ok(proxy.is_holding() || push.is_finished())
        })?;
        ensure!(proxy.is_holding(), "the token was over from the beginning");
        let is_good = status(Span::NEARLY_OVER)?;
        eventually(
            "tokens of before are over",
            A_PUSH,
            || Ok(is_good()? == 401),
        )?;
        proxy.pass();
        push.join().map_err(|_| anyhow!("docker panicked"))?
    });
    push?.fails_saying(NOT_AUTHORIZED)?;

    ensure!(stored()? == 404, "something was stored");
    tokens.give_tokens_for(Span::USUAL);
    alice.pushes_signed(&image)?;
    ensure!(stored()? == 200, "nothing was stored");
    search(sandbox, pair)
}

fn clocks_may_differ_by_a_minute(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    for named in [Named::X5c, Named::Kid] {
        let tokens = TokenServer::start(sandbox, &[], named)?;
        let trust = with_bundle(sandbox, pair, &tokens)?;
        for (span, status) in [
            ((0, 300), 404),
            ((-300, -50), 404),
            ((50, 300), 404),
            ((-300, -70), 401),
            ((75, 300), 401),
        ] {
            let (from, until) = span;
            let token = tokens.token("x", &access(GUN, &["pull"]), Span { from, until })?;
            let answer = trust.get_with_token(&token, &root_of(GUN))?;
            ensure!(answer.status == status, "{named:?} {span:?}: {answer}");
            let fault = answer.header("www-authenticate").unwrap_or_default();
            ensure!(
                fault.ends_with(r#"error="invalid_token""#) == (status == 401),
                "{named:?} {span:?}: {fault}"
            );
        }
    }
    search(sandbox, pair)
}

/// Whether a token that is made now is believed.
fn is_believed(trust: &Trust, tokens: &TokenServer) -> Result<bool> {
    let token = tokens.token("alice", &access(GUN, &["pull"]), Span::USUAL)?;
    let answer = trust.get_with_token(&token, &root_of(GUN))?;
    ensure!([401, 404].contains(&answer.status), "{answer}");
    Ok(answer.status == 404)
}

fn a_jwk_set_in_a_file_is_read_again_when_it_changes(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let tokens = TokenServer::start(sandbox, &[], Named::Kid)?;
    let file = sandbox.file("jwks.json", tokens.jwks())?;
    let trust = with_jwks(sandbox, pair, &tokens, &json!(file))?;
    ensure!(is_believed(&trust, &tokens)?, "the first key is not known");

    tokens.rotate()?;
    ensure!(!is_believed(&trust, &tokens)?, "anybody's key is known");
    replace(&file, "no JWK set at all")?;
    ensure!(!is_believed(&trust, &tokens)?, "anybody's key is known");
    replace(&file, &tokens.jwks())?;

    eventually("the new key is known", super::TAKEN_UP, || {
        is_believed(&trust, &tokens)
    })?;
    search(sandbox, pair)
}

fn replace(file: &Path, content: &str) -> Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, content)?;
    std::fs::rename(new, file)?;
    Ok(())
}

/// An unknown key makes the server ask again, though not more often than every half minute.
fn a_jwk_set_at_an_address_is_asked_for_again(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const ASKED_AGAIN: Duration = Duration::from_secs(45);
    let tokens = TokenServer::start(sandbox, &[], Named::Kid)?;
    let trust = with_jwks(sandbox, pair, &tokens, &json!(tokens.jwks_url()))?;
    ensure!(is_believed(&trust, &tokens)?, "the first key is not known");

    tokens.rotate()?;

    eventually("the new key is known", ASKED_AGAIN, || {
        is_believed(&trust, &tokens)
    })?;
    search(sandbox, pair)
}
