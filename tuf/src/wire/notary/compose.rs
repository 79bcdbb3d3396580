//! Writing the files that the server signs: snapshots and timestamps.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::{
    encoding::{
        base64, canonical, date,
        json::{self, Value},
    },
    key::{KeyId, Method},
    metadata::{Checksums, Entry},
    role::Role,
    wire::spelling::Composed,
};

/// Composes a snapshot or timestamp that lists `meta`.
pub(super) fn compose(
    role: &Role,
    version: i64,
    expires: OffsetDateTime,
    meta: BTreeMap<String, Entry>,
) -> Composed {
    let type_name = if *role == Role::Snapshot {
        "Snapshot"
    } else {
        "Timestamp"
    };
    let meta = meta
        .into_iter()
        .map(|(name, Entry(entry))| (name.into(), entry))
        .collect();
    let signed = Value::Object(vec![
        ("_type".into(), Value::from(type_name)),
        ("expires".into(), Value::from(date::format(expires))),
        ("meta".into(), Value::Object(meta)),
        ("version".into(), Value::integer(version)),
    ]);
    let message =
        canonical::message(&signed).expect("entries come from files that have a canonical form");
    let text = canonical::readable(&signed).expect("what has one canonical form has the other");
    Composed { message, text }
}

/// The entry that lists a file's bytes.
pub(super) fn entry(checksums: &Checksums) -> Entry {
    let hashes = vec![
        (
            "sha256".into(),
            Value::from(base64::encode(&checksums.sha256)),
        ),
        (
            "sha512".into(),
            Value::from(base64::encode(&checksums.sha512)),
        ),
    ];
    let length = Value::integer(checksums.length);
    Entry(Value::Object(vec![
        ("hashes".into(), Value::Object(hashes)),
        ("length".into(), length),
    ]))
}

/// The whole file: `{"signed":…,"signatures":[…]}` without white space.
pub(super) fn seal(composed: &Composed, signatures: &[(KeyId, Method, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"{\"signed\":".to_vec();
    file.extend_from_slice(&composed.text);
    file.extend_from_slice(b",\"signatures\":[");
    for (at, (key_id, method, bytes)) in signatures.iter().enumerate() {
        if at > 0 {
            file.push(b',');
        }
        file.extend_from_slice(b"{\"keyid\":");
        json::write_string(key_id.as_str(), &mut file);
        file.extend_from_slice(b",\"method\":");
        json::write_string(method.as_str(), &mut file);
        file.extend_from_slice(b",\"sig\":");
        json::write_string(&base64::encode(bytes), &mut file);
        file.push(b'}');
    }
    file.extend_from_slice(b"]}");
    file
}
