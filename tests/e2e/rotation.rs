//! Key rotation with the notary CLI: every role, and clients that know the old keys.

use anyhow::{Context as _, Result, ensure};
use fixtures::Publisher;
use harness::{Collaborator, Make, Pair, Sandbox, Trust};
use serde_json::Value;

on_every_pair![
    the_root_key_is_rotated,
    the_targets_key_is_rotated,
    the_snapshot_key_goes_to_the_server_and_back,
    the_timestamp_key_is_rotated,
    a_client_that_missed_every_rotation_catches_up,
];

on_every_database![
    the_root_key_is_rotated,
    the_snapshot_key_goes_to_the_server_and_back,
    a_client_that_missed_every_rotation_catches_up,
];

on_our_servers![a_root_may_not_name_a_key_of_another_repository];

const GUN: &str = "example.com/team/app";

/// A repository with one target, and a reader who has read it.
struct Scene {
    trust: Trust,
    owner: Collaborator,
    reader: Collaborator,
}

impl Scene {
    fn set(sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        let trust = Trust::start(sandbox, pair)?;
        let (owner, reader) = (
            Collaborator::new(sandbox, "owner", &trust)?,
            Collaborator::new(sandbox, "reader", &trust)?,
        );
        owner.does(&["init", GUN])?;
        owner.publishes(GUN, "before")?;
        reader.sees(GUN, &["before:targets"])?;
        Ok(Self {
            trust,
            owner,
            reader,
        })
    }

    /// The ids of the keys that the current root gives `role`.
    fn keys(&self, role: &str) -> Result<Value> {
        let root: Value = serde_json::from_slice(&self.trust.metadata(GUN, "root.json")?)?;
        let keys = &root["signed"]["roles"][role]["keyids"];
        ensure!(
            keys.as_array().is_some_and(|keys| keys.len() == 1),
            "{role} has {keys}"
        );
        Ok(keys.clone())
    }

    /// Rotates `role`, which must change its keys, and after which the reader and a new one can
    /// read and the owner can publish.
    fn rotates(&self, sandbox: &Sandbox, role: &str, server_managed: bool) -> Result<()> {
        let before = self.keys(role)?;
        let rotate = ["key", "rotate", GUN, role, "--server-managed"];
        self.owner.does(if server_managed {
            &rotate
        } else {
            &rotate[..4]
        })?;

        ensure!(
            self.keys(role)? != before,
            "the keys of {role} are the same"
        );
        self.reader.sees(GUN, &["before:targets"])?;
        self.owner.publishes(GUN, "after")?;
        let stranger = Collaborator::new(
            sandbox,
            &format!("stranger-{role}-{server_managed}"),
            &self.trust,
        )?;
        for person in [&self.reader, &stranger] {
            person.sees(GUN, &["after:targets", "before:targets"])?;
        }
        self.owner.does(&["remove", GUN, "after", "--publish"])?;
        Ok(())
    }
}

fn the_root_key_is_rotated(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    scene.rotates(sandbox, "root", false)?;
    scene.rotates(sandbox, "root", false)
}

fn the_targets_key_is_rotated(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    Scene::set(sandbox, pair)?.rotates(sandbox, "targets", false)
}

fn the_snapshot_key_goes_to_the_server_and_back(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    scene.rotates(sandbox, "snapshot", true)?;
    scene.rotates(sandbox, "snapshot", false)?;
    scene.rotates(sandbox, "snapshot", true)
}

fn the_timestamp_key_is_rotated(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    scene.rotates(sandbox, "timestamp", true)?;
    let remembered = scene.keys("timestamp")?;
    scene
        .owner
        .notary(&["key", "rotate", GUN, "timestamp"])?
        .fails_saying("timestamp")?;
    ensure!(
        scene.keys("timestamp")? == remembered,
        "a client may not hold the timestamp key"
    );
    Ok(())
}

fn a_client_that_missed_every_rotation_catches_up(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    for (role, server_managed) in [
        ("root", false),
        ("timestamp", true),
        ("snapshot", true),
        ("targets", false),
        ("root", false),
    ] {
        let rotate = ["key", "rotate", GUN, role, "--server-managed"];
        scene.owner.does(if server_managed {
            &rotate
        } else {
            &rotate[..4]
        })?;
    }
    scene.owner.publishes(GUN, "after")?;

    scene
        .reader
        .sees(GUN, &["after:targets", "before:targets"])?;
    let versions =
        (1..=6).map(|version| scene.trust.metadata(GUN, &format!("{version}.root.json")));
    let versions = versions
        .collect::<Result<Vec<_>>>()
        .context("a version of the root is missing")?;
    ensure!(
        versions[5] == scene.trust.metadata(GUN, "root.json")?,
        "the current root is not the sixth"
    );
    Ok(())
}

/// A user who may publish one repository wants another one's timestamp key to sign for it.
fn a_root_may_not_name_a_key_of_another_repository(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const THEIRS: &str = "example.com/team/theirs";
    let scene = Scene::set(sandbox, pair)?;
    let key = |gun: &str, role: &str| {
        let path = format!("/v2/{gun}/_trust/tuf/{role}.key");
        scene.trust.get(&path)?.ok()
    };
    let publish = |timestamp: &[u8]| {
        let mut thief = Publisher::new(THEIRS)
            .with_server_key_document("timestamp", timestamp)
            .with_server_key_document("snapshot", &key(THEIRS, "snapshot")?);
        scene.trust.publish(THEIRS, &thief.first_publish())
    };
    let is_refused = |timestamp: &[u8]| {
        let answer = publish(timestamp)?;
        let text = answer.to_string();
        ensure!(
            answer.refuses_with("INVALID_UPDATE") && text.contains("ErrBadRoot"),
            "{text}"
        );
        ensure!(text.contains("was not made for the timestamp"), "{text}");
        anyhow::Ok(())
    };
    is_refused(&key(THEIRS, "snapshot")?).context("a key of another role")?;
    if pair.signer == Make::Countersign {
        is_refused(&key(GUN, "timestamp")?).context("a key of another repository")?;
        publish(&key(THEIRS, "timestamp")?)?.ok()?;
    } else {
        // Notary's signer does not tell; the server warns.
        publish(&key(GUN, "timestamp")?)?.ok()?;
    }
    scene.owner.publishes(GUN, "after")?;
    scene.reader.sees(GUN, &["after:targets", "before:targets"])
}
