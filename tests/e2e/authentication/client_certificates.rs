//! A client certificate is one more way to authenticate, beside passwords.

use std::fs;

use anyhow::{Result, ensure};
use harness::{
    Account, Cli, Collaborator, Engine, Pair, Person, Sandbox, Trust,
    certificates::{Pair as Shown, Visitors},
    scan_for_secrets,
};
use serde_json::json;

use super::{NOT_AUTHORIZED, guarded, has_nothing, passwords, root_of, targets};

on_our_pair![
    docker_signs_with_a_certificate_and_no_login,
    notary_publishes_with_a_certificate,
    what_rules_grant_is_granted_to_the_name_in_the_certificate,
];

mod newer_cli {
    fn docker_signs_with_a_certificate_and_no_login(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::docker_signs(sandbox, pair, harness::Cli::Newer)
    }

    on_our_pair![docker_signs_with_a_certificate_and_no_login];
}

const GUN: &str = "example.com/team/app";

/// A server that knows alice by her password and the build by its certificate, and whatever else
/// has one of the same authority by nothing.
fn start(sandbox: &Sandbox, pair: Pair) -> Result<(Trust, Visitors)> {
    let visitors = Visitors::new(&sandbox.folder("visitors")?)?;
    let rules = json!({"rules": [
        {"who": "certificate:build", "may": ["pull", "push", "delegate"], "on": "**"},
        {"who": "user:alice", "may": "*", "on": "**"},
    ]});
    let rules = sandbox.file("rules.json", rules.to_string())?;
    let auth = json!({
        "type": "htpasswd",
        "htpasswd_file": passwords(sandbox, &[Account::ALICE])?,
        "client_certificates": true,
    });
    let auth_setup = guarded(sandbox, auth).with_rules(&rules).and(
        "server",
        json!({"client_ca_file": visitors.authority(), "client_ca_optional": true}),
    );
    Ok((Trust::start_guarded(sandbox, pair, auth_setup)?, visitors))
}

fn docker_signs_with_a_certificate_and_no_login(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    docker_signs(sandbox, pair, Cli::Debian)
}

fn docker_signs(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let (trust, visitors) = start(sandbox, pair)?;
    let engine = Engine::start(sandbox)?;
    let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
    let (build, nobody) = (person("build")?, person("nobody")?);
    let certificate = visitors.admit("build")?;
    let folder = build.certificates()?;
    fs::copy(trust.authority(), folder.join("ca.crt"))?;
    fs::copy(&certificate.certificate, folder.join("client.cert"))?;
    fs::copy(&certificate.key, folder.join("client.key"))?;
    let (gun, other) = (engine.image("team/app"), engine.image("team/other"));
    let (image, others) = (format!("{gun}:1"), format!("{other}:1"));
    build.makes_image(&image, "signed")?;

    let digest = build.pushes_signed(&image)?;

    build.does_untrusted(&["tag", &image, &others])?;
    // docker does not even ask where it has no password to show.
    let refused = nobody.docker(&["push", &others])?;
    ensure!(!refused.is_success(), "{refused}");
    has_nothing(&trust, &other, Account::ALICE)?;
    build.forgets(&[&image])?;
    let pulled = build.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    scan_for_secrets(sandbox, &[Account::ALICE])
}

fn notary_publishes_with_a_certificate(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let (trust, visitors) = start(sandbox, pair)?;
    let person = |name| Collaborator::new(sandbox, name, &trust);
    let build = person("build")?.showing(visitors.admit("build")?);
    build.does(&["init", GUN])?;
    build.publishes(GUN, "v1")?;
    build
        .notary(&["key", "rotate", GUN, "snapshot", "--server-managed"])?
        .fails_saying(NOT_AUTHORIZED)?;

    let alice = person("alice")?.known_as(Account::ALICE);
    ensure!(targets(&trust, GUN, Account::ALICE)? == ["v1"]);
    alice.does(&["delete", GUN, "--remote"])?;
    scan_for_secrets(sandbox, &[Account::ALICE])
}

fn what_rules_grant_is_granted_to_the_name_in_the_certificate(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let (trust, visitors) = start(sandbox, pair)?;
    let strangers = Visitors::new(&sandbox.folder("strangers")?)?;
    let status = |certificate: &Shown, account: Option<Account>| {
        let answer = trust.ask(&root_of(GUN), |curl| {
            curl.arg("--cert").arg(&certificate.certificate);
            curl.arg("--key").arg(&certificate.key);
            if let Some(account) = account {
                curl.args(["--user", &account.plain()]);
            }
        })?;
        anyhow::Ok(answer.status)
    };
    let (build, other) = (visitors.admit("build")?, visitors.admit("other")?);
    ensure!(status(&build, None)? == 404, "the build is not let in");
    ensure!(status(&other, None)? == 401, "any certificate is let in");
    // With a password too, the password decides: it is right, or the request is refused.
    ensure!(status(&other, Some(Account::ALICE))? == 404);
    ensure!(status(&build, Some(Account::of("alice", "not hers")))? == 401);
    let forged = status(&strangers.admit("build")?, None);
    ensure!(
        forged.is_err(),
        "a certificate of a strange authority is worth {forged:?}"
    );
    ensure!(trust.get(&root_of(GUN))?.status == 401);
    scan_for_secrets(sandbox, &[Account::ALICE])
}
