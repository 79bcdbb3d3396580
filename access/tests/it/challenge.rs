//! Challenges, against those of Notary 0.7.

use access::{Challenge, Scope, ScopeKind, TokenFault};
use proptest::prelude::*;

fn bearer(realm: &str) -> Challenge {
    Challenge::Bearer {
        realm: realm.to_owned(),
        service: "notary-server".to_owned(),
    }
}

fn repository(name: &str, actions: &'static [&'static str]) -> Scope {
    Scope {
        kind: ScopeKind::Repository,
        name: name.to_owned(),
        actions,
    }
}

fn catalog() -> Scope {
    Scope {
        kind: ScopeKind::Registry,
        name: "catalog".to_owned(),
        actions: &["*"],
    }
}

/// What a request needs, by method and path, for the routes that were recorded.
fn needed(method: &str, path: &str) -> Scope {
    let Some(rest) = path.strip_prefix("/v2/auth/repo/_trust/") else {
        return catalog();
    };
    let is_key = rest.to_ascii_lowercase().ends_with("key");
    match method {
        "GET" if is_key => repository("auth/repo", &["push", "pull"]),
        "GET" => repository("auth/repo", &["pull"]),
        "POST" if !is_key => repository("auth/repo", &["push", "pull"]),
        "POST" | "DELETE" => repository("auth/repo", &["*"]),
        _ => catalog(),
    }
}

#[test]
fn bearer_challenges_are_notarys() {
    let vectors = fixtures::vectors("auth_tokens");
    let challenge = bearer(vectors["realm"].as_str().unwrap());
    let mut compared = 0;
    for case in vectors["scopes"].as_array().unwrap() {
        let Some(expected) = case["www_authenticate"].as_str() else {
            continue;
        };
        let scope = needed(
            case["method"].as_str().unwrap(),
            case["path"].as_str().unwrap(),
        );
        assert_eq!(challenge.header(&scope, None), expected, "{case}");
        compared += 1;
    }
    assert_eq!(compared, 16);
}

#[test]
fn what_is_wrong_with_a_token_stands_at_the_end() {
    let header = |fault| bearer("https://auth/token").header(&catalog(), fault);
    let plain = header(None);
    let invalid = header(Some(TokenFault::Invalid));
    let insufficient = header(Some(TokenFault::InsufficientScope));
    assert_eq!(invalid, format!("{plain},error=\"invalid_token\""));
    assert_eq!(
        insufficient,
        format!("{plain},error=\"insufficient_scope\"")
    );
}

#[test]
fn a_basic_challenge_says_that_passwords_are_utf8_and_nothing_of_scopes() {
    let challenge = Challenge::Basic {
        realm: "the \"Notary\"".to_owned(),
    };
    for fault in [None, Some(TokenFault::Invalid)] {
        let header = challenge.header(&repository("auth/repo", &["pull"]), fault);
        assert_eq!(header, r#"Basic realm="the \"Notary\"",charset="UTF-8""#);
    }
}

/// By the rules of `strconv.Quote`.
#[test]
fn texts_are_quoted_as_go_does() {
    let cases = [
        ("a\\b\"c'd", r#"a\\b\"c'd"#),
        ("\x07\x08\x0c\n\r\t\x0b", r"\a\b\f\n\r\t\v"),
        ("\0\x1b\x1f\x7f", r"\x00\x1b\x1f\x7f"),
        ("a b~", "a b~"),
        ("é☺日本\u{1f600}\u{ad5}", "é☺日本\u{1f600}\\u0ad5"),
        ("e\u{301}", "e\u{301}"),
        ("\u{80}\u{85}\u{a0}\u{ad}", r"\u0080\u0085\u00a0\u00ad"),
        (
            "\u{200b}\u{2028}\u{202e}\u{feff}\u{fffd}",
            "\\u200b\\u2028\\u202e\\ufeff\u{fffd}",
        ),
        ("\u{e000}\u{10ffff}", r"\ue000\U0010ffff"),
    ];
    for (name, quoted) in cases {
        let header = bearer("r").header(&repository(name, &["pull"]), None);
        let expected = format!(
            "Bearer realm=\"r\",service=\"notary-server\",scope=\"repository:{quoted}:pull\""
        );
        assert_eq!(header, expected, "{name:?}");
    }
}

#[test]
fn a_gun_cannot_begin_a_header_of_its_own() {
    let scope = repository("a\r\nSet-Cookie: b=c\r\n\r\n<html>", &["pull"]);
    let header = bearer("r").header(&scope, None);
    assert!(
        header.contains(r#"scope="repository:a\r\nSet-Cookie: b=c\r\n\r\n<html>:pull""#),
        "{header}"
    );
}

/// The texts between quotes, as a client takes them apart that knows of backslashes.
fn unquoted(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut characters = header.chars();
    while characters.by_ref().any(|character| character == '"') {
        let mut text = String::new();
        while let Some(character) = characters.next().filter(|&character| character != '"') {
            text.push(if character == '\\' {
                characters.next().unwrap()
            } else {
                character
            });
        }
        texts.push(text);
    }
    texts
}

proptest! {
    #[test]
    fn a_header_holds_no_byte_that_a_header_cannot_have(realm: String, service: String, name: String) {
        let scope = repository(&name, &["pull"]);
        let challenges = [Challenge::Basic { realm: realm.clone() }, Challenge::Bearer { realm, service }];
        for challenge in challenges {
            let header = challenge.header(&scope, Some(TokenFault::Invalid));
            prop_assert!(header.bytes().all(|byte| byte >= b' ' && byte != 0x7f));
        }
    }

    #[test]
    fn clients_read_what_was_meant(realm in "[ -~é-ü]*", service in "[ -~é-ü]*", name in "[ -~é-ü]*") {
        let challenge = Challenge::Bearer { realm: realm.clone(), service: service.clone() };
        let header = challenge.header(&repository(&name, &["pull"]), None);
        prop_assert_eq!(unquoted(&header), [realm, service, format!("repository:{name}:pull")]);
    }
}
