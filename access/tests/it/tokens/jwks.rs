//! Which JWK sets are believed in, and how keys of them are found.

use access::token::{InvalidJwks, TokenError, TrustedKeys, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::making::{Key, NOW, base64url, claims, notary, open_id, set, trusted};

fn read(keys: &[Value]) -> Result<TrustedKeys, InvalidJwks> {
    TrustedKeys::from_jwks(&set(keys))
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn rsa(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
}

#[test]
fn a_key_is_trusted_under_its_kid_and_its_libtrust_id() {
    let key = Key::p256();
    let keys = trusted(&[key.jwk_as("2026-11")]);
    assert_eq!(keys.ids(), ["2026-11", key.id().as_str()]);
    assert_eq!(trusted(&[key.jwk()]).ids(), [key.id()]);
}

#[test]
fn keys_for_other_uses_and_of_unknown_kinds_are_passed_over() {
    let (good, other) = (Key::p256(), Key::p256().jwk());
    let others = [
        with(other.clone(), "use", json!("enc")),
        with(other.clone(), "key_ops", json!(["encrypt"])),
        with(other.clone(), "alg", json!("ECDH-ES")),
        with(other.clone(), "crv", json!("secp256k1")),
        with(other.clone(), "kty", json!("AKP")),
        json!({ "kty": "OKP", "crv": "X25519", "x": base64url([9; 32]) }),
    ];

    for other in &others {
        assert_eq!(
            read(std::slice::from_ref(other)).unwrap_err(),
            InvalidJwks::NoKey
        );
        assert_eq!(
            read(&[other.clone(), good.jwk()]).unwrap().ids(),
            [good.id()]
        );
    }
    let usable = with(good.jwk(), "use", json!("sig"));
    assert!(read(&[with(usable, "key_ops", json!(["verify"]))]).is_ok());
}

#[test]
fn a_set_that_shows_a_private_key_is_refused_as_a_whole() {
    let good = Key::p256().jwk();
    let leaked = with(Key::p256().jwk(), "d", json!("AAAA"));
    let encryption = with(leaked.clone(), "use", json!("enc"));
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });

    for bad in [leaked, encryption, symmetric] {
        assert_eq!(
            read(&[good.clone(), bad]).unwrap_err(),
            InvalidJwks::PrivateKey(2)
        );
    }
}

#[test]
fn two_keys_under_one_id_are_refused() {
    let (first, second) = (Key::p256(), Key::p256());
    let clash = [first.jwk_as("a"), second.jwk_as("a")];
    assert_eq!(read(&clash).unwrap_err(), InvalidJwks::SameId(2));

    let stolen = [first.jwk(), second.jwk_as(&first.id())];
    assert_eq!(read(&stolen).unwrap_err(), InvalidJwks::SameId(2));
    let stolen = [second.jwk_as(&first.id()), first.jwk()];
    assert_eq!(read(&stolen).unwrap_err(), InvalidJwks::SameId(2));

    assert!(read(&[first.jwk_as("a"), first.jwk_as("a"), first.jwk_as("b")]).is_ok());
}

