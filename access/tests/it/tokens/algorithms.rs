//! Each algorithm with its keys, and with no others.

use access::token::{TokenError, TrustedKeys, verify};
use serde_json::{Value, json};

use super::making::{Key, NOW, base64url, claims, notary, open_id, set, trusted};

const RSA: &str = include_str!("rsa.json");

fn rsa() -> (Value, Vec<(String, String)>) {
    let recorded: Value = serde_json::from_str(RSA).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tokens = recorded["tokens"].as_array().unwrap();
    let jwk = json!({ "kid": "mine", "kty": "RSA", "n": recorded["n"], "e": "AQAB" });
    (
        jwk,
        tokens
            .iter()
            .map(|case| (text(&case["alg"]), text(&case["token"])))
            .collect(),
    )
}

#[test]
fn a_token_signed_by_any_kind_of_key_verifies_by_kid() {
    for key in [Key::p256(), Key::p384(), Key::p521(), Key::ed25519()] {
        let issuer = open_id(trusted(&[key.jwk_as("mine")]));
        let token = key.token(json!({ "kid": "mine" }), &claims());

        assert_eq!(verify(&token, &[&issuer], NOW).unwrap().subject, "joe");
    }
}

#[test]
fn rsa_signatures_of_openssl_verify() {
    let (jwk, tokens) = rsa();
    let issuer = open_id(trusted(&[jwk]));

    for (algorithm, token) in tokens {
        assert!(verify(&token, &[&issuer], NOW).is_ok(), "{algorithm}");
    }
}

#[test]
fn notary_issuers_cannot_use_what_notary_did_not_know() {
    let (jwk, tokens) = rsa();
    let rsa = notary(trusted(&[jwk]));
    let key = Key::ed25519();
    let ed25519 = notary(trusted(&[key.jwk_as("mine")]));
    let token = key.token(json!({ "kid": "mine" }), &claims());

    for (algorithm, token) in tokens.iter().filter(|(name, _)| name.starts_with("PS")) {
        let refused = verify(token, &[&rsa], NOW);
        assert_eq!(refused, Err(TokenError::Algorithm(algorithm.clone())));
    }
    let refused = verify(&token, &[&ed25519], NOW);
    assert_eq!(refused, Err(TokenError::Algorithm("EdDSA".to_owned())));
}

#[test]
fn an_algorithm_that_does_not_suit_the_key_is_refused() {
    for key in [Key::p256(), Key::p384(), Key::p521(), Key::ed25519()] {
        let issuer = open_id(trusted(&[key.jwk_as("mine")]));
        for algorithm in ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"] {
            let token = key.token(json!({ "kid": "mine", "alg": algorithm }), &claims());
            let verdict = verify(&token, &[&issuer], NOW);
            if algorithm == key.algorithm() {
                assert!(verdict.is_ok());
            } else {
                assert_eq!(verdict, Err(TokenError::KeyMismatch(algorithm.to_owned())));
            }
        }
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let key = Key::p256();
    let issuer = open_id(trusted(&[key.jwk_as("mine")]));
    let header = json!({ "alg": "HS256", "kid": "mine" }).to_string();
    let signed = format!("{}.{}", base64url(header), base64url(claims().to_string()));
    let public = key.jwk()["x"].as_str().unwrap().to_owned();
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
    let tag = ring::hmac::sign(&secret, signed.as_bytes());
    let token = format!("{signed}.{}", base64url(tag));

    let refused = verify(&token, &[&issuer], NOW);

    assert_eq!(refused, Err(TokenError::Algorithm("HS256".to_owned())));
}

#[test]
fn unsigned_tokens_are_refused_from_every_issuer() {
    let key = Key::p256();
    let keys = trusted(&[key.jwk_as("mine")]);
    let header = json!({ "alg": "none", "kid": "mine" }).to_string();
    let signed = format!("{}.{}", base64url(header), base64url(claims().to_string()));

    for issuer in [notary(keys.clone()), open_id(keys)] {
        let empty = verify(&format!("{signed}."), &[&issuer], NOW);
        let filled = verify(&format!("{signed}.AAAA"), &[&issuer], NOW);

        assert_eq!(empty, Err(TokenError::Unsigned));
        assert_eq!(filled, Err(TokenError::Algorithm("none".to_owned())));
    }
}

#[test]
fn a_jwk_is_for_no_algorithm_but_the_one_it_names() {
    let (mut jwk, tokens) = rsa();
    jwk["alg"] = json!("PS256");
    let issuer = open_id(TrustedKeys::from_jwks(&set(&[jwk])).unwrap());

    for (algorithm, token) in tokens {
        let verdict = verify(&token, &[&issuer], NOW);
        if algorithm == "PS256" {
            assert!(verdict.is_ok());
        } else {
            assert_eq!(verdict, Err(TokenError::KeyMismatch(algorithm)));
        }
    }
}

#[test]
fn a_signature_of_another_issuers_key_is_wrong() {
    let (ours, theirs) = (Key::p256(), Key::p256());
    let issuer = open_id(trusted(&[ours.jwk_as("mine")]));
    let mut other = open_id(trusted(&[theirs.jwk_as("mine")]));
    other.name = "https://other.example.com".to_owned();
    let token = theirs.token(json!({ "kid": "mine" }), &claims());

    let refused = verify(&token, &[&other, &issuer], NOW);

    assert_eq!(refused, Err(TokenError::WrongSignature));
}
