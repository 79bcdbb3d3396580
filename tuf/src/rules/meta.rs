//! Whether the bytes of a file are those that a snapshot or timestamp lists.

use crate::metadata::{Meta, MetaFile};
use crate::{Checksums, Role};

/// Checks that a snapshot meta a file's bytes as they are. Lengths are not compared (Notary 0.7):
/// the hashes cover them.
pub(crate) fn check_listed(meta: &Meta, role: &Role, actual: &Checksums) -> Result<(), String> {
    let (sha256, sha512) = meta
        .get(role.as_str())
        .map_or((None, None), |MetaFile { sha256, sha512, .. }| {
            (sha256.as_deref(), sha512.as_deref())
        });
    if sha256.is_none() && sha512.is_none() {
        return Err(format!(
            "no checksums for supported algorithms were provided for {role}"
        ));
    }
    check_hash(role, "sha256", sha256, &actual.sha256)?;
    check_hash(role, "sha512", sha512, &actual.sha512)
}

fn check_hash(
    role: &Role,
    algorithm: &str,
    listed: Option<&[u8]>,
    actual: &[u8],
) -> Result<(), String> {
    match listed.filter(|listed| *listed != actual) {
        None => Ok(()),
        Some(listed) => {
            let expected = hex::encode(listed);
            Err(format!(
                "{algorithm} checksum for {role} did not match: expected {expected}"
            ))
        }
    }
}
