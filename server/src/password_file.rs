//! The password file, for commands that only read it.

use std::{io, path::Path};

use access::PasswordFile;
use anyhow::{Context as _, Result};
use daemon::regular;

/// The users of a password file.
pub(crate) fn read(path: &Path) -> Result<PasswordFile> {
    let text = regular::open(path)
        .and_then(io::read_to_string)
        .with_context(|| path.display().to_string())?;
    PasswordFile::parse(&text).with_context(|| path.display().to_string())
}
