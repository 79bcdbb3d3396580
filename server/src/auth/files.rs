//! The password file, for those who only look at it.

use std::{fs, path::Path};

use access::PasswordFile;
use anyhow::{Context as _, Result};

/// The users of a password file.
pub(crate) fn password_file(path: &Path) -> Result<PasswordFile> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    PasswordFile::parse(&text).with_context(|| path.display().to_string())
}
