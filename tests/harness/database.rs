//! Private PostgreSQL and MariaDB servers with their durable defaults: own folder, own port, gone
//! with their owner.
//!
//! An instance starts empty; [`Postgres::create`] and [`MariaDb::create`] make a fresh database in
//! it and say how Notary's configuration names it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    disk::SmallDisk,
    process::{Daemon, Said, eventually, program},
};

/// The user that programs under test connect as; the password has what breaks careless URL parsers.
pub const USER: &str = "notary";
/// The password of [`USER`].
pub const PASSWORD: &str = "pa:ss@w/rd";

/// How long a standby may take until it follows its primary.
const STANDBY: Duration = Duration::from_secs(30);

/// Where Debian keeps `PostgreSQL`'s programs.
const POSTGRES: &str = "/usr/lib/postgresql/15/bin";

/// A database that was made for one test.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Its name in the instance.
    pub name: String,
    /// What `storage.backend` says: `postgres` or `mysql`.
    pub backend: &'static str,
    /// What `storage.db_url` says, in the form Notary 0.7 reads: a libpq URL or a Go MySQL DSN.
    pub url: String,
    /// The same as a plain `mysql://` or `postgres://` URL.
    pub plain_url: String,
}

/// A running `PostgreSQL`.
#[derive(Debug)]
pub struct Postgres {
    instance: Instance,
}

/// A `PgBouncer` in transaction mode, in front of a [`Postgres`].
#[derive(Debug)]
pub struct PgBouncer {
    address: SocketAddr,
    _daemon: Daemon,
}

/// A running `MariaDB`.
#[derive(Debug)]
pub struct MariaDb {
    instance: Instance,
}

/// What both have: a folder, a port, and a process while it runs.
#[derive(Debug)]
struct Instance {
    daemon: Option<Daemon>,
    address: SocketAddr,
    made: AtomicU16,
    ends_at_interrupt: bool,
    options: Vec<String>,
    disk: Option<SmallDisk>,
    // Last, so that the process is gone before its files.
    folder: TempDir,
}

