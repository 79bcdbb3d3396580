//! Which names a delegation may list.

use std::collections::BTreeMap;

use crate::encoding::json::{self, Decoded, array, member, object, text};

/// The paths of every role that a file delegates to. The first definition of a name counts, and a
/// delegation without paths may list nothing.
///
/// They are read when they are asked for and not kept with the file: publishing needs none.
pub(super) fn read(file: &str) -> Decoded<BTreeMap<String, Vec<String>>> {
    let parsed = json::parse_file(file, usize::MAX)?;
    let members = object(Some(&parsed.value), "data.SignedMeta")?;
    let signed = object(member(members, "signed"), "data.SignedCommon")?;
    let delegations = object(member(signed, "delegations"), "data.Delegations")?;
    let mut paths = BTreeMap::new();
    for role in array(member(delegations, "roles"), "[]*data.Role")? {
        let role = object(Some(role), "data.Role")?;
        let list = array(member(role, "paths"), "[]string")?.iter();
        let list = list.map(|path| text(Some(path)).map(str::to_owned));
        paths
            .entry(text(member(role, "name"))?.to_owned())
            .or_insert(list.collect::<Decoded<Vec<_>>>()?);
    }
    Ok(paths)
}
