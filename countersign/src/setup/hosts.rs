//! The names by which other machines reach the server. They are given once and kept: a renewed
//! certificate has them too.

use super::{Place, SetupError};
use crate::{
    files::{self, Access},
    names::Name,
};

/// The file with the names, one a line.
const FILE: &str = "hosts";

/// Keeps the names that were `given`; answers with them or, without any, with those kept before.
pub(super) fn keep(place: &Place, given: &[Name]) -> Result<Vec<Name>, SetupError> {
    let path = place.file(FILE);
    if given.is_empty() {
        let kept = files::read(&path)?.unwrap_or_default();
        let names = String::from_utf8_lossy(&kept);
        let names = names.lines().filter(|line| !line.trim().is_empty());
        return names
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|cause| SetupError::Hosts { path, cause });
    }
    let lines: String = given
        .iter()
        .flat_map(|name| [name.as_str(), "\n"])
        .collect();
    files::write(&path, lines.as_bytes(), Access::All)?;
    Ok(given.to_vec())
}