impl Instance {
    fn new(ends_at_interrupt: bool) -> Result<Self> {
        Ok(Self {
            daemon: None,
            ends_at_interrupt,
            options: Vec::new(),
            disk: None,
            address: free_address()?,
            made: AtomicU16::new(0),
            folder: tempfile::Builder::new().prefix("cs-db-").tempdir()?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same, as the instance sees it.
    fn inside(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.disk
            .as_ref()
            .map_or_else(|| path.clone(), |disk| disk.inside(&path))
    }

    /// Runs a program where it sees the small disk, if there is one.
    fn run(&self, name: &str, command: &Command, log: &Path) -> Result<Daemon> {
        match &self.disk {
            Some(disk) => Daemon::start(name, &disk.with(command), log),
            None => Daemon::start(name, command, log),
        }
    }

    fn disk(&self) -> Result<&SmallDisk> {
        self.disk.as_ref().context("it has no small disk")
    }

    /// The number of the main process.
    fn process(&self) -> Result<u32> {
        let daemon = self.daemon.as_ref().context("it is not running")?;
        Ok(daemon.id())
    }

    /// A name that no other database of the instance has.
    fn next_name(&self) -> String {
        format!("notary{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    fn stop(&mut self, at_once: bool) -> Result<()> {
        match self.daemon.take() {
            Some(daemon) if at_once => daemon.kill(),
            // To PostgreSQL SIGINT means not to wait for its clients; MariaDB never does.
            Some(daemon) if self.ends_at_interrupt => daemon.interrupt().map(drop),
            Some(daemon) => {
                drop(daemon);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // How it ends no longer matters, only that it does.
        drop(self.stop(false));
    }
}

impl Postgres {
    /// Starts an instance that demands passwords and has TLS off.
    ///
    /// # Errors
    ///
    /// If `PostgreSQL` is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let instance = Instance::new(true)?;
        let secret = instance.path("superuser");
        fs::write(&secret, PASSWORD)?;
        // It refuses to run as root.
        let (user, group) = ids_of("postgres")?;
        for path in [instance.folder.path(), &secret] {
            chown(path, Some(user), Some(group))?;
        }
        let mut initdb = as_postgres(&format!("{POSTGRES}/initdb"));
        initdb
            .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--username=postgres", "--pwfile"])
            .arg(&secret)
            .arg("--pgdata")
            .arg(instance.path("data"));
        Said::by(initdb, "")?.succeeds()?;
        let mut postgres = Self { instance };
        postgres.resume()?;
        postgres.sql(
            "postgres",
            &format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"),
        )?;
        Ok(postgres)
    }

    /// Makes an empty database that [`USER`] owns.
    ///
    /// # Errors
    ///
    /// If the instance is down.
    pub fn create(&self) -> Result<Fresh> {
        let name = self.instance.next_name();
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {USER}"))?;
        let plain_url = format!(
            "postgres://{USER}:{}@{}/{name}?sslmode=disable",
            encode(PASSWORD),
            self.address()
        );
        Ok(Fresh {
            backend: "postgres",
            url: plain_url.clone(),
            plain_url,
            name,
        })
    }

    /// Runs statements as the superuser; rows come back as lines, their columns separated by tabs.
    ///
    /// # Errors
    ///
    /// The first statement that fails, in `psql`'s words.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = program(format!("{POSTGRES}/psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--field-separator=\t", "--set=ON_ERROR_STOP=1"])
            .args(["--username=postgres", "--host=127.0.0.1"])
            .arg(format!("--port={}", self.address().port()))
            .arg(format!("--dbname={database}"))
            .env("PGPASSWORD", PASSWORD);
        Said::by(psql, statements)?.succeeds()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.instance.address
    }

    /// The folder of the instance.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.instance.folder.path()
    }

    /// The number of its main process, whose children may work for it.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn process(&self) -> Result<u32> {
        self.instance.process()
    }

    /// Stops the instance: with a farewell, or `at_once` as a power cut would.
    ///
    /// # Errors
    ///
    /// If it had ended by itself.
    pub fn stop(&mut self, at_once: bool) -> Result<()> {
        self.instance.stop(at_once)?;
        if at_once {
            end_all_in(&self.instance.path("data"))?;
        }
        Ok(())
    }

    /// Starts the instance again with more `options`.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn restart_with(&mut self, options: Vec<String>) -> Result<()> {
        self.stop(false)?;
        self.instance.options = options;
        self.resume()
    }

    /// Starts the instance again with `part` of its folder (`data`, or `data/pg_wal`) on a small
    /// disk.
    ///
    /// # Errors
    ///
    /// If it does not come up; making a disk needs root.
    pub fn move_to_small_disk(&mut self, part: &str) -> Result<()> {
        self.stop(false)?;
        let disk = SmallDisk::over(self.folder(), part)?;
        self.instance.disk = Some(disk);
        self.resume()
    }

    /// Fills the small disk to its last page.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn fill_disk(&self) -> Result<()> {
        self.instance.disk()?.fill()
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    ///
    /// If it took nothing.
    pub fn make_room(&self) -> Result<()> {
        self.instance.disk()?.make_room()
    }

    /// Writes a file that only the server can read.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn secret(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.instance.path(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let (user, group) = ids_of("postgres")?;
        chown(&path, Some(user), Some(group))?;
        Ok(path)
    }

    /// Starts a standby that confirms every commit: the primary acknowledges a commit only once the
    /// standby has it on disk.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start_standby(&self) -> Result<Self> {
        let instance = Instance::new(true)?;
        let (user, group) = ids_of("postgres")?;
        chown(instance.folder.path(), Some(user), Some(group))?;
        let primary = self.address();
        let mut copy = as_postgres(&format!("{POSTGRES}/pg_basebackup"));
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"])
            .arg("--pgdata")
            .arg(instance.path("data"))
            .arg(format!(
                "--dbname=host=127.0.0.1 port={} user=postgres password={PASSWORD} \
                 application_name=standby",
                primary.port()
            ));
        Said::by(copy, "")?.succeeds()?;
        let mut standby = Self { instance };
        standby.resume()?;
        self.sql(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = 'standby';
             SELECT pg_reload_conf();",
        )?;
        eventually("the standby confirms commits", STANDBY, || {
            let state = "SELECT sync_state FROM pg_stat_replication";
            Ok(self.sql("postgres", state)?.trim() == "sync")
        })?;
        Ok(standby)
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    ///
    /// If it is no standby, or does not accept writes in time.
    pub fn promote(&self) -> Result<()> {
        // It would wait for a standby of its own otherwise.
        self.sql(
            "postgres",
            "SELECT pg_promote(wait => true); ALTER SYSTEM RESET synchronous_standby_names;
             SELECT pg_reload_conf();",
        )
        .map(drop)
    }

