//! Audit lines as they are read: those of a file, and those among the lines of the program's log.

use std::{collections::BTreeMap, fmt, io::BufRead};

use daemon::logging::{AUDIT, plain_json};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    record::TORN,
    torn::{Torn, checksum},
};

/// The longest line that is read; no audit line is half as long.
const LONGEST: usize = 1 << 20;

/// How often the beginning of a JSON object is looked for in a line.
const MOST_BEGINNINGS: usize = 16;

/// The form of a member.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    List,
}

/// The members of audit lines; whatever else a line of the log says is not theirs.
const MEMBERS: [(&str, Form); 26] = [
    ("address", Form::Text),
    ("caller.issuer", Form::Text),
    ("caller.kind", Form::Text),
    ("caller.name", Form::Text),
    ("chain", Form::Text),
    ("code", Form::Text),
    ("count", Form::Number),
    ("event", Form::Text),
    ("gun", Form::Text),
    ("key_id", Form::Text),
    ("line", Form::Number),
    ("outcome", Form::Text),
    ("previous", Form::Text),
    ("reason", Form::Text),
    ("request_id", Form::Text),
    ("roles", Form::Text),
    ("sha256", Form::Text),
    ("signed_by", Form::List),
    ("signers.added", Form::List),
    ("signers.removed", Form::List),
    ("tags.added", Form::List),
    ("tags.moved", Form::List),
    ("tags.removed", Form::List),
    ("tags.unreadable", Form::List),
    ("target", Form::Text),
    ("at", Form::Text),
];

/// An audit line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    members: BTreeMap<String, Value>,
    text: String,
}

/// Where a line stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) chain: String,
    pub(super) line: u64,
    pub(super) previous: Option<String>,
}

impl Line {
    /// A line of an audit file, byte for byte as a server writes it.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Option<Self> {
        let line = Self::with(serde_json::from_slice::<Members>(bytes).ok()?.0)?;
        (line.text.as_bytes() == bytes).then_some(line)
    }

    /// The audit line that a line of whatever log holds, in any form of the log, or behind what a
    /// collector has put before it.
    #[must_use]
    pub fn within(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        if !text.contains(AUDIT) {
            return None;
        }
        let beginnings = text.match_indices("{\"").take(MOST_BEGINNINGS);
        let json = beginnings
            .filter_map(|(begin, _)| serde_json::from_str::<Members>(text[begin..].trim_end()).ok())
            .find_map(|members| Self::of_log(members.0));
        json.or_else(|| Self::of_log(fields(text)?))
    }

    /// The members that are the audit log's own, in the form that they have in its file.
    fn of_log(mut found: BTreeMap<String, Value>) -> Option<Self> {
        if !found.contains_key("msg") {
            return Self::with(found);
        }
        let mut members = BTreeMap::new();
        for (name, form) in MEMBERS {
            let Some(value) = found.remove(name) else {
                continue;
            };
            let value = match (form, value) {
                (Form::List, Value::String(list)) => serde_json::from_str(&list).ok()?,
                (Form::Number, Value::String(number)) => number.parse::<u64>().ok()?.into(),
                (_, value) => value,
            };
            let name = if name == "at" { "time" } else { name };
            members.insert(name.to_owned(), value);
        }
        // Lines that are in no chain have only the time of the log.
        if let Some(time) = found.remove("time") {
            members.entry("time".to_owned()).or_insert(time);
        }
        Self::with(members)
    }

    fn with(members: BTreeMap<String, Value>) -> Option<Self> {
        if members.get("target")? != AUDIT || !members.get("event")?.is_string() {
            return None;
        }
        let text = plain_json(&serde_json::to_string(&members).ok()?);
        Some(Self { members, text })
    }

    /// What the line stands for in the chain, as a server writes it to a file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a member; empty if there is none.
    #[must_use]
    pub fn member(&self, name: &str) -> &str {
        let value = self.members.get(name);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    /// The texts of a member that is a list.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.members.get(name).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The number of a member.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name)?.as_u64()
    }

    /// What the next line calls it.
    pub(super) fn sha256(&self) -> String {
        checksum(self.text.as_bytes())
    }

    pub(super) fn link(&self) -> Option<Link> {
        let text = |name| self.members.get(name)?.as_str().map(str::to_owned);
        Some(Link {
            chain: text("chain")?,
            line: self.number("line")?,
            previous: text("previous"),
        })
    }

    /// The torn line that it tells of.
    pub(super) fn torn(&self) -> Option<Torn> {
        let torn = || Torn {
            bytes: self.number("count").unwrap_or_default(),
            sha256: self.member("sha256").to_owned(),
        };
        (self.member("event") == TORN).then(torn)
    }
}

/// The members of an object, each of them there once.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

/// The fields of a line of the forms `logfmt` and `human`, with a member `msg`.
fn fields(text: &str) -> Option<BTreeMap<String, Value>> {
    let mut fields = BTreeMap::from([("msg".to_owned(), Value::from(""))]);
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(' ');
        let end = rest.find([' ', '"']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        let Some((name, value)) = word.split_once('=') else {
            // A word of the message; quotes stand only behind a name.
            rest = behind.strip_prefix('"').unwrap_or(behind);
            continue;
        };
        let value = if value.is_empty() && behind.starts_with('"') {
            let (value, behind) = unquote(&behind[1..])?;
            rest = behind;
            value
        } else {
            value.to_owned()
        };
        let is_msg = name == "msg";
        if fields.insert(name.to_owned(), value.into()).is_some() && !is_msg {
            return None;
        }
    }
    Some(fields)
}

/// What stands in quotes as Rust writes it, without the first quote; and what comes behind.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let (digits, behind) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                    rest = behind.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                c => c,
            }),
            c => value.push(c),
        }
    }
}

/// A line as it stands in its file, without its newline.
pub struct RawLine {
    /// The line; of one that is too long, the beginning.
    pub bytes: Vec<u8>,
    /// Whether there is a newline behind it.
    pub is_ended: bool,
    /// Whether it is longer than any that is read.
    pub is_too_long: bool,
}

/// Reads the next line; `None` at the end.
///
/// # Errors
///
/// What the operating system says.
pub fn read_line(reader: &mut impl BufRead) -> std::io::Result<Option<RawLine>> {
    let mut line = RawLine {
        bytes: Vec::new(),
        is_ended: false,
        is_too_long: false,
    };
    let mut is_any = false;
    loop {
        let found = reader.fill_buf()?;
        if found.is_empty() {
            return Ok(is_any.then_some(line));
        }
        is_any = true;
        let newline = memchr::memchr(b'\n', found);
        let part = &found[..newline.unwrap_or(found.len())];
        let kept = part.len().min(LONGEST - line.bytes.len());
        line.bytes.extend_from_slice(&part[..kept]);
        line.is_too_long |= kept < part.len();
        let read = part.len() + usize::from(newline.is_some());
        reader.consume(read);
        if newline.is_some() {
            line.is_ended = true;
            return Ok(Some(line));
        }
    }
}
