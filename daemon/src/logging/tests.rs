//! What lines look like, and which there are.

use std::{
    io::{Read as _, Seek as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;

/// What `body` logs at `level`, as lines.
fn logged(format: LogFormat, level: Level, body: impl FnOnce(&LogControl)) -> Vec<String> {
    let log = Arc::new(tempfile::tempfile().unwrap());
    let control = LogControl::new(level);
    let subscriber = subscriber(&["server"], &control, format, false, log.clone());
    tracing::subscriber::with_default(subscriber, || body(&control));
    let mut text = String::new();
    (&*log).rewind().unwrap();
    (&*log).read_to_string(&mut text).unwrap();
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
fn a_line_for_people_begins_with_date_and_zone() {
    let lines = logged(LogFormat::Human, Level::Info, |_| {
        tracing::info!(target: "server", "said");
    });
    let (time, rest) = lines[0].split_once(' ').unwrap();
    assert!(
        time.len() == 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z'),
        "date and time of UTC: {time}"
    );
    assert!(rest.starts_with("INFO"), "{rest}");
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
        super::fatal(&super::UnknownFormat);
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
        let span = tracing::info_span!(target: "server", "request", gun = tracing::field::Empty);
        span.record("gun", "ex/app");
        span.in_scope(|| tracing::error!(target: "server", "broken"));
    });
    assert!(lines[0].contains("gun=ex/app"), "{lines:?}");
}

/// What a task is about; counts how often it is asked.
struct Asked(String, AtomicUsize);

impl Context for Asked {
    fn tell(&self, field: &mut dyn FnMut(&'static str, &dyn fmt::Display)) {
        self.1.fetch_add(1, Ordering::Relaxed);
        field("http.request.id", &7);
        field("uri", &self.0);
    }
}

/// Runs `body` as a task that is about `asked`.
fn about(asked: &Arc<Asked>, body: impl FnOnce()) {
    let task = context::within(Arc::clone(asked) as Arc<dyn Context>, async { body() });
    task.now_or_never().unwrap();
}

#[test]
fn a_line_says_what_its_task_is_about_and_no_text_is_made_without_a_line() {
    let asked = Arc::new(Asked("/v2/".to_owned(), AtomicUsize::default()));
    let lines = logged(LogFormat::Logfmt, Level::Error, |_| {
        about(&asked, || {
            tracing::info!(target: "server", "not shown");
            assert_eq!(asked.1.load(Ordering::Relaxed), 0);
            tracing::error!(target: "server", uri = "its own", "broken");
            tracing::info!(target: AUDIT, "audit");
        });
        tracing::error!(target: "server", "of no task");
    });
    assert!(
        lines[0].ends_with("msg=broken http.request.id=7 uri=\"its own\""),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("msg=audit http.request.id=7 uri=/v2/"),
        "{lines:?}"
    );
    assert!(lines[2].ends_with("msg=\"of no task\""), "{lines:?}");
    assert_eq!((asked.1.load(Ordering::Relaxed), lines.len()), (2, 3));
}

#[test]
fn what_a_task_is_about_is_cut_and_made_harmless_as_any_field() {
    let hostile = HOSTILE.to_owned() + &"é".repeat(30_000);
    let asked = Arc::new(Asked(hostile, AtomicUsize::default()));
    for format in [LogFormat::Human, LogFormat::Logfmt, LogFormat::Json] {
        let lines = logged(format, Level::Info, |_| {
            about(&asked, || tracing::info!(target: "server", "done"));
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            (1_000..4_000).contains(&lines[0].len()),
            "{}",
            lines[0].len()
        );
        let is_bad = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c);
        assert!(!lines[0].contains(is_bad), "{lines:?}");
    }
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
