//! A docker engine with a registry, and people who use the docker CLI.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    accounts::Account,
    process::{Daemon, Said, client, program},
    registry::{RegistryAuth, start_registry},
    sandbox::Sandbox,
};

/// Which generation of the docker CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cli {
    /// 20.10, from Debian's `docker.io`.
    Debian,
    /// 28 or later, where the machine has one.
    Newer,
}

impl Cli {
    /// The program of this generation.
    ///
    /// # Errors
    ///
    /// If this machine has none.
    pub fn find(self) -> Result<PathBuf> {
        const PLACES: [&str; 2] = ["/usr/bin/docker", "/usr/local/bin/docker"];
        let found = PLACES.iter().map(PathBuf::from).find(|path| {
            let wanted = |major| {
                if self == Self::Debian {
                    major == 20
                } else {
                    major >= 28
                }
            };
            path.exists() && major_version(path).is_some_and(wanted)
        });
        found.with_context(|| match self {
            Self::Debian => "no docker CLI 20.10: apt-get install docker.io",
            Self::Newer => "no docker CLI 28 or later in /usr/local/bin: install one, or leave out the tests named newer_cli",
        })
    }
}

/// 28 out of "Docker version 28.2.2, build e6534b4".
fn major_version(cli: &Path) -> Option<u32> {
    let mut command = program(cli);
    command.arg("--version");
    let said = Said::by(command, "").ok()?;
    said.output
        .split_whitespace()
        .nth(2)?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// A docker engine and a registry of their own.
#[derive(Debug)]
pub struct Engine {
    _registry: Daemon,
    _dockerd: Daemon,
    socket: PathBuf,
    registry_address: SocketAddr,
    registry_root: PathBuf,
}

impl Engine {
    /// Starts both, empty.
    ///
    /// # Errors
    ///
    /// If one is not installed or does not come up; dockerd needs root.
    pub fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_at(sandbox, sandbox.address()?, &RegistryAuth::None)
    }

    /// Starts both, empty, the registry at this address and with this way to let people in.
    ///
    /// # Errors
    ///
    /// As [`Engine::start`].
    pub fn start_at(
        sandbox: &Sandbox,
        registry_address: SocketAddr,
        auth: &RegistryAuth,
    ) -> Result<Self> {
        let registry_root = sandbox.folder("registry")?;
        let socket = sandbox.path().join("docker.sock");
        Ok(Self {
            _registry: start_registry(sandbox, registry_address, &registry_root, auth)?,
            _dockerd: start_dockerd(sandbox, &socket)?,
            socket,
            registry_address,
            registry_root,
        })
    }

    /// The full name of `repository` in the registry.
    #[must_use]
    pub fn image(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host())
    }

    /// The registry's host and port, as image names and logins spell it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.registry_address.port())
    }

    /// The file in which the registry keeps the blob `digest` (`sha256:…`).
    ///
    /// # Errors
    ///
    /// If the registry has no such blob.
    pub fn blob(&self, digest: &str) -> Result<PathBuf> {
        let hex = digest
            .strip_prefix("sha256:")
            .context("not a sha256 digest")?;
        let first = hex.get(..2).context("not a sha256 digest")?;
        let file = self
            .registry_root
            .join("docker/registry/v2/blobs/sha256")
            .join(first)
            .join(hex)
            .join("data");
        ensure!(file.exists(), "the registry has no {digest}");
        Ok(file)
    }
}

fn start_dockerd(sandbox: &Sandbox, socket: &Path) -> Result<Daemon> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "dockerd has to be started as root"
    );
    let folder = sandbox.folder("dockerd")?;
    let dockerd = require_installed("/usr/sbin/dockerd", "docker.io")?;
    // Its mounts are its own, and gone with it however it ends.
    let mut command = program("unshare");
    command
        .arg("--mount")
        .arg(dockerd.get_program())
        .arg("--host")
        .arg(format!("unix://{}", socket.display()))
        .arg("--data-root")
        .arg(folder.join("data"))
        .arg("--exec-root")
        .arg(folder.join("exec"))
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .arg("--config-file")
        .arg(sandbox.file("dockerd.json", "{}")?)
        // No container is ever run: nothing of the machine's network has to be touched.
        .args([
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
        ])
        .envs(["HOME", "TMPDIR"].map(|name| (name, &folder)));
    let mut dockerd = Daemon::start("dockerd", &command, &sandbox.log("dockerd"))?;
    dockerd.until("answers", || {
        std::os::unix::net::UnixStream::connect(socket).is_ok()
    })?;
    Ok(dockerd)
}

pub(crate) fn require_installed(path: &str, package: &str) -> Result<Command> {
    ensure!(
        Path::new(path).exists(),
        "{path} is missing: apt-get install {package}"
    );
    Ok(program(path))
}

