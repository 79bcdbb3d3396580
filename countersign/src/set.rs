//! `countersign backup`, `verify-backup` and `restore`: the archives of both programs in one
//! folder, made and put back in the right order, with what is needed to open them.
//!
//! The programs do the work, as processes of their own with the configuration files of the data
//! folder; what is wrong they say themselves.

mod service;

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use archive::escrow::EscrowError;
use time::OffsetDateTime;

use crate::{
    files::{self, FileError},
    setup::{ALIAS, Place, Setup, SetupError},
};

/// The trust data in the folder of a set.
const TRUST_DATA: &str = "server.backup";
/// The keys in the folder of a set.
const KEYS: &str = "signer.backup";
/// What a service needs beside its databases, sealed.
const SERVICE: &str = "service.sealed";

/// Why there is no set, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Nothing was ever set up there.
    #[error("there is no service in {}: name its folder with --data", .0.display())]
    NoService(PathBuf),
    /// The folder for the set cannot be made.
    #[error(transparent)]
    Folder(#[from] FileError),
    /// A program cannot be run.
    #[error("the operating system reported: {0}")]
    System(#[from] io::Error),
    /// A program failed, having said why.
    #[error("the {program} could not {what}; see above")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it was told to.
        what: &'static str,
    },
    /// The escrow key is none.
    #[error("{}: {cause}", file.display())]
    Escrow {
        /// The file of the key.
        file: PathBuf,
        /// What is wrong with it.
        cause: EscrowError,
    },
    /// The sealed files cannot be written or read.
    #[error("{}: {cause}", file.display())]
    Sealed {
        /// The file of the set.
        file: PathBuf,
        /// What is wrong.
        cause: io::Error,
    },
    /// The set is sealed.
    #[error("this backup is sealed: name the private escrow key with --escrow-key")]
    EscrowKeyNeeded,
    /// A new folder, and nothing that opens the keys.
    #[error(
        "the backup does not hold the passphrase of its keys, and there is no {}: put the old \
         service's file there. To keep the settings and the CA, put its server.json, signer.json, \
         ca.crt and ca.key into {}. Then restore again",
        passphrase.display(),
        data.display()
    )]
    NoPassphrase {
        /// Where it belongs.
        passphrase: PathBuf,
        /// The folder of the new service.
        data: PathBuf,
    },
    /// A file that restoring would replace.
    #[error(
        "{} exists and differs from the one in the backup: move it away, or name another folder \
         with --data",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Something that is no data folder.
    #[error("{} is no data folder: it contains more than 32 MiB beside the databases", .0.display())]
    TooMuch(PathBuf),
    /// A name that cannot be written down.
    #[error("the name of the file {0:?} is not UTF-8: rename it")]
    Name(PathBuf),
    /// The rest of the folder cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// A service, and the folder of a set of its archives.
#[derive(Debug)]
pub struct Set {
    /// Where the service has its files.
    pub place: Place,
    /// Where the archives are, or will be.
    pub folder: PathBuf,
    /// This very program, which is also the two others.
    pub executable: PathBuf,
    /// The escrow key: the public half for a backup, the private half to open one.
    pub escrow: Option<PathBuf>,
    /// Whether there may be nothing in it.
    pub allow_empty: bool,
    /// The time, for the certificates of a restored service.
    pub now: OffsetDateTime,
}

impl Set {
    /// Backs up a service, whether it runs or not, and verifies the set. The trust data first:
    /// every key that it names is then in the archive of the keys.
    pub fn backup(&self) -> Result<(), SetError> {
        self.find_service()?;
        files::make_folder(&self.folder)?;
        self.server("back up", "backup", &[])?;
        match &self.escrow {
            None => {
                self.signer("back up", "backup", &[])?;
                self.verify_with(&[])?;
            }
            Some(escrow) => {
                let escrow = absolute(escrow);
                let sealed = ["--escrow".as_ref(), escrow.as_os_str()];
                self.signer("back up", "backup", &sealed)?;
                service::seal(&self.place, &escrow, &self.absolute(SERVICE))?;
                self.server("verify its backup", "verify-backup", &[])?;
            }
        }
        self.say_what_is_needed();
        Ok(())
    }

    /// Says whether a set could be restored, and whether clients could go on then.
    pub fn verify(&self) -> Result<(), SetError> {
        self.find_service()?;
        self.verify_with(&self.opened_by()?)
    }

