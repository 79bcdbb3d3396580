//! Who may do what, with the clients people use: each way to authenticate, each way to be refused.
//!
//! Servers here log all they can, and every journey ends with a search of what was logged for what
//! should not be there.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use harness::{Account, AuthSetup, Sandbox, Trust, htpasswd, scan_for_secrets};
use serde_json::Value;

mod administrator;
mod client_certificates;
mod guessing;
mod outside_tokens;
mod password_file;
mod roles;
mod setups;
mod token_service;

/// What both clients say of a 401.
const NOT_AUTHORIZED: &str = "you are not authorized to perform this operation";

/// What the token service says of a wrong password, and both clients with it.
const WRONG_PASSWORD: &str = "wrong user or password";

/// A file of passwords that changed is taken up within three seconds; the rest is for a busy
/// machine.
const TAKEN_UP: Duration = Duration::from_secs(5);

#[test]
fn a_secret_in_a_log_is_found() -> Result<()> {
    let alice = Account::ALICE;
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.{}.c2lnbmF0dXJl",
        "eyJzdWIiOiJhbGljZSJ9"
    );
    for (line, is_secret) in [
        ("alice has logged in".to_owned(), false),
        (format!("password={}", alice.password), true),
        (format!("Authorization: Basic {}", alice.to_base64()), true),
        (format!("Bearer {token}"), true),
    ] {
        harness::play(|sandbox| {
            fs::write(sandbox.log("notary-server"), &line)?;
            let found = scan_for_secrets(sandbox, &[alice]).is_err();
            ensure!(found == is_secret, "{line}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A set-up with this `auth` section, which writes down what is done.
fn guarded(sandbox: &Sandbox, auth: Value) -> AuthSetup {
    AuthSetup::with_auth(auth).with_audit_file(&sandbox.log("audit"))
}

/// A file of these users' passwords.
fn passwords(sandbox: &Sandbox, accounts: &[Account]) -> Result<PathBuf> {
    let file = sandbox.path().join("htpasswd");
    htpasswd(&file, accounts)?;
    Ok(file)
}

/// Checks that the server has no trust data for `gun`, as a caller with `pull` sees.
fn has_nothing(trust: &Trust, gun: &str, account: Account) -> Result<()> {
    let answer = trust.get_as(account, &root_of(gun))?;
    ensure!(answer.status == 404, "{gun} should not be there: {answer}");
    Ok(())
}

/// The names of the targets in `gun`, as a caller with `pull` sees.
fn targets(trust: &Trust, gun: &str, account: Account) -> Result<Vec<String>> {
    let answer = trust.get_as(account, &format!("/v2/{gun}/_trust/tuf/targets.json"))?;
    ensure!(answer.status == 200, "{answer}");
    let file = answer.json()?;
    let targets = file["signed"]["targets"].as_object();
    Ok(targets
        .into_iter()
        .flat_map(|all| all.keys().cloned())
        .collect())
}

fn root_of(gun: &str) -> String {
    format!("/v2/{gun}/_trust/tuf/root.json")
}

fn timestamp_of(gun: &str) -> String {
    format!("/v2/{gun}/_trust/tuf/timestamp.json")
}
