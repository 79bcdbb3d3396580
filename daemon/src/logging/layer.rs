//! From events and spans to lines.

use std::{
    error::Error,
    fmt::{self, Write as _},
};

use serde_json::Value;
use tracing::{
    Event, Id, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::{
    AUDIT, Causes, FATAL, Level, LogControl, LogFormat, PANIC, STARTUP,
    format::{self, Fields},
    safe::{Cut, Length},
};
use crate::clock;

/// This crate, and the targets that stand for a kind of line instead of a module.
const OWN: [&str; 5] = ["daemon", AUDIT, STARTUP, FATAL, PANIC];

/// Writes a line for each event that the level lets through.
pub(super) struct Lines<W> {
    crates: &'static [&'static str],
    control: LogControl,
    format: LogFormat,
    colour: bool,
    write: W,
}

impl<W: Fn(&str) + 'static> Lines<W> {
    /// Lines in `format`, given to `write` with their newline; `crates` are shown at every level.
    pub(super) fn new(
        crates: &'static [&'static str],
        control: LogControl,
        format: LogFormat,
        colour: bool,
        write: W,
    ) -> Self {
        Self {
            crates,
            control,
            format,
            colour,
            write,
        }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let own = self.is_own(metadata.target());
        if metadata.is_span() {
            // Kept at every level: the line of an error needs the request it belongs to.
            return own && level_of(metadata) <= self.control.level().max(Level::Info);
        }
        let limit = match self.control.level() {
            _ if matches!(metadata.target(), AUDIT | STARTUP) => Level::Trace,
            level if own => level,
            level => level.min(Level::Warn),
        };
        level_of(metadata) <= limit
    }

    /// Whether `target` is a module of one of the program's crates.
    fn is_own(&self, target: &str) -> bool {
        let name = target.split("::").next().unwrap_or_default();
        OWN.contains(&name) || self.crates.contains(&name)
    }
}

/// Notary's name for the level: two of its levels have none of their own in `tracing`.
fn level_of(metadata: &Metadata<'_>) -> Level {
    match (metadata.target(), *metadata.level()) {
        (PANIC, _) => Level::Panic,
        (FATAL, _) => Level::Fatal,
        (_, tracing::Level::ERROR) => Level::Error,
        (_, tracing::Level::WARN) => Level::Warn,
        (_, tracing::Level::INFO) => Level::Info,
        (_, tracing::Level::DEBUG) => Level::Debug,
        (_, tracing::Level::TRACE) => Level::Trace,
    }
}

/// How long the fields of an event may be.
fn length_of(metadata: &Metadata<'_>) -> Length {
    match metadata.target() {
        AUDIT | STARTUP | FATAL | PANIC => Length::OfOurOwn,
        _ => Length::OfRequest,
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.control.level() {
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
            _ => LevelFilter::INFO,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::new();
        attributes.record(&mut Collect(&mut fields, Length::OfRequest));
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(&mut Collect(fields, Length::OfRequest));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            if let Some(known) = span.extensions().get::<Fields>() {
                fields.extend(known.clone());
            }
        }
        event.record(&mut Collect(&mut fields, length_of(event.metadata())));
        let message = match fields.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let level = level_of(event.metadata());
        let line = format::Line {
            level,
            message: &message,
            fields,
            time: clock::now(),
        };
        (self.write)(&line.written(self.format, self.colour));
    }
}

