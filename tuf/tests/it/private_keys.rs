//! Private keys: made, kept, read back, and signing.

use fixtures::vectors;
use tuf::{KeyAlgorithm, PrivateKey, StoredKeyError};

const MESSAGE: &[u8] = br#"{"_type":"Timestamp"}"#;

fn hex(case: &serde_json::Value, member: &str) -> Vec<u8> {
    hex::decode(case[member].as_str().expect("recorded hex")).expect("recorded hex")
}

#[test]
fn a_new_key_signs_what_its_public_half_verifies() {
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let signature = key.sign(MESSAGE).unwrap();
        let method = key.public().signature_method();
        assert_eq!(signature.len(), 64);
        assert!(key.public().is_usable());
        assert!(key.public().verifies(&method, MESSAGE, &signature));
        assert!(!key.public().verifies(&method, b"{}", &signature));
    }
}

#[test]
fn a_stored_key_reads_back_as_the_same_key() {
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let name = key.public().key_type().to_string();
        let again =
            PrivateKey::from_stored(&name, &key.to_stored(), key.public().public_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.to_stored(), key.to_stored());
        let signature = again.sign(MESSAGE).unwrap();
        assert!(
            key.public()
                .verifies(&key.public().signature_method(), MESSAGE, &signature)
        );
    }
}

#[test]
fn keys_at_rest_have_the_length_that_notary_gives_them() {
    assert_eq!(
        PrivateKey::generate(KeyAlgorithm::Ecdsa)
            .unwrap()
            .to_stored()
            .len(),
        121
    );
    assert_eq!(
        PrivateKey::generate(KeyAlgorithm::Ed25519)
            .unwrap()
            .to_stored()
            .len(),
        96
    );
}

#[test]
fn keys_that_notary_stored_sign() {
    let vectors = vectors("signer-jwe-at-rest");
    let cases = vectors["cases"].as_array().expect("a list of cases");
    assert_eq!(cases.len(), 8);
    for case in cases {
        let algorithm = case["algorithm"].as_str().expect("a recorded algorithm");
        let key = PrivateKey::from_stored(
            algorithm,
            &hex(case, "plaintext_hex"),
            &hex(case, "public_hex"),
        );
        let key = key.unwrap_or_else(|fault| panic!("{}: {fault}", case["name"]));
        assert_eq!(key.public().id().as_str(), case["key_id"]);
        let signature = key.sign(MESSAGE).unwrap();
        assert!(
            key.public()
                .verifies(&key.public().signature_method(), MESSAGE, &signature),
            "{}",
            case["name"]
        );
    }
}

/// The halves of a key that Notary stored.
fn halves(name: &str) -> (Vec<u8>, Vec<u8>) {
    let vectors = vectors("signer-jwe-at-rest");
    let cases = vectors["cases"].as_array().expect("a list of cases");
    let case = cases.iter().find(|case| case["name"] == name);
    let case = case.unwrap_or_else(|| panic!("{name}"));
    (hex(case, "plaintext_hex"), hex(case, "public_hex"))
}

/// The public half of a key whose private one was never recorded.
fn public_of_another(name: &str) -> Vec<u8> {
    let vectors = vectors("key_ids");
    let keys = vectors["keys"].as_array().expect("a list of keys");
    let key = keys.iter().find(|key| key["name"] == name);
    fixtures::bytes(&key.unwrap_or_else(|| panic!("{name}"))["public_b64"])
}

#[test]
fn halves_of_different_keys_are_refused() {
    for (algorithm, name, other) in [
        ("ecdsa", "ecdsa-p256", "ecdsa-p256"),
        ("ecdsa", "ecdsa-p384-imported", "ecdsa-p384"),
        ("rsa", "rsa-2048-imported", "rsa-2048"),
    ] {
        let (private, public) = halves(name);
        assert!(
            PrivateKey::from_stored(algorithm, &private, &public).is_ok(),
            "{name}"
        );
        let refused = PrivateKey::from_stored(algorithm, &private, &public_of_another(other));
        assert_eq!(refused.err(), Some(StoredKeyError::Mismatch), "{name}");
    }
}

#[test]
fn each_of_the_three_parts_of_an_ed25519_key_must_fit() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    for part in [0, 32, 64] {
        let mut private = key.to_stored();
        private[part + 7] ^= 1;
        let refused = PrivateKey::from_stored("ed25519", &private, key.public().public_bytes());
        assert_eq!(refused.err(), Some(StoredKeyError::Mismatch), "{part}");
    }
}

#[test]
fn a_private_key_on_another_curve_than_the_public_one_is_malformed() {
    let (private, _) = halves("ecdsa-p256");
    let refused = PrivateKey::from_stored("ecdsa", &private, &public_of_another("ecdsa-p384"));
    assert_eq!(refused.err(), Some(StoredKeyError::Private));
}

#[test]
fn bytes_that_are_no_key_are_refused_by_what_is_wrong() {
    let key = PrivateKey::generate(KeyAlgorithm::Ecdsa).unwrap();
    let public = key.public().public_bytes();
    let refused = |algorithm: &str, private: &[u8], public: &[u8]| {
        PrivateKey::from_stored(algorithm, private, public).err()
    };
    assert_eq!(refused("ecdsa", b"", public), Some(StoredKeyError::Private));
    assert_eq!(
        refused("ecdsa", &key.to_stored(), b"x"),
        Some(StoredKeyError::Public)
    );
    assert_eq!(
        refused("ed25519", &[0; 64], &[0; 32]),
        Some(StoredKeyError::Private)
    );
    assert_eq!(
        refused("gpg", &key.to_stored(), public),
        Some(StoredKeyError::Algorithm("gpg".into()))
    );
}

#[test]
fn debug_output_names_the_public_half_only() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains(key.public().id().as_str()));
    let seed = &key.to_stored()[32..64];
    assert!(!shown.contains(&hex::encode(seed)) && !shown.contains(&format!("{seed:?}")));
}
