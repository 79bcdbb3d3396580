//! JSON of strangers, read and written in canonical form, beside another reader of JSON.

use serde_json::Value;
use tuf::canonical::{self, CanonicalError};

/// How deep the other reader goes.
const DEPTH: usize = 120;

/// Reads `data`, and compares.
///
/// # Panics
///
/// If the canonical form of something is not its own, or if both readers do not find the same.
pub fn run(data: &[u8]) {
    let ours = canonical::encode(data);
    if let Ok(form) = &ours
        // Canonical JSON leaves control characters as they are, and no JSON reader takes those.
        && !form.iter().any(u8::is_ascii_control)
    {
        assert_eq!(canonical::encode(form).as_ref(), Ok(form));
    }
    let opened = data.iter().filter(|byte| b"[{".contains(byte)).count();
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if opened > DEPTH {
        return;
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            let is_syntax = matches!(ours, Err(CanonicalError::Syntax(_)));
            assert!(!is_syntax, "the other reader takes it: {ours:?}");
            if !has_float(&value) {
                assert_eq!(canonical::encode(value.to_string().as_bytes()), ours);
            }
        }
        // It refuses halves of characters, and numbers beyond a float, which ours does later.
        Err(_) if text.contains("\\u") || text.contains(['e', 'E']) => {}
        Err(error) => assert!(ours.is_err(), "the other reader says: {error}"),
    }
}

/// The other reader may round the last bit of a fraction in another way.
fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
