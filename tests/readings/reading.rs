//! What a reader finds in a file, in a form in which two readers can be compared.

use std::fmt;

use anyhow::{Context as _, Result};
use base64::{
    Engine as _,
    engine::{
        GeneralPurpose,
        general_purpose::{GeneralPurposeConfig, STANDARD},
    },
};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tuf::{File, canonical};

/// What a reader finds in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading(Value);

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Reading {
    /// What the Go program answers.
    pub(crate) fn of_go(mut answer: Value) -> Self {
        sort_roles(&mut answer);
        Self(answer)
    }

    /// What stands in a file for a reader without any knowledge of its structure, other than where
    /// things stand, who takes the last of equal members; and what the server found.
    pub(crate) fn of(file: &File) -> Result<Self> {
        let text = String::from_utf8_lossy(file.bytes());
        let value: Value = serde_json::from_str(&text).context("no other reader reads it")?;
        let signed = &value["signed"];
        let mut reading = json!({
            "type": text_of(&signed["_type"]),
            "version": file.version(),
            "expires": expires(file)?,
            "message": message(signed)?,
            "signatures": items(&value["signatures"]).map(signature).collect::<Vec<_>>(),
            "consistent": signed["consistent_snapshot"].as_bool().unwrap_or(false)
                && file.role().as_str() == "root",
            "keys": {},
            "roles": [],
            "files": {},
        });
        match file.role().as_str() {
            "root" => {
                reading["keys"] = keys(&signed["keys"]);
                let roles = members(&signed["roles"]);
                reading["roles"] = roles
                    .map(|(name, value)| role(&json!(name), value, &Value::Null))
                    .collect();
            }
            "snapshot" => reading["files"] = files(&signed["meta"]),
            _ => {
                let delegations = &signed["delegations"];
                reading["keys"] = keys(&delegations["keys"]);
                let roles = items(&delegations["roles"]);
                reading["roles"] = roles
                    .map(|value| role(&value["name"], value, &value["paths"]))
                    .collect();
                reading["files"] = files(&signed["targets"]);
            }
        }
        sort_roles(&mut reading);
        Ok(Self(reading))
    }
}

/// The hash of what is signed, by the server's own canonical form.
fn message(signed: &Value) -> Result<String> {
    let message = canonical::encode(signed.to_string().as_bytes())?;
    Ok(hex::encode(digest(&SHA256, &message)))
}

fn expires(file: &File) -> Result<String> {
    let zero = OffsetDateTime::parse("0001-01-01T00:00:00Z", &Rfc3339)?;
    let at = file.expires().unwrap_or(zero);
    Ok(at.to_offset(time::UtcOffset::UTC).format(&Rfc3339)?)
}

fn signature(value: &Value) -> Value {
    json!({
        "keyid": text_of(&value["keyid"]),
        "method": text_of(&value["method"]).to_lowercase(),
        "bytes": hex::encode(bytes(&value["sig"]).unwrap_or_default()),
    })
}

/// Each key's id beside the one it is listed under.
fn keys(value: &Value) -> Value {
    let keys = members(value).map(|(id, key)| {
        let keyval = &key["keyval"];
        let public = bytes(&keyval["public"]).map(|bytes| STANDARD.encode(bytes));
        let document = json!({
            "keytype": text_of(&key["keytype"]),
            "keyval": {"private": null, "public": public},
        });
        let document = fixtures::canonical(&document);
        (id.clone(), json!(hex::encode(digest(&SHA256, &document))))
    });
    Value::Object(keys.collect())
}

fn role(name: &Value, value: &Value, paths: &Value) -> Value {
    let list = |value| {
        items(value)
            .map(|item| json!(text_of(item)))
            .collect::<Vec<_>>()
    };
    json!({
        "name": text_of(name),
        "keyids": list(&value["keyids"]),
        "threshold": value["threshold"].as_i64().unwrap_or(0),
        "paths": list(paths),
    })
}

fn files(value: &Value) -> Value {
    let files = members(value).map(|(name, entry)| {
        let hashes = members(&entry["hashes"]);
        let hashes: Map<String, Value> = hashes
            .map(|(name, hash)| {
                (
                    name.clone(),
                    json!(hex::encode(bytes(hash).unwrap_or_default())),
                )
            })
            .collect();
        let custom = match &entry["custom"] {
            Value::Null => String::new(),
            custom => canonical_text(custom),
        };
        let length = entry["length"].as_i64().unwrap_or(0);
        let file = json!({"length": length, "hashes": hashes, "custom": custom});
        (name.clone(), file)
    });
    Value::Object(files.collect())
}

/// The canonical form of any value: on its own, only objects have one.
fn canonical_text(value: &Value) -> String {
    let wrapped = json!({"x": value}).to_string();
    let text = canonical::encode(wrapped.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let inner = text.strip_prefix(r#"{"x":"#);
    let inner = inner.and_then(|text| text.strip_suffix('}'));
    inner.unwrap_or_default().to_owned()
}

fn sort_roles(reading: &mut Value) {
    if let Some(roles) = reading["roles"].as_array_mut() {
        roles.sort_by_key(ToString::to_string);
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Base64 as Go reads it: line ends are skipped, and bits left over may be anything.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let text = value.as_str()?.replace(['\r', '\n'], "");
    engine.decode(text).ok()
}