    /// Starts a stopped instance again, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<()> {
        // What a power cut leaves behind.
        drop(fs::remove_file(self.instance.inside("data/postmaster.pid")));
        let log = self.instance.path("postgres.log");
        let mut command = as_postgres(&format!("{POSTGRES}/postgres"));
        command
            .arg("-D")
            .arg(self.instance.path("data"))
            .args(["-c", "listen_addresses=127.0.0.1", "-c"])
            .arg(format!("port={}", self.address().port()))
            .args(["-c", "unix_socket_directories=", "-c", "timezone=UTC"])
            .args(&self.instance.options);
        let mut daemon = self.instance.run("postgres", &command, &log)?;
        daemon.until("accepts connections", || {
            self.sql("postgres", "SELECT 1").is_ok()
        })?;
        self.instance.daemon = Some(daemon);
        Ok(())
    }
}

impl PgBouncer {
    /// Starts one with very few sessions, so that its clients share them.
    ///
    /// # Errors
    ///
    /// If `PgBouncer` is not installed or does not come up.
    pub fn start(postgres: &Postgres) -> Result<Self> {
        let address = free_address()?;
        let users = postgres.secret("users.txt", &format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 2\n",
            postgres.address().port(),
            address.port(),
            users.display(),
        );
        let settings = postgres.secret("pgbouncer.ini", &settings)?;
        let mut command = as_postgres("/usr/sbin/pgbouncer");
        command.arg(settings);
        let log = postgres.instance.path("pgbouncer.log");
        let daemon = Daemon::start("pgbouncer", &command, &log)?.until_listening(address)?;
        Ok(Self {
            address,
            _daemon: daemon,
        })
    }

    /// `fresh`, reached through this one.
    #[must_use]
    pub fn before(&self, postgres: &Postgres, fresh: &Fresh) -> Fresh {
        let (direct, through) = (postgres.address().to_string(), self.address.to_string());
        Fresh {
            url: fresh.url.replace(&direct, &through),
            plain_url: fresh.plain_url.replace(&direct, &through),
            ..fresh.clone()
        }
    }
}

impl MariaDb {
    /// Starts an instance; only [`USER`] comes in over the network, and TLS is off.
    ///
    /// # Errors
    ///
    /// If `MariaDB` is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let instance = Instance::new(false)?;
        fs::set_permissions(instance.folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut install = program("mariadb-install-db");
        install
            .args(["--no-defaults", "--user=root", "--skip-test-db"])
            .args([
                "--auth-root-authentication-method=normal",
                "--skip-name-resolve",
            ])
            .arg("--innodb-log-file-size=8M")
            // Several at a time would take each other's temporary tables for their own.
            .arg(format!("--tmpdir={}", instance.folder.path().display()))
            .arg(format!("--datadir={}", instance.path("data").display()));
        Said::by(install, "")?.succeeds()?;
        let mut mariadb = Self { instance };
        mariadb.resume()?;
        mariadb.sql(
            "mysql",
            &format!("CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
        )?;
        Ok(mariadb)
    }

    /// Makes an empty database, in Notary's character set, that [`USER`] may do everything in.
    ///
    /// # Errors
    ///
    /// If the instance is down.
    pub fn create(&self) -> Result<Fresh> {
        let name = self.instance.next_name();
        self.sql(
            "mysql",
            &format!(
                "CREATE DATABASE {name} CHARACTER SET utf8 COLLATE utf8_general_ci; \
                 GRANT ALL ON {name}.* TO '{USER}'@'127.0.0.1'"
            ),
        )?;
        Ok(mysql_fresh(self.address(), &name))
    }

    /// Runs statements as root; rows come back as lines, their columns separated by tabs.
    ///
    /// # Errors
    ///
    /// The first statement that fails, in the client's words.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut mariadb = program("mariadb");
        mariadb
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--user=root"])
            .arg(format!("--socket={}", self.socket().display()))
            .arg(database);
        Said::by(mariadb, statements)?.succeeds()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.instance.address
    }

