//! `docker push` and `docker pull` with content trust.

use std::fs;

use anyhow::{Result, ensure};
use harness::{Cli, Collaborator, Engine, Pair, Person, Sandbox, Trust};

on_every_pair_with_every_cli![
    a_signed_push_is_pulled_by_tag_from_a_clean_client,
    a_pull_of_an_unsigned_tag_is_refused,
    a_tag_that_was_moved_in_the_registry_still_pulls_what_was_signed,
    a_pull_of_a_tag_whose_content_was_replaced_is_refused,
    a_later_push_moves_the_tag_for_clients_that_know_the_old_one,
    the_trust_servers_certificate_is_checked_against_the_ca_file,
];

on_every_database_with_debian_cli![
    a_signed_push_is_pulled_by_tag_from_a_clean_client,
    a_later_push_moves_the_tag_for_clients_that_know_the_old_one,
];

/// Everything a content-trust scenario needs: services, a publisher and a new reader.
struct Scene {
    trust: Trust,
    engine: Engine,
    publisher: Person,
    stranger: Person,
}

impl Scene {
    fn set(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<Self> {
        let (trust, engine) = (Trust::start(sandbox, pair)?, Engine::start(sandbox)?);
        let publisher = Person::new(sandbox, "publisher", cli, &engine, &trust.url())?;
        let stranger = Person::new(sandbox, "stranger", cli, &engine, &trust.url())?;
        Ok(Self {
            trust,
            engine,
            publisher,
            stranger,
        })
    }
}

fn a_signed_push_is_pulled_by_tag_from_a_clean_client(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let image = scene.engine.image("team/app:1");
    scene.publisher.makes_image(&image, "signed")?;
    let digest = scene.publisher.pushes_signed(&image)?;
    scene.publisher.forgets(&[&image])?;

    let pulled = scene.stranger.does(&["pull", &image])?;

    ensure!(
        pulled.contains(&digest),
        "{digest} was signed, but:\n{pulled}"
    );
    scene
        .stranger
        .does_untrusted(&["image", "inspect", &image])?;
    Ok(())
}

fn a_pull_of_an_unsigned_tag_is_refused(sandbox: &Sandbox, pair: Pair, cli: Cli) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let (signed, unsigned) = (
        scene.engine.image("app:signed"),
        scene.engine.image("app:unsigned"),
    );
    let elsewhere = scene.engine.image("elsewhere:1");
    scene.publisher.makes_image(&signed, "signed")?;
    scene.publisher.pushes_signed(&signed)?;
    for name in [&unsigned, &elsewhere] {
        scene.publisher.does_untrusted(&["tag", &signed, name])?;
        scene.publisher.pushes_unsigned(name)?;
    }

    // In a repository with trust data, and in one without.
    scene
        .stranger
        .docker(&["pull", &unsigned])?
        .fails_saying("trust data for unsigned")?;
    scene
        .stranger
        .docker(&["pull", &elsewhere])?
        .fails_saying("does not have trust data for")
}

fn a_tag_that_was_moved_in_the_registry_still_pulls_what_was_signed(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let image = scene.engine.image("app:1");
    scene.publisher.makes_image(&image, "signed")?;
    let signed = scene.publisher.pushes_signed(&image)?;
    scene.stranger.makes_image(&image, "slipped in")?;
    let slipped_in = scene.stranger.pushes_unsigned(&image)?;
    scene.publisher.forgets(&[&image])?;

    let pulled = scene.stranger.does(&["pull", &image])?;

    ensure!(
        signed != slipped_in && pulled.contains(&signed) && !pulled.contains(&slipped_in),
        "{pulled}"
    );
    Ok(())
}

fn a_pull_of_a_tag_whose_content_was_replaced_is_refused(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let (image, other) = (scene.engine.image("app:1"), scene.engine.image("app:other"));
    scene.publisher.makes_image(&image, "signed")?;
    let signed = scene.publisher.pushes_signed(&image)?;
    scene.publisher.makes_image(&other, "slipped in")?;
    let slipped_in = scene.publisher.pushes_unsigned(&other)?;
    scene.publisher.forgets(&[&image, &other])?;

    // The registry now answers with other content where the signed one was.
    fs::copy(scene.engine.blob(&slipped_in)?, scene.engine.blob(&signed)?)?;

    scene
        .stranger
        .docker(&["pull", &image])?
        .fails_saying("manifest verification failed for digest")
}

fn a_later_push_moves_the_tag_for_clients_that_know_the_old_one(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    let scene = Scene::set(sandbox, pair, cli)?;
    let image = scene.engine.image("app:latest");
    scene.publisher.makes_image(&image, "first")?;
    let first = scene.publisher.pushes_signed(&image)?;
    ensure!(
        scene.stranger.does(&["pull", &image])?.contains(&first),
        "the first is not there"
    );
    scene.publisher.makes_image(&image, "second")?;
    let second = scene.publisher.pushes_signed(&image)?;

    let pulled = scene.stranger.does(&["pull", &image])?;

    ensure!(
        pulled.contains(&second) && !pulled.contains(&first),
        "{second} was signed, but:\n{pulled}"
    );
    Ok(())
}

/// For a registry on loopback docker does not look at the trust server's certificate, so this image
/// has a registry elsewhere (an address for documentation), which inspecting trust data does not
/// contact.
fn the_trust_servers_certificate_is_checked_against_the_ca_file(
    sandbox: &Sandbox,
    pair: Pair,
    cli: Cli,
) -> Result<()> {
    const GUN: &str = "192.0.2.7:5000/app";
    let scene = Scene::set(sandbox, pair, cli)?;
    let owner = Collaborator::new(sandbox, "owner", &scene.trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "1")?;

    let without = scene.stranger.docker(&["trust", "inspect", GUN])?;
    ensure!(
        !without.has("SignedTag"),
        "trust data was taken from a server that nobody vouches for: {without}"
    );

    let folder = scene.stranger.config().join("tls").join(scene.trust.host());
    fs::create_dir_all(&folder)?;
    fs::copy(scene.trust.authority(), folder.join("ca.crt"))?;
    let with = scene.stranger.does(&["trust", "inspect", GUN])?;
    ensure!(with.contains(r#""SignedTag": "1""#), "{with}");
    Ok(())
}
