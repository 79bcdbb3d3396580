//! The envelope against rows that Notary 0.7 wrote, byte for byte.

use serde_json::Value;

use super::*;

const RECORDED: &str = include_str!("../../../../../fixtures/vectors/signer-jwe-at-rest.json");

fn recorded() -> Value {
    serde_json::from_str(RECORDED).unwrap()
}

fn cases() -> Vec<Value> {
    recorded()["cases"].as_array().unwrap().clone()
}

fn hex_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} in {value}"))
}

fn octets_of(value: &Value, member: &str) -> Vec<u8> {
    hex::decode(hex_of(value, member)).unwrap()
}

fn passphrase(case: &Value) -> Vec<u8> {
    case["passphrase"].as_str().unwrap().as_bytes().to_vec()
}

#[test]
fn every_recorded_envelope_opens_to_the_recorded_key() {
    let cases = cases();
    assert!(cases.len() >= 6, "{}", cases.len());
    for case in &cases {
        let opened = open(case["jwe"].as_str().unwrap().as_bytes(), &passphrase(case)).unwrap();
        assert_eq!(
            hex::encode(&*opened),
            hex_of(case, "plaintext_hex"),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn with_the_same_randomness_the_same_envelope_is_written() {
    for case in &cases() {
        let steps = &case["steps"];
        let salt = octets_of(steps, "p2s_salt_input_hex");
        let derivation = Derivation::with_salt(salt, DEFAULT_ROUNDS);
        let fresh = Fresh {
            content_key: Zeroizing::new(octets_of(steps, "cek_hex").try_into().unwrap()),
            nonce: octets_of(steps, "iv_hex").try_into().unwrap(),
        };
        let plaintext = octets_of(case, "plaintext_hex");
        let key = derivation.derive(&passphrase(case));
        let envelope = fresh.seal(&plaintext, &derivation, &key);
        assert_eq!(envelope, case["jwe"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn two_envelopes_of_one_key_share_nothing_but_their_form() {
    let [a, b] = [(); 2].map(|()| seal(b"key", b"pass", DEFAULT_ROUNDS).unwrap());
    let [a, b] = [&a, &b].map(|text| text.split('.').collect::<Vec<_>>());
    for part in 0..5 {
        assert_ne!(a[part], b[part], "part {part}");
    }
}

#[test]
fn the_stronger_algorithms_of_the_list_open_and_nothing_else_does() {
    for wrapping in [Wrapping::Hs256, Wrapping::Hs384, Wrapping::Hs512] {
        for encryption in ["A128GCM", "A256GCM"] {
            let envelope = foreign(wrapping.name(), encryption, "210000", Some(wrapping));
            let opened = open(envelope.as_bytes(), b"pass").unwrap();
            assert_eq!(&**opened, b"a key", "{} {encryption}", wrapping.name());
        }
    }
    for (alg, enc) in [
        ("PBES2-HS256+A128KW", "A192GCM"),
        ("PBES2-HS256+A128KW", "A128CBC-HS256"),
        ("dir", "A256GCM"),
        ("none", "none"),
        ("A128KW", "A256GCM"),
    ] {
        let envelope = foreign(alg, enc, "8192", None);
        let error = open(envelope.as_bytes(), b"pass").unwrap_err();
        assert!(
            matches!(error, EnvelopeError::Unaccepted(_)),
            "{alg} {enc}: {error}"
        );
    }
}

#[test]
fn rounds_outside_the_bounds_are_refused_before_they_cost_anything() {
    for rounds in ["0", "999", "1000001", "4294967296", "18446744073709551615"] {
        let envelope = foreign(KEY_WRAPPING, ENCRYPTION, rounds, None);
        let error = open(envelope.as_bytes(), b"pass").unwrap_err();
        assert!(
            matches!(error, EnvelopeError::Unaccepted(_)),
            "{rounds}: {error}"
        );
    }
}

#[test]
fn another_passphrase_is_told_from_an_altered_envelope() {
    let sealed = seal(b"key", b"pass", DEFAULT_ROUNDS).unwrap();
    assert_eq!(
        open(sealed.as_bytes(), b"Pass").unwrap_err(),
        EnvelopeError::WrongPassphrase
    );
    let parts: Vec<&str> = sealed.split('.').collect();
    let altered = |at: usize, by: &str| {
        let mut parts = parts.clone();
        parts[at] = by;
        open(parts.join(".").as_bytes(), b"pass").unwrap_err()
    };
    let nonce = URL_SAFE_NO_PAD.encode([0; NONCE_LEN]);
    assert_eq!(altered(2, &nonce), EnvelopeError::Altered);
    assert_eq!(altered(3, "AAAA"), EnvelopeError::Altered);
    let tag = URL_SAFE_NO_PAD.encode([0; TAG]);
    assert_eq!(altered(4, &tag), EnvelopeError::Altered);
    // The header says the same in other bytes: those are authenticated too.
    let header = String::from_utf8(decode(parts[0]).unwrap())
        .unwrap()
        .replace(',', ", ");
    assert_eq!(
        altered(0, &URL_SAFE_NO_PAD.encode(header)),
        EnvelopeError::Altered
    );
}

#[test]
fn what_must_fail_for_notary_fails_here() {
    let recorded = recorded();
    let refused = recorded
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| name.contains("fail"));
    let (_, refused) = refused.expect("the vectors hold cases that must fail");
    let mut seen = 0;
    for case in refused.as_array().unwrap() {
        let envelope = case["jwe"].as_str().unwrap();
        assert!(
            open(envelope.as_bytes(), &passphrase(case)).is_err(),
            "{case}"
        );
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn malformed_envelopes_are_refused_whatever_is_wrong_with_them() {
    let good = seal(b"key", b"pass", DEFAULT_ROUNDS).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let signed = parts[..3].join(".");
    let padded = good.clone() + "=";
    let short_nonce = [parts[0], parts[1], "AAAA", parts[3], parts[4]].join(".");
    let short_tag = [parts[0], parts[1], parts[2], parts[3], "AAAA"].join(".");
    let short_key = [parts[0], "AAAA", parts[2], parts[3], parts[4]].join(".");
    for text in [
        "",
        ".",
        "....",
        "a.b.c.d.e",
        &signed,
        &padded,
        &short_nonce,
        &short_tag,
        &short_key,
    ] {
        let error = open(text.as_bytes(), b"pass").unwrap_err();
        assert!(
            matches!(error, EnvelopeError::Malformed(_)),
            "{text}: {error}"
        );
    }
    assert!(open(&[0xff, 0xfe], b"pass").is_err());
    for member in [r#","crit":["exp"]"#, r#","zip":"DEF""#] {
        let salt = "A".repeat(16);
        let header = format!(
            r#"{{"alg":"{KEY_WRAPPING}","enc":"{ENCRYPTION}","p2c":8192,"p2s":"{salt}"{member}}}"#
        );
        let text = [
            &URL_SAFE_NO_PAD.encode(header),
            parts[1],
            parts[2],
            parts[3],
            parts[4],
        ]
        .join(".");
        let error = open(text.as_bytes(), b"pass").unwrap_err();
        assert!(
            matches!(error, EnvelopeError::Malformed(_)),
            "{member}: {error}"
        );
    }
}

/// An envelope as another program could write it; a sound one only if `wrapping` is given.
fn foreign(alg: &str, enc: &str, rounds: &str, wrapping: Option<Wrapping>) -> String {
    let salt = URL_SAFE_NO_PAD.encode([7; 16]);
    let header = format!(r#"{{"alg":"{alg}","enc":"{enc}","p2c":{rounds},"p2s":"{salt}"}}"#);
    let header = URL_SAFE_NO_PAD.encode(header);
    let length = if enc == "A128GCM" { 16 } else { 32 };
    let content_key = vec![9; length];
    let mut wrapped = vec![0; length + WRAPPING];
    let (mut content, mut tag) = (b"a key".to_vec(), vec![0; TAG]);
    if let Some(wrapping) = wrapping {
        let rounds = rounds.parse().unwrap();
        let key = wrapping.derive(b"pass", &[7; 16], rounds);
        wrapping.wrap(&key, &content_key, &mut wrapped).unwrap();
        let cipher = content_cipher(find_encryption(enc).unwrap(), &content_key).unwrap();
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let made = cipher
            .seal_in_place_separate_tag(nonce, Aad::from(&header), &mut content)
            .unwrap();
        tag = made.as_ref().to_vec();
    }
    let parts = [wrapped, vec![0; NONCE_LEN], content, tag];
    parts.iter().fold(header, |text, part| {
        text + "." + &URL_SAFE_NO_PAD.encode(part)
    })
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9_.=-]{0,200}") {
        let _ = open(text.as_bytes(), b"pass");
    }

    #[test]
    fn no_single_change_to_an_envelope_goes_unnoticed(at in 0_usize..339, by in "[A-Za-z0-9_-]") {
        let sealed = seal(&[1; 96], b"pass", NonZeroU32::new(1000).unwrap()).unwrap();
        let mut changed = sealed.clone();
        let at = at % changed.len();
        changed.replace_range(at..=at, &by);
        proptest::prop_assume!(changed != sealed);
        proptest::prop_assert!(open(changed.as_bytes(), b"pass").is_err());
    }
}
