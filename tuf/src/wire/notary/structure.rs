//! What each kind of file must look like before anything else is believed of it, in the order in
//! which Notary 0.7 looks.

use std::collections::BTreeMap;

use super::names::is_delegation;
use crate::{
    fault::{Fault, StructureProblem},
    key::{KeyId, PublicKey},
    metadata::{Body, Delegation, Delegations, Meta, MetaFile, RoleKeys, Root, Statement},
    role::Role,
};

/// The roles that every root must name, in the order in which Notary looks at them.
const TOP_ROLES: [Role; 4] = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];

pub(super) fn check_root(file: Statement<'_>) -> Result<&Root, Fault> {
    let Body::Root(root) = file.body()? else {
        return Err(file.fault(StructureProblem::OtherKind));
    };
    check_common(file, "Root")?;
    TOP_ROLES
        .into_iter()
        .try_for_each(|role| match root.roles.get(role.as_str()) {
            Some(role_keys) => check_role_keys(role_keys, role.as_str(), &root.keys),
            None => Err(StructureProblem::MissingRole(role)),
        })
        .map_err(|problem| file.fault(problem))?;
    Ok(root)
}

pub(super) fn check_targets(file: Statement<'_>) -> Result<&Delegations, Fault> {
    let delegations = file.delegations()?;
    check_common(file, "Targets")?;
    delegations
        .roles
        .iter()
        .try_for_each(|delegation| check_delegation(file.role, delegation, &delegations.keys))
        .map_err(|problem| file.fault(problem))?;
    Ok(delegations)
}

pub(super) fn check_meta(file: Statement<'_>) -> Result<&Meta, Fault> {
    let (type_name, needed): (_, &[&'static str]) = match file.role {
        Role::Timestamp => ("Timestamp", &["snapshot"]),
        _ => ("Snapshot", &["root", "targets"]),
    };
    let Body::Meta(meta) = file.body()? else {
        return Err(file.fault(StructureProblem::OtherKind));
    };
    check_common(file, type_name)?;
    needed
        .iter()
        .try_for_each(|name| check_meta_file(name, meta.get(*name)))
        .map_err(|problem| file.fault(problem))?;
    Ok(meta)
}

fn check_common(file: Statement<'_>, expected: &'static str) -> Result<(), Fault> {
    if file.envelope.type_name != expected {
        return Err(file.fault(StructureProblem::Type {
            expected,
            found: file.envelope.type_name.clone(),
        }));
    }
    if file.envelope.version < 1 {
        return Err(file.fault(StructureProblem::Version));
    }
    Ok(())
}

fn check_delegation(
    parent: &Role,
    delegation: &Delegation,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<(), StructureProblem> {
    let name = &delegation.name;
    let belongs = is_delegation(name)
        && name
            .rsplit_once('/')
            .is_some_and(|(above, _)| above == parent.as_str());
    if !belongs {
        return Err(StructureProblem::DelegationName(name.clone()));
    }
    check_role_keys(&delegation.role_keys, name, keys)
}

fn check_role_keys(
    role_keys: &RoleKeys,
    role: &str,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<(), StructureProblem> {
    if role_keys.threshold < 1 {
        return Err(StructureProblem::Threshold {
            role: role.to_owned(),
            threshold: role_keys.threshold,
        });
    }
    match role_keys.key_ids.iter().find(|id| !keys.contains_key(id)) {
        None => Ok(()),
        Some(id) => Err(StructureProblem::MissingKey {
            role: role.to_owned(),
            id: id.clone(),
        }),
    }
}

fn check_meta_file(name: &'static str, file: Option<&MetaFile>) -> Result<(), StructureProblem> {
    let Some(sha256) = file.and_then(|file| file.sha256.as_ref()) else {
        return Err(StructureProblem::MissingChecksum(name));
    };
    let sha512 = file.and_then(|file| file.sha512.as_ref());
    let invalid = |algorithm| Err(StructureProblem::ChecksumLength { name, algorithm });
    if sha256.len() != 32 {
        return invalid("sha256");
    }
    if sha512.is_some_and(|sha512| sha512.len() != 64) {
        invalid("sha512")
    } else {
        Ok(())
    }
}
