//! The fields of events and spans, as text: a line for each, its name, a tab and its value as JSON.
//!
//! `tracing_subscriber` keeps the fields of a span as text in any case. In this form, an event
//! sorts the fields of its spans among its own without a copy of any.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    error::Error,
    fmt::{self, Write},
};

use serde::Serialize;
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
    safe::{Cut, Length, PlainWriter},
};

/// Fields by their name, sorted as logrus sorts them; the values are JSON.
pub(super) type Fields<'a> = BTreeMap<&'a str, &'a str>;

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
    let mut lines = String::new();
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
    let fields = lines.split_terminator('\n');
    fields.filter_map(|field| field.split_once('\t')).collect()
}

/// A value as text without quotes.
pub(super) fn text_of(json: &str) -> Cow<'_, str> {
    let quoted = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        None => Cow::Borrowed(json),
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => Cow::Owned(serde_json::from_str(json).expect("written by `write_json`")),
    }
}

/// `value` as JSON, which means the same without any character that is not harmless.
pub(super) fn write_json(out: &mut dyn Write, value: &(impl Serialize + ?Sized)) -> fmt::Result {
    serde_json::to_writer(PlainWriter(out), value).map_err(|_| fmt::Error)
}

/// Writes fields as lines. However long a field is, no more of it is kept than a line may hold.
struct Recorder<'a> {
    out: &'a mut dyn Write,
    length: Length,
}

impl<'a> Recorder<'a> {
    fn new(out: &'a mut dyn Write, length: Length) -> Self {
        Self { out, length }
    }

    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        // `r#type` is how a field is called that is a keyword of Rust.
        let name = name.trim_start_matches("r#");
        let line = write!(self.out, "{name}\t")
            .and_then(|()| write_json(self.out, value))
            .and_then(|()| self.out.write_char('\n'));
        line.expect("a String takes all that is written");
    }

    fn put_text(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let mut text = Cut::to(self.length.of(name));
        // Only a broken `Debug` fails here; what it wrote until then is still worth showing.
        let _ = text.write_fmt(value);
        self.put(name, &text.finish());
    }
}

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() <= self.length.of(field.name()) {
            self.put(field.name(), value);
        } else {
            self.put_text(field.name(), format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put_text(field.name(), format_args!("{}", Causes(value)));
    }
}