#[test]
fn points_off_their_curve_are_refused() {
    for key in [Key::p256(), Key::p384(), Key::p521()] {
        let jwk = key.jwk();
        let width = jwk["x"].as_str().unwrap().len() * 3 / 4;
        let mut off = vec![0; width];
        off[width - 1] = 1;
        for bad in [
            with(jwk.clone(), "y", json!(base64url(&off))),
            with(jwk.clone(), "y", json!(base64url(&off[1..]))),
            with(jwk.clone(), "y", json!("*")),
            with(jwk.clone(), "x", json!(null)),
            with(
                with(jwk, "x", json!(base64url(vec![0; width]))),
                "y",
                json!(base64url(vec![0; width])),
            ),
        ] {
            let refused = read(&[bad]).unwrap_err();
            assert!(
                matches!(refused, InvalidJwks::Key { number: 1, .. }),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn rsa_keys_have_2048_to_8192_bits_and_no_leading_zeros() {
    let good = vec![0xff; 256];
    assert!(read(&[rsa(&good, &[1, 0, 1])]).is_ok());
    assert!(read(&[rsa(&[0xff; 1024], &[3])]).is_ok());

    let mut just_short = good.clone();
    just_short[0] = 0x7f;
    let mut even = good.clone();
    even[255] = 0xfe;
    for bad in [
        rsa(&just_short, &[1, 0, 1]),
        rsa(&[0xff; 1025], &[1, 0, 1]),
        rsa(&[&[0], good.as_slice()].concat(), &[1, 0, 1]),
        rsa(&even, &[1, 0, 1]),
        rsa(&[], &[1, 0, 1]),
        rsa(&good, &[]),
        rsa(&good, &[1]),
        rsa(&good, &[4]),
        rsa(&good, &[0, 3]),
        rsa(&good, &[1; 9]),
    ] {
        let refused = read(&[bad]).unwrap_err();
        assert!(
            matches!(refused, InvalidJwks::Key { number: 1, .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn an_algorithm_that_does_not_suit_its_key_is_refused() {
    let refused = read(&[with(Key::p256().jwk(), "alg", json!("RS256"))]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "key 1 of the JWK set is unusable: its `alg` does not suit it"
    );
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"[[{"kty":"EC"}]]"#,
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":["a"]}"#,
        "{\"keys\":[]} x",
    ] {
        let refused = TrustedKeys::from_jwks(text.as_bytes()).unwrap_err();
        assert_eq!(refused, InvalidJwks::NotASet, "{text}");
    }
    assert_eq!(read(&[]).unwrap_err(), InvalidJwks::NoKey);
    assert_eq!(
        read(&vec![json!({}); 257]).unwrap_err(),
        InvalidJwks::TooLong
    );
    let long = " ".repeat(1024 * 1024 + 1);
    let refused = TrustedKeys::from_jwks(long.as_bytes()).unwrap_err();
    assert_eq!(refused, InvalidJwks::TooLong);
}

#[test]
fn a_token_may_leave_out_its_key_if_there_is_no_choice() {
    let (key, other, third) = (Key::p256(), Key::p384(), Key::p256());
    let token = key.token(json!({}), &claims());

    let one = open_id(trusted(&[key.jwk_as("a"), other.jwk_as("b")]));
    assert!(verify(&token, &[&one], NOW).is_ok());

    let two = open_id(trusted(&[key.jwk_as("a"), third.jwk_as("b")]));
    assert_eq!(
        verify(&token, &[&two], NOW),
        Err(TokenError::AmbiguousKey(2))
    );

    let none = open_id(trusted(&[other.jwk_as("b")]));
    assert_eq!(
        verify(&token, &[&none], NOW),
        Err(TokenError::AmbiguousKey(0))
    );

    let notarys = notary(trusted(&[key.jwk_as("a")]));
    assert_eq!(verify(&token, &[&notarys], NOW), Err(TokenError::NoKey));
}

#[test]
fn a_token_with_an_unknown_key_id_is_refused_even_if_there_is_one_key() {
    let key = Key::p256();
    let keys = trusted(&[key.jwk_as("a")]);
    let token = key.token(json!({ "kid": "b" }), &claims());

    for issuer in [notary(keys.clone()), open_id(keys)] {
        let refused = verify(&token, &[&issuer], NOW);
        assert_eq!(refused, Err(TokenError::UnknownKey("b".to_owned())));
    }
}

#[test]
fn a_key_that_a_token_brings_counts_only_if_it_is_known() {
    let (known, stranger) = (Key::p256(), Key::p256());
    let notarys = notary(trusted(&[known.jwk()]));
    let own = known.token(json!({ "jwk": known.jwk() }), &claims());
    let foreign = stranger.token(
        json!({ "jwk": stranger.jwk(), "kid": known.id() }),
        &claims(),
    );
    let lying = stranger.token(json!({ "jwk": stranger.jwk_as(&known.id()) }), &claims());

    assert!(verify(&own, &[&notarys], NOW).is_ok());
    let refused = verify(&foreign, &[&notarys], NOW);
    assert_eq!(refused, Err(TokenError::UntrustedJwk(stranger.id())));
    assert!(matches!(
        verify(&lying, &[&notarys], NOW),
        Err(TokenError::Jwk(_))
    ));

    let provider = open_id(trusted(&[known.jwk()]));
    let refused = verify(&foreign, &[&provider], NOW);
    assert_eq!(refused, Err(TokenError::WrongSignature));
}

#[test]
fn keys_from_several_places_are_trusted_together() {
    let (first, second) = (Key::p256(), Key::p384());
    let both = trusted(&[first.jwk_as("a")]).with(trusted(&[second.jwk_as("b")]));
    let issuer = open_id(both);

    for (key, id) in [(&first, "a"), (&second, "b")] {
        let token = key.token(json!({ "kid": id }), &claims());
        assert!(verify(&token, &[&issuer], NOW).is_ok());
    }
}

#[test]
fn of_two_keys_with_one_id_the_first_stays() {
    let (first, second) = (Key::p256(), Key::p256());
    let issuer = open_id(trusted(&[first.jwk_as("a")]).with(trusted(&[second.jwk_as("a")])));

    let token = |key: &Key| key.token(json!({ "kid": "a" }), &claims());

    assert!(verify(&token(&first), &[&issuer], NOW).is_ok());
    let refused = verify(&token(&second), &[&issuer], NOW);
    assert_eq!(refused, Err(TokenError::WrongSignature));
}

#[test]
fn debug_shows_key_ids_and_no_more() {
    let keys = trusted(&[Key::ed25519().jwk_as("mine")]);
    let ids: Vec<String> = keys.ids().iter().map(|id| format!("{id:?}")).collect();
    assert_eq!(
        format!("{keys:?}"),
        format!("TrustedKeys([{}])", ids.join(", "))
    );
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader_of_sets(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = TrustedKeys::from_jwks(&bytes);
    }

    #[test]
    fn no_members_panic_the_reader_of_sets(
        kty in prop_oneof![Just("EC"), Just("RSA"), Just("OKP"), Just("oct")],
        crv in prop_oneof![Just("P-256"), Just("P-384"), Just("P-521"), Just("Ed25519")],
        members in proptest::collection::btree_map("x|y|n|e|kid|alg|use|key_ops", "[A-Za-z0-9_=-]{0,90}", 0..8),
    ) {
        let mut jwk = json!(members);
        jwk["kty"] = json!(kty);
        jwk["crv"] = json!(crv);
        let _ = read(&[jwk]);
    }
}
