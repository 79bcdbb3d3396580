//! The tokens that were shown to Notary 0.7.

use access::{
    Scope, ScopeKind,
    token::{Issuer, TrustedKeys, verify},
};
use fixtures::vectors;
use serde_json::Value;

use super::making::NOW;

fn issuer(recorded: &Value) -> Issuer {
    let text = |name: &str| recorded[name].as_str().unwrap().to_owned();
    Issuer {
        name: text("issuer"),
        audience: text("service"),
        keys: TrustedKeys::from_bundle(text("rootcertbundle_pem").as_bytes()).unwrap(),
        is_open_id: false,
    }
}

#[test]
fn every_recorded_token_comes_out_as_notary_had_it() {
    let recorded = vectors("auth_tokens");
    let issuer = issuer(&recorded);
    let needed = Scope {
        kind: ScopeKind::Repository,
        name: recorded["needed_access"]["name"]
            .as_str()
            .unwrap()
            .to_owned(),
        actions: &["pull"],
    };
    let tokens = recorded["tokens"].as_array().unwrap();

    for case in tokens {
        let result = verify(case["token"].as_str().unwrap(), &[&issuer], NOW);

        let verdict = match &result {
            Err(_) => "invalid_token",
            Ok(token) if needed.is_covered_by(token.access.as_ref().unwrap()) => "ok",
            Ok(_) => "insufficient_scope",
        };
        let name = case["name"].as_str().unwrap();
        let expected = match name {
            // Allowed by RFC 7519; Notary could not read them.
            "audience-list" | "exp-fraction" => "ok",
            _ => case["result"].as_str().unwrap(),
        };
        assert_eq!(verdict, expected, "{name}: {result:?}");
    }
    assert_eq!(tokens.len(), 48);
}

#[test]
fn the_keys_of_a_bundle_have_their_libtrust_ids() {
    let recorded = vectors("auth_tokens");
    let mut expected: Vec<&str> = recorded["trusted_key_ids"]
        .as_object()
        .unwrap()
        .values()
        .map(|id| id.as_str().unwrap())
        .collect();
    expected.sort_unstable();

    assert_eq!(issuer(&recorded).keys.ids(), expected);
}
