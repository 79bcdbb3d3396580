//! `docker trust`: keys, signers, signing, inspecting and revoking.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::{Cli, Engine, Pair, Person, Sandbox, Trust, certificates::Leaf};
use serde_json::Value;

on_every_pair_with_every_cli![
    signers_with_only_a_delegation_key_sign_and_revoke,
    a_signer_who_was_removed_signs_no_more,
    revoking_a_repository_takes_all_its_tags,
];

on_every_database_with_debian_cli![signers_with_only_a_delegation_key_sign_and_revoke];

/// An administrator, two signers with a key of their own each, and a reader.
struct Scene {
    _trust: Trust,
    engine: Engine,
    admin: Person,
    /// Made her key with `docker trust key generate`.
    alice: Person,
    /// Brought his own key with `docker trust key load`.
    bob: Person,
    onlooker: Person,
    repository: String,
}

impl Scene {
    fn set(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<Self> {
        let (trust, engine) = (Trust::start(sandbox, pair)?, Engine::start(sandbox)?);
        let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
        let (admin, alice, bob) = (person("admin")?, person("alice")?, person("bob")?);
        alice.does(&["trust", "key", "generate", "alice"])?;
        load_key(&bob, "bob")?;
        let (onlooker, repository) = (person("onlooker")?, engine.image("team/app"));
        let scene = Self {
            _trust: trust,
            engine,
            admin,
            alice,
            bob,
            onlooker,
            repository,
        };
        scene.add_signer("alice", &scene.alice)?;
        scene.add_signer("bob", &scene.bob)?;
        Ok(scene)
    }

    fn add_signer(&self, name: &str, signer: &Person) -> Result<()> {
        let key = signer.folder().join(format!("{name}.pub"));
        let key = key.to_str().context("a path of ours is UTF-8")?;
        let said = self.admin.does(&[
            "trust",
            "signer",
            "add",
            name,
            "--key",
            key,
            &self.repository,
        ])?;
        ensure!(
            said.contains(&format!("Successfully added signer: {name}")),
            "{said}"
        );
        Ok(())
    }

    /// The local image `tag` of the repository, made again.
    fn image(&self, tag: &str) -> Result<String> {
        let image = format!("{}:{tag}", self.repository);
        self.admin.makes_image(&image, tag)?;
        Ok(image)
    }

    /// Who signed each tag, as `docker trust inspect` tells an onlooker: `1: alice, bob`.
    fn signed_tags(&self) -> Result<Vec<String>> {
        let inspected = self.inspect()?;
        let tags = inspected["SignedTags"]
            .as_array()
            .context("no SignedTags")?;
        Ok(tags
            .iter()
            .map(|tag| format!("{}: {}", text(&tag["SignedTag"]), texts(&tag["Signers"])))
            .collect())
    }

    /// The names of those who may sign.
    fn signers(&self) -> Result<Vec<String>> {
        let inspected = self.inspect()?;
        let signers = inspected["Signers"].as_array().context("no Signers")?;
        let mut names: Vec<String> = signers
            .iter()
            .map(|signer| text(&signer["Name"]).to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn inspect(&self) -> Result<Value> {
        let said = self
            .onlooker
            .does(&["trust", "inspect", &self.repository])?;
        let all: Value = serde_json::from_str(&said)?;
        Ok(all[0].clone())
    }
}

/// Writes a key pair made elsewhere into the person's folder and loads it into their CLI.
fn load_key(person: &Person, name: &str) -> Result<()> {
    let (private, public) = Leaf::key_pair()?;
    let file = person.folder().join(format!("{name}.key"));
    fs::write(&file, private)?;
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    fs::write(person.folder().join(format!("{name}.pub")), public)?;
    let said = person.does(&[
        "trust",
        "key",
        "load",
        &format!("{name}.key"),
        "--name",
        name,
    ])?;
    ensure!(said.contains("Successfully imported key"), "{said}");
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> String {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect::<Vec<_>>()
        .join(", ")
}

fn signers_with_only_a_delegation_key_sign_and_revoke(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let (one, two) = (scene.image("1")?, scene.image("2")?);

    scene.alice.does(&["trust", "sign", &one])?;
    scene.bob.does(&["trust", "sign", &one])?;
    scene.bob.pushes_signed(&two)?;

    ensure!(
        scene.signed_tags()? == ["1: alice, bob", "2: bob"],
        "{:?}",
        scene.signed_tags()?
    );
    ensure!(scene.signers()? == ["alice", "bob"]);
    for signer in [&scene.alice, &scene.bob] {
        let keys = fs::read_dir(signer.config().join("trust/private"))?.count();
        ensure!(keys == 1, "a signer was to have one key, but has {keys}");
    }
    scene.admin.forgets(&[&one, &two])?;
    scene.onlooker.does(&["pull", &two])?;

    scene.bob.does(&["trust", "revoke", "--yes", &two])?;
    ensure!(
        scene.signed_tags()? == ["1: alice, bob"],
        "{:?}",
        scene.signed_tags()?
    );
    scene
        .onlooker
        .docker(&["pull", &two])?
        .fails_saying("trust data for 2")
}

/// CLI 28 removes no signer without a question, and asks only about the one who alone signed the
/// list of releases. That list then counts no more, as it should, and neither CLI can make another
/// one.
fn a_signer_who_was_removed_signs_no_more(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let one = scene.image("1")?;
    let (first, second) = match cli {
        Cli::Debian => (&scene.alice, &scene.bob),
        Cli::Newer => (&scene.bob, &scene.alice),
    };
    first.does(&["trust", "sign", &one])?;
    second.does(&["trust", "sign", &one])?;

    let remove = ["trust", "signer", "remove", "bob", &scene.repository];
    scene.admin.answers(&remove, "y\n")?.succeeds()?;

    ensure!(scene.signers()? == ["alice"], "{:?}", scene.signers()?);
    scene
        .bob
        .docker(&["trust", "sign", &one])?
        .fails_saying("no valid signing keys for delegation roles")?;
    if cli == Cli::Newer {
        return scene
            .onlooker
            .docker(&["pull", &one])?
            .fails_saying("trust data for 1");
    }
    scene.alice.does(&["trust", "sign", &one])?;
    ensure!(
        scene.signed_tags()? == ["1: alice"],
        "{:?}",
        scene.signed_tags()?
    );
    scene.onlooker.does(&["pull", &one])?;
    Ok(())
}

fn revoking_a_repository_takes_all_its_tags(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let (one, two) = (scene.image("1")?, scene.image("2")?);
    scene.alice.does(&["trust", "sign", &one])?;
    scene.alice.does(&["trust", "sign", &two])?;

    scene
        .alice
        .does(&["trust", "revoke", "--yes", &scene.repository])?;

    ensure!(
        scene.signed_tags()?.is_empty(),
        "{:?}",
        scene.signed_tags()?
    );
    let other = scene.engine.image("other:1");
    scene.admin.does_untrusted(&["tag", &one, &other])?;
    scene.admin.pushes_signed(&other)?;
    scene
        .onlooker
        .docker(&["pull", &one])?
        .fails_saying("trust data for 1")?;
    scene.onlooker.does(&["pull", &other])?;
    Ok(())
}
