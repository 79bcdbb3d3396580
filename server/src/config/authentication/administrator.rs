//! `NOTARY_AUTH`.

use access::{Credentials, administrator};
use daemon::SettingsError;

use crate::config::sections::Auth;

/// The administrator, if one is named.
pub(super) fn read(auth: &Auth<'_>) -> Result<Option<Credentials>, SettingsError> {
    let Some(text) = auth.administrator.text() else {
        return Ok(None);
    };
    administrator(text)
        .map(Some)
        .map_err(|error| auth.administrator.refuse(error))
}
