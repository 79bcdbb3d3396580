//! What each kind of file must look like before anything else is believed of it; the texts are
//! Notary 0.7's.

use std::collections::BTreeMap;

use crate::metadata::{Body, Delegation, Delegations, Envelope, Meta, MetaFile, RoleKeys, Root};
use crate::{KeyId, PublicKey, Role};

/// The roles that every root must name, in the order in which Notary looks at them.
const TOP_ROLES: [Role; 4] = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];

/// The root in an envelope, if it is whole.
pub(crate) fn check_root(envelope: &Envelope) -> Result<&Root, String> {
    let invalid = |text: String| format!("root type metadata invalid: {text}");
    let Body::Root(root) = body(envelope, "root")? else {
        return Err(invalid("not a root".to_owned()));
    };
    check_type(envelope, "Root").map_err(invalid)?;
    if envelope.version < 1 {
        return Err(invalid("version cannot be less than 1".to_owned()));
    }
    for role in TOP_ROLES {
        let role_keys = root.roles.get(role.as_str());
        let role_keys =
            role_keys.ok_or_else(|| invalid(format!("missing {role} role specification")))?;
        check_role_keys(role_keys, role.as_str(), &root.keys).map_err(invalid)?;
    }
    Ok(root)
}

/// The delegations in an envelope of `role`, if it is whole.
pub(crate) fn check_targets<'e>(
    role: &Role,
    envelope: &'e Envelope,
) -> Result<&'e Delegations, String> {
    let invalid = |text: String| format!("{role} type metadata invalid: {text}");
    let delegations = delegations(role, envelope)?;
    check_type(envelope, "Targets").map_err(invalid)?;
    check_version(envelope).map_err(invalid)?;
    for delegation in &delegations.roles {
        check_delegation(role, delegation, &delegations.keys).map_err(invalid)?;
    }
    Ok(delegations)
}

/// The delegations in an envelope of `role` that was checked before: checking a file once for each
/// role below it would cost the square of their number.
pub(crate) fn delegations<'e>(
    role: &Role,
    envelope: &'e Envelope,
) -> Result<&'e Delegations, String> {
    match body(envelope, role.as_str())? {
        Body::Targets(delegations) => Ok(delegations),
        _ => Err(format!("{role} type metadata invalid: not a targets file")),
    }
}

/// The meta in a snapshot's envelope, if it is whole.
pub(crate) fn check_snapshot(envelope: &Envelope) -> Result<&Meta, String> {
    check_meta(envelope, "snapshot", "Snapshot", &["root", "targets"])
}

/// The meta in a timestamp's envelope, if it is whole; the snapshot's is the one that matters.
pub(crate) fn check_timestamp(envelope: &Envelope) -> Result<&Meta, String> {
    check_meta(envelope, "timestamp", "Timestamp", &["snapshot"])
}

fn check_meta<'e>(
    envelope: &'e Envelope,
    role: &str,
    type_name: &str,
    needed: &[&str],
) -> Result<&'e Meta, String> {
    let invalid = |text: String| format!("{role} type metadata invalid: {text}");
    let Body::Meta(meta) = body(envelope, role)? else {
        return Err(invalid(format!("not a {role}")));
    };
    check_type(envelope, type_name).map_err(invalid)?;
    check_version(envelope).map_err(invalid)?;
    for name in needed {
        check_meta_file(name, meta.get(*name)).map_err(invalid)?;
    }
    Ok(meta)
}

/// The body of an envelope, or what kept it from being read.
fn body<'e>(envelope: &'e Envelope, role: &str) -> Result<&'e Body, String> {
    match &envelope.body {
        None => Err(format!(
            "{role} type metadata invalid: {role} file contained an empty payload"
        )),
        Some(body) => body.as_ref().map_err(Clone::clone),
    }
}

fn check_type(envelope: &Envelope, expected: &str) -> Result<(), String> {
    if envelope.type_name == expected {
        return Ok(());
    }
    Err(format!(
        "expected type {expected}, not {}",
        envelope.type_name
    ))
}

fn check_version(envelope: &Envelope) -> Result<(), String> {
    if envelope.version < 1 {
        Err("version cannot be less than one".to_owned())
    } else {
        Ok(())
    }
}

fn check_delegation(
    parent: &Role,
    delegation: &Delegation,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<(), String> {
    let name = &delegation.name;
    let belongs = Role::parse(name).is_ok_and(|role| role.parent().as_ref() == Some(parent));
    if !belongs {
        return Err(format!("delegation role {name} invalid"));
    }
    check_role_keys(&delegation.role_keys, name, keys)
}

fn check_role_keys(
    role_keys: &RoleKeys,
    role: &str,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<(), String> {
    if role_keys.threshold < 1 {
        // The blank at the end is Notary's.
        return Err(format!(
            "invalid threshold specified for {role}: {} ",
            role_keys.threshold
        ));
    }
    match role_keys.key_ids.iter().find(|id| !keys.contains_key(id)) {
        Some(id) => Err(format!(
            "key ID {id} specified in {role} without corresponding key"
        )),
        None => Ok(()),
    }
}

fn check_meta_file(name: &str, file: Option<&MetaFile>) -> Result<(), String> {
    let Some(sha256) = file.and_then(|file| file.sha256.as_ref()) else {
        return Err(format!("missing {name} sha256 checksum information"));
    };
    let sha512 = file.and_then(|file| file.sha512.as_ref());
    let invalid = |algorithm: &str| {
        Err(format!(
            "invalid {name} checksum information, {algorithm} checksum invalid"
        ))
    };
    if sha256.len() != 32 {
        return invalid("sha256");
    }
    if sha512.is_some_and(|sha512| sha512.len() != 64) {
        invalid("sha512")
    } else {
        Ok(())
    }
}