/// Collects the fields of an event or a span. Whatever a field is made of, no more of it is kept than
/// a line may hold.
struct Collect<'a>(&'a mut Fields, Length);

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // `r#type` is how a field is called that is a keyword of Rust.
        let name = field.name().trim_start_matches("r#");
        self.0.insert(name.to_owned(), value.into());
    }

    fn put_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = Cut::to(self.1.of(field.name()));
        // Only a broken `Debug` fails here; what it wrote until then is still worth showing.
        let _ = text.write_fmt(value);
        self.put(field, text.finish());
    }
}

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put_text(field, format_args!("{}", Causes(value)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::{super::LEVELS, *};

    /// What `body` logs at `level`, as lines.
    fn logged(format: LogFormat, level: Level, body: impl FnOnce(&LogControl)) -> Vec<String> {
        let log = Arc::new(Mutex::new(String::new()));
        let control = LogControl::new(level);
        let sink = Arc::clone(&log);
        let write = move |line: &str| sink.lock().unwrap().push_str(line);
        let lines = Lines::new(&["server"], control.clone(), format, false, write);
        tracing::subscriber::with_default(Registry::default().with(lines), || body(&control));
        let text = log.lock().unwrap().clone();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_json_line_has_sorted_members_with_the_fields_of_its_spans() {
        let lines = logged(LogFormat::Json, Level::Info, |_| {
            let span = tracing::info_span!(target: "server", "request", gun = "ex/app", "http.request.id" = "7");
            span.in_scope(
                || tracing::info!(target: "server", status = 200, "response \"completed\"\n"),
            );
        });
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(line["level"], json!("info"));
        assert_eq!(line["msg"], json!("response \"completed\"\n"));
        assert_eq!(line["gun"], json!("ex/app"));
        assert_eq!(line["status"], json!(200));
        let time = line["time"].as_str().unwrap();
        assert!(
            time.len() == 20 && time.ends_with('Z'),
            "whole seconds of UTC: {time}"
        );
        let order: Vec<_> = [
            "\"gun\"",
            "\"http.request.id\"",
            "\"level\"",
            "\"msg\"",
            "\"status\"",
            "\"time\"",
        ]
        .map(|name| lines[0].find(name).unwrap())
        .into();
        assert!(order.is_sorted(), "{}", lines[0]);
    }

    #[test]
    fn fields_named_like_the_lines_own_members_do_not_replace_them() {
        let lines = logged(LogFormat::Json, Level::Info, |_| {
            tracing::info!(target: "server", level = "forged", msg = "forged", "true");
        });
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&line["level"], &line["msg"]),
            (&json!("info"), &json!("true"))
        );
        assert_eq!(line["fields.level"], json!("forged"));
    }

    #[test]
    fn a_client_cannot_forge_a_line_in_the_forms_for_people() {
        for format in [LogFormat::Human, LogFormat::Logfmt, LogFormat::Json] {
            let lines = logged(format, Level::Info, |_| {
                tracing::info!(target: "server", agent = "x\nlevel=error \u{1b}[31mforged", "a\nb");
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
        }
    }

    /// What a client may try to get into a log: line ends of all kinds, a terminal's commands, and
    /// text that runs backwards.
    const HOSTILE: &str =
        "x\n\rtime=\u{1b}[31m\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{7f}\0\"";

    #[test]
    fn hostile_text_stays_in_its_field_in_every_format() {
        for format in [LogFormat::Human, LogFormat::Logfmt, LogFormat::Json] {
            let lines = logged(format, Level::Info, |_| {
                let span =
                    tracing::info_span!(target: "server", "request", uri = HOSTILE, id = ?HOSTILE);
                let error = std::io::Error::other(HOSTILE);
                let error: &(dyn Error + 'static) = &error;
                span.in_scope(
                    || tracing::info!(target: "server", agent = %HOSTILE, error, "a {HOSTILE}"),
                );
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            let is_bad = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c);
            assert!(!lines[0].contains(is_bad), "{lines:?}");
            if format == LogFormat::Json {
                let line: Value = serde_json::from_str(&lines[0]).unwrap();
                assert_eq!(
                    (&line["uri"], &line["agent"]),
                    (&json!(HOSTILE), &json!(HOSTILE))
                );
            }
        }
    }

    #[test]
    fn no_field_is_longer_than_it_may_be() {
        let long = "é".repeat(30_000);
        for format in [LogFormat::Human, LogFormat::Logfmt, LogFormat::Json] {
            let lines = logged(format, Level::Info, |_| {
                let span = tracing::info_span!(target: "server", "request", uri = long, late = tracing::field::Empty);
                span.record("late", &long);
                let error = std::io::Error::other(long.clone());
                let error: &(dyn Error + 'static) = &error;
                span.in_scope(|| {
                    tracing::info!(target: "server", debug = ?long, display = %long, error, "{long}");
                    tracing::info!(target: STARTUP, "{long}");
                });
            });
            assert_eq!(lines.len(), 2);
            let length = lines[0].len();
            assert!((8_000..10_500).contains(&length), "{length}");
            assert!(lines[0].contains("more bytes)"), "{}", lines[0]);
            assert!(lines[1].len() < 36_000, "{}", lines[1].len());
        }
    }

    #[test]
    fn the_level_decides_what_is_shown_and_can_be_moved() {
        let lines = logged(LogFormat::Logfmt, Level::Error, |control| {
            let talk = || {
                tracing::error!(target: "server", "an error");
                tracing::warn!(target: "server", "a warning");
            };
            talk();
            assert_eq!(control.more(), "Successfully setting log level to warning");
            talk();
            control.set(Level::Fatal);
            talk();
            super::super::fatal(&super::super::UnknownFormat);
            tracing::info!(target: STARTUP, "Version: 1");
        });
        let messages: Vec<_> = lines
            .iter()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(
            messages,
            [
                "level=error msg=\"an error\"",
                "level=error msg=\"an error\"",
                "level=warning msg=\"a warning\"",
                "level=fatal msg=\"accepted: json, logfmt, human\"",
                "level=info msg=\"Version: 1\"",
            ]
        );
    }

    #[test]
    fn the_audit_log_is_shown_at_every_level() {
        for level in LEVELS {
            let lines = logged(LogFormat::Logfmt, level, |_| {
                tracing::info!(target: AUDIT, event = "delete", "audit");
            });
            assert_eq!(lines.len(), 1, "{level:?}");
            assert!(lines[0].ends_with("msg=audit event=delete"), "{lines:?}");
        }
    }

    #[test]
    fn an_error_line_names_its_request_even_when_requests_are_not_logged() {
        let lines = logged(LogFormat::Logfmt, Level::Error, |_| {
            let span =
                tracing::info_span!(target: "server", "request", gun = tracing::field::Empty);
            span.record("gun", "ex/app");
            span.in_scope(|| tracing::error!(target: "server", "broken"));
        });
        assert!(lines[0].contains("gun=ex/app"), "{lines:?}");
    }

    #[test]
    fn other_crates_are_heard_only_when_they_warn() {
        let lines = logged(LogFormat::Logfmt, Level::Trace, |_| {
            tracing::debug!(target: "h2::codec", "authorization: secret");
            tracing::info!(target: "sqlx::query", "SELECT");
            tracing::info!(target: "servers", "not one of the crates");
            tracing::warn!(target: "sqlx::query", "slow");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].ends_with("msg=slow"), "{lines:?}");
    }
}
