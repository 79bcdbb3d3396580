//! A password file made by Apache's tool, the same one for the registry and for the trust server.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use harness::{
    Account, Cli, Collaborator, Engine, Pair, Person, RegistryAuth, Sandbox, Trust, htpasswd,
    process::eventually, scan_for_secrets,
};
use serde_json::json;

use super::{
    NOT_AUTHORIZED, TAKEN_UP, WRONG_PASSWORD, guarded, has_nothing, passwords, timestamp_of,
};

on_our_pair![
    one_login_serves_registry_and_trust_server,
    who_is_not_logged_in_is_refused_in_words,
    a_password_that_only_the_registry_takes_signs_nothing,
    a_password_file_is_replaced_under_load,
];

mod newer_cli {
    fn one_login_serves_registry_and_trust_server(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::one_login(sandbox, pair, harness::Cli::Newer)
    }

    fn who_is_not_logged_in_is_refused_in_words(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::is_refused_in_words(sandbox, pair, harness::Cli::Newer)
    }

    on_our_pair![
        one_login_serves_registry_and_trust_server,
        who_is_not_logged_in_is_refused_in_words,
    ];
}

const GUN: &str = "example.com/team/app";

fn start(sandbox: &Sandbox, pair: Pair, file: &Path) -> Result<Trust> {
    let auth = json!({"type": "htpasswd", "htpasswd_file": file});
    Trust::start_guarded(sandbox, pair, guarded(sandbox, auth))
}

fn one_login_serves_registry_and_trust_server(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    one_login(sandbox, pair, Cli::Debian)
}

