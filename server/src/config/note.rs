//! A server that asked its callers who they are does not stop asking because a variable was lost.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use authn::settings::{AuthenticationSettings, SchemeSettings};
use daemon::SettingsError;

use super::sections::Server;

/// What the file says to those who find it.
const TEXT: &str = "Authentication is on. While this file exists, notary-server does not start \
                    without it. To switch it off on purpose, set NOTARY_SERVER_AUTH_TYPE=none.\n";

/// Where a server remembers from one start to the next that authentication is on.
#[derive(Clone, Debug)]
pub struct AuthenticationNote {
    path: PathBuf,
    wanted: Wanted,
}

/// What the configuration makes of the note.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Authentication is on.
    Present,
    /// Authentication is off, and the operator wrote so.
    Absent,
    /// Authentication is off because nothing was said, and it was never on.
    Unchanged,
}

impl AuthenticationNote {
    /// Reads where the note is, if it is kept, and refuses a start that has lost authentication.
    pub(super) fn read(
        server: &Server<'_>,
        authentication: &AuthenticationSettings,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(path) = server.authentication_note.path() else {
            return Ok(None);
        };
        let wanted = match authentication.scheme {
            SchemeSettings::None { is_written: true } => Wanted::Absent,
            SchemeSettings::None { is_written: false } => Wanted::Unchanged,
            SchemeSettings::Passwords(_) | SchemeSettings::OutsideTokens(_) => Wanted::Present,
        };
        if matches!(wanted, Wanted::Unchanged) {
            refuse_lost(server, &path)?;
        }
        Ok(Some(Self { path, wanted }))
    }

    /// Writes the note, or removes it where the operator has switched authentication off. Do this
    /// before the first request is served: a note that is missing protects nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be written or removed.
    pub fn keep(&self) -> io::Result<()> {
        match self.wanted {
            Wanted::Present => write(&self.path),
            Wanted::Absent => allow(io::ErrorKind::NotFound, fs::remove_file(&self.path)),
            Wanted::Unchanged => Ok(()),
        }
    }

    /// Where the note is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn refuse_lost(server: &Server<'_>, path: &Path) -> Result<(), SettingsError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(server.authentication_note.refuse(format_args!(
                "cannot tell whether authentication was on: {}: {error}",
                path.display()
            ),
        )),
        Ok(_) => Err(server.authentication_note.refuse(format_args!(
                "authentication was on at an earlier start (noted in {}), and the configuration has none now: put back the variable, the line of .env or the file that was lost (NOTARY_AUTH_FILE or NOTARY_AUTH, or auth.type \"htpasswd\" or \"token\"); to switch authentication off on purpose, say so with auth.type \"none\" (NOTARY_SERVER_AUTH_TYPE=none)",
                path.display()
            ),
        )),
    }
}

fn write(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    allow(
        io::ErrorKind::AlreadyExists,
        file.and_then(|mut file| {
            file.write_all(TEXT.as_bytes())?;
            file.sync_all()
        }),
    )
}

/// `result`, where a failure of this kind means that nothing had to be done.
fn allow(kind: io::ErrorKind, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => other,
    }
}
