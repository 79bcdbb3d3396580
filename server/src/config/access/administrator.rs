//! `NOTARY_AUTH` and `NOTARY_AUTH_FILE`.

use std::fs;

use access::{Credentials, administrator};
use daemon::{Settings, SettingsError};
use zeroize::Zeroizing;

const VALUE: &str = "auth.administrator";
const FILE: &str = "auth.administrator_file";

/// Where an administrator may be named.
pub(super) const KEYS: [&str; 2] = [VALUE, FILE];

/// Whether an administrator is named.
pub(super) fn is_named(settings: &Settings) -> Result<bool, SettingsError> {
    match (settings.is_set(VALUE), settings.is_set(FILE)) {
        (true, true) => Err(settings.refused(
            FILE,
            "NOTARY_AUTH (auth.administrator) is set as well: set one of the two",
        )),
        (value, file) => Ok(value || file),
    }
}

/// The administrator, if one is named.
pub(super) fn read(settings: &Settings) -> Result<Option<Credentials>, SettingsError> {
    if !is_named(settings)? {
        return Ok(None);
    }
    let (key, text) = match settings.path(FILE) {
        None => (
            VALUE,
            Zeroizing::new(settings.required_text(VALUE)?.to_owned()),
        ),
        Some(file) => {
            let text = fs::read_to_string(&file).map_err(|error| {
                settings.refused(FILE, format_args!("open {}: {error}", file.display()))
            })?;
            (FILE, Zeroizing::new(text))
        }
    };
    administrator(&text)
        .map(Some)
        .map_err(|error| settings.refused(key, error))
}