    /// Its socket file.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.instance.path("s.sock")
    }

    /// The folder of the instance.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.instance.folder.path()
    }

    /// The number of its main process, whose children may work for it.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn process(&self) -> Result<u32> {
        self.instance.process()
    }

    /// Stops the instance: with a farewell, or `at_once` as a power cut would.
    ///
    /// # Errors
    ///
    /// If it had ended by itself.
    pub fn stop(&mut self, at_once: bool) -> Result<()> {
        self.instance.stop(at_once)
    }

    /// Starts the instance again with more `options`.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn restart_with(&mut self, options: Vec<String>) -> Result<()> {
        self.stop(false)?;
        self.instance.options = options;
        self.resume()
    }

    /// Starts the instance again with its data, logs included, on a small disk.
    ///
    /// # Errors
    ///
    /// If it does not come up; making a disk needs root.
    pub fn move_to_small_disk(&mut self) -> Result<()> {
        self.stop(false)?;
        let disk = SmallDisk::over(self.folder(), "data")?;
        self.instance.disk = Some(disk);
        self.resume()
    }

    /// Fills the small disk to its last page.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn fill_disk(&self) -> Result<()> {
        self.instance.disk()?.fill()
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    ///
    /// If it took nothing.
    pub fn make_room(&self) -> Result<()> {
        self.instance.disk()?.make_room()
    }

    /// Writes a file that only the server can read.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn secret(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.instance.path(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    /// Starts a stopped instance again, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<()> {
        let log = self.instance.path("mariadb.log");
        let mut command = program("mariadbd");
        command
            .args(["--no-defaults", "--user=root", "--skip-name-resolve"])
            .args(["--bind-address=127.0.0.1", "--innodb-log-file-size=8M"])
            .arg(format!(
                "--datadir={}",
                self.instance.path("data").display()
            ))
            .arg(format!(
                "--tmpdir={}",
                self.instance.folder.path().display()
            ))
            .arg(format!("--port={}", self.address().port()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!(
                "--pid-file={}",
                self.instance.path("pid").display()
            ))
            .args(&self.instance.options);
        let mut daemon = self.instance.run("mariadbd", &command, &log)?;
        daemon.until("accepts connections", || {
            self.sql("mysql", "SELECT 1").is_ok()
        })?;
        self.instance.daemon = Some(daemon);
        Ok(())
    }
}

/// Kills every process that works in `folder`: each connection to `PostgreSQL` has one, in a
/// process group of its own, which would finish what it was doing after the main process is gone.
fn end_all_in(folder: &Path) -> Result<()> {
    let at_work = || -> Result<Vec<Pid>> {
        let processes = fs::read_dir("/proc")?.flatten();
        let inside = processes.filter(|process| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|at| at == folder)
        });
        let numbers = inside.filter_map(|process| process.file_name().to_str()?.parse().ok());
        Ok(numbers.filter_map(Pid::from_raw).collect())
    };
    loop {
        let left = at_work()?;
        if left.is_empty() {
            return Ok(());
        }
        for process in left {
            // Gone by itself is as good.
            let _ = kill_process(process, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A program that runs as the user `postgres`.
fn as_postgres(name: &str) -> Command {
    let mut command = program("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        // Changing the user forgets the wish to die with the parent.
        .args(["--pdeathsig", "KILL", "--", name]);
    command
}

/// How [`USER`] reaches the database `name` of the `MariaDB` at `address`.
pub(crate) fn mysql_fresh(address: SocketAddr, name: &str) -> Fresh {
    Fresh {
        backend: "mysql",
        url: format!("{USER}:{PASSWORD}@tcp({address})/{name}?parseTime=True"),
        plain_url: format!("mysql://{USER}:{}@{address}/{name}", encode(PASSWORD)),
        name: name.to_owned(),
    }
}

/// Numbers of a user and its group.
pub(crate) fn ids_of(user: &str) -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&user))
        .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
        .with_context(|| {
            format!("there is no user {user}: install the packages that tests/run lists")
        })
}

/// `text` as it stands in a URL.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// A loopback address that no process listens on, above the ports of the sandboxes and below those
/// that the kernel gives to outgoing connections.
pub(crate) fn free_address() -> Result<SocketAddr> {
    const LOWEST: u16 = 31_300;
    const PORTS: u16 = 1_400;
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(PORTS / 4)).unwrap_or_default() * 4;
    (0..PORTS)
        .map(|_| {
            let port = LOWEST + (start + TRIED.fetch_add(1, Ordering::Relaxed)) % PORTS;
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        })
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no port is free")
}
