//! What a token must claim, and until when.

use access::{
    Access,
    token::{Issuer, TokenError, Verified, verify},
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::making::{Key, NOW, claims, claims_with, notary, open_id, trusted};

/// Both kinds of issuer with the same key.
struct Both {
    key: Key,
    notary: Issuer,
    open_id: Issuer,
}

impl Both {
    fn new() -> Self {
        let key = Key::p256();
        let keys = trusted(&[key.jwk_as("mine")]);
        Self {
            key,
            notary: notary(keys.clone()),
            open_id: open_id(keys),
        }
    }

    fn token(&self, claims: &Value) -> String {
        self.key.token(json!({ "kid": "mine" }), claims)
    }

    fn by_notary(&self, claims: &Value) -> Result<Verified, TokenError> {
        verify(&self.token(claims), &[&self.notary], NOW)
    }

    fn by_open_id(&self, claims: &Value) -> Result<Verified, TokenError> {
        verify(&self.token(claims), &[&self.open_id], NOW)
    }

    fn at(&self, claims: &Value, now: OffsetDateTime) -> Result<Verified, TokenError> {
        verify(&self.token(claims), &[&self.notary], now)
    }
}

#[test]
fn a_token_lives_a_minute_longer_than_it_says_and_no_more() {
    let (both, claims) = (Both::new(), claims_with("exp", json!(NOW.unix_timestamp())));

    assert!(both.at(&claims, NOW + Duration::seconds(60)).is_ok());
    let late = both.at(&claims, NOW + Duration::seconds(60) + Duration::NANOSECOND);
    assert_eq!(late, Err(TokenError::Expired));
}

#[test]
fn a_token_is_valid_a_minute_before_it_says_and_no_more() {
    let (both, claims) = (Both::new(), claims_with("nbf", json!(NOW.unix_timestamp())));

    assert!(both.at(&claims, NOW - Duration::seconds(60)).is_ok());
    let early = both.at(&claims, NOW - Duration::seconds(60) - Duration::NANOSECOND);
    assert_eq!(early, Err(TokenError::NotYetValid));
}

#[test]
fn a_token_without_an_end_has_expired_for_every_issuer() {
    let both = Both::new();

    for claims in [
        claims_with("exp", json!(null)),
        claims_with("exp", json!(0)),
    ] {
        assert_eq!(both.by_notary(&claims), Err(TokenError::Expired));
        assert_eq!(both.by_open_id(&claims), Err(TokenError::Expired));
    }
}

#[test]
fn dates_beyond_every_calendar_are_compared_all_the_same() {
    let both = Both::new();

    assert!(both.by_notary(&claims_with("exp", json!(i64::MAX))).is_ok());
    assert!(both.by_open_id(&claims_with("exp", json!(1e300))).is_ok());
    let early = both.by_open_id(&claims_with("nbf", json!(1e300)));
    assert_eq!(early, Err(TokenError::NotYetValid));
    let late = both.by_notary(&claims_with("exp", json!(i64::MIN)));
    assert_eq!(late, Err(TokenError::Expired));
}

#[test]
fn seconds_may_have_fractions() {
    let (both, later) = (Both::new(), NOW + Duration::seconds(61));
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century fit")]
    let half = NOW.unix_timestamp() as f64 + 0.5;
    let claims = claims_with("exp", json!(half));

    assert!(both.by_notary(&claims).is_ok());
    assert!(both.by_open_id(&claims).is_ok());
    for issuer in [&both.notary, &both.open_id] {
        let late = verify(&both.token(&claims), &[issuer], later);
        assert_eq!(late, Err(TokenError::Expired));
    }
    for name in ["iat", "nbf"] {
        let claims = claims_with(name, json!(half - 10.0));
        assert!(both.by_notary(&claims).is_ok(), "{name}");
        assert!(both.by_open_id(&claims).is_ok(), "{name}");
    }
}

#[test]
fn when_a_token_was_issued_does_not_matter() {
    let claims = claims_with("iat", json!(NOW.unix_timestamp() + 86_400));
    assert!(Both::new().by_notary(&claims).is_ok());
}

#[test]
fn the_audience_may_be_a_list() {
    let both = Both::new();
    let listed = claims_with("aud", json!(["other", "notary"]));
    let not_listed = claims_with("aud", json!(["other"]));

    assert!(both.by_open_id(&listed).is_ok());
    assert!(both.by_notary(&listed).is_ok());
    for refused in [both.by_open_id(&not_listed), both.by_notary(&not_listed)] {
        assert!(matches!(refused, Err(TokenError::WrongAudience { .. })));
    }
    let mixed = claims_with("aud", json!(["notary", 7]));
    assert_eq!(both.by_notary(&mixed), Err(TokenError::Malformed("aud")));
}

#[test]
fn a_token_without_an_audience_is_for_nobody() {
    for audience in [json!(null), json!(""), json!("Notary")] {
        let refused = Both::new().by_notary(&claims_with("aud", audience));
        assert!(matches!(refused, Err(TokenError::WrongAudience { .. })));
    }
}

#[test]
fn access_that_is_left_out_is_none_from_notarys_issuers_and_left_to_rules_from_others() {
    let both = Both::new();

    assert_eq!(both.by_notary(&claims()).unwrap().access, Some(vec![]));
    assert_eq!(both.by_open_id(&claims()).unwrap().access, None);
    let null = claims_with("access", json!(null));
    assert_eq!(both.by_open_id(&null).unwrap().access, Some(vec![]));
}

#[test]
fn access_is_read() {
    let entry =
        json!({ "type": "repository", "class": "image", "name": "a/b", "actions": ["pull"] });
    let verified = Both::new()
        .by_notary(&claims_with("access", json!([entry])))
        .unwrap();

    let expected = Access {
        kind: "repository".to_owned(),
        name: "a/b".to_owned(),
        actions: vec!["pull".to_owned()],
    };
    assert_eq!(verified.access, Some(vec![expected]));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    let both = Both::new();
    let wrong = [
        ("iss", json!(["https://id.example.com"])),
        ("sub", json!(7)),
        ("aud", json!({ "notary": true })),
        ("exp", json!("4102444800")),
        ("nbf", json!("0")),
        ("iat", json!("0")),
        ("jti", json!(1)),
        ("access", json!({ "type": "repository" })),
        ("access", json!([null])),
        ("access", json!([["repository", "a/b"]])),
    ];

    for (name, value) in wrong {
        let claims = claims_with(name, value);
        assert_eq!(both.by_notary(&claims), Err(TokenError::Malformed(name)));
        assert_eq!(both.by_open_id(&claims), Err(TokenError::Malformed(name)));
    }
}

#[test]
fn what_else_a_token_claims_is_handed_on() {
    let verified = Both::new()
        .by_open_id(&claims_with("groups", json!(["dev"])))
        .unwrap();

    assert_eq!(verified.claims["groups"], json!(["dev"]));
    assert_eq!(verified.issuer, "https://id.example.com");
}

#[test]
fn a_null_subject_is_an_empty_one() {
    let verified = Both::new()
        .by_notary(&claims_with("sub", json!(null)))
        .unwrap();
    assert_eq!(verified.subject, "");
}

#[test]
fn errors_show_what_was_expected_and_nothing_that_harms_a_log() {
    let evil = format!("evil\n\u{1b}[2J\u{202e}{}", "x".repeat(500));
    let token = Both::new();
    let refused = token
        .by_notary(&claims_with("iss", json!(evil)))
        .unwrap_err();

    let text = refused.to_string();

    assert!(text.contains("expected \"https://id.example.com\""));
    assert!(text.contains("evil"));
    assert!(text.len() < 300);
    assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'));
}

#[test]
fn only_the_first_audience_and_issuer_are_shown_of_a_token() {
    let both = Both::new();
    let mut claims = claims_with("aud", json!("elsewhere"));
    claims["secret"] = json!("of the subject");

    let text = both.by_notary(&claims).unwrap_err().to_string();

    assert_eq!(
        text,
        "the token is for audience [\"elsewhere\"], expected \"notary\""
    );
}
