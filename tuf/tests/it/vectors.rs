//! Recordings of Notary 0.7: canonical JSON, names, keys, signatures.

use bytes::Bytes;
use fixtures::{bytes, vectors};
use serde_json::Value;
use tuf::{
    CanonicalError, Checksums, EnvelopeFault, File, KeyType, MetadataFormat, Method, PublicKey,
    Role, canonical,
};

fn text<'v>(case: &'v Value, member: &str) -> &'v str {
    case[member]
        .as_str()
        .unwrap_or_else(|| panic!("{case} has {member}"))
}

fn cases(name: &str, count: usize) -> Vec<Value> {
    let vectors = vectors(name);
    let cases = vectors
        .as_array()
        .or_else(|| vectors["cases"].as_array())
        .expect("a list of cases");
    assert_eq!(cases.len(), count, "{name}");
    cases.clone()
}

fn words(fault: CanonicalError) -> String {
    MetadataFormat::NOTARY.words(&EnvelopeFault::NotCanonical(fault).into())
}

#[test]
fn canonical_json_is_notarys_byte_for_byte_and_so_are_its_errors() {
    for case in cases("canonical_json", 59) {
        let name = text(&case, "name");
        let canonical = canonical::encode(&bytes(&case["input_b64"]));
        match case["error"].as_str() {
            Some(error) => assert_eq!(canonical.map_err(words), Err(error.to_owned()), "{name}"),
            None => assert_eq!(canonical, Ok(bytes(&case["output_b64"])), "{name}"),
        }
    }
}

#[test]
fn role_names_are_those_notary_takes() {
    for case in cases("role_names", 33) {
        let role = Role::parse(text(&case, "role"));
        assert_eq!(role.is_ok(), case["valid"], "{case}");
        let is_delegation = role.is_ok_and(|role| matches!(role, Role::Delegation(_)));
        assert_eq!(is_delegation, case["delegation"], "{case}");
    }
}

#[test]
fn key_ids_and_key_documents_are_notarys() {
    let vectors = vectors("key_ids");
    let keys = vectors["keys"].as_array().expect("a list of keys");
    assert_eq!(keys.len(), 14);
    for case in keys {
        let key = PublicKey::new(
            KeyType::from(text(case, "keytype")),
            bytes(&case["public_b64"]),
        );
        assert_eq!(key.id().as_str(), text(case, "key_id"), "{}", case["name"]);
        assert_eq!(
            key.document(),
            text(case, "key_endpoint_json"),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn key_ids_are_the_signers() {
    for case in cases("signer-key-ids", 8) {
        let public = hex::decode(text(&case, "public_hex")).expect("recorded hex");
        let key = PublicKey::new(KeyType::from(text(&case, "keytype")), public);
        assert_eq!(key.id().as_str(), text(&case, "key_id"), "{}", case["name"]);
    }
}

/// Valid for Notary, never for us: no library that we would ship has the curve P-224.
const UNSUPPORTED: [&str; 1] = ["ecdsa-p224"];

#[test]
fn signatures_verify_as_they_did_for_notary() {
    for case in cases("signatures", 79) {
        let name = text(&case, "name");
        let key = PublicKey::new(
            KeyType::from(text(&case, "keytype")),
            bytes(&case["public_b64"]),
        );
        let method = Method::from(text(&case, "method"));
        let valid = key.verifies(
            &method,
            &bytes(&case["message_b64"]),
            &bytes(&case["signature_b64"]),
        );
        assert_eq!(
            valid,
            case["valid"] == true && !UNSUPPORTED.contains(&name),
            "{name}"
        );
    }
}

#[test]
fn signatures_of_notarys_signer_verify_by_the_method_it_names() {
    for case in cases("signer-signatures", 21) {
        let key = PublicKey::new(
            KeyType::from(text(&case, "key_algorithm")),
            bytes(&case["public_base64"]),
        );
        let [message, mut signature] = ["message_hex", "signature_hex"]
            .map(|member| hex::decode(text(&case, member)).expect("recorded hex"));
        assert_eq!(
            key.signature_method().as_str(),
            text(&case, "signature_algorithm")
        );
        assert!(key.is_usable());
        assert!(
            key.verifies(&key.signature_method(), &message, &signature),
            "{case}"
        );
        signature[7] ^= 1;
        assert!(
            !key.verifies(&key.signature_method(), &message, &signature),
            "{case}"
        );
    }
}

/// Notary could not read these, or could not write them again.
const UNREADABLE: [&str; 1] = ["lower-case-t-z"];

#[test]
fn files_in_any_spelling_keep_the_bytes_that_came_and_are_hashed_by_them() {
    for case in cases("reserialization", 37) {
        let name = text(&case, "name");
        let input = Bytes::from(bytes(&case["input_b64"]));
        let role = Role::parse(text(&case, "role")).expect("a recorded role");
        let file = File::parse(MetadataFormat::NOTARY, role, input.clone());
        if UNREADABLE.contains(&name) {
            assert!(file.is_err(), "{name}");
            continue;
        }
        let file = file.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(*file.bytes(), input, "{name}");
        assert_eq!(*file.checksums(), Checksums::of(&input), "{name}");
        let same = case["sha256_hex"] == file.checksums().sha256_hex();
        assert_eq!(same, case["unchanged"] == true, "{name}");
    }
}

/// Recorded keys that are no keys of their type, or of a kind that is not supported.
const UNUSABLE: [&str; 15] = [
    "ecdsa-p224",
    "ecdsa-secp256k1",
    "ecdsa-compressed-point-spki",
    "ecdsa-spki-trailing-byte",
    "ecdsa-key-as-PEM",
    "ecdsa-key-is-rsa-spki",
    "ecdsa-x509-as-DER",
    "ecdsa-x509-holds-rsa-cert",
    "ecdsa-x509-garbage",
    "ed25519-key-31-bytes",
    "ed25519-key-as-SPKI",
    "rsa-pkcs1-public-key-der",
    "rsa-x509-holds-ec-cert",
    "unknown-keytype",
    "rsa-pss-oid-spki",
];

#[test]
fn a_key_is_usable_if_its_bytes_are_what_its_type_promises() {
    for case in cases("signatures", 79) {
        let name = text(&case, "name");
        let key = PublicKey::new(
            KeyType::from(text(&case, "keytype")),
            bytes(&case["public_b64"]),
        );
        assert_eq!(key.is_usable(), !UNUSABLE.contains(&name), "{name}");
    }
}
