//! A format for tests, as small as one can be: it shows what a second format has to bring.
//!
//! It follows TUF 1.0 where that differs from Notary: small letters for types, `.json` behind
//! listed names, versions listed and hashes optional, hashes, keys and signatures in hex, no
//! certificates. A snapshot does not list the root, and any file may delegate to any name.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    conventions::{Conventions, Delegator, check_hashes},
    spelling::{Composed, Parts, Spelling},
};
use crate::{
    encoding::{
        canonical, date,
        json::{
            self, Count, DecodeError, Decoded, Member, ReadingFault, Sizes, Value, array, elements,
            integer, member, object, text,
        },
    },
    fault::{EnvelopeFault, Fault, MetaFault, StructureProblem},
    key::{KeyId, KeyType, Method, PublicKey, Signature},
    metadata::{
        Body, Checksums, Delegation, Delegations, Entry, Envelope, Listing, Meta, MetaFile,
        RoleKeys, Root, Statement,
    },
    role::{DelegationName, Role},
};

/// A format for tests.
pub(super) struct Sketch;

impl Spelling for Sketch {
    fn name(&self) -> &'static str {
        "sketch"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        bytes.windows(12).any(|window| window == b"spec_version")
    }

    fn conventions(&self) -> &'static dyn Conventions {
        &Sketch
    }

    fn is_delegation(&self, name: &str) -> bool {
        name.starts_with("sketch-")
    }

    fn read(&self, role: &Role, bytes: &Bytes, most: usize) -> Decoded<Envelope> {
        let text_of_file = json::to_text(bytes);
        let file = json::parse_file(&text_of_file, most)?;
        let members = object(Some(&file.value), "a file")?;
        let signed = member(members, "signed");
        let common = object(signed, "a signed part")?;
        let signatures = array(member(members, "signatures"), "signatures")?;
        let version = integer(member(common, "version"))?;
        let expires = date::parse(text(member(common, "expires"))?);
        Ok(Envelope {
            version,
            expires,
            type_name: text(member(common, "_type"))?.to_owned(),
            signatures: signatures.iter().map(signature).collect::<Decoded<_>>()?,
            message: signed
                .ok_or(EnvelopeFault::NothingSigned)
                .and_then(|signed| Ok(canonical::message(signed)?.into())),
            body: Some(body(role, common, version, expires)),
            trailing: None,
            unexpected: None,
        })
    }

    fn read_listing(&self, role: &Role, bytes: &[u8]) -> Decoded<Envelope> {
        self.read(role, &Bytes::copy_from_slice(bytes), usize::MAX)
    }

    fn read_version(&self, bytes: &[u8]) -> Decoded<i64> {
        Ok(self.read_listing(&Role::Snapshot, bytes)?.version)
    }

    fn check_reading(
        &self,
        _: &Role,
        _: &[u8],
        _: &dyn Fn(Count) -> usize,
    ) -> Result<Sizes, ReadingFault> {
        Ok(Sizes::default())
    }

    fn measure(&self, _: &Role, _: &[u8]) -> Option<Sizes> {
        None
    }

    fn check_root<'e>(&self, file: Statement<'e>) -> Result<&'e Root, Fault> {
        match file.body()? {
            Body::Root(root) if file.envelope.type_name == "root" => Ok(root),
            _ => Err(file.fault(StructureProblem::OtherKind)),
        }
    }

    fn check_targets<'e>(&self, file: Statement<'e>) -> Result<&'e Delegations, Fault> {
        match file.body()? {
            Body::Targets(delegations) if file.envelope.type_name == "targets" => Ok(delegations),
            _ => Err(file.fault(StructureProblem::OtherKind)),
        }
    }

    fn check_meta<'e>(&self, file: Statement<'e>) -> Result<&'e Meta, Fault> {
        match file.body()? {
            Body::Meta(meta) if file.envelope.type_name == file.role.as_str() => Ok(meta),
            _ => Err(file.fault(StructureProblem::OtherKind)),
        }
    }

    fn parts(&self, _: &Role, _: &[u8]) -> Option<Parts> {
        None
    }

    fn each_target(&self, _: &str, _: &mut dyn FnMut(Listing<'_>)) -> Option<()> {
        None
    }

    fn paths(&self, _: &[u8]) -> Option<BTreeMap<String, Vec<String>>> {
        None
    }

    fn entry(&self, version: i64, checksums: &Checksums) -> Entry {
        let sha256 = Value::from(hex::encode(checksums.sha256));
        Entry(Value::Object(vec![
            (
                "hashes".into(),
                Value::Object(vec![("sha256".into(), sha256)]),
            ),
            ("length".into(), Value::integer(checksums.length)),
            ("version".into(), Value::integer(version)),
        ]))
    }

    fn compose(
        &self,
        role: &Role,
        version: i64,
        expires: OffsetDateTime,
        meta: BTreeMap<String, Entry>,
    ) -> Composed {
        let meta = meta
            .into_iter()
            .map(|(name, Entry(entry))| (format!("{name}.json").into(), entry))
            .collect();
        let signed = Value::Object(vec![
            ("_type".into(), Value::from(role.as_str().to_owned())),
            ("expires".into(), Value::from(date::format(expires))),
            ("meta".into(), Value::Object(meta)),
            ("spec_version".into(), Value::from("1.0.34")),
            ("version".into(), Value::integer(version)),
        ]);
        let message = canonical::message(&signed).expect("it has no fractions");
        Composed {
            text: message.clone(),
            message,
        }
    }

    fn seal(&self, composed: &Composed, signatures: &[(KeyId, Method, Vec<u8>)]) -> Vec<u8> {
        let signatures = signatures.iter().map(|(key_id, _, bytes)| {
            Value::Object(vec![
                ("keyid".into(), Value::from(key_id.as_str().to_owned())),
                ("sig".into(), Value::from(hex::encode(bytes))),
            ])
        });
        let signatures = Value::Array(signatures.collect());
        let wrapped = Value::Object(vec![("signatures".into(), signatures)]);
        let tail = canonical::message(&wrapped).expect("it has no numbers");
        [b"{\"signed\":", &composed.text[..], b",", &tail[1..]].concat()
    }

    fn words(&self, fault: &Fault) -> String {
        fault.to_string()
    }
}

