//! How far versions may go in one step.

use crate::{fault::Fault, files::File};

/// How far a role's version may be above the version that is stored.
///
/// Notary 0.7 takes any version, so one publish of version 2147483647, the last that the database
/// can hold, ends all publishing (audit finding TUF-01-002). Root is held to steps of one in any
/// case.
pub const MAX_VERSION_STEP: i64 = 10_000;

/// Refuses a version that is out of reach of the stored one, or of the database.
pub(crate) fn check_version_step(file: &File, current: i64) -> Result<(), Fault> {
    let version = file.version();
    if version > i64::from(i32::MAX) || version > current.saturating_add(MAX_VERSION_STEP) {
        return Err(Fault::VersionOutOfReach { version, current });
    }
    Ok(())
}
