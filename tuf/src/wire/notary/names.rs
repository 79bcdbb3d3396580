//! The names of roles.

use crate::role::Role;

/// Notary 0.7's test for a delegation's name: `targets/` and at least one more segment, the whole
/// name of `a-z`, `0-9`, `-`, `_` and `/` alone, without empty segments. Dots are outside the
/// alphabet, so `.` and `..` cannot occur.
pub(super) fn is_delegation(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'/');
    name.len() <= Role::MAX_BYTES
        && name.bytes().all(allowed)
        && name
            .strip_prefix("targets/")
            .is_some_and(|rest| rest.split('/').all(|segment| !segment.is_empty()))
}
