//! What an error says beyond its code, in the JSON that Go would write.

use std::fmt::Write as _;

use access::Scope;
use serde_json::json;
use tuf::{MetadataFormat, Refusal};

/// How much of a refusal's text is sent: with its frame it stays below the 1024 bytes that clients
/// read.
const LONGEST_TEXT: usize = 700;

/// The `detail` of an error as JSON text: its members stand in the order in which Notary writes
/// them.
pub(super) struct Detail(pub(super) String);

impl Detail {
    /// What Notary makes of a cause that has nothing to tell.
    pub(super) fn empty() -> Self {
        Self("{}".to_owned())
    }

    pub(super) fn text(text: &str) -> Self {
        Self(json!(text).to_string())
    }

    /// The form that the Notary client turns into a sentence for its user.
    pub(super) fn with_name(name: &str, text: &str) -> Self {
        let (name, text) = (json!(name), json!(shorten(text)));
        Self(format!(r#"{{"Name":{name},"Error":{{"Msg":{text}}}}}"#))
    }

    /// What is needed, one action an entry.
    pub(super) fn scope(scope: &Scope) -> Self {
        let (kind, name) = (json!(scope.kind.name()), json!(scope.name));
        let entry = |action: &&str| {
            let action = json!(action);
            format!(r#"{{"Type":{kind},"Class":"","Name":{name},"Action":{action}}}"#)
        };
        let entries: Vec<String> = scope.actions.iter().map(entry).collect();
        Self(format!("[{}]", entries.join(",")))
    }

    pub(super) fn refusal(refusal: &Refusal) -> Self {
        // The form is Notary's, so the words are, whatever the format of the repository.
        let text = MetadataFormat::NOTARY.words(refusal.fault());
        match refusal {
            Refusal::Root(_) => Self::with_name("ErrBadRoot", &text),
            Refusal::Targets(_) => Self::with_name("ErrBadTargets", &text),
            Refusal::Snapshot(_) => Self::with_name("ErrBadSnapshot", &text),
            Refusal::Hierarchy(_) => Self(format!(
                r#"{{"Name":"ErrBadHierarchy","Error":{{"Missing":"snapshot","Msg":{}}}}}"#,
                json!(shorten(&text))
            )),
            Refusal::Validation(_) | Refusal::Stored(_) => Self::with_name("ErrValidation", &text),
        }
    }
}

fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

/// JSON with the characters escaped that Go's encoder escapes, so that it may stand in a web page.
pub(crate) fn html_safe(json: String) -> String {
    // The two separators are the only ones of them beyond ASCII, and begin with this byte.
    const SEPARATOR: u8 = 0xe2;
    let bytes = json.as_bytes();
    if memchr::memchr3(b'<', b'>', b'&', bytes).is_none()
        && memchr::memchr(SEPARATOR, bytes).is_none()
    {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_web_page_could_take_for_its_own_is_escaped() {
        for (json, safe) in [
            ("\"a\"", "\"a\""),
            ("\"<a>&\"", "\"\\u003ca\\u003e\\u0026\""),
            ("\"\u{2028}\u{2029}\"", "\"\\u2028\\u2029\""),
            ("\"\u{2027}é\"", "\"\u{2027}é\""),
        ] {
            assert_eq!(html_safe(json.to_owned()), safe);
        }
    }
}
