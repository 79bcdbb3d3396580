//! One at a time: what is made in several files is made by one process alone.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use crate::files::FileError;

/// Held as long as this lives; a process that is killed holds nothing.
pub(super) struct Lock {
    _held: File,
}

/// How often it is looked whether the other is done.
const STEP: Duration = Duration::from_millis(50);
/// After so many steps it is time to say why nothing happens.
const PATIENCE: u32 = 20;

impl Lock {
    /// Waits until no other process works in `folder`. `say` is told if that takes more than a second.
    ///
    /// The folder itself is locked, which also works where nothing can be written, and between
    /// containers that have no more in common than the volume.
    pub(super) fn wait(folder: &Path, say: &dyn Fn(&str)) -> Result<Self, FileError> {
        let file = open(folder)?;
        for step in 0.. {
            if is_ours(&file) {
                break;
            }
            tell(step, folder, say);
            std::thread::sleep(STEP);
        }
        Ok(Self { _held: file })
    }

    /// As [`Lock::wait`], for a process that listens to signals meanwhile.
    pub(super) async fn wait_awake(folder: &Path, say: &dyn Fn(&str)) -> Result<Self, FileError> {
        let file = open(folder)?;
        for step in 0.. {
            if is_ours(&file) {
                break;
            }
            tell(step, folder, say);
            tokio::time::sleep(STEP).await;
        }
        Ok(Self { _held: file })
    }
}

fn open(folder: &Path) -> Result<File, FileError> {
    File::open(folder).map_err(|cause| FileError::Read {
        path: folder.to_owned(),
        cause,
    })
}

/// On a file system without locks no process waits: two at once is what hardly ever happens,
/// and ends in an error then, and in nothing worse.
fn is_ours(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn tell(step: u32, folder: &Path, say: &dyn Fn(&str)) {
    if step == PATIENCE {
        say(&format!(
            "waiting for another `countersign prepare` that works in {}",
            folder.display()
        ));
    }
}
