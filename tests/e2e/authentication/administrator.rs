//! One administrator, named by `NOTARY_AUTH` in the server's environment, and no other user.

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use harness::{
    Account, AuthSetup, Cli, Collaborator, Engine, Pair, Person, RegistryAuth, Sandbox, Trust,
    scan_for_secrets,
};
use serde_json::json;

use super::{NOT_AUTHORIZED, WRONG_PASSWORD, has_nothing, passwords, root_of, targets};

on_our_pair![
    notary_reads_and_publishes_with_the_same_variable_that_the_server_has,
    notary_cannot_read_where_no_tokens_are_given,
    the_variable_is_read_in_every_form_that_people_write,
    docker_signs_after_its_login_at_the_registry,
    docker_signs_where_no_tokens_are_given,
];

mod newer_cli {
    fn docker_signs_after_its_login_at_the_registry(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::docker_signs(sandbox, pair, harness::Cli::Newer, &super::usual(sandbox))
    }

    fn docker_signs_where_no_tokens_are_given(
        sandbox: &harness::Sandbox,
        pair: harness::Pair,
    ) -> anyhow::Result<()> {
        super::docker_signs(
            sandbox,
            pair,
            harness::Cli::Newer,
            &super::without_tokens(sandbox),
        )
    }

    on_our_pair![
        docker_signs_after_its_login_at_the_registry,
        docker_signs_where_no_tokens_are_given,
    ];
}

/// What the notary CLI says where a password is asked for and it has none to show.
const NO_CREDENTIALS: &str = "no basic auth credentials";

const GUN: &str = "example.com/team/app";
const ADMIN: Account = Account::of("admin", "the:Administrator's wörd");
/// The administrator, mistaken about the password.
const MISTAKEN: Account = Account::of("admin", "the administrator of yesterday");

fn auth_setup(sandbox: &Sandbox, variable: &str) -> AuthSetup {
    AuthSetup::unmentioned()
        .with_audit_file(&sandbox.log("audit"))
        .and_variable("NOTARY_AUTH", variable)
}

/// A server that is told who the administrator is, and nothing else.
fn usual(sandbox: &Sandbox) -> AuthSetup {
    auth_setup(sandbox, &ADMIN.to_base64())
}

/// The same, which asks for the password with each request.
fn without_tokens(sandbox: &Sandbox) -> AuthSetup {
    usual(sandbox).and("auth", json!({"token_service": false}))
}

fn notary_reads_and_publishes_with_the_same_variable_that_the_server_has(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    const OTHER: &str = "example.com/team/other";
    let trust = Trust::start_guarded(sandbox, pair, usual(sandbox))?;
    let person = |name| Collaborator::new(sandbox, name, &trust);
    let admin = person("admin")?.known_as(ADMIN);
    admin.does(&["init", GUN])?;
    admin.publishes(GUN, "v1")?;
    admin.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
    admin.publishes(GUN, "v2")?;
    admin.sees(GUN, &["v1:targets", "v2:targets"])?;
    let elsewhere = person("elsewhere")?.known_as(ADMIN);
    elsewhere.sees(GUN, &["v1:targets", "v2:targets"])?;

    let (mistaken, nobody) = (person("mistaken")?.known_as(MISTAKEN), person("nobody")?);
    for (person, reason) in [(&mistaken, WRONG_PASSWORD), (&nobody, NOT_AUTHORIZED)] {
        person.notary(&["list", GUN])?.fails_saying(reason)?;
        person
            .notary(&["init", OTHER, "--publish"])?
            .fails_saying(reason)?;
        has_nothing(&trust, OTHER, ADMIN)?;
    }
    admin.does(&["key", "rotate", GUN, "timestamp", "--server-managed"])?;
    admin.does(&["delete", GUN, "--remote"])?;
    has_nothing(&trust, GUN, ADMIN)?;
    scan_for_secrets(sandbox, &[ADMIN, MISTAKEN])
}

