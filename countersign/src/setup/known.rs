//! What a data folder had before, noted in a file of its own: what was there and is gone was lost,
//! and must not come back empty, or without the authentication it had.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Place, SetupError};
use crate::files::{self, Access};

/// The file with the note, a word a line.
const NOTE: &str = "known";
/// The databases of the two programs, by their configuration files.
pub(super) const DATABASES: [(&str, &str); 2] =
    [("server.json", "server.db"), ("signer.json", "signer.db")];
/// Stands in the note once `server.json` had an `auth` section.
const AUTHENTICATION: &str = "authentication";

/// Refuses a folder that has lost what it had, and notes what it has.
pub(super) fn check(place: &Place) -> Result<(), SetupError> {
    let known = read(place)?;
    for (configuration, database) in DATABASES {
        let is_used = configuration_of(place, configuration)?
            .is_none_or(|found| names_own_database(&found, place, database));
        if is_used && known.contains(database) && !is_there(&place.file(database))? {
            return Err(SetupError::DatabaseLost {
                database: place.file(database),
                note: note(place),
            });
        }
    }
    let server = place.file("server.json");
    if known.contains(AUTHENTICATION) && files::read(&server)?.is_none() {
        return Err(SetupError::AuthenticationLost {
            configuration: server,
            note: note(place),
        });
    }
    add(place, known)
}

/// Notes what the folder has by now.
pub(super) fn note_what_is_there(place: &Place) -> Result<(), SetupError> {
    add(place, read(place)?)
}

/// Whether `configuration` names the database `name` of this folder.
pub(super) fn names_own_database(configuration: &Value, place: &Place, name: &str) -> bool {
    let url = configuration["storage"]["db_url"].as_str();
    url.is_some_and(|url| place.file(url) == place.file(name))
}

fn add(place: &Place, mut known: BTreeSet<String>) -> Result<(), SetupError> {
    let before = known.len();
    for (_, database) in DATABASES {
        if is_there(&place.file(database))? {
            known.insert(database.to_owned());
        }
    }
    if configuration_of(place, "server.json")?.is_some_and(|found| has_authentication(&found)) {
        known.insert(AUTHENTICATION.to_owned());
    }
    if known.len() > before {
        let lines: String = known.iter().flat_map(|word| [word, "\n"]).collect();
        files::write(&note(place), lines.as_bytes(), Access::Owner)?;
    }
    Ok(())
}

fn read(place: &Place) -> Result<BTreeSet<String>, SetupError> {
    let bytes = files::read(&note(place))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::to_owned).collect())
}

fn note(place: &Place) -> PathBuf {
    place.file(NOTE)
}

/// An empty file is what is left where a database could not be written.
fn is_there(database: &Path) -> Result<bool, SetupError> {
    Ok(files::read_start::<1>(database)?.is_some_and(|start| !start.is_empty()))
}

/// What stands in a configuration file, if it is there and can be understood.
fn configuration_of(place: &Place, name: &str) -> Result<Option<Value>, SetupError> {
    let text = files::read(&place.file(name))?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

fn has_authentication(configuration: &Value) -> bool {
    let auth = configuration.as_object().into_iter().flatten();
    auth.filter(|(name, _)| name.eq_ignore_ascii_case("auth"))
        .any(|(_, section)| section["type"].as_str().is_some_and(|kind| kind != "none"))
}
