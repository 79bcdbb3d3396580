//! What the log of a machine is called in the database.

use std::path::Path;

/// What a log is called that is standard error.
pub(super) const STANDARD_ERROR: &str = ":standard error";

/// What the log of this machine at `path` is called in the database; `None`: standard error.
#[must_use]
pub fn name_log(path: Option<&Path>) -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let name = match path {
        None => format!("{host}{STANDARD_ERROR}"),
        Some(path) => format!("{host}:{}", path.display()),
    };
    // The column has room for 255 characters that every character set has.
    name.escape_default().take(255).collect()
}
