//! The notary CLI: making a repository, publishing into it, reading and deleting it.

use anyhow::{Result, ensure};
use fixtures::{Publisher, listing};
use harness::{Collaborator, Pair, Sandbox, Trust};

on_every_pair![
    what_is_published_is_listed_looked_up_and_verified,
    what_is_staged_is_shown_until_it_is_published_or_reset,
    a_target_that_was_removed_is_gone,
    witnessing_signs_a_role_again,
    a_deleted_repository_is_gone_and_can_be_made_anew,
    a_gun_may_be_deep_and_hold_a_port_and_capitals,
    hundreds_of_targets_are_published_at_once,
];

on_every_database![
    what_is_published_is_listed_looked_up_and_verified,
    a_deleted_repository_is_gone_and_can_be_made_anew,
    a_gun_may_be_deep_and_hold_a_port_and_capitals,
];

on_our_pair![an_unsigned_target_is_not_published];

const GUN: &str = "example.com/team/app";

fn what_is_published_is_listed_looked_up_and_verified(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let (owner, reader) = (
        Collaborator::new(sandbox, "owner", &trust)?,
        Collaborator::new(sandbox, "reader", &trust)?,
    );
    owner.does(&["init", GUN, "--publish"])?;
    owner.publishes(GUN, "v1")?;
    owner.publishes(GUN, "v2")?;

    reader.sees(GUN, &["v1:targets", "v2:targets"])?;
    let found = reader.does(&["lookup", GUN, "v1"])?;
    ensure!(
        found.starts_with(
            "v1 sha256:3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe 2"
        ),
        "{found}"
    );
    reader.does(&["verify", GUN, "v1", "--input", &reader.file("v1")?])?;
    reader
        .notary(&["verify", GUN, "v1", "--input", &reader.file("v2")?])?
        .fails_saying("did not match")?;
    reader
        .notary(&["lookup", GUN, "v3"])?
        .fails_saying("No valid trust data for v3")?;
    reader
        .notary(&["list", "example.com/elsewhere"])?
        .fails_saying("does not have trust data for example.com/elsewhere")
}

fn what_is_staged_is_shown_until_it_is_published_or_reset(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    let file = owner.file("v1")?;
    owner.does(&["init", GUN])?;
    owner.does(&["add", GUN, "v1", &file])?;
    ensure!(
        owner.does(&["status", GUN])?.contains("v1"),
        "v1 is not staged"
    );
    owner
        .notary(&["list", GUN])?
        .fails_saying("does not have trust data")?;

    owner.does(&["publish", GUN])?;
    owner.does(&["add", GUN, "v2", &file])?;
    owner.does(&["reset", GUN, "--all"])?;

    let status = owner.does(&["status", GUN])?;
    ensure!(status.contains("No unpublished changes"), "{status}");
    owner.does(&["publish", GUN])?;
    owner.sees(GUN, &["v1:targets"])
}

fn a_target_that_was_removed_is_gone(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let (owner, reader) = (
        Collaborator::new(sandbox, "owner", &trust)?,
        Collaborator::new(sandbox, "reader", &trust)?,
    );
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v1")?;
    owner.publishes(GUN, "v2")?;
    reader.sees(GUN, &["v1:targets", "v2:targets"])?;

    owner.does(&["remove", GUN, "v1", "--publish"])?;

    reader.sees(GUN, &["v2:targets"])
}

fn witnessing_signs_a_role_again(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let (owner, reader) = (
        Collaborator::new(sandbox, "owner", &trust)?,
        Collaborator::new(sandbox, "reader", &trust)?,
    );
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v1")?;
    let before = trust.metadata(GUN, "targets.json")?;

    owner.does(&["witness", GUN, "targets", "--publish"])?;

    ensure!(
        trust.metadata(GUN, "targets.json")? != before,
        "targets were not signed again"
    );
    ensure!(
        trust.metadata(GUN, "3.targets.json")? == trust.metadata(GUN, "targets.json")?,
        "not version 3"
    );
    reader.sees(GUN, &["v1:targets"])
}

