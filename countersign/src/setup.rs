//! The data folder: everything the two programs need, made once and found again.
//!
//! ```text
//! ca.crt ca.key                    the development CA; its certificate is what clients trust
//! server.crt server.key            for the server's HTTPS
//! signer.crt signer.key            for the signer's gRPC
//! client.crt client.key            what the server shows to the signer
//! passphrases/development          encrypts the keys in signer.db
//! server.json signer.json          Notary's own configuration files; edits stay
//! server.db signer.db              SQLite
//! hosts                            names by which other machines reach the server, one a line
//! known                            what was here before, so that a loss is noticed
//! ```

mod configuration;
mod hosts;
mod instructions;
mod known;

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    net::{IpAddr, TcpListener, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

pub use instructions::Instructions;
pub(crate) use instructions::quote;
use time::OffsetDateTime;

use crate::{
    address::Address,
    files::{self, Access, FileError, make_once},
    names::{InvalidName, Name},
    pki::{self, Authority, Leaf, Outcome, PkiError, Purpose},
};

/// Why the data folder cannot be used: one sentence, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificates are not in order.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Configuration files are text, and have to name the folder.
    #[error("the name of the data folder {0:?} is not UTF-8. Choose another folder with --data.")]
    Name(PathBuf),
    /// The file of the server's names was edited into something else.
    #[error("{}: {cause}. Correct it, or give the names with --host.", path.display())]
    Hosts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: InvalidName,
    },
    /// Another process works in the folder.
    #[error(
        "another countersign is running with the data folder {}. Stop it first, or choose another \
         folder with --data.",
        .0.display()
    )]
    Running(PathBuf),
    /// A configuration file was edited into something else.
    #[error(
        "{} is invalid: {cause}. Correct it, or move it away: the next start writes a new one.",
        path.display()
    )]
    Configuration {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Without the passphrase the keys in the signer's database are lost.
    #[error(
        "{} is missing although {} is there, and only it opens the keys in that database. Put it \
         back, or move the database away to start without keys.",
        passphrase.display(),
        database.display()
    )]
    PassphraseLost {
        /// The file that is gone.
        passphrase: PathBuf,
        /// The database that needs it.
        database: PathBuf,
    },
    /// A database that was there is gone; an empty one would forget everything in it.
    #[error(
        "{} is missing, although this service had one. Put it back; or restore a backup with \
         `countersign restore`; or remove {} to start with an empty database.",
        database.display(),
        note.display()
    )]
    DatabaseLost {
        /// The file that is gone.
        database: PathBuf,
        /// The file that knows of it.
        note: PathBuf,
    },
    /// The configuration with the `auth` section is gone; a new one would let everybody in.
    #[error(
        "{} is missing, and it had an `auth` section: a new one would let everybody publish. Put it \
         back, or remove {} to start with a new one.",
        configuration.display(),
        note.display()
    )]
    AuthenticationLost {
        /// The file that is gone.
        configuration: PathBuf,
        /// The file that knows of it.
        note: PathBuf,
    },
    /// A folder that was copied or moved, with the path of the old place in its configuration.
    #[error(
        "{} names the database of another folder, {}, although this folder has its own. To use its \
         own, write \"db_url\": {own:?} there; or move the {own} of this folder away.",
        configuration.display(),
        named.display()
    )]
    OtherFolder {
        /// The configuration file.
        configuration: PathBuf,
        /// The database that it names.
        named: PathBuf,
        /// The name of the database in this folder.
        own: &'static str,
    },
    /// The file does not begin as every SQLite file does.
    #[error(
        "{} is damaged: it is not an SQLite database. Replace it by a backup, or move it away to \
         start with an empty one.",
        .0.display()
    )]
    DatabaseDamaged(PathBuf),
    /// Something listens there already, or the address is not of this machine.
    #[error(
        "the {program} cannot listen on {address}: {cause}. {} another address with {flag}.",
        if cause.kind() == std::io::ErrorKind::AddrInUse { "Stop what uses it, or choose" }
        else { "Choose" }
    )]
    Port {
        /// Which of the two programs.
        program: &'static str,
        /// Where it was to listen.
        address: Address,
        /// What the system said.
        cause: std::io::Error,
        /// The flag that changes it.
        flag: &'static str,
    },
}

/// What a person may ask for.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// The data folder, if not the usual one.
    pub data: Option<PathBuf>,
    /// Where the server listens, if not where its configuration file says.
    pub listen: Option<Address>,
    /// Where the signer listens, if not where its configuration file says.
    pub signer_listen: Option<Address>,
    /// The names by which other machines reach the server; empty for those of an earlier start.
    pub hosts: Vec<Name>,
}

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// The copy of the CA's certificate that people hand to their clients.
    pub ca: PathBuf,
}

