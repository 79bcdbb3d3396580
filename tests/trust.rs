//! A content-trust service under test: a server and a signer, each ours or Go's.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::certificates::{Files, Setup};
use crate::process::{Daemon, Said, client, program};
use crate::stage::Stage;

/// Who made a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// This workspace.
    Countersign,
    /// Docker's Notary 0.7, as Debian packages it.
    Notary,
}

/// Whose server and whose signer work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Whose `notary-server`.
    pub server: Make,
    /// Whose `notary-signer`.
    pub signer: Make,
}

impl Pair {
    /// Both ours.
    pub const COUNTERSIGN: Self = Self {
        server: Make::Countersign,
        signer: Make::Countersign,
    };
    /// Both Go's: what passes here is a fair test.
    pub const NOTARY: Self = Self {
        server: Make::Notary,
        signer: Make::Notary,
    };
    /// Our server in front of an existing Go signer.
    pub const OUR_SERVER: Self = Self {
        server: Make::Countersign,
        signer: Make::Notary,
    };
    /// Our signer behind an existing Go server.
    pub const OUR_SIGNER: Self = Self {
        server: Make::Notary,
        signer: Make::Countersign,
    };
}

/// A running server with its signer.
#[derive(Debug)]
pub struct Trust {
    pair: Pair,
    files: Files,
    folder: PathBuf,
    logs: [PathBuf; 2],
    server_address: SocketAddr,
    signer_address: SocketAddr,
    signer: Option<Daemon>,
    server: Option<Daemon>,
}

impl Trust {
    /// Starts `pair` with certificates of one authority.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start(stage: &Stage, pair: Pair) -> Result<Self> {
        Self::start_with(stage, pair, Setup::Issued)
    }

    /// Starts `pair`, which trusts each other as `setup` says.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start_with(stage: &Stage, pair: Pair, setup: Setup) -> Result<Self> {
        let folder = stage.folder("trust")?;
        let mut trust = Self {
            pair,
            files: Files::make(&folder, setup)?,
            logs: [stage.log("notary-server"), stage.log("notary-signer")],
            server_address: stage.address()?,
            signer_address: stage.address()?,
            signer: None,
            server: None,
            folder,
        };
        trust.start_signer()?;
        trust.start_server()?;
        Ok(trust)
    }

    /// Where clients find the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// Host and port of the server, as the docker CLI names its folder of certificates.
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.server_address.port())
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server_address
    }

    /// The certificate that clients are to trust.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.files.authority
    }

    /// Reads `path` from the server; nothing if it answers 404.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or answers anything but 200 and 404.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let body = self
            .folder
            .join(format!("body-{:?}", std::thread::current().id()));
        let mut curl = client("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--write-out",
            "%{http_code}",
            "--cacert",
        ])
        .arg(self.authority())
        .arg("--output")
        .arg(&body)
        .arg(format!("{}{path}", self.url()));
        match Said::by(curl, "")?.succeeds()?.as_str() {
            "200" => Ok(Some(fs::read(&body)?)),
            "404" => Ok(None),
            other => bail!(
                "{path}: {other}: {}",
                String::from_utf8_lossy(&fs::read(&body)?)
            ),
        }
    }

    /// Reads one file of a repository's metadata, which must be there.
    ///
    /// # Errors
    ///
    /// As [`Trust::read`], or if there is no such file.
    pub fn metadata(&self, gun: &str, file: &str) -> Result<Vec<u8>> {
        self.read(&format!("/v2/{gun}/_trust/tuf/{file}"))?
            .with_context(|| format!("{gun} has no {file}"))
    }

    /// Replaces every certificate by one of a new authority, and tells both programs.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn renew_certificates(&mut self) -> Result<()> {
        self.files = Files::make(&self.folder, Setup::Issued)?;
        for daemon in [&self.server, &self.signer].into_iter().flatten() {
            daemon.hang_up();
        }
        Ok(())
    }

    /// Kills the server, as a power cut would.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn kill_server(&mut self) -> Result<()> {
        self.server
            .take()
            .context("the server is not running")?
            .kill()
    }

    /// Kills the signer, as a power cut would.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn kill_signer(&mut self) -> Result<()> {
        self.signer
            .take()
            .context("the signer is not running")?
            .kill()
    }

    /// Starts the signer on what it left.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start_signer(&mut self) -> Result<()> {
        let config = self.folder.join("signer.json");
        fs::write(&config, serde_json::to_vec_pretty(&self.signer_config())?)?;
        let mut command = notary_program(self.pair.signer, "notary-signer")?;
        command
            .arg("-config")
            .arg(&config)
            .env("NOTARY_SIGNER_FIRST", "a passphrase for the keys at rest");
        let daemon = Daemon::start("notary-signer", &command, &self.logs[1])?;
        self.signer = Some(daemon.until_listening(self.signer_address)?);
        Ok(())
    }

    /// Starts the server on what it left.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start_server(&mut self) -> Result<()> {
        let mut command = notary_program(self.pair.server, "notary-server")?;
        command
            .arg("-config")
            .arg(self.configure_server(&self.folder.join("server.db"))?);
        self.run_server(&command)
    }

    /// Starts the server anew, with an empty database on a disk of its own that has `room` KiB.
    ///
    /// # Errors
    ///
    /// If it does not come up; making a disk needs root.
    pub fn restart_server_on_small_disk(&mut self, room: u32) -> Result<SmallDisk> {
        // The disk is seen by the server alone, and is gone with it.
        const SCRIPT: &str = "mount -t tmpfs -o size=$(($1 + $2))k none \"$3\"
            head -c $(($2 * 1024)) /dev/zero >\"$3/ballast\"
            exec \"$4\" -config \"$5\"";
        self.kill_server()?;
        let folder = self.folder.join("disk");
        fs::create_dir_all(&folder)?;
        let config = self.configure_server(&folder.join("server.db"))?;
        let server = notary_program(self.pair.server, "notary-server")?;
        let mut command = program("unshare");
        command
            .args(["--mount", "sh", "-euc", SCRIPT, "sh"])
            .args([room, SmallDisk::BALLAST].map(|kib| kib.to_string()))
            .arg(&folder)
            .arg(server.get_program())
            .arg(config);
        self.run_server(&command)?;
        let process = self
            .server
            .as_ref()
            .map(Daemon::id)
            .context("just started")?;
        let inside = folder.strip_prefix("/")?.join("ballast");
        Ok(SmallDisk {
            ballast: Path::new("/proc")
                .join(process.to_string())
                .join("root")
                .join(inside),
        })
    }

    fn configure_server(&self, database: &Path) -> Result<PathBuf> {
        let config = self.folder.join("server.json");
        fs::write(
            &config,
            serde_json::to_vec_pretty(&self.server_config(database))?,
        )?;
        Ok(config)
    }

    fn run_server(&mut self, command: &Command) -> Result<()> {
        let daemon = Daemon::start("notary-server", command, &self.logs[0])?;
        self.server = Some(daemon.until_listening(self.server_address)?);
        Ok(())
    }

    /// The server's configuration, in the form both makes read.
    fn server_config(&self, database: &Path) -> Value {
        let Files {
            server,
            client,
            signer_ca,
            ..
        } = &self.files;
        json!({
            "server": {
                "http_addr": self.server_address.to_string(),
                "tls_cert_file": server.certificate,
                "tls_key_file": server.key,
            },
            "trust_service": {
                "type": "remote",
                "hostname": "localhost",
                "port": self.signer_address.port().to_string(),
                "key_algorithm": "ecdsa",
                "tls_ca_file": signer_ca,
                "tls_client_cert": client.certificate,
                "tls_client_key": client.key,
            },
            "storage": storage(self.pair.server, database),
            "logging": {"level": "info"},
        })
    }

    /// The signer's configuration, in the form both makes read.
    fn signer_config(&self) -> Value {
        let Files {
            signer, client_ca, ..
        } = &self.files;
        let mut storage = storage(self.pair.signer, &self.folder.join("signer.db"));
        storage["default_alias"] = json!("first");
        json!({
            "server": {
                "grpc_addr": self.signer_address.to_string(),
                "tls_cert_file": signer.certificate,
                "tls_key_file": signer.key,
                "client_ca_file": client_ca,
            },
            "storage": storage,
            "logging": {"level": "info"},
        })
    }
}

