//! What a publish changed, as the audit log tells it.

use serde::Serialize;
use tuf::{Difference, MovedTag, Named, Signer, Tag};

use super::text::cut;

/// Lists of what changed, one text each. Names that clients chose stand at the end of a text, so
/// that no name can look like another entry.
#[derive(Default, Serialize)]
pub(super) struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) signed_by: Vec<String>,
    #[serde(rename = "signers.added", skip_serializing_if = "Vec::is_empty")]
    pub(super) signers_added: Vec<String>,
    #[serde(rename = "signers.removed", skip_serializing_if = "Vec::is_empty")]
    pub(super) signers_removed: Vec<String>,
    #[serde(rename = "tags.added", skip_serializing_if = "Vec::is_empty")]
    pub(super) added: Vec<String>,
    #[serde(rename = "tags.moved", skip_serializing_if = "Vec::is_empty")]
    pub(super) moved: Vec<String>,
    #[serde(rename = "tags.removed", skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<String>,
    #[serde(rename = "tags.unreadable", skip_serializing_if = "Vec::is_empty")]
    pub(super) unreadable: Vec<String>,
}

impl Changes {
    pub(super) fn of(difference: &Difference) -> Self {
        let unreadable = difference.unreadable.iter().take(tuf::MOST_NAMED);
        Self {
            signed_by: list(&difference.signed_by, signer),
            signers_added: list(&difference.signers_added, signer),
            signers_removed: list(&difference.signers_removed, signer),
            added: list(&difference.added, tag),
            moved: list(&difference.moved, moved_tag),
            removed: list(&difference.removed, tag),
            unreadable: unreadable.map(|role| cut(role.as_str())).collect(),
        }
    }
}

/// The most bytes of a list as JSON: the program's log cuts longer fields, and what is cut cannot
/// be verified.
const LONGEST_LIST: usize = 28 * 1024;

fn list<T>(named: &Named<T>, text: impl Fn(&T) -> String) -> Vec<String> {
    let mut length = 0;
    let mut texts: Vec<String> = named
        .first
        .iter()
        .map(text)
        .take_while(|text| {
            length += json_length(text);
            length <= LONGEST_LIST
        })
        .collect();
    let unnamed = named.unnamed() + named.first.len() - texts.len();
    if unnamed > 0 {
        texts.push(format!("and {unnamed} more"));
    }
    texts
}

/// The bytes of `text` in a list of JSON, with quotes and a comma.
fn json_length(text: &str) -> usize {
    let length = |c: char| match c {
        '"' | '\\' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    };
    text.chars().map(length).sum::<usize>() + 3
}

fn signer(Signer { role, key_id }: &Signer) -> String {
    format!("{} {}", cut(key_id.as_str()), cut(role))
}

fn tag(Tag { role, name, digest }: &Tag) -> String {
    format!("{} {digest} {}", cut(role.as_str()), cut(name))
}

fn moved_tag(tag: &MovedTag) -> String {
    let (role, name) = (cut(tag.role.as_str()), cut(&tag.name));
    format!("{role} {} to {} {name}", tag.from, tag.to)
}
