//! How much work verifying an upload may cost.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fixtures::{Named, Part, Publisher, vectors};
use serde_json::{Value, json};
use tuf::{Accepted, Fault, Limits, Refusal, SignatureFault, Update, check};

use crate::given::{Server, part, shortfall, update};

/// Keys on P-521, the dearest to verify with, whose private halves are the numbers from 1.
fn dear_keys(count: u8) -> Vec<Named> {
    let recorded = vectors("key_ids")["keys"][2].clone();
    let recorded = fixtures::bytes(&recorded["public_b64"]);
    let prefix = &recorded[..recorded.len() - 133];
    let key = |number: u8| {
        let mut scalar = [0; 66];
        scalar[65] = number;
        let private = p521::ecdsa::SigningKey::from_slice(&scalar).expect("below the order");
        let point = private.verifying_key().to_sec1_point(false);
        Named {
            keytype: "ecdsa".to_owned(),
            public: [prefix, point.as_bytes()].concat(),
        }
    };
    (1..=count).map(key).collect()
}

/// Signatures that are well formed and do not verify, eight by each key.
fn bad_signatures(keys: &[Named]) -> Vec<Value> {
    let sig = STANDARD.encode([1; 132]);
    let bad = |key: &Named| json!({"keyid": key.id(), "method": "ecdsa", "sig": sig});
    keys.iter().flat_map(|key| vec![bad(key); 8]).collect()
}

/// An upload of an owner whose targets may be signed by three dear keys as well, and hold 24 bad
/// signatures of theirs in front of the owner's own.
fn upload(owner: &mut Publisher) -> Vec<Part> {
    let keys = dear_keys(3);
    let own = owner.targets.signers[0].public().clone();
    let named: Vec<_> = keys.iter().chain([&own]).collect();
    owner.name_keys("targets", &named, 1);
    let mut parts = owner.first_publish();
    let targets = part(&mut parts, "targets");
    let mut file: Value = serde_json::from_slice(targets).unwrap();
    let mut signatures = bad_signatures(&keys);
    signatures.extend(file["signatures"].as_array().unwrap().clone());
    file["signatures"] = json!(signatures);
    *targets = serde_json::to_vec(&file).unwrap();
    parts
}

fn judge(server: &Server, parts: &[Part], verifications: u32) -> Result<Accepted, Refusal> {
    let limits = Limits {
        verifications,
        ..Limits::default()
    };
    let update: Update = update(parts).within(limits);
    check(&server.gun, &server.stored, update, fixtures::clock())
}

#[test]
fn cheap_signatures_are_looked_at_before_dear_ones() {
    let server = Server::new();
    let parts = upload(&mut server.owner());
    // Root signs itself, then the owner signs targets.
    assert!(judge(&server, &parts, 2).is_ok());
}

#[test]
fn an_update_that_takes_too_much_work_is_refused_before_it_is_done() {
    let server = Server::new();
    let mut parts = upload(&mut server.owner());
    let targets = part(&mut parts, "targets");
    let mut file: Value = serde_json::from_slice(targets).unwrap();
    file["signatures"].as_array_mut().unwrap().truncate(24);
    *targets = serde_json::to_vec(&file).unwrap();
    let fault = Fault::from(SignatureFault::TooMuchWork);
    assert_eq!(
        judge(&server, &parts, 1 + 25).expect_err("two of 24 are too many"),
        Refusal::Targets(fault)
    );
    let fault = shortfall("targets", 0, 1);
    assert_eq!(
        judge(&server, &parts, 1 + 25 * 24).expect_err("none of 24 verifies"),
        Refusal::Targets(fault)
    );
}

#[test]
fn long_texts_count_for_more() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.targets.signed["custom"] = json!("x".repeat(100_000));
    let parts = owner.first_publish();
    assert!(judge(&server, &parts, 2).is_err());
    assert!(judge(&server, &parts, 5).is_ok());
}
