//! A small disk under an instance, for tests of what happens when it is full.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::process::{Daemon, program};

/// A disk that can be filled. It lies over a folder, is seen only by what [`SmallDisk::with`] runs,
/// and is gone with it, whatever becomes of the test.
#[derive(Debug)]
pub(super) struct SmallDisk {
    // Keeps the disk while the instance is down.
    keeper: Daemon,
    folder: PathBuf,
}

impl SmallDisk {
    /// Room for an instance and a few transaction logs.
    const ROOM: &str = "size=128m";

    /// Moves `part` of the folder of a stopped instance to a new disk.
    pub(super) fn over(instance: &Path, part: &str) -> Result<Self> {
        // Holes in what databases set aside would make a full disk of one that they count on.
        const SCRIPT: &str = "mkdir \"$2\"
            mount -t tmpfs -o \"$3\" none \"$2\"
            cp -a --sparse=never \"$1/.\" \"$2\"
            mount --bind \"$2\" \"$1\"
            touch \"$2.ready\"
            exec sleep infinity";
        let folder = instance.join(part);
        let mut command = program("unshare");
        command
            .args(["--mount", "sh", "-euc", SCRIPT, "sh"])
            .args([&folder, &instance.join("disk")])
            .arg(Self::ROOM);
        let mut keeper = Daemon::start("a small disk", &command, &instance.join("disk.log"))?;
        let ready = instance.join("disk.ready");
        keeper.until("is there", || ready.exists())?;
        Ok(Self { keeper, folder })
    }

    /// `command` again, where the disk is seen.
    pub(super) fn with(&self, command: &Command) -> Command {
        let mut inside = program("nsenter");
        inside
            .arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id()))
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    /// The way to an absolute `path` as it is where the disk is seen.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        Path::new("/proc")
            .join(self.keeper.id().to_string())
            .join("root")
            .join(path.strip_prefix("/").unwrap_or(path))
    }

    fn ballast(&self) -> PathBuf {
        self.inside(&self.folder.join("ballast"))
    }

    pub(super) fn fill(&self) -> Result<()> {
        const PAGE: [u8; 4096] = [0; 4096];
        let mut ballast = fs::File::create(self.ballast())?;
        loop {
            match ballast.write_all(&PAGE) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}
