//! `countersign backup` and `countersign restore`: the archives of both programs in one folder, made and put
//! back in the right order.
//!
//! The programs do the work, as processes of their own with the configuration files of the data folder;
//! what is wrong they say themselves.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{self, FileError};
use crate::setup::Place;

/// The trust data in the folder of a set.
const TRUST_DATA: &str = "server.backup";
/// The keys in the folder of a set.
const KEYS: &str = "signer.backup";

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
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    /// A program failed, having said why.
    #[error("the {program} did not {what}; see above")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it was told to.
        what: &'static str,
    },
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
}

impl Set {
    /// Backs up a service, whether it runs or not, and verifies the set. The trust data first: every key
    /// that it names is then in the archive of the keys.
    pub fn backup(&self) -> Result<(), SetError> {
        self.find_service()?;
        files::make_folder(&self.folder)?;
        self.server("back up", "backup", &[])?;
        self.signer("back up", "backup")?;
        self.verify()
    }

    /// Puts a set into the empty databases of a service that does not run, if both archives are in order.
    /// The keys first: without them, nothing could be signed.
    pub fn restore(&self) -> Result<(), SetError> {
        self.find_service()?;
        self.verify()?;
        self.signer("restore", "restore")?;
        self.server("restore", "restore", &[])
    }

    fn verify(&self) -> Result<(), SetError> {
        let keys = self.folder.join(KEYS);
        let keys = ["--keys".as_ref(), keys.as_os_str()];
        self.server("find its backup in order", "verify-backup", &keys)?;
        self.signer("find its backup in order", "verify-backup")
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

    fn signer(&self, what: &'static str, task: &str) -> Result<(), SetError> {
        self.run("signer", "signer.json", what, task, KEYS, &[])
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
        let status = Command::new(&self.executable)
            .args([program, "-config"])
            .arg(self.place.file(configuration))
            .arg(task)
            .arg(self.absolute(archive))
            .args(more)
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(SetError::Failed { program, what })
        }
    }

    /// The path of an archive, which cannot be mistaken for a flag.
    fn absolute(&self, archive: &str) -> PathBuf {
        let path = self.folder.join(archive);
        std::path::absolute(&path).unwrap_or_else(|_| Path::new(".").join(path))
    }
}
