//! The four forms of a line.

use std::fmt::{self, Write};

use time::{OffsetDateTime, macros::format_description};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, format::Writer},
    registry::LookupSpan,
};

use super::{
    Level, LogFormat,
    fields::{self, FieldLines, Fields, Members, text_of},
    filter::level_of,
    safe::{Plain, write_escaped},
};
use crate::clock;

/// Room for an ordinary line, in bytes.
const ORDINARY: usize = 1024;

/// Writes a line for each event.
pub(super) struct Lines {
    /// The form of the lines.
    pub(super) format: LogFormat,
    /// Whether lines for reading are in colour.
    pub(super) colour: bool,
}

impl<S> FormatEvent<S, FieldLines> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, FieldLines>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let lines = fields::lines_of(context, event);
        let mut fields = fields::parse(&lines);
        let line = Line {
            level: level_of(event.metadata()),
            message: take(&mut fields, "message").unwrap_or_default(),
            fields,
            time: clock::now(),
        };
        match self.format {
            LogFormat::Json => line.write_json(&mut out),
            LogFormat::Logfmt => line.write_logfmt(&mut out),
            LogFormat::Human => line.write_human(&mut out, self.colour),
            LogFormat::Sentence => line.write_sentence(&mut out),
        }?;
        out.write_char('\n')
    }
}

/// One event.
struct Line<'a> {
    /// How grave it is.
    level: Level,
    /// What happened, as JSON.
    message: &'a str,
    /// With what; those of the spans around it included.
    fields: Fields<'a>,
    /// When, in UTC.
    time: OffsetDateTime,
}

/// A member of a line in JSON.
#[derive(Clone, Copy)]
enum Member<'a> {
    Json(&'a str),
    /// Text that needs no escapes.
    Text(&'a str),
}

impl Line<'_> {
    fn write_json(&self, out: &mut dyn Write) -> fmt::Result {
        let time = self.timestamp();
        let fields = self.fields.iter();
        let mut members: Members<'_, Member<'_>> = fields
            .map(|(name, value)| (member_name(name), Member::Json(value)))
            .collect();
        members.push(("level", Member::Text(self.level.name())));
        members.push(("msg", self.message_member()));
        members.push(("time", Member::Text(&time)));
        fields::sort(&mut members);
        let mut line = String::with_capacity(ORDINARY);
        let mut separator = '{';
        for (name, member) in members {
            line.push(separator);
            line.push('"');
            write_escaped(&mut line, name)?;
            line.push_str("\":");
            match member {
                Member::Json(json) => line.push_str(json),
                Member::Text(text) => line.extend(["\"", text, "\""]),
            }
            separator = ',';
        }
        line.push('}');
        out.write_str(&line)
    }

    /// The message is text, whatever it was made of.
    fn message_member(&self) -> Member<'_> {
        if self.message.starts_with('"') {
            Member::Json(self.message)
        } else {
            Member::Text(self.message)
        }
    }

    fn write_logfmt(&self, out: &mut dyn Write) -> fmt::Result {
        let (time, level) = (self.timestamp(), self.level.name());
        let message = text_of(self.message);
        write!(out, "time=\"{time}\" level={level} msg={}", Word(&message))?;
        let fields = self.fields.iter();
        append(out, fields.map(|(name, value)| (member_name(name), *value)))
    }

    fn write_human(&self, out: &mut dyn Write, colour: bool) -> fmt::Result {
        let time = self.timestamp();
        let level = self.level.name().to_uppercase();
        let (start, end) = if colour {
            (paint(self.level), "\u{1b}[0m")
        } else {
            ("", "")
        };
        let message = text_of(self.message);
        write!(out, "{time} {start}{level:<7}{end} {}", Plain(&message))?;
        append(out, self.fields.iter().copied())
    }

    fn write_sentence(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str(match self.level {
            Level::Panic | Level::Fatal | Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info | Level::Debug | Level::Trace => "",
        })?;
        // A list of findings has a line each; nothing else in a text moves the cursor.
        let message = text_of(self.message);
        for (number, line) in message.trim_end().lines().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(out, "{separator}{}", Plain(line))?;
        }
        append(out, self.fields.iter().copied())
    }

    /// RFC 3339 in whole seconds, as logrus writes it.
    fn timestamp(&self) -> String {
        let (time, mut text) = (self.time, String::with_capacity(20));
        let Ok(year @ 0..=9999) = u16::try_from(time.year()) else {
            let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
            return time.format(form).expect("a date has all these parts");
        };
        let century = u8::try_from(year / 100).unwrap_or_default();
        let year = u8::try_from(year % 100).unwrap_or_default();
        for (number, behind) in [
            (century, ""),
            (year, "-"),
            (time.month().into(), "-"),
            (time.day(), "T"),
            (time.hour(), ":"),
            (time.minute(), ":"),
            (time.second(), "Z"),
        ] {
            text.push(char::from(b'0' + number / 10));
            text.push(char::from(b'0' + number % 10));
            text.push_str(behind);
        }
        text
    }
}

/// Takes the field `name` out of `fields`.
fn take<'a>(fields: &mut Fields<'a>, name: &str) -> Option<&'a str> {
    let at = fields.iter().position(|(known, _)| *known == name)?;
    Some(fields.remove(at).1)
}

/// A field named like one of the line's own members gives way, as with logrus.
fn member_name(name: &str) -> &str {
    match name {
        "level" => "fields.level",
        "msg" => "fields.msg",
        "time" => "fields.time",
        name => name,
    }
}

fn append<'a>(
    out: &mut dyn Write,
    mut fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> fmt::Result {
    fields.try_for_each(|(name, value)| write!(out, " {name}={}", Word(&text_of(value))))
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
