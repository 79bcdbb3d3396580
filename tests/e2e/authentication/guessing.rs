//! An attacker who guesses passwords, a hundred a second.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    Account, Pair, Sandbox, Trust,
    accounts::htpasswd_of_cost,
    process::{Said, client},
    scan_for_secrets,
};
use serde_json::json;

use super::guarded;

on_our_pair![guessing_is_slowed_down_and_harms_no_other_user];

const GUESSES: usize = 400;
/// A hash that costs as much as people should choose; the default of Apache's tool costs nearly
/// nothing.
const COST: u8 = 10;

fn guessing_is_slowed_down_and_harms_no_other_user(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    /// Of one user from one address ten guesses are free, then one in six seconds.
    const FREE: usize = 10;
    /// A hundred, and how many were left out.
    const RECORDS_A_SECOND: usize = 101;
    let everybody = [Account::ALICE, Account::BOB];
    let file = sandbox.path().join("htpasswd");
    htpasswd_of_cost(&file, &everybody, COST)?;
    let auth = json!({"type": "htpasswd", "htpasswd_file": file});
    let trust = Trust::start_guarded(sandbox, pair, guarded(sandbox, auth))?;

    let begun = Instant::now();
    let answers = guesses(sandbox, &trust)?;
    let seconds = usize::try_from(begun.elapsed().as_secs())?;

    let count = |status| answers.iter().filter(|&answer| answer == status).count();
    let (wrong, slowed) = (count("401"), count("429"));
    let most = FREE + seconds / 6 + 1;
    ensure!(
        wrong + slowed == GUESSES && (1..=most).contains(&wrong),
        "{wrong} wrong and {slowed} slowed down of {GUESSES} in {seconds} s: {answers:?}"
    );
    let (warnings, records) = lines(sandbox)?;
    let passed = seconds + 2;
    ensure!(
        (1..=passed).contains(&warnings) && records <= RECORDS_A_SECOND * passed,
        "{warnings} warnings and {records} records of {GUESSES} guesses in {seconds} s"
    );

    // What found others of its address being looked at was turned away uncounted: guess on, one by
    // one.
    for _ in 0..2 * FREE {
        trust.ask("/v2/", |curl| {
            curl.args(["--user", "alice:guess"]);
        })?;
    }
    // Who is slowed down is told when to come back, also with the right password.
    let answer = trust.get_as(Account::ALICE, "/v2/")?;
    let wait: Option<u64> = answer
        .header("retry-after")
        .and_then(|wait| wait.parse().ok());
    ensure!(
        answer.status == 429 && wait.is_some_and(|wait| (1..=60).contains(&wait)),
        "{answer}, after {wait:?}"
    );
    // alice herself, who is elsewhere, and bob are let in without waiting.
    for (account, address) in [(Account::ALICE, "127.0.0.2"), (Account::BOB, "127.0.0.3")] {
        let begun = Instant::now();
        let answer = trust.ask("/v2/", |curl| {
            curl.args(["--user", &account.plain(), "--interface", address]);
        })?;
        let took = begun.elapsed();
        ensure!(answer.status == 200, "{}: {answer}", account.user);
        ensure!(took < Duration::from_secs(5), "{}: {took:?}", account.user);
    }
    ensure!(trust.get("/_notary_server/health")?.status == 200);
    scan_for_secrets(sandbox, &everybody)
}

/// Sends all guesses, 50 at a time and each with another lie about where it comes from, and
/// collects the statuses.
fn guesses(sandbox: &Sandbox, trust: &Trust) -> Result<Vec<String>> {
    let mut config = String::new();
    for number in 0..GUESSES {
        writeln!(
            config,
            "url = \"{}/v2/\"\nuser = \"alice:guess-number-{number}\"\noutput = \"/dev/null\"\ncacert = \"{}\"\nheader = \"X-Forwarded-For: 192.0.2.{}\"\nwrite-out = \"%{{http_code}}\\n\"\nnext",
            trust.url(),
            trust.authority().display(),
            number % 250
        )?;
    }
    let config = sandbox.file("guesses.curl", config.trim_end_matches("next\n"))?;
    let mut curl = client("curl");
    curl.args(["--silent", "--parallel", "--parallel-max", "50", "--config"])
        .arg(config);
    let said = Said::by(curl, "")?.succeeds()?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// How many warnings the server logged about logins, and how many records it made of what was
/// refused.
fn lines(sandbox: &Sandbox) -> Result<(usize, usize)> {
    let log = fs::read_to_string(sandbox.log("notary-server"))?;
    let is_warning = |line: &&str| line.contains(r#""level":"warning""#) && line.contains("login");
    let records = fs::read_to_string(sandbox.log("audit"))?;
    Ok((
        log.lines().filter(is_warning).count(),
        records.lines().count(),
    ))
}
