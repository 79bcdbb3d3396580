//! A content-trust service under test: a server and a signer, each ours or Go's.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    auth_setup::AuthSetup,
    certificates::{Files, Setup},
    pair::{Make, Pair, notary_program},
    process::{Daemon, program},
    sandbox::Sandbox,
    storage::{Database, Owner},
};

/// Where programs reach what they depend on, if something stands between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routes {
    /// The database server, for both programs.
    pub database: Option<SocketAddr>,
    /// The database server, for the signer, if its way is another than the server's.
    pub signers_database: Option<SocketAddr>,
    /// The signer, for the server.
    pub signer: Option<SocketAddr>,
}

/// Where a service stands that shares its sandbox with others.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// What its folder and logs are called.
    pub name: String,
    /// Its databases; without, each program keeps its rows in its own way.
    pub database: Option<Arc<Database>>,
    /// Where programs of ours are, if not where this one was built.
    pub programs: Option<PathBuf>,
    /// More settings of `notary-server`, by section.
    pub settings: Value,
}

/// A running server with its signer.
#[derive(Debug)]
pub struct Trust {
    pair: Pair,
    files: Files,
    folder: PathBuf,
    logs: [PathBuf; 2],
    server_address: SocketAddr,
    /// Where clients find the server, if not there.
    front: Option<SocketAddr>,
    signer_address: SocketAddr,
    /// How the programs reach the database and the server its signer, if not straight.
    routes: Routes,
    signer: Option<Daemon>,
    server: Option<Daemon>,
    auth_setup: AuthSetup,
    programs: Option<PathBuf>,
    settings: Value,
    /// Last, so that it outlives those who use it.
    database: Option<Arc<Database>>,
}

