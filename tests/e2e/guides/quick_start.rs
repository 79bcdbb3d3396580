//! `quick-start.md`: sign, verify, refuse.

use anyhow::{Result, ensure};
use harness::{Cli, Engine, Pair, Sandbox, Trust};

use super::{Guide, Names, Reader};

#[test]
fn the_quick_start_signs_verifies_and_refuses() -> Result<()> {
    harness::play(|sandbox| journey(sandbox, Cli::Debian))
}

mod newer_cli {
    use anyhow::Result;
    use harness::Cli;

    #[test]
    fn the_quick_start_signs_verifies_and_refuses() -> Result<()> {
        harness::play(|sandbox| super::journey(sandbox, Cli::Newer))
    }
}

fn journey(sandbox: &Sandbox, cli: Cli) -> Result<()> {
    let (trust, engine) = (
        Trust::start(sandbox, Pair::COUNTERSIGN)?,
        Engine::start(sandbox)?,
    );
    let names = Names::default()
        .and("localhost:4443", &trust.host())
        .and("localhost:5000", &engine.host());
    let reader = Reader::new(sandbox, "reader", cli, &names, trust.authority())?;
    let guide = Guide::open("quick-start.md")?;

    reader.does(&guide, "settings")?;
    reader.does(&guide, "build")?;
    let pushed = reader.does(&guide, "push")?;
    ensure!(pushed.contains("Successfully signed"), "{pushed}");
    let signed = reader.does(&guide, "pull")?;
    ensure!(signed.contains("Pull (1 of 1)"), "{signed}");
    let inspected = reader.does(&guide, "inspect")?;
    ensure!(inspected.contains("(Repo Admin)"), "{inspected}");

    reader.does(&guide, "slip-in")?;
    reader.fails(&guide, "refused", "No valid trust data for 2.0")?;
    let moved = reader.does(&guide, "moved")?;
    ensure!(
        pulled(&moved) == pulled(&signed) && pulled(&moved).is_some(),
        "{signed}\n{moved}"
    );
    guide.is_done()
}

/// The digest that docker says it pulls.
fn pulled(said: &str) -> Option<&str> {
    let line = said
        .lines()
        .find(|line| line.starts_with("Pull (1 of 1)"))?;
    line.split_once('@').map(|(_, digest)| digest)
}
