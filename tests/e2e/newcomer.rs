//! The first five minutes of a new user: one command, three lines to paste, and docker signs and
//! verifies.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Cli, Collaborator, Daemon, Engine, Person, Said, Sandbox, pair,
    process::{client, program},
};

/// The one command, started in an empty folder.
struct Countersign {
    daemon: Daemon,
    home: PathBuf,
    server: SocketAddr,
}

impl Countersign {
    fn up(sandbox: &Sandbox, home: &Path, server: SocketAddr, signer: SocketAddr) -> Result<Self> {
        let mut command = program(pair::find_built("countersign")?);
        command.current_dir(home).env("HOME", home).args([
            "up",
            "--listen",
            &server.to_string(),
            "--signer-listen",
            &signer.to_string(),
        ]);
        let log = sandbox.log("countersign");
        drop(std::fs::remove_file(&log));
        let mut daemon = Daemon::start("countersign", &command, &log)?;
        daemon.until("printed what to paste", || printed_lines(&log).len() == 3)?;
        Ok(Self {
            daemon,
            home: home.to_owned(),
            server,
        })
    }

    /// What a shell's environment is after the three printed lines were pasted into it.
    fn paste(&self) -> Result<Vec<(String, String)>> {
        let mut shell = client("sh");
        let lines = printed_lines(&self.daemon.log).join("\n");
        shell
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .arg("-ec")
            .arg(format!("{lines}\nenv"));
        let environment = Said::by(shell, "")?.succeeds()?;
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        Ok(variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

/// The lines to paste are the only ones that shells would run.
fn printed_lines(log: &Path) -> Vec<String> {
    let printed = std::fs::read_to_string(log).unwrap_or_default();
    let lines = printed.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("export ") || line.starts_with("mkdir "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_printed_lines_let_docker_push_and_pull_with_content_trust() -> Result<()> {
    harness::play(|sandbox| newcomer(sandbox, Cli::Debian))
}

mod newer_cli {
    use anyhow::Result;
    use harness::Cli;

    #[test]
    fn the_printed_lines_let_docker_push_and_pull_with_content_trust() -> Result<()> {
        harness::play(|sandbox| super::newcomer(sandbox, Cli::Newer))
    }
}

fn newcomer(sandbox: &Sandbox, cli: Cli) -> Result<()> {
    let engine = Engine::start(sandbox)?;
    let (server, signer) = (sandbox.address()?, sandbox.address()?);
    let countersign =
        Countersign::up(sandbox, &sandbox.folder("people/newcomer")?, server, signer)?;
    let pasted = countersign.paste()?;
    let value = |name: &str| {
        pasted
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    ensure!(value("DOCKER_CONTENT_TRUST") == Some("1"), "{pasted:?}");
    let url = value("DOCKER_CONTENT_TRUST_SERVER").context("no trust server among the lines")?;
    ensure!(
        url.ends_with(&format!("localhost:{}", countersign.server.port())),
        "{url}"
    );
    let newcomer = Person::new(sandbox, "newcomer", cli, &engine, url)?;
    let image = engine.image("hello:1");
    newcomer.makes_image(&image, "hello")?;
    let digest = newcomer.pushes_signed(&image)?;
    newcomer.forgets(&[&image])?;
    let pulled = newcomer.does(&["pull", &image])?;
    ensure!(pulled.contains(&digest), "{pulled}");
    the_ca_is_where_docker_looks(&newcomer, url)?;

    // Ctrl-C, and the same command again: everything is as it was.
    let home = countersign.home;
    let status = countersign.daemon.interrupt()?;
    ensure!(status.success(), "Ctrl-C ended it with {status}");
    let _again = Countersign::up(sandbox, &home, server, signer)?;
    let stranger = Person::new(sandbox, "stranger", cli, &engine, url)?;
    ensure!(
        stranger.does(&["pull", &image])?.contains(&digest),
        "the second start forgot what was signed"
    );
    newcomer.makes_image(&image, "hello again")?;
    newcomer.pushes_signed(&image)?;
    Ok(())
}

#[test]
fn a_sealed_backup_makes_the_service_again_where_everything_was_lost() -> Result<()> {
    harness::play(|sandbox| {
        const GUN: &str = "registry.example.com/team/app";
        let home = sandbox.folder("people/operator")?;
        let (server, signer) = (sandbox.address()?, sandbox.address()?);
        let runs = |arguments: &[&str]| -> Result<String> {
            let mut command = client(pair::find_built("countersign")?);
            command.current_dir(&home).env("HOME", &home);
            command.args(arguments);
            Said::by(command, "")?.succeeds()
        };
        let countersign = Countersign::up(sandbox, &home, server, signer)?;
        let data = home.join(".countersign");
        let ca = home.join("root-ca.crt");
        std::fs::copy(data.join("root-ca.crt"), &ca)?;
        let url = format!("https://localhost:{}", server.port());
        let publisher = Collaborator::of(sandbox, "publisher", url.clone(), &ca)?;
        publisher.does(&["init", "--publish", GUN])?;
        publisher.publishes(GUN, "v1")?;
        runs(&["escrow-key", "generate", "private.pem", "public.pem"])?;
        runs(&["backup", "monday", "--escrow", "public.pem"])?;
        countersign.daemon.interrupt()?;
        std::fs::remove_dir_all(&data)?;

        runs(&["restore", "monday", "--escrow-key", "private.pem"])?;

        let _again = Countersign::up(sandbox, &home, server, signer)?;
        publisher.sees(GUN, &["v1:targets"])?;
        publisher.publishes(GUN, "v2")?;
        let newcomer = Collaborator::of(sandbox, "newcomer", url, &ca)?;
        newcomer.sees(GUN, &["v1:targets", "v2:targets"])
    })
}

/// An image of another registry makes docker check the certificate, and inspecting it contacts no
/// registry.
fn the_ca_is_where_docker_looks(newcomer: &Person, url: &str) -> Result<()> {
    const ELSEWHERE: &str = "192.0.2.7:5000/hello";
    let key = harness::certificates::Leaf::key_pair()?.1;
    std::fs::write(newcomer.folder().join("friend.pub"), key)?;
    newcomer.does(&[
        "trust",
        "signer",
        "add",
        "friend",
        "--key",
        "friend.pub",
        ELSEWHERE,
    ])?;
    let inspected = newcomer.does(&["trust", "inspect", ELSEWHERE])?;
    ensure!(
        inspected.contains(r#""Name": "friend""#),
        "{url} was not believed:\n{inspected}"
    );
    Ok(())
}
