//! Whether the bytes of a file are those that a snapshot or timestamp lists.

use crate::{
    fault::MetaFault,
    files::File,
    metadata::{Checksums, Meta},
    role::Role,
    wire::MetadataFormat,
};

/// Checks that `meta` lists `file` as it is, by what its format compares.
pub(crate) fn check_listed(meta: &Meta, file: &File) -> Result<(), MetaFault> {
    let (role, conventions) = (file.role(), file.format().conventions());
    let listed = meta.get(role.as_str());
    conventions.check_listed(role, listed, file.version(), file.checksums())
}

/// Whether a snapshot of the format lists the file of `role`.
pub(crate) fn is_listed(format: MetadataFormat, role: &Role) -> bool {
    *role != Role::Root || format.lists_root()
}

/// Checks that a file is no longer than listed: clients stop reading there.
pub(crate) fn check_length(meta: &Meta, role: &Role, actual: &Checksums) -> Result<(), MetaFault> {
    let Some(listed) = meta.get(role.as_str()).map_or(Some(0), |file| file.length) else {
        return Ok(());
    };
    let length = actual.length;
    if i64::try_from(length).is_ok_and(|length| length <= listed) {
        return Ok(());
    }
    Err(MetaFault::Length { length, listed })
}