impl Place {
    /// The folder that was asked for, or `.countersign` in a checkout of this repository, or
    /// `.countersign` in the `current` folder.
    ///
    /// The CA goes to the checkout's `fixtures/root-ca.crt` if the data is the checkout's own, so
    /// that a second service with `--data` does not take the first one's place there.
    #[must_use]
    pub fn find(asked: Option<&Path>, current: &Path) -> Self {
        let checkout = current.ancestors().find(|folder| is_checkout(folder));
        match (asked, checkout) {
            (None, Some(checkout)) => Self {
                data: checkout.join(FOLDER),
                ca: checkout.join("fixtures/root-ca.crt"),
            },
            (asked, _) => {
                let data = current.join(asked.unwrap_or(Path::new(FOLDER)));
                Self {
                    ca: data.join("root-ca.crt"),
                    data,
                }
            }
        }
    }

    /// The path of a file in the data folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }
}

/// A data folder that is ready, and locked as long as this lives.
#[derive(Debug)]
pub struct Setup {
    /// Where the files are.
    pub place: Place,
    /// Where the server will listen.
    pub server: Address,
    /// Where the signer will listen.
    pub signer: Address,
    /// The names by which other machines reach the server.
    pub hosts: Vec<Name>,
    /// What was made or renewed, in words for people; empty when all was found as it was.
    pub news: Vec<String>,
    _lock: File,
}

impl Setup {
    /// Makes what is missing in the data folder and leaves alone what is there.
    ///
    /// # Errors
    ///
    /// If the folder has lost something that it had, or cannot be used.
    pub fn prepare(
        place: Place,
        options: &UpOptions,
        now: OffsetDateTime,
    ) -> Result<Self, SetupError> {
        Self::lay_out(place, options, now, known::check)
    }

    /// The same, for a folder that a backup will be restored into: its databases may have been
    /// lost.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used.
    pub fn prepare_for_restore(place: Place, now: OffsetDateTime) -> Result<Self, SetupError> {
        Self::lay_out(place, &UpOptions::default(), now, |_| Ok(()))
    }

    fn lay_out(
        place: Place,
        options: &UpOptions,
        now: OffsetDateTime,
        check: impl FnOnce(&Place) -> Result<(), SetupError>,
    ) -> Result<Self, SetupError> {
        if place.data.to_str().is_none() {
            return Err(SetupError::Name(place.data));
        }
        let is_new = !place.data.exists();
        files::make_folder(&place.data)?;
        let lock = lock(&place)?;
        // The folder may lie in a repository of the user: its keys must never be committed.
        make_once(&place.file(".gitignore"), Access::All, || b"*\n".to_vec())?;
        check_database(&place.file("server.db"))?;
        check_database(&place.file("signer.db"))?;
        check(&place)?;
        make_passphrase(&place)?;
        let (server, signer) = configuration::make(&place, options)?;
        let moved = configuration::make_relative(&place)?;
        let hosts = hosts::keep(&place, &options.hosts)?;
        let mut setup = Self {
            place,
            server,
            signer,
            hosts,
            news: Vec::new(),
            _lock: lock,
        };
        setup.news = moved;
        setup.news.extend(setup.certify(now)?);
        if is_new {
            setup.news = vec!["made the data folder with a development CA and keys".to_owned()];
        }
        Ok(setup)
    }

    /// Renews the certificates that are about to expire, and says which. Both programs take
    /// renewed files up by themselves.
    pub fn certify(&self, now: OffsetDateTime) -> Result<Vec<String>, SetupError> {
        let (authority, outcome) = Authority::open(&self.place.data, now)?;
        let mut news = Vec::new();
        tell(&mut news, "ca", outcome);
        for leaf in [
            Leaf {
                name: "server",
                purpose: Purpose::Listen,
                hosts: names_of(&self.server, &self.hosts),
            },
            Leaf {
                name: "signer",
                purpose: Purpose::Listen,
                hosts: names_of(&self.signer, &[]),
            },
            Leaf {
                name: "client",
                purpose: Purpose::Connect,
                hosts: names_of(&configuration::local(0), &[]),
            },
        ] {
            tell(&mut news, leaf.name, authority.ensure(&leaf, now)?);
        }
        if files::read(&self.place.ca)?.as_deref() != Some(authority.pem().as_bytes()) {
            files::write(&self.place.ca, authority.pem().as_bytes(), Access::All)?;
        }
        Ok(news)
    }

    /// The addresses at which the server will be there for other machines: those that are not
    /// loopback, unless its configuration says which ones are published.
    #[must_use]
    pub fn server_for_others(&self) -> Vec<IpAddr> {
        if configuration::says_what_is_published(&self.place) {
            return Vec::new();
        }
        let host = match self.server.host.as_str() {
            "" => "0.0.0.0",
            host => host,
        };
        // A name that cannot be resolved is the server's own to refuse: it cannot listen there.
        let found = (host, self.server.port).to_socket_addrs();
        let addresses = found.into_iter().flatten().map(|address| address.ip());
        addresses
            .filter(|address| !address.to_canonical().is_loopback())
            .collect()
    }

