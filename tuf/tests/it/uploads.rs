//! The recorded uploads whose outcome is decided by reading and checking the files.

use fixtures::{bytes, clock, vectors};
use serde_json::Value;
use tuf::{InvalidUpload, Limits, MetadataFormat, Refusal, Role, Stored, Update, Uploaded, check};

use crate::given::{GUN, Server};

/// What the server would answer: a code, and for a refused update the name of the error and its
/// text.
type Answer = (String, Option<(String, String)>);

/// Decided by how a request is cut into parts, before any file is looked at.
const ABOUT_THE_REQUEST: [&str; 11] = [
    "no-content-type",
    "json-content-type",
    "form-urlencoded",
    "no-boundary",
    "multipart-related",
    "no-filename",
    "empty-filename",
    "only-extension",
    "no-disposition",
    "filename-star",
    "truncated-body-inside-part",
];

/// Notary read members in capitals like small letters, and all bytes that are not UTF-8 as one
/// character; it found something else to refuse. What is said of them instead.
const IN_OTHER_WORDS: [(&str, &str); 2] = [
    ("root case-insensitive-names", r#""SIGNED""#),
    ("root invalid-utf8", "is not UTF-8"),
];

#[test]
fn uploads_to_an_unknown_repository_are_refused_as_notary_refused_them() {
    let vectors = vectors("upload_errors");
    let cases = vectors.as_array().expect("a list of cases");
    assert_eq!(cases.len(), 52);
    let about_files = cases
        .iter()
        .filter(|case| !ABOUT_THE_REQUEST.iter().any(|name| case["name"] == *name));
    let mut seen = 0;
    for case in about_files {
        let other = IN_OTHER_WORDS
            .iter()
            .find(|(name, _)| case["name"] == *name);
        if let Some((_, word)) = other {
            let (code, detail) = answer(&bytes(&case["body_b64"]));
            let (name, text) = detail.expect("a detail");
            assert_eq!(
                (code.as_str(), name.as_str()),
                ("INVALID_UPDATE", "ErrBadRoot")
            );
            assert!(text.contains(word), "{text}");
            seen += 1;
            continue;
        }
        assert_eq!(
            answer(&bytes(&case["body_b64"])),
            recorded(case),
            "{}",
            case["name"]
        );
        seen += 1;
    }
    assert_eq!(seen, 52 - ABOUT_THE_REQUEST.len());
}

fn recorded(case: &Value) -> Answer {
    let answer: Value =
        serde_json::from_str(case["answer"].as_str().expect("a body")).expect("JSON");
    let error = &answer["errors"][0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let detail = text(&error["detail"]["Name"]).zip(text(&error["detail"]["Error"]["Msg"]));
    (text(&error["code"]).expect("a code"), detail)
}

fn answer(body: &[u8]) -> Answer {
    let mut update = Update::default();
    for (name, content) in parts(body) {
        let Ok(role) = Role::parse(&name) else {
            return ("INVALID_ROLE".to_owned(), None);
        };
        match Uploaded::read(role, content.into(), &Limits::default()) {
            Ok(file) => update.insert(file),
            Err(InvalidUpload::Refused(refusal) | InvalidUpload::Oversized(refusal)) => {
                return refused(refusal);
            }
            Err(InvalidUpload::Malformed(_)) => return ("MALFORMED_JSON".to_owned(), None),
        }
    }
    let verdict = check(&GUN, &Stored::default(), update, clock());
    refused(verdict.expect_err("nothing recorded is accepted"))
}

fn refused(refusal: Refusal) -> Answer {
    let (name, fault) = match refusal {
        Refusal::Root(fault) => ("ErrBadRoot", fault),
        Refusal::Validation(fault) => ("ErrValidation", fault),
        other => panic!("{other:?}"),
    };
    let text = MetadataFormat::NOTARY.words(&fault);
    ("INVALID_UPDATE".to_owned(), Some((name.to_owned(), text)))
}

/// Cuts a recorded body at its boundary, which is `XX` everywhere.
fn parts(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let cut = |haystack: &[u8], needle: &[u8]| {
        let at = haystack
            .windows(needle.len())
            .position(|window| window == needle)?;
        Some((
            haystack[..at].to_vec(),
            haystack[at + needle.len()..].to_vec(),
        ))
    };
    let mut parts = Vec::new();
    let mut rest = body.to_vec();
    while let Some((part, after)) = rest
        .strip_prefix(b"--XX\r\n")
        .and_then(|rest| cut(rest, b"\r\n--XX"))
    {
        let (head, content) = cut(&part, b"\r\n\r\n").expect("a part has a head");
        let head = String::from_utf8(head).expect("a recorded head is ASCII");
        let name = head.split("filename=").nth(1).expect("a file name");
        let name = name.lines().next().expect("a file name").trim_matches('"');
        parts.push((
            name.strip_suffix(".json").unwrap_or(name).to_owned(),
            content,
        ));
        rest = [b"--XX", after.as_slice()].concat();
    }
    parts
}

#[test]
fn one_name_with_an_escape_does_not_count_against_all_targets() {
    const TARGETS: usize = 50_000;
    let hash = "bBuFWlDpAUk7Hqa1WUKYSQ2bJ3Jp5a2JX4DcvjTV8BQ=";
    let entry = format!(r#"{{"hashes":{{"sha256":"{hash}"}},"length":1}}"#);
    let odd = format!(r#""a\u0026b":{entry}"#);
    let plain = (0..TARGETS).map(|number| format!(r#""v{number:05}":{entry}"#));
    let targets: Vec<String> = std::iter::once(odd).chain(plain).collect();
    let before = r#"{"signed":{"_type":"Targets","delegations":{"keys":{},"roles":[]},"#;
    let expires = r#""expires":"2040-01-01T00:00:00Z","targets":{"#;
    let after = r#"},"version":1},"signatures":[]}"#;
    let file = [before, expires, &targets.join(","), after].concat();
    let read = Uploaded::read(Role::Targets, file.into(), &Limits::default());
    assert!(read.is_ok(), "{:?}", read.err());
}

#[test]
fn a_name_with_an_escape_is_signed_like_any_other() {
    let server = Server::new();
    let mut owner = server.owner();
    for name in ["z", "a&b", "a"] {
        owner.add_target("targets", name, b"content");
    }
    let mut parts = owner.first_publish();
    for (role, bytes) in &mut parts {
        if role == "targets" {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            assert!(text.contains("a&b"));
            *bytes = text.replace("a&b", r"a\u0026b").into_bytes();
        }
    }
    server.judge(&parts).unwrap();
}