/// A disk that fills up, with something on it that can be thrown away.
#[derive(Debug)]
pub struct SmallDisk {
    ballast: PathBuf,
}

impl SmallDisk {
    /// KiB that [`SmallDisk::make_room`] gives back.
    const BALLAST: u32 = 4096;

    /// Throws the ballast away.
    ///
    /// # Errors
    ///
    /// If the server with the disk is gone.
    pub fn make_room(self) -> Result<()> {
        fs::remove_file(&self.ballast).with_context(|| self.ballast.display().to_string())
    }
}

/// Where `make` keeps its rows: Go's programs bring no migrations for SQLite, so they keep theirs in memory.
fn storage(make: Make, database: &Path) -> Value {
    match make {
        Make::Countersign => json!({"backend": "sqlite3", "db_url": database}),
        Make::Notary => json!({"backend": "memory"}),
    }
}

/// The program `name` of `make`.
fn notary_program(make: Make, name: &str) -> Result<Command> {
    match make {
        Make::Countersign => built(name).map(program),
        Make::Notary => {
            let path = Path::new("/usr/bin").join(name);
            ensure!(
                path.exists(),
                "{} is missing: apt-get install notary",
                path.display()
            );
            Ok(program(path))
        }
    }
}

/// A program of this workspace, found in the folder where this test was built.
///
/// # Errors
///
/// If it has not been built.
pub fn built(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .ancestors()
        .nth(2)
        .context("a test lives in target/PROFILE/deps")?;
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is missing: cargo build --workspace --bins",
        path.display()
    );
    Ok(path)
}
