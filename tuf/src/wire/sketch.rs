//! A format for tests, as small as one can be: it shows what a second format has to bring.
//!
//! Its names are those of TUF 1.0: small letters for types, `.json` behind listed names, hashes and
//! signatures in hex. It knows snapshots and timestamps only.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::spelling::{Composed, Parts, Spelling};
use crate::{
    encoding::{
        canonical, date,
        json::{
            self, Count, DecodeError, Decoded, ReadingFault, Scope, Sizes, Value, array, elements,
            integer, member, object, text,
        },
    },
    fault::{EnvelopeFault, Fault, StructureProblem},
    key::{KeyId, Method, Signature},
    metadata::{
        Body, Checksums, Delegations, Entry, Envelope, Listing, Meta, MetaFile, Root, Statement,
    },
    role::Role,
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

    fn is_delegation(&self, name: &str) -> bool {
        !name.is_empty()
    }

    fn read(&self, _: &Role, bytes: &[u8], most: usize) -> Decoded<Envelope> {
        let text_of_file = json::to_text(bytes);
        let (value, _) = json::parse_within(&text_of_file, Scope::Whole, most)?;
        let members = object(Some(&value), "a file")?;
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
                .and_then(|signed| Ok(canonical::message(signed)?)),
            body: Some(meta(member(common, "meta")).map(Body::Meta)),
            trailing: None,
            unexpected: None,
        })
    }

    fn read_listing(&self, role: &Role, bytes: &[u8]) -> Decoded<Envelope> {
        self.read(role, bytes, usize::MAX)
    }

    fn read_version(&self, bytes: &[u8]) -> Decoded<i64> {
        Ok(self.read(&Role::Snapshot, bytes, usize::MAX)?.version)
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
        Err(file.fault(StructureProblem::OtherKind))
    }

    fn check_targets<'e>(&self, file: Statement<'e>) -> Result<&'e Delegations, Fault> {
        Err(file.fault(StructureProblem::OtherKind))
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
            .filter(|(name, _)| name != "root")
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
            sha256: Some(unhex(text(member(hashes, "sha256"))?)?),
            sha512: None,
            length: integer(member(members, "length"))?,
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
