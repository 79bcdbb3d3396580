//! Settings that have no meaning beside others.

use daemon::{Settings, SettingsError};

/// Refuses the first of `keys` that is set.
pub(super) fn refuse_all(
    settings: &Settings,
    keys: &[&str],
    reason: &str,
) -> Result<(), SettingsError> {
    match keys.iter().find(|key| settings.is_set(key)) {
        Some(key) => Err(settings.refused(key, reason)),
        None => Ok(()),
    }
}
