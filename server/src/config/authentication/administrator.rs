//! `NOTARY_AUTH`.

use access::{Credentials, administrator};
use daemon::{Settings, SettingsError};

/// Where an administrator is named.
pub(super) const KEY: &str = "auth.administrator";

/// Whether an administrator is named.
pub(super) fn is_named(settings: &Settings) -> bool {
    settings.is_set(KEY)
}

/// The administrator, if one is named.
pub(super) fn read(settings: &Settings) -> Result<Option<Credentials>, SettingsError> {
    let Some(text) = settings.text(KEY) else {
        return Ok(None);
    };
    administrator(text)
        .map(Some)
        .map_err(|error| settings.refused(KEY, error))
}
