//! Settings that have no meaning beside others.

use daemon::{SettingsError, settings::Entry};

/// Refuses the first of `entries` that is set.
pub(super) fn refuse_all(entries: &[&Entry<'_>], reason: &str) -> Result<(), SettingsError> {
    match entries.iter().find(|entry| entry.is_set()) {
        Some(entry) => Err(entry.refuse(reason)),
        None => Ok(()),
    }
}