fn one_login(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let everybody = [Account::ALICE, Account::BOB];
    let file = passwords(sandbox, &everybody)?;
    let trust = start(sandbox, pair, &file)?;
    let engine = Engine::start_at(
        sandbox,
        sandbox.address()?,
        &RegistryAuth::Htpasswd(file.clone()),
    )?;
    let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
    let (alice, bob) = (person("alice")?, person("bob")?);
    alice.logs_in(Account::ALICE, &engine.host())?;
    bob.logs_in(Account::BOB, &engine.host())?;
    let repository = engine.image("team/app");
    let image = format!("{repository}:1");
    alice.makes_image(&image, "signed")?;

    let digest = alice.pushes_signed(&image)?;

    alice.forgets(&[&image])?;
    let pulled = bob.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    let inspected = bob.does(&["trust", "inspect", &repository])?;
    ensure!(inspected.contains(r#""SignedTag": "1""#), "{inspected}");

    // A user who is taken out of the file is unknown.
    htpasswd(&file, &[Account::ALICE])?;
    eventually("bob is refused", TAKEN_UP, || {
        Ok(trust.get_as(Account::BOB, "/v2/")?.status == 401)
    })?;
    // docker would fall back on what it has cached.
    let newcomer = person("newcomer")?;
    let config = bob.config().join("config.json");
    fs::create_dir_all(newcomer.config())?;
    fs::copy(config, newcomer.config().join("config.json"))?;
    newcomer
        .docker(&["trust", "inspect", &repository])?
        .fails_saying("o signatures or cannot access")?;
    alice.makes_image(&image, "signed again")?;
    alice.pushes_signed(&image)?;
    scan_for_secrets(sandbox, &everybody)
}

fn who_is_not_logged_in_is_refused_in_words(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    is_refused_in_words(sandbox, pair, Cli::Debian)
}

/// The registry is open to all, so that only the trust server refuses anything.
fn is_refused_in_words(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let trust = start(sandbox, pair, &passwords(sandbox, &[Account::ALICE])?)?;
    let engine = Engine::start(sandbox)?;
    let stranger = Person::new(sandbox, "stranger", cli, &engine, &trust.url())?;
    let repository = engine.image("team/app");
    let image = format!("{repository}:1");
    stranger.makes_image(&image, "content")?;
    stranger.pushes_unsigned(&image)?;
    let key = stranger.folder().join("stranger.pub");
    let key = key.to_str().context("a path of ours is UTF-8")?;
    stranger.does(&["trust", "key", "generate", "stranger"])?;
    for arguments in [
        &["pull", &image][..],
        &["push", &image],
        &["trust", "sign", &image],
        &["trust", "revoke", "--yes", &image],
        &[
            "trust",
            "signer",
            "add",
            "stranger",
            "--key",
            key,
            &repository,
        ],
    ] {
        stranger.docker(arguments)?.fails_saying(NOT_AUTHORIZED)?;
    }
    stranger
        .docker(&["trust", "inspect", &repository])?
        .fails_saying("o signatures or cannot access")?;
    has_nothing(&trust, &repository, Account::ALICE)?;
    scan_for_secrets(sandbox, &[Account::ALICE])
}

fn a_password_that_only_the_registry_takes_signs_nothing(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    const OTHERWISE: Account = Account::of("alice", "another word here");
    let registrys = sandbox.path().join("registry-htpasswd");
    htpasswd(&registrys, &[Account::ALICE])?;
    let trust = start(sandbox, pair, &passwords(sandbox, &[OTHERWISE])?)?;
    let auth = RegistryAuth::Htpasswd(registrys);
    let engine = Engine::start_at(sandbox, sandbox.address()?, &auth)?;
    let alice = Person::new(sandbox, "alice", Cli::Debian, &engine, &trust.url())?;
    alice.logs_in(Account::ALICE, &engine.host())?;
    let gun = engine.image("team/app");
    let image = format!("{gun}:1");
    alice.makes_image(&image, "signed")?;

    alice
        .docker(&["push", &image])?
        .fails_saying(WRONG_PASSWORD)?;

    has_nothing(&trust, &gun, OTHERWISE)?;
    scan_for_secrets(sandbox, &[Account::ALICE, OTHERWISE])
}

/// Readers and a publisher go on while the file is written again, each time with another set of
/// strangers: no right password is ever refused, no wrong one let in, and nothing fails. The hashes
/// of those who stay are the same, as Apache's tool leaves them.
fn a_password_file_is_replaced_under_load(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const REPLACEMENTS: usize = 40;
    let everybody = [Account::ALICE, Account::BOB, Account::CAROL];
    let file = passwords(sandbox, &everybody)?;
    let trust = start(sandbox, pair, &file)?;
    let known = fs::read_to_string(&file)?;
    let strangers = sandbox.path().join("strangers");
    htpasswd(&strangers, &[Account::of("dave", "dave-was-here")])?;
    let dave = fs::read_to_string(strangers)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?.known_as(Account::ALICE);
    owner.does(&["init", GUN, "--publish"])?;
    let over = AtomicBool::new(false);
    let (trust, over) = (&trust, &over);
    thread::scope(|threads| {
        let mut busy = vec![threads.spawn(|| publishes_until(over, &owner))];
        for account in everybody {
            busy.push(threads.spawn(move || reads_until(over, trust, account)));
        }
        let replaced: Result<()> = (0..REPLACEMENTS).try_for_each(|number| {
            let strangers = if number % 2 == 0 { &dave } else { "" };
            let next = sandbox.file("htpasswd.next", format!("{known}{strangers}"))?;
            Ok(fs::rename(next, &file)?)
        });
        over.store(true, Ordering::Relaxed);
        for thread in busy {
            thread.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        replaced
    })?;
    scan_for_secrets(sandbox, &everybody)
}

fn publishes_until(over: &AtomicBool, owner: &Collaborator) -> Result<()> {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        owner.publishes(GUN, &format!("v{count}"))?;
        count += 1;
    }
    ensure!(count > 0, "nothing was published meanwhile");
    Ok(())
}

/// Reads with the right password, and a few times with a wrong one: not often enough to be slowed
/// down.
fn reads_until(over: &AtomicBool, trust: &Trust, account: Account) -> Result<()> {
    const MISTAKES: usize = 4;
    let wrong = Account::of(account.user, "not the password");
    for count in 0.. {
        let answer = trust.get_as(account, &timestamp_of(GUN))?;
        ensure!(answer.status == 200, "{}: {answer}", account.user);
        if count < MISTAKES {
            let answer = trust.get_as(wrong, &timestamp_of(GUN))?;
            ensure!(answer.status == 401, "{}: {answer}", account.user);
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}