    /// Notes that both programs have their databases: from now on, a missing one was lost.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn note_databases(&self) -> Result<(), SetupError> {
        known::note_what_is_there(&self.place)
    }

    /// Checks that the addresses of both programs are free.
    pub fn check_ports(&self) -> Result<(), SetupError> {
        for (program, address, flag) in [
            ("signer", &self.signer, "--signer-listen"),
            ("server", &self.server, "--listen"),
        ] {
            let host = if address.host.is_empty() {
                "0.0.0.0"
            } else {
                &address.host
            };
            TcpListener::bind((host, address.port)).map_err(|cause| SetupError::Port {
                program,
                address: address.clone(),
                cause,
                flag,
            })?;
        }
        Ok(())
    }
}

const FOLDER: &str = ".countersign";
/// The passphrase alias of the development signer, and the name of its passphrase's file.
pub(crate) const ALIAS: &str = "development";

fn is_checkout(folder: &Path) -> bool {
    [
        "Cargo.toml",
        "countersign/Cargo.toml",
        "fixtures/Cargo.toml",
    ]
    .iter()
    .all(|file| folder.join(file).is_file())
}

fn lock(place: &Place) -> Result<File, SetupError> {
    let path = place.file("lock");
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = opened.map_err(|cause| FileError::Write {
        path: path.clone(),
        cause,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SetupError::Running(place.data.clone())),
        Err(TryLockError::Error(cause)) => Err(FileError::Write { path, cause }.into()),
    }
}

/// Catches a file that was cut or overwritten before a program trips over it. An empty file is
/// what SQLite itself starts from.
fn check_database(path: &Path) -> Result<(), SetupError> {
    match files::read_start::<16>(path)? {
        Some(start) if !start.is_empty() && start != b"SQLite format 3\0" => {
            Err(SetupError::DatabaseDamaged(path.to_owned()))
        }
        _ => Ok(()),
    }
}

fn make_passphrase(place: &Place) -> Result<(), SetupError> {
    let path = place.file("passphrases").join(ALIAS);
    let database = place.file("signer.db");
    if files::read_start::<1>(&path)?.is_some() {
        return Ok(());
    }
    if files::read_start::<1>(&database)?.is_some_and(|start| !start.is_empty()) {
        return Err(SetupError::PassphraseLost {
            passphrase: path,
            database,
        });
    }
    let text = files::new_secret().map_err(|cause| FileError::Write {
        path: path.clone(),
        cause,
    })?;
    files::make_folder(&place.file("passphrases"))?;
    Ok(files::write(&path, text.as_bytes(), Access::Owner)?)
}

/// The names of a certificate: this machine's own, the host of `address`, and `others`.
fn names_of(address: &Address, others: &[Name]) -> BTreeSet<String> {
    let host = address.reachable_host();
    ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .into_iter()
        .chain([pki::host_name(host)])
        .chain(others.iter().map(|name| name.as_str().to_owned()))
        .collect()
}

fn tell(news: &mut Vec<String>, name: &str, outcome: Outcome) {
    match (name, outcome) {
        (_, Outcome::Kept) => {}
        ("ca", Outcome::Renewed) => news.push(
            "renewed the development CA (ca.crt); copy it to the clients again within a year"
                .to_owned(),
        ),
        (_, Outcome::Made) => news.push(format!("made {name}.crt")),
        (_, Outcome::Renewed) => news.push(format!("renewed {name}.crt")),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::Place;

    #[test]
    fn the_data_is_in_the_checkout_from_anywhere_inside_it_unless_a_folder_is_named() {
        let checkout = tempfile::tempdir().expect("a folder");
        for folder in ["countersign/src", "fixtures"] {
            fs::create_dir_all(checkout.path().join(folder)).expect("made");
        }
        for file in [
            "Cargo.toml",
            "countersign/Cargo.toml",
            "fixtures/Cargo.toml",
        ] {
            fs::write(checkout.path().join(file), "").expect("written");
        }
        let place = Place::find(None, &checkout.path().join("countersign/src"));
        assert_eq!(place.data, checkout.path().join(".countersign"));
        assert_eq!(place.ca, checkout.path().join("fixtures/root-ca.crt"));

        let place = Place::find(Some(Path::new("mine")), checkout.path());
        assert_eq!(place.data, checkout.path().join("mine"));
        assert_eq!(place.ca, checkout.path().join("mine/root-ca.crt"));
    }

    #[test]
    fn outside_a_checkout_the_data_is_in_the_current_folder() {
        let place = Place::find(None, Path::new("/srv"));
        assert_eq!(place.data, Path::new("/srv/.countersign"));
        assert_eq!(place.ca, Path::new("/srv/.countersign/root-ca.crt"));
    }
}
