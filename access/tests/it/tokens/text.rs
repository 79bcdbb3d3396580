//! Tokens as text, in good and in bad shape.

use access::token::{Issuer, TokenError, verify};
use proptest::prelude::*;
use serde_json::json;

use super::making::{Key, NOW, base64url, claims, notary, open_id, trusted};

fn issuer_and_token() -> (Issuer, String) {
    let key = Key::p256();
    let token = key.token(json!({ "kid": "mine" }), &claims());
    (notary(trusted(&[key.jwk_as("mine")])), token)
}

#[test]
fn a_token_has_three_parts() {
    let (issuer, token) = issuer_and_token();
    for text in ["", "a", "a.b", &format!("{token}.")] {
        let refused = verify(text, &[&issuer], NOW);
        assert_eq!(refused, Err(TokenError::NotThreeParts), "{text}");
    }
}

#[test]
fn long_tokens_are_not_looked_at() {
    let (issuer, token) = issuer_and_token();
    let long = format!("{token}{}", "A".repeat(64 * 1024));
    assert_eq!(verify(&long, &[&issuer], NOW), Err(TokenError::TooLong));
}

#[test]
fn demands_for_extensions_are_refused() {
    let key = Key::p256();
    let keys = trusted(&[key.jwk_as("mine")]);
    for crit in [json!([]), json!(["b64"]), json!(null)] {
        let token = key.token(json!({ "kid": "mine", "crit": crit }), &claims());
        for issuer in [notary(keys.clone()), open_id(keys.clone())] {
            assert_eq!(verify(&token, &[&issuer], NOW), Err(TokenError::Critical));
        }
    }
}

#[test]
fn headers_of_the_wrong_type_are_refused() {
    let key = Key::p256();
    let issuer = notary(trusted(&[key.jwk_as("mine")]));
    let wrong = [
        ("typ", json!(1)),
        ("alg", json!(["ES256"])),
        ("kid", json!(1)),
        ("x5c", json!("AAAA")),
        ("x5c", json!([1])),
        ("jwk", json!("AAAA")),
    ];
    for (name, value) in wrong {
        let mut header = json!({ "kid": "mine" });
        header[name] = value;
        let refused = verify(&key.token(header, &claims()), &[&issuer], NOW);
        assert_eq!(refused, Err(TokenError::Malformed(name)));
    }
}

#[test]
fn parts_that_are_no_json_objects_are_refused() {
    let key = Key::p256();
    let issuer = notary(trusted(&[key.jwk_as("mine")]));
    let header = json!({ "alg": "ES256", "kid": "mine" }).to_string();
    for text in ["", "[]", "null", "{", "{} {}", "\u{feff}{}"] {
        let bad_header = key.token_of_text(text, &claims().to_string());
        let bad_claims = key.token_of_text(&header, text);

        let refused = verify(&bad_header, &[&issuer], NOW);
        assert_eq!(refused, Err(TokenError::Malformed("header")));
        let refused = verify(&bad_claims, &[&issuer], NOW);
        assert_eq!(refused, Err(TokenError::Malformed("claims")));
    }
}

#[test]
fn of_two_members_of_a_name_the_last_counts_for_every_check() {
    let key = Key::p256();
    let issuer = notary(trusted(&[key.jwk_as("mine")]));
    let header = r#"{"alg":"none","alg":"ES256","kid":"mine"}"#;
    let text = claims().to_string();
    let claims = text.replacen('{', r#"{"sub":"root","#, 1);

    let verified = verify(&key.token_of_text(header, &claims), &[&issuer], NOW).unwrap();

    assert_eq!(verified.subject, "joe");
    assert_eq!(verified.claims["sub"], "joe");
}

#[test]
fn without_issuers_no_token_is_accepted() {
    let (_, token) = issuer_and_token();
    let refused = verify(&token, &[], NOW);
    assert!(matches!(refused, Err(TokenError::UnknownIssuer { .. })));
}

#[test]
fn a_deeply_nested_claim_is_refused_and_not_followed() {
    let key = Key::p256();
    let issuer = notary(trusted(&[key.jwk_as("mine")]));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let header = json!({ "alg": "ES256", "kid": "mine" }).to_string();
    let token = key.token_of_text(&header, &deep);
    let refused = verify(&token, &[&issuer], NOW);
    assert_eq!(refused, Err(TokenError::Malformed("claims")));
}

proptest! {
    #[test]
    fn a_token_altered_in_one_character_never_verifies(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let (issuer, token) = issuer_and_token();
        let at = at.index(token.len());
        let mut altered = token.clone();
        altered.replace_range(at..=at, &to);
        prop_assume!(altered != token);
        prop_assert!(verify(&altered, &[&issuer], NOW).is_err());
    }

    #[test]
    fn a_token_cut_short_never_verifies(at in any::<prop::sample::Index>()) {
        let (issuer, token) = issuer_and_token();
        prop_assert!(verify(&token[..at.index(token.len())], &[&issuer], NOW).is_err());
    }

    #[test]
    fn no_text_panics_the_reader_of_tokens(text in ".*") {
        let (issuer, _) = issuer_and_token();
        prop_assert!(verify(&text, &[&issuer], NOW).is_err());
    }

    #[test]
    fn no_json_panics_the_reader_of_tokens(header in "[{}\\[\\]\":,a-z0-9]*", claims in "[{}\\[\\]\":,a-z0-9]*") {
        let (issuer, _) = issuer_and_token();
        let text = format!("{}.{}.AAAA", base64url(header), base64url(claims));
        prop_assert!(verify(&text, &[&issuer], NOW).is_err());
    }
}