    /// Puts a set into the empty databases of a service that does not run, if both archives are in
    /// order. The keys first: without them, nothing could be signed. A service that is not there is
    /// made, with what the set has of the old one.
    pub fn restore(&self) -> Result<(), SetError> {
        let key = self.opened_by()?;
        if self.find_service().is_err() {
            self.make_service()?;
        }
        self.verify_with(&key)?;
        let key: Vec<&OsStr> = key.iter().map(OsString::as_os_str).collect();
        self.signer("restore", "restore", &key)?;
        self.server("restore", "restore", &[])
    }

    /// The flags that open the archive of the keys.
    fn opened_by(&self) -> Result<Vec<OsString>, SetError> {
        match &self.escrow {
            Some(key) => Ok(vec!["--escrow-key".into(), absolute(key).into()]),
            None if self.absolute(SERVICE).exists() => Err(SetError::EscrowKeyNeeded),
            None => Ok(Vec::new()),
        }
    }

    /// Makes the folder of a service from what the set, or the person, brought of the old one.
    fn make_service(&self) -> Result<(), SetError> {
        let sealed = self.absolute(SERVICE);
        if let Some(key) = self.escrow.as_deref().filter(|_| sealed.exists()) {
            files::make_folder(&self.place.data)?;
            service::unseal(&self.place, &absolute(key), &sealed)?;
        }
        let passphrase = self.place.file("passphrases").join(ALIAS);
        let is_known = |name| self.place.file(name).exists();
        if !passphrase.exists() && !is_known("signer.json") {
            return Err(SetError::NoPassphrase {
                passphrase,
                data: self.place.data.clone(),
            });
        }
        let setup = Setup::prepare_for_restore(self.place.clone(), self.now)?;
        for news in &setup.news {
            eprintln!("{news}");
        }
        Ok(())
    }

    fn verify_with(&self, key: &[OsString]) -> Result<(), SetError> {
        let archive = self.absolute(KEYS);
        let keys = ["--keys".as_ref(), archive.as_os_str()];
        let key: Vec<&OsStr> = key.iter().map(OsString::as_os_str).collect();
        let both = [&keys[..], &key].concat();
        self.server("verify its backup", "verify-backup", &both)?;
        self.signer("verify its backup", "verify-backup", &key)
    }

    /// Says which files a restore needs that the set does not have, or what opens them.
    fn say_what_is_needed(&self) {
        let Place { data, .. } = &self.place;
        let (folder, data) = (self.folder.display(), data.display());
        if self.escrow.is_some() {
            eprintln!(
                "The backup in {folder} is complete, and its keys, passphrases and settings are sealed.\n\
                 Keep the private half of the escrow key: nothing else opens the backup. On the machine that has \
                 it, `countersign verify-backup --escrow-key PRIVATE {folder}` checks the rest."
            );
        } else {
            eprintln!(
                "The backup in {folder} holds trust data and encrypted keys. A restore also needs:\n  \
                 {data}/passphrases   without it, nothing opens the keys\n  \
                 {data}/server.json, {data}/signer.json   the settings\n  \
                 {data}/ca.crt, {data}/ca.key   the CA that clients trust\n\
                 Keep copies of them in another place. With --escrow PUBLIC, all of it is in the backup, sealed."
            );
        }
    }

    /// Restoring or backing up would otherwise fail in words about a configuration.
    fn find_service(&self) -> Result<(), SetError> {
        let known = ["server.json", "signer.json"].map(|name| self.place.file(name).exists());
        if known == [true; 2] {
            Ok(())
        } else {
            Err(SetError::NoService(self.place.data.clone()))
        }
    }

    fn server(&self, what: &'static str, task: &str, more: &[&OsStr]) -> Result<(), SetError> {
        self.run("server", "server.json", what, task, TRUST_DATA, more)
    }

    fn signer(&self, what: &'static str, task: &str, more: &[&OsStr]) -> Result<(), SetError> {
        self.run("signer", "signer.json", what, task, KEYS, more)
    }

    fn run(
        &self,
        program: &'static str,
        configuration: &str,
        what: &'static str,
        task: &str,
        archive: &str,
        more: &[&OsStr],
    ) -> Result<(), SetError> {
        let empty = self.allow_empty && task != "restore";
        let status = Command::new(&self.executable)
            .args([program, "-config"])
            .arg(self.place.file(configuration))
            .arg(task)
            .arg(self.absolute(archive))
            .args(more)
            .args(empty.then_some("--allow-empty"))
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(SetError::Failed { program, what })
        }
    }

    /// The path of a file of the set, which cannot be mistaken for a flag.
    fn absolute(&self, name: &str) -> PathBuf {
        absolute(&self.folder.join(name))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| Path::new(".").join(path))
}