/// One person's docker CLI, with keys and a cache of their own.
#[derive(Clone, Debug)]
pub struct Person {
    cli: PathBuf,
    socket: PathBuf,
    folder: PathBuf,
    trust_server: String,
}

impl Person {
    /// A new user, who trusts what `trust_server` says.
    ///
    /// # Errors
    ///
    /// If this machine does not have the CLI.
    pub fn new(
        sandbox: &Sandbox,
        name: &str,
        cli: Cli,
        engine: &Engine,
        trust_server: &str,
    ) -> Result<Self> {
        Ok(Self {
            cli: cli.find()?,
            socket: engine.socket.clone(),
            folder: sandbox.folder(&format!("people/{name}"))?,
            trust_server: trust_server.to_owned(),
        })
    }

    /// Where this person's files are; the CLI runs here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The CLI's own folder (`DOCKER_CONFIG`).
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join(".docker")
    }

    /// Logs in at the registry, as people do once for registry and trust server.
    ///
    /// # Errors
    ///
    /// If the registry refuses.
    pub fn logs_in(&self, account: Account, registry: &str) -> Result<()> {
        let login = [
            "login",
            "--username",
            account.user,
            "--password-stdin",
            registry,
        ];
        let said = self.answers(&login, account.password)?.succeeds()?;
        ensure!(said.contains("Login Succeeded"), "{said}");
        Ok(())
    }

    /// The folder in which the CLI looks for certificates for the trust server, made if it is not
    /// there.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn certificates(&self) -> Result<PathBuf> {
        let host = self.trust_server.trim_start_matches("https://");
        let folder = self.config().join("tls").join(host);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Gives this person the keys of `other`, as a thief would.
    ///
    /// # Errors
    ///
    /// If `other` has none.
    pub fn takes_keys_of(&self, other: &Self) -> Result<()> {
        let keys = self.config().join("trust/private");
        fs::create_dir_all(&keys)?;
        let mut copy = client("cp");
        copy.arg("--archive")
            .arg(other.config().join("trust/private/."))
            .arg(keys);
        Said::by(copy, "")?.succeeds()?;
        Ok(())
    }

    /// Runs the CLI with content trust on, and `input` on its standard input.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn answers(&self, arguments: &[&str], input: &str) -> Result<Said> {
        let mut command = self.command(arguments);
        command.env("DOCKER_CONTENT_TRUST", "1");
        Said::by(command, input)
    }

    /// Runs the CLI with content trust on.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn docker(&self, arguments: &[&str]) -> Result<Said> {
        self.answers(arguments, "")
    }

    /// Runs the CLI with content trust on; it must succeed.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn does(&self, arguments: &[&str]) -> Result<String> {
        self.docker(arguments)?.succeeds()
    }

    /// Runs the CLI without content trust; it must succeed.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn does_untrusted(&self, arguments: &[&str]) -> Result<String> {
        Said::by(self.command(arguments), "")?.succeeds()
    }

    /// Makes an image whose one file holds `content`.
    ///
    /// # Errors
    ///
    /// If the engine refuses it.
    pub fn makes_image(&self, name: &str, content: &str) -> Result<()> {
        let (file, archive) = (self.folder.join("content"), self.folder.join("image.tar"));
        fs::write(&file, content)?;
        let mut tar = client("tar");
        tar.arg("--create")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(&self.folder)
            .arg("content");
        Said::by(tar, "")?.succeeds()?;
        self.does_untrusted(&["import", "image.tar", name])?;
        Ok(())
    }

    /// Pushes with content trust and answers the digest that was signed.
    ///
    /// # Errors
    ///
    /// If it fails or signs nothing.
    pub fn pushes_signed(&self, image: &str) -> Result<String> {
        let said = self.does(&["push", image])?;
        ensure!(
            said.contains(&format!("Successfully signed {image}")),
            "nothing was signed:\n{said}"
        );
        pushed_digest(&said)
    }

    /// Pushes without content trust and answers the digest.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn pushes_unsigned(&self, image: &str) -> Result<String> {
        pushed_digest(&self.does_untrusted(&["push", image])?)
    }

    /// Takes an image out of the engine, so that only the registry has it.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn forgets(&self, images: &[&str]) -> Result<()> {
        self.does_untrusted(&[&["rmi", "--force"], images].concat())?;
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = client(&self.cli);
        command
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("DOCKER_CONFIG", self.config())
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_CONTENT_TRUST_SERVER", &self.trust_server)
            .env(
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
                "a passphrase for root",
            )
            .env(
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                "a passphrase for the repository",
            )
            .args(arguments);
        command
    }
}

/// The digest in the last line that a push prints of it: `1: digest: sha256:… size: 523`.
fn pushed_digest(said: &str) -> Result<String> {
    let digest = said
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"));
    Ok(digest
        .with_context(|| format!("no digest in {said}"))?
        .to_owned())
}
