//! What a request or the environment shows: headers and `NOTARY_AUTH`.

use access::{Authorization, Credentials, InvalidAdministrator, administrator};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

fn parse(header: &str) -> Authorization {
    Authorization::parse(Some(header.as_bytes()))
}

/// What was read, in words that can be compared.
fn shown(authorization: &Authorization) -> String {
    match authorization {
        Authorization::Absent => "absent".to_owned(),
        Authorization::Basic(credentials) => format!("basic {:?}", pair(credentials)),
        Authorization::Bearer(token) => format!("bearer {:?}", token.expose_secret()),
        Authorization::Unreadable => "unreadable".to_owned(),
        Authorization::Several => "several".to_owned(),
    }
}

fn pair(credentials: &Credentials) -> (&str, &str) {
    (&credentials.user, credentials.password.expose_secret())
}

fn basic(plain: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(plain))
}

#[test]
fn a_bearer_header_is_two_words_with_one_space_between() {
    for header in [
        "Bearer a.b.c",
        "bearer a.b.c",
        "BEARER a.b.c",
        "bEaReR a.b.c",
    ] {
        assert_eq!(shown(&parse(header)), r#"bearer "a.b.c""#, "{header:?}");
    }
    for header in [
        "Bearer",
        "Bearer ",
        "Bearer  a.b.c",
        "Bearer a.b.c x",
        "Bearer a.b.c ",
        " Bearer a.b.c",
        "Bearer\ta.b.c",
        "Bearer,a.b.c",
    ] {
        assert_eq!(shown(&parse(header)), "unreadable", "{header:?}");
    }
}

#[test]
fn two_headers_are_never_taken_for_one_of_them() {
    let of = |headers: &[&'static str]| {
        let headers: Vec<&[u8]> = headers.iter().map(|header| header.as_bytes()).collect();
        shown(&Authorization::of(headers))
    };
    assert_eq!(of(&[]), "absent");
    assert_eq!(of(&["Bearer a.b.c"]), r#"bearer "a.b.c""#);
    for pair in [
        ["Bearer a.b.c", "Basic dXNlcjpwYXNz"],
        ["Bearer a.b.c", "Bearer a.b.c"],
        ["Negotiate YWJj", ""],
    ] {
        assert_eq!(of(&pair), "several", "{pair:?}");
    }
}

#[test]
fn a_bearer_header_that_is_not_utf8_shows_a_token_that_cannot_be_right() {
    let header = Authorization::parse(Some(b"Bearer a.\xff.c"));
    assert_eq!(shown(&header), "bearer \"a.\u{fffd}.c\"");
}

#[test]
fn no_header_shows_nothing() {
    assert_eq!(shown(&Authorization::parse(None)), "absent");
    for header in ["", " ", "\t"] {
        assert_eq!(shown(&parse(header)), "absent", "{header:?}");
    }
}

#[test]
fn a_header_of_an_unknown_scheme_is_never_taken_for_none() {
    for header in [
        "Negotiate YWJj",
        "Digest username=\"a\"",
        "Basics YTpi",
        "Bearera.b.c",
        "Basic-2 YTpi",
        "Bas",
        "\u{e9}",
        "dXNlcjpwYXNz",
    ] {
        assert_eq!(shown(&parse(header)), "unreadable", "{header:?}");
    }
    let bytes = Authorization::parse(Some(b"\xff\xfe"));
    assert_eq!(shown(&bytes), "unreadable");
}

#[test]
fn a_basic_header_shows_user_and_password() {
    let expected = r#"basic ("user", "pass:word")"#;
    assert_eq!(shown(&parse("Basic dXNlcjpwYXNzOndvcmQ=")), expected);
    assert_eq!(
        shown(&parse("Basic dXNlcjpwYXNzOndvcmQ")),
        expected,
        "padding may be left out"
    );
    assert_eq!(shown(&parse("bASIC   dXNlcjpwYXNzOndvcmQ=")), expected);
    assert_eq!(
        shown(&parse(&basic("jürgen:pässwörd"))),
        r#"basic ("jürgen", "pässwörd")"#
    );
    assert_eq!(shown(&parse(&basic("user:"))), r#"basic ("user", "")"#);
}

#[test]
fn a_basic_header_that_cannot_be_read_is_never_taken_for_none() {
    let headers = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "basic\tdXNlcjpwYXNz".to_owned(),
        "Basic,dXNlcjpwYXNz".to_owned(),
        "Basic=".to_owned(),
        "Basic not base64".to_owned(),
        "Basic dXNlcjpwYXNz dXNlcjpwYXNz".to_owned(),
        "Basic dXNl-_==".to_owned(),
        "Basic \u{e9}".to_owned(),
        "BASIC\u{e9} dXNlcjpwYXNz".to_owned(),
        basic("no colon"),
        basic(":nameless"),
        basic("line\nbreak:secret"),
        basic("nul\0:secret"),
        basic("\u{85}:secret"),
        basic(b"j\xfcrgen:latin1"),
        basic(b"user:p\xe4ss"),
    ];
    for header in headers {
        assert_eq!(shown(&parse(&header)), "unreadable", "{header:?}");
    }
    assert_eq!(
        shown(&Authorization::parse(Some(b"Basic \xff"))),
        "unreadable"
    );
}

#[test]
fn neither_passwords_nor_tokens_are_shown_by_debug() {
    let headers = [parse(&basic("user:hunter2")), parse("Bearer hunter2")];
    for header in headers {
        assert!(!format!("{header:?}").contains("hunter2"));
    }
}

/// What GNU `base64` makes of `plain`: lines of 76, each with its end.
fn by_base64(plain: &str) -> String {
    let encoded = STANDARD.encode(plain);
    let lines = encoded.as_bytes().chunks(76);
    let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    lines.join("\n") + "\n"
}

#[test]
fn notary_auth_names_an_administrator_in_two_forms() {
    for text in [
        "dXNlcjpwYXNzd29yZA==",        // printf user:password | base64
        "dXNlcjpwYXNzd29yZAo=",        // echo user:password | base64
        "dXNlcjpwYXNzd29yZA0K",        // echo of Windows
        "dXNlcjpwYXNzd29yZA",          // padding lost
        " dXNlcjpwYXNz\nd29yZA==\r\n", // wrapped, from a file
        "dXNlcg==:cGFzc3dvcmQ=",       // printf user | base64, printf password | base64
        "dXNlcgo=:cGFzc3dvcmQK",       // echo user | base64, echo password | base64
        "dXNlcgo=\n:\ncGFzc3dvcmQK\n",
    ] {
        let found = administrator(text);
        assert_eq!(
            found.as_ref().map(pair),
            Ok(("user", "password")),
            "{text:?}"
        );
    }
}

#[test]
fn only_one_newline_of_echo_is_taken_off_a_password() {
    let refused = |plain: &str| administrator(&STANDARD.encode(plain)).unwrap_err();
    assert_eq!(
        refused("user:password\n\n"),
        InvalidAdministrator::ControlCharacters
    );
    assert_eq!(
        refused("user:pass\nword"),
        InvalidAdministrator::ControlCharacters
    );
}

#[test]
fn a_password_of_an_administrator_may_hold_colons_and_inner_spaces() {
    let found = administrator(&STANDARD.encode("user:pass: word"));
    assert_eq!(found.as_ref().map(pair), Ok(("user", "pass: word")));
    let found = administrator(&format!(
        "{}:{}",
        STANDARD.encode("user"),
        STANDARD.encode("a:b")
    ));
    assert_eq!(found.as_ref().map(pair), Ok(("user", "a:b")));
}

#[test]
fn each_notary_auth_that_names_no_administrator_is_told_what_is_wrong() {
    use InvalidAdministrator as Invalid;
    let whole = |plain: &[u8]| STANDARD.encode(plain);
    let apart = |user: &str, password: &str| {
        format!("{}:{}", STANDARD.encode(user), STANDARD.encode(password))
    };
    let cases = [
        (String::new(), Invalid::Empty),
        (" \n".to_owned(), Invalid::Empty),
        ("admin:hunter2!".to_owned(), Invalid::NotEncoded),
        ("user:password".to_owned(), Invalid::NotEncoded),
        ("dXNlcg==:cGFzc3dvcmQ=:".to_owned(), Invalid::NotEncoded),
        ("hunter2!".to_owned(), Invalid::NotBase64),
        ("dXNlcjpw_-8=".to_owned(), Invalid::NotBase64),
        (whole(b"user:p\xe4ss"), Invalid::NotUtf8),
        (whole(b"user"), Invalid::NoColon),
        (whole(b":password"), Invalid::EmptyUser),
        (apart("", "password"), Invalid::EmptyUser),
        (apart("\n", "password"), Invalid::EmptyUser),
        (apart("us:er", "password"), Invalid::ColonInUser),
        (whole(b"user:"), Invalid::EmptyPassword),
        (whole(b"user:\n"), Invalid::EmptyPassword),
        (apart("user", "\r\n"), Invalid::EmptyPassword),
        (whole(b"us\ter:password"), Invalid::ControlCharacters),
        (whole(b"user:pass\0word"), Invalid::ControlCharacters),
        (whole(b"user: password"), Invalid::SpaceAroundPassword),
        (whole(b"user:password \n"), Invalid::SpaceAroundPassword),
    ];
    for (text, expected) in cases {
        assert_eq!(administrator(&text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn what_is_said_of_a_bad_notary_auth_shows_both_forms_and_nothing_of_it() {
    let said = administrator("admin:hunter2!").unwrap_err().to_string();
    assert!(
        said.contains("base64(user:password)") && said.contains("base64(user):base64(password)"),
        "{said}"
    );
    assert!(
        said.contains("plain user:password is not accepted"),
        "{said}"
    );
    assert!(
        !said.contains("hunter2") && !said.contains("admin"),
        "{said}"
    );
}

proptest! {
    #[test]
    fn no_header_panics(header in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Authorization::parse(Some(&header));
        let _ = Authorization::parse(Some(&[b"Basic ", header.as_slice()].concat()));
        let _ = Authorization::parse(Some(&[b"Bearer ", header.as_slice()].concat()));
    }

    #[test]
    fn whatever_follows_the_word_basic_is_credentials_or_refused(rest in "[^!#$%&'*+.^_`|~0-9A-Za-z-].*") {
        let found = parse(&format!("Basic{rest}"));
        prop_assert!(matches!(found, Authorization::Basic(_) | Authorization::Unreadable));
    }

    #[test]
    fn basic_headers_are_read_as_they_were_written(user in "[^:\\pC]{1,20}", password in ".*", is_padded: bool) {
        let plain = format!("{user}:{password}");
        let encoded = if is_padded { STANDARD.encode(plain) } else { STANDARD_NO_PAD.encode(plain) };
        let found = parse(&format!("Basic {encoded}"));
        prop_assert_eq!(shown(&found), format!("basic {:?}", (user, password)));
    }

    #[test]
    fn no_notary_auth_panics(text in ".{0,80}", encoded in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = administrator(&text);
        let _ = administrator(&STANDARD.encode(&encoded));
        let _ = administrator(&format!("{}:{}", STANDARD.encode(&encoded), STANDARD.encode(&text)));
    }

    #[test]
    fn administrators_are_read_in_every_form(user in "[^:\\pC]{1,60}", password in "[^\\pC\\s]([^\\pC]{0,60}[^\\pC\\s])?") {
        let expected = Ok((user.as_str(), password.as_str()));
        for end in ["", "\n", "\r\n"] {
            let together = by_base64(&format!("{user}:{password}{end}"));
            let apart = format!("{}:{}", by_base64(&format!("{user}{end}")), by_base64(&format!("{password}{end}")));
            for text in [together.as_str(), together.trim_end(), &apart] {
                let found = administrator(text);
                prop_assert_eq!(found.as_ref().map(pair), expected);
            }
        }
    }
}
