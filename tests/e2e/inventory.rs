//! What operators are told of repositories that a server of Notary writes, on the same database.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::{Collaborator, Pair, Sandbox, Trust, process::eventually, storage::Owner};
use serde_json::Value;

on_databases_of_notary![what_a_server_of_notary_publishes_is_told];

const GUN: &str = "example.com/team/app";

/// Longer than a follower takes to see a change, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(1);

/// Two years and eleven months.
const LATER: u32 = 1065;

fn what_a_server_of_notary_publishes_is_told(sandbox: &Sandbox) -> Result<()> {
    let mut ours = Trust::start(sandbox, Pair::COUNTERSIGN)?;
    let url = ours.database()?.administrators_url(Owner::Server);
    ours.server_command_with(&["migrate"], &[("NOTARY_SERVER_STORAGE_DB_URL", &url)])?
        .succeeds()?;
    ours.database()?.grant(Owner::Server)?;
    ours.kill_server()?;
    ours.start_server()?;
    let notarys = ours.beside(sandbox, Pair::NOTARY)?;

    let owner = Collaborator::new(sandbox, "owner", &notarys)?;
    owner.does(&["init", GUN, "--publish"])?;
    for content in ["one", "two"] {
        let file = owner.file(content)?;
        owner.does(&["add", GUN, "1.0", &file, "--publish"])?;
    }

    eventually("the server sees what another published", PATIENCE, || {
        let rows = "SELECT tags, head_version FROM countersign_overview";
        let rows = ours.database()?.administer(Owner::Server, rows)?;
        Ok(rows.trim() == "1\t3")
    })?;
    let row = json(&ours, &["inventory", GUN, "--json"])?;
    ensure!(row["health"] == "whole", "{row}");
    let now = row["tags"][0]["digest"]
        .as_str()
        .context("no tag")?
        .to_owned();

    let past = json(&ours, &["history", GUN, "1.0", "--json"])?;
    let [moved, made] = &past.as_array().context("no array")?[..] else {
        anyhow::bail!("{past}");
    };
    ensure!(moved["changes"][0]["to"] == now.as_str(), "{past}");
    ensure!(
        moved["changes"][0]["from"] == made["changes"][0]["to"],
        "{past}"
    );
    ensure!(made["changes"][0]["from"] == Value::Null, "{past}");
    let signers = row["signers"].as_array().context("no signers")?;
    let signer = signers.iter().find(|signer| signer["role"] == "targets");
    let key = &signer.context("nobody signs targets")?["key_id"];
    ensure!(
        moved["signed_by"][0] == *key && made["signed_by"][0] == *key,
        "{past}"
    );

    // Everything lasts for more than ninety days today.
    ours.server_command(&["expiry", "--within", "90d"])?
        .succeeds()?;
    let targets = row["roles"].as_array().context("no roles")?;
    let targets = targets.iter().find(|role| role["role"] == "targets");
    let expires = targets.context("no targets")?["expires"].as_str();
    let day = &expires.context("no date")?[..10];
    let said = ours.server_command_later(LATER, &["expiry", "--within", "90d"])?;
    ensure!(said.has(&format!("{day}  {GUN}  targets")), "{said}");
    said.fails_saying(&format!("notary witness {GUN} targets -p"))
}

fn json(trust: &Trust, arguments: &[&str]) -> Result<Value> {
    let said = trust.server_command(arguments)?.succeeds()?;
    serde_json::from_str(&said).with_context(|| said.clone())
}
