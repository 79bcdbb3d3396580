//! Files as clients send them: any bytes may come, and of what is accepted, every reader finds the
//! same in it.

use bytes::Bytes;
use serde_json::Value;
use tuf::{File, Limits, MetadataFormat, Role, Uploaded, canonical};

/// Reads `bytes` as the file of each role.
///
/// # Panics
///
/// If what is taken as an upload is not taken when it is stored, or if another reader finds
/// something else in it.
pub fn run(bytes: &[u8]) {
    let roles = ["root", "targets", "targets/a", "snapshot", "timestamp"];
    for role in roles.map(|name| Role::parse(name).expect("a role")) {
        let bytes = Bytes::copy_from_slice(bytes);
        let stored = File::parse(MetadataFormat::NOTARY, role.clone(), bytes.clone());
        let Ok(uploaded) = Uploaded::read(role.clone(), bytes.clone(), &Limits::default()) else {
            continue;
        };
        let stored = stored.expect("a server reads what it accepted when it is stored");
        assert_eq!(stored.check_reading(), Ok(()));
        assert_eq!(stored.version(), uploaded.file().version());
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            // Something follows the file, which is found when it is checked.
            continue;
        };
        // Another reader, who writes what it read, signs the same: nothing is there twice, and
        // nothing is left out.
        assert_eq!(count(&value), names(&bytes), "a member is there twice");
        if let Ok(message) = canonical::encode(&bytes) {
            let again = canonical::encode(value.to_string().as_bytes());
            assert_eq!(again, Ok(message));
        }
        let signed = &value["signed"];
        assert_eq!(signed["version"].as_i64().unwrap_or(0), stored.version());
        assert_eq!(signed["expires"].is_string(), stored.expires().is_some());
    }
}

/// How many members all objects of a value have.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(|value| 1 + count(value)).sum(),
        _ => 0,
    }
}

/// How many names stand in a JSON text: colons outside of strings.
fn names(text: &[u8]) -> usize {
    let (mut found, mut in_string, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => found += 1,
            _ => {}
        }
    }
    found
}
