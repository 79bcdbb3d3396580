//! A Galera cluster of three `MariaDB` nodes: own folders, own ports on loopback, gone with its
//! owner.
//!
//! The nodes run as the user `mysql`: a joining node gets its data by a script that `MariaDB`
//! starts, and that one expects it.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    database::{Fresh, PASSWORD, USER, free_address, ids_of, mysql_fresh},
    process::{Daemon, Said, program},
};

/// Where Debian keeps Galera.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// How many nodes there are: the fewest that outlive the loss of one.
const NODES: usize = 3;

/// A running cluster.
#[derive(Debug)]
pub struct Galera {
    nodes: Vec<Node>,
    // Last, so that the processes are gone before their files.
    _folder: TempDir,
}

/// One node.
#[derive(Debug)]
struct Node {
    daemon: Option<Daemon>,
    folder: PathBuf,
    /// Where clients connect.
    address: SocketAddr,
    /// Where the other nodes connect.
    group: SocketAddr,
    /// Where it receives what it missed.
    updates: SocketAddr,
    /// Where it receives all there is.
    state: SocketAddr,
}

impl Galera {
    /// Starts a cluster; [`USER`] alone comes in over the network, at every node.
    ///
    /// # Errors
    ///
    /// If `MariaDB`, Galera or rsync is not installed, or a node does not come up.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cs-galera-").tempdir()?;
        let (user, group) = ids_of("mysql")?;
        chown(folder.path(), Some(user), Some(group))?;
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let folder = folder.path().join(format!("node{number}"));
            fs::create_dir(&folder)?;
            chown(&folder, Some(user), Some(group))?;
            nodes.push(Node {
                daemon: None,
                folder,
                address: free_address()?,
                group: free_address()?,
                updates: free_address()?,
                state: free_address()?,
            });
        }
        let mut cluster = Self {
            nodes,
            _folder: folder,
        };
        cluster.nodes[0].install()?;
        for number in 0..NODES {
            cluster.run(number, number == 0)?;
        }
        cluster.sql(
            0,
            "mysql",
            &format!("CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
        )?;
        Ok(cluster)
    }

    /// Makes an empty database, in Notary's character set, that [`USER`] may do everything in; says
    /// for each node how to reach it there.
    ///
    /// # Errors
    ///
    /// If the first node is down.
    pub fn create(&self, name: &str) -> Result<Vec<Fresh>> {
        self.sql(
            0,
            "mysql",
            &format!(
                "CREATE DATABASE {name} CHARACTER SET utf8 COLLATE utf8_general_ci; \
                 GRANT ALL ON {name}.* TO '{USER}'@'127.0.0.1'"
            ),
        )?;
        let fresh = self
            .nodes
            .iter()
            .map(|node| mysql_fresh(node.address, name));
        Ok(fresh.collect())
    }

    /// Runs statements as root at one node, after everything that any node has committed; rows come
    /// back as lines, their columns separated by tabs.
    ///
    /// # Errors
    ///
    /// The first statement that fails, in the client's words.
    pub fn sql(&self, node: usize, database: &str, statements: &str) -> Result<String> {
        self.nodes[node].sql(database, statements)
    }

    /// Ends a node as a power cut would.
    ///
    /// # Errors
    ///
    /// If it had ended by itself.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.nodes[node].daemon.take().map_or(Ok(()), Daemon::kill)
    }

    /// Starts a node that was killed; it joins those that run.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self, node: usize) -> Result<()> {
        self.run(node, false)
    }

    /// Lets a node that has lost the others serve by itself.
    ///
    /// # Errors
    ///
    /// If the node is down.
    pub fn go_on_alone(&self, node: usize) -> Result<()> {
        self.nodes[node]
            .sql_after(
                "mysql",
                "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=true'",
                // A node without quorum cannot wait for the others.
                "SET SESSION wsrep_sync_wait = 0",
            )
            .map(drop)
    }

    fn run(&mut self, number: usize, is_first: bool) -> Result<()> {
        let all: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.group.to_string())
            .collect();
        self.nodes[number].run(number, &all.join(","), is_first)
    }
}

impl Drop for Galera {
    fn drop(&mut self) {
        // How it ends no longer matters, only that it does; a farewell to nodes that are gone takes
        // long.
        for node in &mut self.nodes {
            if let Some(daemon) = node.daemon.take() {
                drop(daemon.kill());
            }
        }
    }
}

impl Node {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the system tables; the other nodes get them from the first.
    fn install(&self) -> Result<()> {
        let mut install = as_mysql("mariadb-install-db");
        install
            .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
            .args(["--auth-root-authentication-method=normal"])
            .arg("--innodb-log-file-size=8M")
            .arg(format!("--tmpdir={}", self.folder.display()))
            .arg(format!("--datadir={}", self.path("data").display()));
        Said::by(install, "")?.succeeds()?;
        Ok(())
    }

    fn run(&mut self, number: usize, all: &str, is_first: bool) -> Result<()> {
        let data = self.path("data");
        if !data.exists() {
            fs::create_dir(&data)?;
            let (user, group) = ids_of("mysql")?;
            chown(&data, Some(user), Some(group))?;
        }
        let mut command = as_mysql("mariadbd");
        command
            .args(["--no-defaults", "--skip-name-resolve"])
            .args(["--bind-address=127.0.0.1", "--innodb-log-file-size=8M"])
            .args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"])
            .args(["--wsrep-on=ON", "--wsrep-cluster-name=tests"])
            .args(["--wsrep-sst-method=rsync", "--wsrep-node-address=127.0.0.1"])
            .arg(format!("--wsrep-provider={PROVIDER}"))
            .arg(format!("--wsrep-cluster-address=gcomm://{all}"))
            .arg(format!("--wsrep-node-name=node{number}"))
            .arg(format!("--wsrep-node-incoming-address={}", self.address))
            .arg(format!("--wsrep-sst-receive-address={}", self.state))
            .arg(format!(
                "--wsrep-provider-options=gmcast.listen_addr=tcp://{};ist.recv_addr={};\
                 gcache.size=16M;gcache.page_size=16M",
                self.group, self.updates
            ))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", self.folder.display()))
            .arg(format!("--port={}", self.address.port()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.path("pid").display()));
        if is_first {
            command.arg("--wsrep-new-cluster");
        }
        let log = self.path("mariadb.log");
        let mut daemon = Daemon::start(&format!("node{number}"), &command, &log)?;
        daemon.until("is a synchronised member of the cluster", || {
            self.sql("mysql", "SHOW STATUS LIKE 'wsrep_local_state_comment'")
                .is_ok_and(|state| state.contains("Synced"))
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.path("s.sock")
    }

    fn sql(&self, database: &str, statements: &str) -> Result<String> {
        self.sql_after(database, statements, "SET SESSION wsrep_sync_wait = 15")
    }

    fn sql_after(&self, database: &str, statements: &str, before: &str) -> Result<String> {
        let mut mariadb = program("mariadb");
        mariadb
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--user=root"])
            .arg(format!("--init-command={before}"))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(database);
        Said::by(mariadb, statements)?
            .succeeds()
            .with_context(|| format!("in {}", self.folder.display()))
    }
}

/// A program that runs as the user `mysql`.
fn as_mysql(name: &str) -> Command {
    let mut command = program("setpriv");
    command
        .args(["--reuid=mysql", "--regid=mysql", "--clear-groups"])
        // Changing the user forgets the wish to die with the parent.
        .args(["--pdeathsig", "KILL", "--"])
        .arg(Path::new(name));
    command
}