fn notary_cannot_read_where_no_tokens_are_given(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start_guarded(sandbox, pair, without_tokens(sandbox))?;
    let person = |name| Collaborator::new(sandbox, name, &trust);
    let admin = person("admin")?.known_as(ADMIN);
    admin.does(&["init", GUN])?;
    admin.publishes(GUN, "v1")?;
    admin.does(&["key", "rotate", GUN, "snapshot", "--server-managed"])?;
    ensure!(targets(&trust, GUN, ADMIN)? == ["v1"]);

    // To read, the notary CLI shows its password to token services alone.
    for person in [person("elsewhere")?.known_as(ADMIN), person("nobody")?] {
        person
            .notary(&["list", GUN])?
            .fails_saying(NO_CREDENTIALS)?;
    }
    person("mistaken")?
        .known_as(MISTAKEN)
        .notary(&["init", "example.com/team/other", "--publish"])?
        .fails_saying(NOT_AUTHORIZED)?;
    ensure!(trust.get("/auth/token")?.status == 401);
    admin.does(&["delete", GUN, "--remote"])?;
    has_nothing(&trust, GUN, ADMIN)?;
    scan_for_secrets(sandbox, &[ADMIN, MISTAKEN])
}

fn the_variable_is_read_in_every_form_that_people_write(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let encoded = |text: &str| STANDARD.encode(text);
    let both = ADMIN.plain();
    let (user, password) = (ADMIN.user, ADMIN.password);
    let mut wrapped = encoded(&both);
    wrapped.insert(20, '\n');
    let forms = [
        encoded(&both),
        encoded(&format!("{both}\n")),
        wrapped,
        format!("{}:{}", encoded(user), encoded(password)),
        format!(
            "{}:{}",
            encoded(&format!("{user}\n")),
            encoded(&format!("{password}\n"))
        ),
    ];
    let mut trust = Trust::start_guarded(sandbox, pair, auth_setup(sandbox, &forms[0]))?;
    for form in &forms {
        trust.restart_server(auth_setup(sandbox, form))?;
        lets_in_the_administrator_alone(&trust)?;
    }
    let file = sandbox.file("administrator", format!("{}\n", forms[0]))?;
    let named = AuthSetup::unmentioned().and_variable("NOTARY_AUTH_FILE", &file.to_string_lossy());
    trust.restart_server(named)?;
    lets_in_the_administrator_alone(&trust)?;

    scan_for_secrets(sandbox, &[ADMIN, MISTAKEN])
}

fn lets_in_the_administrator_alone(trust: &Trust) -> Result<()> {
    let statuses = [
        trust.get_as(ADMIN, "/v2/")?.status,
        trust.get_as(MISTAKEN, "/v2/")?.status,
        trust.get("/v2/")?.status,
        trust.get(&root_of(GUN))?.status,
    ];
    ensure!(statuses == [200, 401, 401, 401], "{statuses:?}");
    let challenge = trust.get("/v2/")?;
    let challenge = challenge.header("www-authenticate").unwrap_or_default();
    ensure!(challenge.starts_with("Bearer realm="), "{challenge:?}");
    Ok(())
}

fn docker_signs_after_its_login_at_the_registry(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    docker_signs(sandbox, pair, Cli::Debian, &usual(sandbox))
}

fn docker_signs_where_no_tokens_are_given(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    docker_signs(sandbox, pair, Cli::Debian, &without_tokens(sandbox))
}

fn docker_signs(sandbox: &Sandbox, pair: Pair, cli: Cli, auth_setup: &AuthSetup) -> Result<()> {
    let trust = Trust::start_guarded(sandbox, pair, auth_setup.clone())?;
    let refusal = match trust.get("/v2/")?.header("www-authenticate") {
        Some(challenge) if challenge.starts_with("Bearer") => WRONG_PASSWORD,
        _ => NOT_AUTHORIZED,
    };
    let registry = RegistryAuth::Htpasswd(passwords(sandbox, &[ADMIN, Account::BOB])?);
    let engine = Engine::start_at(sandbox, sandbox.address()?, &registry)?;
    let person = |name| Person::new(sandbox, name, cli, &engine, &trust.url());
    let (admin, bob) = (person("admin")?, person("bob")?);
    admin.logs_in(ADMIN, &engine.host())?;
    bob.logs_in(Account::BOB, &engine.host())?;
    let image = engine.image("team/app:1");
    admin.makes_image(&image, "signed")?;

    let digest = admin.pushes_signed(&image)?;

    admin.forgets(&[&image])?;
    let pulled = admin.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    // The registry knows bob, the trust server does not.
    bob.docker(&["pull", &image])?.fails_saying(refusal)?;
    let own = engine.image("bobs/app");
    let tagged = format!("{own}:1");
    bob.does_untrusted(&["tag", &image, &tagged])?;
    bob.docker(&["push", &tagged])?.fails_saying(refusal)?;
    has_nothing(&trust, &own, ADMIN)?;
    scan_for_secrets(sandbox, &[ADMIN, MISTAKEN, Account::BOB])
}