impl Trust {
    /// Starts `pair` with certificates of one authority.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start(sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        Self::start_with(sandbox, pair, Setup::Issued)
    }

    /// Starts `pair`, which trusts each other as `setup` says.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start_with(sandbox: &Sandbox, pair: Pair, setup: Setup) -> Result<Self> {
        Self::start_all(sandbox, pair, setup, AuthSetup::default(), Value::Null)
    }

    /// Starts `pair` with more settings of `notary-server`, by section.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start_set(sandbox: &Sandbox, pair: Pair, settings: Value) -> Result<Self> {
        let auth_setup = AuthSetup::default();
        Self::start_all(sandbox, pair, Setup::Issued, auth_setup, settings)
    }

    /// Starts `pair` with a server that lets in whom `auth_setup` says.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start_guarded(sandbox: &Sandbox, pair: Pair, auth_setup: AuthSetup) -> Result<Self> {
        Self::start_all(sandbox, pair, Setup::Issued, auth_setup, Value::Null)
    }

    fn start_all(
        sandbox: &Sandbox,
        pair: Pair,
        setup: Setup,
        auth_setup: AuthSetup,
        settings: Value,
    ) -> Result<Self> {
        let folder = sandbox.folder("trust")?;
        let mut trust = Self {
            pair,
            files: Files::make(&folder, setup)?,
            logs: [sandbox.log("notary-server"), sandbox.log("notary-signer")],
            server_address: sandbox.address()?,
            front: None,
            signer_address: sandbox.address()?,
            routes: Routes::default(),
            signer: None,
            server: None,
            auth_setup,
            programs: None,
            settings,
            database: Database::start(sandbox.backend())?.map(Arc::new),
            folder,
        };
        trust.start_both()?;
        Ok(trust)
    }

    /// Starts `pair` where `placement` says, whatever the sandbox is played on.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn place(sandbox: &Sandbox, pair: Pair, placement: Placement) -> Result<Self> {
        let Placement {
            name,
            database,
            programs,
            settings,
        } = placement;
        let folder = sandbox.folder(&name)?;
        let mut trust = Self {
            pair,
            files: Files::make(&folder, Setup::Issued)?,
            logs: ["server", "signer"].map(|program| sandbox.log(&format!("{name}-{program}"))),
            server_address: sandbox.address()?,
            front: None,
            signer_address: sandbox.address()?,
            routes: Routes::default(),
            signer: None,
            server: None,
            auth_setup: AuthSetup::default(),
            programs,
            settings,
            database,
            folder,
        };
        trust.start_both()?;
        Ok(trust)
    }

    fn start_both(&mut self) -> Result<()> {
        self.configure("signer.json", &self.signer_config())?;
        self.configure(
            "server.json",
            &self.server_config(&self.folder.join("server.db")),
        )?;
        self.start_signer()?;
        self.start_server()
    }

    /// Where clients find the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// Host and port of the server, as the docker CLI names its folder of certificates.
    #[must_use]
    pub fn host(&self) -> String {
        let address = self.front.unwrap_or(self.server_address);
        format!("localhost:{}", address.port())
    }

    /// Lets clients go through what stands before the server at `address`.
    pub fn put_behind(&mut self, address: SocketAddr) {
        self.front = Some(address);
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server_address
    }

    /// The signer's address.
    #[must_use]
    pub fn signer_address(&self) -> SocketAddr {
        self.signer_address
    }

    /// Starts both programs again; they reach what they depend on as `routes` say.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn reroute(&mut self, routes: Routes) -> Result<()> {
        (self.server, self.signer) = (None, None);
        self.routes = routes;
        self.start_both()
    }

    /// The running server.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn server(&self) -> Result<&Daemon> {
        self.server.as_ref().context("the server is not running")
    }

    /// The running signer.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn signer(&self) -> Result<&Daemon> {
        self.signer.as_ref().context("the signer is not running")
    }

    /// The certificate that clients are to trust.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.files.authority
    }

    /// The folder of the two programs, with their configuration files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database that both programs use, if the scenario is played on one.
    ///
    /// # Errors
    ///
    /// If each program keeps its rows in its own way.
    pub fn database(&self) -> Result<&Database> {
        self.database
            .as_deref()
            .context("this scenario has no database server")
    }

    /// Ends both programs and starts those of `pair` instead: with the same configuration files on
    /// the same addresses and databases.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn hand_over_to(&mut self, pair: Pair) -> Result<()> {
        (self.server, self.signer) = (None, None);
        self.pair = pair;
        self.start_signer()?;
        self.start_server()
    }

    /// Starts `pair` beside this one: on addresses of its own, on the same databases, and with the
    /// same certificates.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn beside(&self, sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        ensure!(self.database.is_some(), "nothing to share");
        let address = sandbox.address()?;
        let name = |program: &str| sandbox.log(&format!("{program}-{}", address.port()));
        let mut other = Self {
            pair,
            files: self.files.clone(),
            folder: sandbox.folder(&format!("trust-{}", address.port()))?,
            logs: [name("notary-server"), name("notary-signer")],
            server_address: address,
            front: None,
            signer_address: sandbox.address()?,
            routes: Routes::default(),
            database: self.database.clone(),
            auth_setup: self.auth_setup.clone(),
            programs: self.programs.clone(),
            settings: self.settings.clone(),
            signer: None,
            server: None,
        };
        other.start_both()?;
        Ok(other)
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

    /// Ends both programs.
    pub fn stop(&mut self) {
        (self.server, self.signer) = (None, None);
    }

    /// Starts both programs at the same moment, on what they left.
    ///
    /// # Errors
    ///
    /// If one of the two does not come up.
    pub fn start_at_once(&mut self) -> Result<()> {
        let signer = Daemon::start("notary-signer", &self.invoke_signer()?, &self.logs[1])?;
        let server = Daemon::start("notary-server", &self.invoke_server()?, &self.logs[0])?;
        self.signer = Some(signer.until_listening(self.signer_address)?);
        self.server = Some(server.until_listening(self.server_address)?);
        Ok(())
    }

    /// Starts the signer on what it left.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start_signer(&mut self) -> Result<()> {
        let daemon = Daemon::start("notary-signer", &self.invoke_signer()?, &self.logs[1])?;
        self.signer = Some(daemon.until_listening(self.signer_address)?);
        Ok(())
    }

    fn invoke_signer(&self) -> Result<Command> {
        let mut command = self.program(self.pair.signer, "notary-signer")?;
        command
            .arg("-config")
            .arg(self.folder.join("signer.json"))
            .envs(PASSPHRASES);
        Ok(command)
    }

    /// Starts the server on what it left.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start_server(&mut self) -> Result<()> {
        self.run_server(&self.invoke_server()?)
    }

    fn invoke_server(&self) -> Result<Command> {
        let mut command = self.program(self.pair.server, "notary-server")?;
        command
            .arg("-config")
            .arg(self.folder.join("server.json"))
            .envs(self.auth_setup.environment());
        Ok(command)
    }

    /// Ends the server and starts it again, on what it left, with another `auth_setup`.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn restart_server(&mut self, auth_setup: AuthSetup) -> Result<()> {
        self.server = None;
        self.auth_setup = auth_setup;
        let config = self.server_config(&self.folder.join("server.db"));
        self.configure("server.json", &config)?;
        self.start_server()
    }

    /// Starts the server again, with an empty database on a disk of its own that has `room` KiB.
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
        let config = self.server_config(&folder.join("server.db"));
        let config = self.configure("server.json", &config)?;
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

    pub(crate) fn configure(&self, name: &str, config: &Value) -> Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, serde_json::to_vec_pretty(config)?)?;
        Ok(file)
    }

    fn program(&self, make: Make, name: &str) -> Result<Command> {
        match (&self.programs, make) {
            (Some(folder), Make::Countersign) => Ok(program(folder.join(name))),
            _ => notary_program(make, name),
        }
    }

    fn run_server(&mut self, command: &Command) -> Result<()> {
        let daemon = Daemon::start("notary-server", command, &self.logs[0])?;
        self.server = Some(daemon.until_listening(self.server_address)?);
        Ok(())
    }

    /// The configuration of a server beside this one, at `address` and with another authentication.
    pub(crate) fn config_beside(&self, address: SocketAddr, auth_setup: &AuthSetup) -> Value {
        let mut usual = self.usual_server_config(&self.folder.join("server.db"));
        usual["server"]["http_addr"] = json!(address.to_string());
        auth_setup.configure(usual)
    }

    /// The server's configuration, in the form both makes read, with what the authentication adds.
    fn server_config(&self, database: &Path) -> Value {
        self.auth_setup
            .configure(self.usual_server_config(database))
    }

    /// The same, as every scenario has it.
    fn usual_server_config(&self, database: &Path) -> Value {
        let mut config = self.plain_server_config(database);
        for (section, settings) in self.settings.as_object().into_iter().flatten() {
            for (name, value) in settings.as_object().into_iter().flatten() {
                config[section][name] = value.clone();
            }
        }
        config
    }

    fn plain_server_config(&self, database: &Path) -> Value {
        let signer_address = self.routes.signer.unwrap_or(self.signer_address);
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
                "port": signer_address.port().to_string(),
                "key_algorithm": "ecdsa",
                "tls_ca_file": signer_ca,
                "tls_client_cert": client.certificate,
                "tls_client_key": client.key,
            },
            "storage": self.storage(Owner::Server, database),
            "logging": {"level": "info"},
        })
    }

    /// The signer's configuration, in the form both makes read.
    fn signer_config(&self) -> Value {
        let Files {
            signer, client_ca, ..
        } = &self.files;
        let mut storage = self.storage(Owner::Signer, &self.folder.join("signer.db"));
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

    /// Where a program keeps its rows. Without a database server, Go's programs keep theirs in
    /// memory, for they bring no migrations for SQLite.
    fn storage(&self, owner: Owner, file: &Path) -> Value {
        let (make, route) = match owner {
            Owner::Server => (self.pair.server, self.routes.database),
            Owner::Signer => (
                self.pair.signer,
                self.routes.signers_database.or(self.routes.database),
            ),
        };
        match (&self.database, make) {
            (Some(database), _) => {
                let straight = database.url(owner);
                let url = match route {
                    Some(route) => {
                        straight.replacen(&database.address().to_string(), &route.to_string(), 1)
                    }
                    None => straight,
                };
                json!({"backend": database.backend(), "db_url": url})
            }
            (None, Make::Countersign) => json!({"backend": "sqlite3", "db_url": file}),
            (None, Make::Notary) => json!({"backend": "memory"}),
        }
    }
}

/// What the signer's environment holds: the alias for new keys, and that of the recorded keys.
pub(crate) const PASSPHRASES: [(&str, &str); 2] = [
    ("NOTARY_SIGNER_FIRST", "a passphrase for the keys at rest"),
    ("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1"),
];

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
