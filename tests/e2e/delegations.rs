//! Delegations with the notary CLI: delegates hold their own key and nothing else.

use anyhow::{Context as _, Result, ensure};
use harness::{Collaborator, Pair, Sandbox, Trust, certificates::Leaf};

on_every_pair![
    delegates_publish_with_their_own_key_also_nested,
    a_delegation_is_held_to_its_paths,
    a_removed_delegation_takes_its_targets_along,
    a_purged_key_signs_no_more,
];

on_every_database![
    delegates_publish_with_their_own_key_also_nested,
    a_purged_key_signs_no_more,
];

/// The team's repository.
pub(crate) const GUN: &str = "example.com/team/app";

/// A repository whose snapshot the server signs, without which delegates cannot publish, with
/// `targets/qa` and below it `targets/qa/night`, which may sign what begins with `night`.
pub(crate) struct Scene {
    pub(crate) owner: Collaborator,
    pub(crate) qa: Collaborator,
    pub(crate) night: Collaborator,
    pub(crate) reader: Collaborator,
    /// The service, if it was started for this scene alone.
    _trust: Option<Trust>,
}

impl Scene {
    fn set(sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        let trust = Trust::start(sandbox, pair)?;
        let scene = Self::on(sandbox, &trust)?;
        Ok(Self {
            _trust: Some(trust),
            ..scene
        })
    }

    pub(crate) fn on(sandbox: &Sandbox, trust: &Trust) -> Result<Self> {
        let person = |name| Collaborator::new(sandbox, name, trust);
        let (owner, qa, night, reader) = (
            person("owner")?,
            person("qa")?,
            person("night")?,
            person("reader")?,
        );
        owner.does(&["init", GUN, "--publish"])?;
        owner.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
        owner.publishes(GUN, "release")?;
        let certificate = becomes_delegate(&qa, "targets/qa")?;
        owner.does(&[
            "delegation",
            "add",
            GUN,
            "targets/qa",
            &certificate,
            "--all-paths",
            "--publish",
        ])?;
        let certificate = becomes_delegate(&night, "targets/qa/night")?;
        qa.does(&[
            "delegation",
            "add",
            GUN,
            "targets/qa/night",
            &certificate,
            "--paths",
            "night",
            "--publish",
        ])?;
        Ok(Self {
            owner,
            qa,
            night,
            reader,
            _trust: None,
        })
    }
}

/// Makes a key for `role`; the file with its certificate.
fn becomes_delegate(person: &Collaborator, role: &str) -> Result<String> {
    let leaf = Leaf::of_delegate(role)?;
    std::fs::write(person.folder().join("delegate.key"), &leaf.key)?;
    let certificate = person.folder().join("delegate.crt");
    std::fs::write(&certificate, &leaf.certificate)?;
    person.does(&["key", "import", "delegate.key", "--role", role])?;
    Ok(certificate
        .to_str()
        .context("a path of ours is UTF-8")?
        .to_owned())
}

/// Signs `target` as `role` and publishes it.
pub(crate) fn publishes(person: &Collaborator, role: &str, target: &str) -> Result<()> {
    person.does(&[
        "add",
        GUN,
        target,
        &person.file(target)?,
        "--roles",
        role,
        "--publish",
    ])?;
    Ok(())
}

fn delegates_publish_with_their_own_key_also_nested(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    publishes(&scene.qa, "targets/qa", "checked")?;
    publishes(&scene.night, "targets/qa/night", "nightly")?;
    let all = [
        "checked:targets/qa",
        "nightly:targets/qa/night",
        "release:targets",
    ];

    scene.reader.sees(GUN, &all)?;
    let listed = scene.reader.does(&["delegation", "list", GUN])?;
    ensure!(
        listed.contains("targets/qa ") && listed.contains("targets/qa/night "),
        "{listed}"
    );
    scene.reader.does(&[
        "verify",
        GUN,
        "nightly",
        "--input",
        &scene.reader.file("nightly")?,
    ])?;
    scene
        .qa
        .does(&["witness", GUN, "targets/qa", "--publish"])?;
    scene.reader.sees(GUN, &all)
}

fn a_delegation_is_held_to_its_paths(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    let add = [
        "add",
        GUN,
        "daily",
        &scene.night.file("daily")?,
        "--roles",
        "targets/qa/night",
        "--publish",
    ];

    scene
        .night
        .notary(&add)?
        .fails_saying("Could not add all targets")?;
    scene.reader.sees(GUN, &["release:targets"])
}

fn a_removed_delegation_takes_its_targets_along(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    publishes(&scene.qa, "targets/qa", "checked")?;
    publishes(&scene.night, "targets/qa/night", "nightly")?;

    scene.qa.does(&[
        "delegation",
        "remove",
        GUN,
        "targets/qa/night",
        "--yes",
        "--publish",
    ])?;
    scene
        .reader
        .sees(GUN, &["checked:targets/qa", "release:targets"])?;
    scene.owner.does(&[
        "delegation",
        "remove",
        GUN,
        "targets/qa",
        "--yes",
        "--publish",
    ])?;
    scene.reader.sees(GUN, &["release:targets"])?;
    let listed = scene.reader.does(&["delegation", "list", GUN])?;
    ensure!(listed.contains("No delegations present"), "{listed}");
    let fresh = [
        "add",
        GUN,
        "late",
        &scene.qa.file("late")?,
        "--roles",
        "targets/qa",
        "--publish",
    ];
    ensure!(
        !scene.qa.notary(&fresh)?.is_success(),
        "a removed delegate still publishes"
    );
    Ok(())
}

fn a_purged_key_signs_no_more(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let scene = Scene::set(sandbox, pair)?;
    let listed = scene.reader.does(&["delegation", "list", GUN])?;
    let row = listed
        .lines()
        .find(|line| line.starts_with("targets/qa "))
        .context("no targets/qa")?;
    let key = row
        .split_whitespace()
        .find(|word| word.len() == 64)
        .context("no key")?;

    let replacement = becomes_delegate(&scene.reader, "targets/qa")?;
    scene
        .owner
        .does(&["delegation", "add", GUN, "targets/qa", &replacement])?;
    scene
        .owner
        .does(&["delegation", "purge", GUN, "--key", key])?;
    scene.owner.does(&["publish", GUN])?;

    let listed = scene.owner.does(&["delegation", "list", GUN])?;
    ensure!(!listed.contains(key), "{listed}");
    // What the old key signed counts no more, until the new one vouches for it.
    scene
        .reader
        .does(&["witness", GUN, "targets/qa", "--publish"])?;
    publishes(&scene.reader, "targets/qa", "checked")?;
    scene
        .owner
        .sees(GUN, &["checked:targets/qa", "release:targets"])?;
    let late = [
        "add",
        GUN,
        "late",
        &scene.qa.file("late")?,
        "--roles",
        "targets/qa",
        "--publish",
    ];
    ensure!(
        !scene.qa.notary(&late)?.is_success(),
        "a purged key still signs"
    );
    Ok(())
}
