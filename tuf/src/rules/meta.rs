//! Whether the bytes of a file are those that a snapshot or timestamp lists.

use crate::{
    fault::{Fault, MetaFault},
    metadata::{Checksums, Meta},
    role::Role,
};

/// Checks that `meta` lists a file's bytes as they are. Lengths are not compared (Notary 0.7): the
/// hashes cover them.
pub(crate) fn check_hashes(meta: &Meta, role: &Role, actual: &Checksums) -> Result<(), Fault> {
    let listed = meta.get(role.as_str());
    let sha256 = listed.and_then(|file| file.sha256.as_deref());
    let sha512 = listed.and_then(|file| file.sha512.as_deref());
    if sha256.is_none() && sha512.is_none() {
        return Err(MetaFault::NotListed(role.clone()).into());
    }
    for (algorithm, listed, actual) in [
        ("sha256", sha256, &actual.sha256[..]),
        ("sha512", sha512, &actual.sha512[..]),
    ] {
        if let Some(listed) = listed.filter(|listed| *listed != actual) {
            return Err(Fault::Meta(MetaFault::Checksum {
                role: role.clone(),
                algorithm,
                expected: listed.to_vec(),
            }));
        }
    }
    Ok(())
}

/// Checks that a file is no longer than listed: clients stop reading there.
pub(crate) fn check_length(meta: &Meta, role: &Role, actual: &Checksums) -> Result<(), MetaFault> {
    let listed = meta.get(role.as_str()).map_or(0, |file| file.length);
    let length = actual.length;
    if i64::try_from(length).is_ok_and(|length| length <= listed) {
        return Ok(());
    }
    Err(MetaFault::Length { length, listed })
}