impl Conventions for Sketch {
    fn lists_root(&self) -> bool {
        false
    }

    fn delegator(&self, _: &DelegationName) -> Delegator {
        Delegator::Any
    }

    fn check_listed(
        &self,
        role: &Role,
        listed: Option<&MetaFile>,
        version: i64,
        actual: &Checksums,
    ) -> Result<(), MetaFault> {
        let not_listed = || MetaFault::NotListed(role.clone());
        let file = listed.ok_or_else(not_listed)?;
        let listed = file.version.ok_or_else(not_listed)?;
        if listed != version {
            return Err(MetaFault::Version {
                role: role.clone(),
                version,
                listed,
            });
        }
        check_hashes(role, file, actual)
    }

    fn may_follow(&self, current: Option<i64>, sent: i64) -> bool {
        sent == current.unwrap_or(0) + 1
    }

    fn certifies_roots(&self) -> bool {
        false
    }
}

fn body(
    role: &Role,
    signed: &[Member<'_>],
    version: i64,
    expires: Option<OffsetDateTime>,
) -> Decoded<Body> {
    Ok(match role {
        Role::Root => Body::Root(Root {
            version,
            expires,
            keys: keys(member(signed, "keys"))?,
            roles: elements(member(signed, "roles"), "roles")?
                .into_iter()
                .map(|(name, value)| Ok((name.to_owned(), role_keys(value)?)))
                .collect::<Decoded<_>>()?,
        }),
        Role::Targets | Role::Delegation(_) => {
            let delegations = object(member(signed, "delegations"), "delegations")?;
            let roles = array(member(delegations, "roles"), "roles")?;
            let roles = roles.iter().map(|value| {
                Ok(Delegation {
                    name: text(member(object(Some(value), "a role")?, "name"))?.to_owned(),
                    role_keys: role_keys(value)?,
                })
            });
            Body::Targets(Delegations::new(
                keys(member(delegations, "keys"))?,
                roles.collect::<Decoded<_>>()?,
            ))
        }
        Role::Snapshot | Role::Timestamp => Body::Meta(meta(member(signed, "meta"))?),
    })
}

fn role_keys(value: &Value<'_>) -> Decoded<RoleKeys> {
    let members = object(Some(value), "a role")?;
    let ids = array(member(members, "keyids"), "key ids")?.iter();
    Ok(RoleKeys {
        key_ids: ids
            .map(|id| Ok(KeyId::from(text(Some(id))?)))
            .collect::<Decoded<_>>()?,
        threshold: integer(member(members, "threshold"))?,
    })
}

fn keys(value: Option<&Value<'_>>) -> Decoded<BTreeMap<KeyId, PublicKey>> {
    let keys = elements(value, "keys")?.into_iter();
    keys.map(|(id, value)| {
        let pair = member(object(Some(value), "a key")?, "keyval");
        let public = unhex(text(member(object(pair, "a pair")?, "public"))?)?;
        Ok((KeyId::from(id), PublicKey::new(KeyType::Ed25519, public)))
    })
    .collect()
}

fn signature(value: &Value<'_>) -> Decoded<Signature> {
    let members = object(Some(value), "a signature")?;
    Ok(Signature {
        key_id: KeyId::from(text(member(members, "keyid"))?),
        method: Method::EdDsa,
        bytes: unhex(text(member(members, "sig"))?)?,
    })
}

fn meta(value: Option<&Value<'_>>) -> Decoded<Meta> {
    let mut meta = Meta::new();
    for (name, value) in elements(value, "meta")? {
        let members = object(Some(value), "an entry")?;
        let hashes = object(member(members, "hashes"), "hashes")?;
        let file = MetaFile {
            sha256: member(hashes, "sha256")
                .map(|hash| unhex(text(Some(hash))?))
                .transpose()?,
            sha512: None,
            version: Some(integer(member(members, "version"))?),
            length: member(members, "length")
                .map(|length| integer(Some(length)))
                .transpose()?,
            entry: Entry(value.to_owned()),
        };
        meta.insert(name.trim_end_matches(".json").to_owned(), file);
    }
    Ok(meta)
}

fn unhex(text: &str) -> Decoded<Vec<u8>> {
    hex::decode(text).map_err(|_| DecodeError::Kind {
        found: "string",
        expected: "hex",
    })
}
