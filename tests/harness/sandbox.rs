//! Where a scenario is played: a folder and ports that no other test uses.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{process::tail, storage::Backend};

/// A scenario's own folder, ports and logs.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    backend: Backend,
}

/// Runs `scenario` in a sandbox of its own. If it fails, prints what every daemon in it logged.
///
/// # Errors
///
/// What the scenario returns.
pub fn play(scenario: impl FnOnce(&Sandbox) -> Result<()>) -> Result<()> {
    play_on(Backend::Own, scenario)
}

/// As [`play`], with a database server of its own for the programs of the scenario.
///
/// # Errors
///
/// What the scenario returns.
pub fn play_on(backend: Backend, scenario: impl FnOnce(&Sandbox) -> Result<()>) -> Result<()> {
    let sandbox = Sandbox::create(backend)?;
    play_in(&sandbox, scenario)
}

/// As [`play_on`], for a scenario that asks a server of Notary 0.7 for much at once. That server
/// dies now and then: what measures its requests goes through headers that a handler changes. If
/// its log says so, and only then, the scenario is played a second time.
///
/// # Errors
///
/// What the scenario returns.
pub fn play_beside_notary(
    backend: Backend,
    scenario: impl Fn(&Sandbox) -> Result<()>,
) -> Result<()> {
    let sandbox = Sandbox::create(backend)?;
    let outcome = play_in(&sandbox, &scenario);
    if outcome.is_err() && sandbox.has_logged("fatal error: concurrent map")? {
        eprintln!("Notary's server died of itself; playing the scenario again");
        return play_on(backend, scenario);
    }
    outcome
}

fn play_in(sandbox: &Sandbox, scenario: impl FnOnce(&Sandbox) -> Result<()>) -> Result<()> {
    let mut report = Report {
        sandbox,
        wanted: true,
    };
    let outcome = scenario(sandbox);
    report.wanted = outcome.is_err();
    outcome
}

impl Sandbox {
    fn create(backend: Backend) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .context("no temporary folder")?;
        Ok(Self { folder, backend })
    }

    /// Whether a program has written `words` to its log.
    fn has_logged(&self, words: &str) -> Result<bool> {
        for file in fs::read_dir(self.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|ending| ending == "log") {
                let log = String::from_utf8_lossy(&fs::read(path)?).into_owned();
                if log.contains(words) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The sandbox's folder, which is removed at the end.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the programs of the scenario keep their rows in.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// A folder on the sandbox, made when it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Writes `content` into the file `name` and answers its path.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let file = self.path().join(name);
        fs::write(&file, content)?;
        Ok(file)
    }

    /// The log of the daemon `name`; all logs are shown when the scenario fails.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.log"))
    }

    /// A loopback address that no process listens on.
    ///
    /// # Errors
    ///
    /// If every port this process may use is taken.
    pub fn address(&self) -> Result<SocketAddr> {
        loop {
            let port = first_port()
                .checked_add(TAKEN.fetch_add(1, Ordering::Relaxed))
                .context("no port is free")?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
    }
}

/// How many ports this process has tried: its tests may run at the same time.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// Ports for this process to try, below those the kernel gives to outgoing connections: tests run
/// in processes of their own, whose numbers follow each other, and each starts 16 ports further.
fn first_port() -> u16 {
    const LOWEST: u16 = 20_000;
    let slot = u16::try_from(std::process::id() % 700).unwrap_or_default();
    LOWEST + slot * 16
}

/// Prints the logs when a scenario returns an error or panics.
struct Report<'a> {
    sandbox: &'a Sandbox,
    wanted: bool,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if !self.wanted {
            return;
        }
        for entry in fs::read_dir(self.sandbox.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                eprintln!("=== {}\n{}\n", path.display(), tail(&path));
            }
        }
    }
}