fn a_deleted_repository_is_gone_and_can_be_made_anew(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v1")?;
    owner.does(&["init", "example.com/other"])?;
    owner.publishes("example.com/other", "v1")?;

    owner.does(&["delete", GUN, "--remote"])?;

    for file in ["root.json", "timestamp.json", "1.root.json"] {
        ensure!(
            trust
                .read(&format!("/v2/{GUN}/_trust/tuf/{file}"))?
                .is_none(),
            "{file} is still there"
        );
    }
    let reader = Collaborator::new(sandbox, "reader", &trust)?;
    reader
        .notary(&["list", GUN])?
        .fails_saying("does not have trust data")?;
    reader.sees("example.com/other", &["v1:targets"])?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v9")?;
    reader.sees(GUN, &["v9:targets"])
}

fn a_gun_may_be_deep_and_hold_a_port_and_capitals(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const ODD: &str = "registry.example.com:5000/Some/very/deep/Name_of.an-app";
    let trust = Trust::start(sandbox, pair)?;
    let (owner, reader) = (
        Collaborator::new(sandbox, "owner", &trust)?,
        Collaborator::new(sandbox, "reader", &trust)?,
    );
    owner.does(&["init", ODD])?;
    owner.publishes(ODD, "v1")?;

    reader.sees(ODD, &["v1:targets"])?;
    reader
        .notary(&["list", &ODD.to_lowercase()])?
        .fails_saying("does not have trust data")
}

fn hundreds_of_targets_are_published_at_once(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const COUNT: usize = 300;
    let trust = Trust::start(sandbox, pair)?;
    let (owner, reader) = (
        Collaborator::new(sandbox, "owner", &trust)?,
        Collaborator::new(sandbox, "reader", &trust)?,
    );
    owner.does(&["init", GUN])?;
    let file = owner.file("content")?;
    let names: Vec<String> = (0..COUNT).map(|number| format!("v{number:03}")).collect();
    for name in &names {
        owner.does(&["add", GUN, name, &file])?;
    }

    owner.does(&["publish", GUN])?;

    let expected: Vec<String> = names.iter().map(|name| format!("{name}:targets")).collect();
    reader.sees(GUN, &expected)
}

/// A file says the same to signatures as before, and something more to clients: they would list the
/// target that was added under the name of the signer.
fn an_unsigned_target_is_not_published(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let reader = Collaborator::new(sandbox, "reader", &trust)?;
    let mut publisher = Publisher::new(GUN);
    for role in ["timestamp", "snapshot"] {
        let key = trust.metadata(GUN, &format!("{role}.key"))?;
        publisher = publisher.with_server_key_document(role, &key);
    }
    publisher.add_target("targets", "v1", b"v1");
    let signed = publisher.first_publish();

    let evil = format!(r#""targets":{{"evil":{}}},"targets":"#, listing(b"evil"));
    let mut doctored = signed.clone();
    for (role, bytes) in &mut doctored {
        let text = String::from_utf8(bytes.clone())?;
        if role == "targets" {
            *bytes = text.replacen(r#""targets":"#, &evil, 1).into_bytes();
        }
    }
    ensure!(doctored != signed, "nothing was added");
    let answer = trust.publish(GUN, &doctored)?;
    ensure!(answer.refuses_with("INVALID_UPDATE"), "{answer}");
    let detail = &answer.json()?["errors"][0]["detail"];
    ensure!(detail["Name"] == "ErrBadTargets", "{detail}");
    let reason = detail["Error"]["Msg"].as_str().unwrap_or_default();
    ensure!(
        reason.contains(r#"signed has the member "targets" twice"#),
        "{reason}"
    );
    reader
        .notary(&["list", GUN])?
        .fails_saying("does not have trust data")?;

    trust.publish(GUN, &signed)?.ok()?;
    reader.sees(GUN, &["v1:targets"])
}
