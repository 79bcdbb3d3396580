//! The three forms of a line.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde_json::Value;
use time::{OffsetDateTime, macros::format_description};

use super::{
    Level, LogFormat,
    safe::{Plain, plain_json},
};

/// Fields by their name, sorted as logrus sorts them.
pub(super) type Fields = BTreeMap<String, Value>;

/// One event, ready to be written.
pub(super) struct Line<'a> {
    /// How grave it is.
    pub(super) level: Level,
    /// What happened.
    pub(super) message: &'a str,
    /// With what; those of the spans around it included.
    pub(super) fields: Fields,
    /// When, in UTC.
    pub(super) time: OffsetDateTime,
}

impl Line<'_> {
    /// The line in `format`, with its newline.
    pub(super) fn written(self, format: LogFormat, colour: bool) -> String {
        let mut line = match format {
            LogFormat::Json => self.json(),
            LogFormat::Logfmt => self.logfmt(),
            LogFormat::Human => self.human(colour),
            LogFormat::Sentence => self.sentence(),
        };
        line.push('\n');
        line
    }

    fn json(self) -> String {
        let time = self.timestamp();
        let mut members: Fields = self.fields.into_iter().map(renamed).collect();
        members.insert("level".to_owned(), self.level.name().into());
        members.insert("msg".to_owned(), self.message.into());
        members.insert("time".to_owned(), time.into());
        let line = serde_json::to_string(&members);
        plain_json(&line.expect("a map from text to JSON values is JSON"))
    }

    fn logfmt(self) -> String {
        let (level, message) = (self.level.name(), Word(self.message));
        let mut line = format!("time=\"{}\" level={level} msg={message}", self.timestamp());
        append(&mut line, self.fields.into_iter().map(renamed));
        line
    }

    fn human(self, colour: bool) -> String {
        let clock = format_description!("[hour]:[minute]:[second]");
        let time = self
            .time
            .format(clock)
            .expect("a time has hours, minutes and seconds");
        let level = self.level.name().to_uppercase();
        let (start, end) = if colour {
            (paint(self.level), "\u{1b}[0m")
        } else {
            ("", "")
        };
        let mut line = format!("{time} {start}{level:<7}{end} {}", Plain(self.message));
        append(&mut line, self.fields);
        line
    }

    fn sentence(self) -> String {
        let kind = match self.level {
            Level::Panic | Level::Fatal | Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        // A list of findings has a line each; nothing else in a text moves the cursor.
        let lines: Vec<String> = self
            .message
            .trim_end()
            .lines()
            .map(|line| Plain(line).to_string())
            .collect();
        let mut text = format!("{kind}{}", lines.join("\n"));
        append(&mut text, self.fields);
        text
    }

    /// RFC 3339 in whole seconds, as logrus writes it.
    fn timestamp(&self) -> String {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        self.time.format(form).expect("a date has all these parts")
    }
}

/// A field named like one of the line's own members gives way, as with logrus.
fn renamed((name, value): (String, Value)) -> (String, Value) {
    match name.as_str() {
        "level" | "msg" | "time" => (format!("fields.{name}"), value),
        _ => (name, value),
    }
}

fn append(line: &mut String, fields: impl IntoIterator<Item = (String, Value)>) {
    for (name, value) in fields {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        write!(line, " {name}={}", Word(&text)).expect("a String takes all that is written");
    }
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::Panic | Level::Fatal | Level::Error => "\u{1b}[31m",
        Level::Warn => "\u{1b}[33m",
        Level::Info => "\u{1b}[36m",
        Level::Debug | Level::Trace => "\u{1b}[37m",
    }
}

/// A value as logrus writes it: in quotes unless it is harmless without. `Debug` escapes whatever
/// [`Plain`] does.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
        if !self.0.is_empty() && self.0.chars().all(harmless) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}
