//! The fields of events and spans, as text: a line for each, its name, a tab and its value as JSON.
//!
//! `tracing_subscriber` keeps the fields of a span as text in any case. In this form, an event
//! sorts the fields of its spans among its own without a copy of any.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write},
};

use smallvec::SmallVec;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatFields, FormattedFields, format::Writer},
    registry::{LookupSpan, Scope},
};

use super::{
    Causes, context,
    filter::length_of,
    safe::{JsonText, Length},
};

/// Members of a line by their name, sorted as logrus sorts them.
pub(super) type Members<'a, T> = SmallVec<[(&'a str, T); 24]>;

/// The fields of a line; the values are JSON.
pub(super) type Fields<'a> = Members<'a, &'a str>;

/// Room for the fields of an ordinary line, in bytes.
const ORDINARY: usize = 1024;

/// Writes the fields of spans.
pub(super) struct FieldLines;

impl<'w> FormatFields<'w> for FieldLines {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        fields.record(&mut Recorder::new(&mut out, Length::OfRequest));
        Ok(())
    }

    /// A field that is recorded again replaces the former when the lines are [`parse`]d.
    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

/// The fields of `event`, of the spans around it and of the task's context, as lines.
pub(super) fn lines_of<S>(context: &FmtContext<'_, S, FieldLines>, event: &Event<'_>) -> String
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut lines = String::with_capacity(ORDINARY);
    context::tell(&mut |name, value| {
        Recorder::new(&mut lines, Length::OfRequest).put_text(name, format_args!("{value}"));
    });
    let spans = context.event_scope().into_iter();
    for span in spans.flat_map(Scope::from_root) {
        if let Some(fields) = span.extensions().get::<FormattedFields<FieldLines>>() {
            lines.push_str(&fields.fields);
        }
    }
    event.record(&mut Recorder::new(&mut lines, length_of(event.metadata())));
    lines
}

/// Reads `lines`; of two fields of one name, the later one counts.
pub(super) fn parse(lines: &str) -> Fields<'_> {
    let mut fields = Fields::new();
    let mut rest = lines;
    // No value has a line end in it, and no name a tab.
    while let Some(end) = memchr::memchr(b'\n', rest.as_bytes()) {
        let (field, others) = (&rest[..end], &rest[end + 1..]);
        if let Some(tab) = memchr::memchr(b'\t', field.as_bytes()) {
            fields.push((&field[..tab], &field[tab + 1..]));
        }
        rest = others;
    }
    sort(&mut fields);
    fields
}

/// Sorts members by their name; of two with one name, the later one stays.
pub(super) fn sort<T: Copy>(members: &mut Members<'_, T>) {
    members.sort_by_key(|(name, _)| *name);
    members.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            *earlier = *later;
        }
        is_same
    });
}

/// A value as text without quotes.
pub(super) fn text_of(json: &str) -> Cow<'_, str> {
    let quoted = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        None => Cow::Borrowed(json),
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => Cow::Owned(serde_json::from_str(json).expect("written by `JsonText`")),
    }
}

/// Writes fields as lines. However long a field is, no more of it is kept than a line may hold.
struct Recorder<'a, W> {
    out: &'a mut W,
    length: Length,
}

impl<'a, W: Write> Recorder<'a, W> {
    fn new(out: &'a mut W, length: Length) -> Self {
        Self { out, length }
    }

    /// A line with what `write` writes, which is JSON.
    fn put(&mut self, name: &str, write: impl FnOnce(&mut W) -> fmt::Result) {
        // `r#type` is how a field is called that is a keyword of Rust.
        let name = name.strip_prefix("r#").unwrap_or(name);
        let line = self
            .out
            .write_str(name)
            .and_then(|()| self.out.write_char('\t'))
            .and_then(|()| write(self.out))
            .and_then(|()| self.out.write_char('\n'));
        line.expect("a String takes all that is written");
    }

    fn put_text(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let most = self.length.of(name);
        self.put(name, |out| {
            let mut text = JsonText::begin(out, most)?;
            // Only a broken `Debug` fails here; what it wrote until then is still worth showing.
            let _ = text.write_fmt(value);
            text.finish()
        });
    }
}

impl<W: Write> Visit for Recorder<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field.name(), format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinite numbers, and none that are no number.
        let json = serde_json::Value::from(value);
        self.put(field.name(), |out| write!(out, "{json}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), |out| write!(out, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put_text(field.name(), format_args!("{}", Causes(value)));
    }
}
