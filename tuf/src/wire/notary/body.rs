//! Reading what is particular to each role.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{shapes, targets as listed};
use crate::{
    encoding::{
        base64,
        json::{
            self, DecodeError, Decoded, Member, Value, array, elements, integer, member, object,
            text,
        },
    },
    key::{KeyId, KeyType, PublicKey},
    metadata::{Body, Delegation, Delegations, Entry, Meta, MetaFile, RoleKeys, Root},
    role::Role,
};

/// How much of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail<'b> {
    /// Everything that publishing needs, of the file with these bytes.
    Whole(&'b Bytes),
    /// What verifying it takes, and nothing to make its successor from.
    Verifiable(&'b Bytes),
    /// What the file lists, and nothing to verify it or to make its successor from.
    Listing,
}

impl<'b> Detail<'b> {
    /// The bytes of the file, if what was signed of them is kept.
    pub(super) fn signed(self) -> Option<&'b Bytes> {
        match self {
            Self::Whole(bytes) | Self::Verifiable(bytes) => Some(bytes),
            Self::Listing => None,
        }
    }
}

/// Reads the signed part of a role's file; version and expiry were read with the envelope.
pub(super) fn read(
    role: &Role,
    signed: &[Member<'_>],
    version: i64,
    expires: Option<OffsetDateTime>,
    detail: Detail<'_>,
) -> Decoded<Body> {
    match role {
        Role::Root => root(signed, version, expires).map(Body::Root),
        Role::Targets | Role::Delegation(_) => targets(signed).map(Body::Targets),
        Role::Snapshot | Role::Timestamp => meta(signed, detail).map(Body::Meta),
    }
}

fn root(signed: &[Member<'_>], version: i64, expires: Option<OffsetDateTime>) -> Decoded<Root> {
    let mut roles = BTreeMap::new();
    for (name, value) in elements(member(signed, "roles"), "map[data.RoleName]*data.RootRole")? {
        if *value != Value::Null {
            roles.insert(
                name.to_owned(),
                role_keys(object(Some(value), "data.RootRole")?)?,
            );
        }
    }
    Ok(Root {
        version,
        expires,
        keys: keys(member(signed, "keys"))?,
        roles,
    })
}

fn targets(signed: &[Member<'_>]) -> Decoded<Delegations> {
    check_targets(member(signed, "targets"))?;
    let delegations = object(member(signed, "delegations"), "data.Delegations")?;
    let roles = array(member(delegations, "roles"), "[]*data.Role")?;
    Ok(Delegations::new(
        keys(member(delegations, "keys"))?,
        roles.iter().map(delegation).collect::<Decoded<_>>()?,
    ))
}

/// Checks that a client could read the listed targets, without keeping any of them: this crate
/// asks for none.
fn check_targets(targets: Option<&Value<'_>>) -> Decoded<()> {
    if let Some(Value::Raw(text)) = targets {
        return listed::check(text);
    }
    for (_, target) in object(targets, "data.Files")? {
        if let Value::Raw(text) = target {
            listed::check_one(text)?;
            continue;
        }
        let target = object(Some(target), "data.FileMeta")?;
        integer(member(target, "length"))?;
        for (_, hash) in object(member(target, "hashes"), "data.Hashes")? {
            base64::check(text(Some(hash))?)?;
        }
    }
    Ok(())
}

fn delegation(value: &Value<'_>) -> Decoded<Delegation> {
    if *value == Value::Null {
        // Notary 0.7 crashed here.
        return Err(DecodeError::kind(value, "data.Role"));
    }
    let members = object(Some(value), "data.Role")?;
    for path in array(member(members, "paths"), "[]string")? {
        text(Some(path))?;
    }
    Ok(Delegation {
        name: text(member(members, "name"))?.to_owned(),
        role_keys: role_keys(members)?,
    })
}

fn role_keys(members: &[Member<'_>]) -> Decoded<RoleKeys> {
    let ids = array(member(members, "keyids"), "[]string")?;
    Ok(RoleKeys {
        key_ids: ids
            .iter()
            .map(|id| text(Some(id)).map(KeyId::from))
            .collect::<Decoded<_>>()?,
        threshold: integer(member(members, "threshold"))?,
    })
}

fn keys(value: Option<&Value<'_>>) -> Decoded<BTreeMap<KeyId, PublicKey>> {
    let entries = elements(value, "data.Keys")?;
    entries
        .into_iter()
        .map(|(id, value)| Ok((KeyId::from(id), key(value)?)))
        .collect()
}

/// A key object; `private` and unknown members are ignored.
fn key(value: &Value<'_>) -> Decoded<PublicKey> {
    let members = object(Some(value), "data.TUFKey")?;
    let pair = object(member(members, "keyval"), "data.KeyPair")?;
    let public = member(pair, "public")
        .map(|public| text(Some(public)))
        .transpose()?;
    let public = public.map(base64::decode).transpose()?;
    Ok(PublicKey::from_file(
        KeyType::from(text(member(members, "keytype"))?),
        public,
    ))
}

fn meta(signed: &[Member<'_>], detail: Detail<'_>) -> Decoded<Meta> {
    let mut meta = Meta::new();
    for (name, value) in elements(member(signed, "meta"), "data.Files")? {
        // A null entry pins nothing, like no entry at all.
        if *value != Value::Null {
            meta.insert(name.to_owned(), meta_file(value, detail)?);
        }
    }
    Ok(meta)
}

fn meta_file(value: &Value<'_>, detail: Detail<'_>) -> Decoded<MetaFile> {
    let members = object(Some(value), "data.FileMeta")?;
    let length = integer(member(members, "length"))?;
    let mut hashes = BTreeMap::new();
    for (algorithm, hash) in elements(member(members, "hashes"), "data.Hashes")? {
        hashes.insert(algorithm, base64::decode(text(Some(hash))?)?);
    }
    Ok(MetaFile {
        sha256: hashes.remove("sha256"),
        sha512: hashes.remove("sha512"),
        version: None,
        // Clients stop reading at once where none is listed.
        length: Some(length),
        entry: Entry(match detail {
            Detail::Whole(_) => json::normalise(value, &shapes::FILE),
            Detail::Verifiable(_) | Detail::Listing => Value::Null,
        }),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::wire::notary::texts;

    #[derive(Deserialize)]
    struct Form {
        name: String,
        key_json: String,
        keytype: Option<String>,
        key_id: Option<String>,
        error: Option<String>,
    }

    #[derive(Deserialize)]
    struct Vectors {
        json_forms: Vec<Form>,
    }

    #[test]
    fn key_objects_read_as_notary_reads_them() {
        let text = include_str!("../../../../fixtures/vectors/key_ids.json");
        let vectors: Vectors = serde_json::from_str(text).expect("recorded vectors");
        assert_eq!(vectors.json_forms.len(), 12);
        for form in vectors.json_forms {
            let read = key(&json::parse(&form.key_json).expect("recorded JSON"));
            match (read, form.error) {
                (Ok(read), None) => {
                    assert_eq!(
                        Some(read.key_type().as_str()),
                        form.keytype.as_deref(),
                        "{}",
                        form.name
                    );
                    assert_eq!(
                        Some(read.id().as_str()),
                        form.key_id.as_deref(),
                        "{}",
                        form.name
                    );
                }
                (Err(fault), Some(error)) => {
                    assert_eq!(texts::of_decoding(&fault), error, "{}", form.name);
                }
                (read, error) => panic!("{}: {read:?} against {error:?}", form.name),
            }
        }
    }
}
