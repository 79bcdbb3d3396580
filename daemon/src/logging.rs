//! Logs on standard error, in the form Notary's had: one line an event, a level that signals can
//! move.

pub mod context;
mod fields;
mod filter;
mod format;
mod outlet;
mod safe;
#[cfg(test)]
mod tests;

use std::{
    backtrace::Backtrace,
    error::Error,
    fmt,
    io::{self, IsTerminal as _, Stderr},
    panic,
    str::FromStr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

pub use context::Context;
use fields::FieldLines;
use filter::Filter;
use format::Lines;
pub use outlet::Gathering;
use outlet::Outlet;
pub use safe::{Plain, plain_json};
use tracing::Subscriber;
use tracing_subscriber::{
    Registry,
    fmt::{self as subscriber_fmt, MakeWriter},
    layer::SubscriberExt as _,
};

/// The target of lines that are shown whatever the level: the version, and what is doubtful about
/// the configuration. `tracing::warn!(target: daemon::logging::STARTUP, "…")`
pub const STARTUP: &str = "startup";

/// The target of lines about who did what, shown whatever the level, as a record that must not
/// depend on how talkative the log is.
pub const AUDIT: &str = "audit";

/// The target of the line that says why the program ends; see [`fatal`].
const FATAL: &str = "fatal";

/// The target of the line that a panic leaves.
const PANIC: &str = "panic";

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line, its members sorted, as Notary wrote them.
    #[default]
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// For reading: date and time in UTC, level, message, then the fields; in colour on a terminal.
    Human,
    /// What commands say to the person who typed them: the message, behind `error: ` or `warning: `
    /// if it is one. Cannot be asked for: every command but `serve` speaks like that by itself.
    Sentence,
}

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            "human" => Ok(Self::Human),
            _ => Err(UnknownFormat),
        }
    }
}

/// A `-logf` that names no form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accepted: json, logfmt, human")]
pub struct UnknownFormat;

/// Notary's levels, from the most silent to the most verbose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only defects of the program itself.
    Panic,
    /// Also why the program ends.
    Fatal,
    /// Also what failed through no fault of a client; the default.
    #[default]
    Error,
    /// Also what may need attention.
    Warn,
    /// Also a line for every request.
    Info,
    /// Also the steps on the way.
    Debug,
    /// Everything.
    Trace,
}

/// All levels, in their order.
const LEVELS: [Level; 7] = [
    Level::Panic,
    Level::Fatal,
    Level::Error,
    Level::Warn,
    Level::Info,
    Level::Debug,
    Level::Trace,
];

impl Level {
    /// How Notary writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let name = text.to_lowercase();
        let name = if name == "warn" { "warning" } else { &name };
        let level = LEVELS.into_iter().find(|level| level.name() == name);
        level.ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// A `logging.level` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid logrus Level: {0:?}; accepted: panic, fatal, error, warn, info, debug, trace")]
pub struct UnknownLevel(String);

/// Moves the level of a running program.
#[derive(Clone, Debug)]
pub struct LogControl(Arc<AtomicU8>);

impl LogControl {
    fn new(level: Level) -> Self {
        Self(Arc::new(AtomicU8::new(level as u8)))
    }

    /// The level of the most verbose lines that are shown.
    #[must_use]
    pub fn level(&self) -> Level {
        LEVELS[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Shows lines up to `level` from now on.
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// One level more verbose, up to debug. Answers the sentence that Notary prints.
    #[must_use]
    pub fn more(&self) -> String {
        match self.level() {
            level @ (Level::Debug | Level::Trace) => format!(
                "Attempt to increase log level failed, will remain at {} level, \
                 error: log level can not be set higher than Debug",
                level.name()
            ),
            level => self.step(LEVELS[level as usize + 1]),
        }
    }

    /// One level less verbose, down to panic. Answers the sentence that Notary prints.
    #[must_use]
    pub fn less(&self) -> String {
        match self.level() {
            Level::Panic => "Attempt to decrease log level failed, will remain at panic level, \
                             error: log level can not be set lower than Panic"
                .to_owned(),
            level => self.step(LEVELS[level as usize - 1]),
        }
    }

    fn step(&self, level: Level) -> String {
        self.set(level);
        format!("Successfully setting log level to {}", level.name())
    }
}

/// Sends all events to standard error, one line each, and panics too.
///
/// `crates` are the crates of the program, in addition to this one. Other crates only log warnings
/// and errors: their other lines are not meant for operators, and may hold headers or statements
/// that must not be written anywhere.
///
/// Each line is written at once, until [`gather`] is called. A process has one log: a second call
/// only moves its level.
pub fn init(crates: &'static [&'static str], format: LogFormat, level: Level) -> LogControl {
    static LOG: OnceLock<LogControl> = OnceLock::new();
    let control = LOG.get_or_init(|| {
        let control = LogControl::new(level);
        let colour = io::stderr().is_terminal();
        let outlet = OUTLET.get_or_init(|| Outlet::new(io::stderr()));
        let subscriber = subscriber(crates, &control, format, colour, outlet.clone());
        // A subscriber that was installed before stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        log_panics();
        control
    });
    control.set(level);
    control.clone()
}

/// Standard error.
static OUTLET: OnceLock<Outlet<Stderr>> = OnceLock::new();

/// Lets lines wait for others for some milliseconds, as long as the answer is kept, so that many
/// requests are one system call. Warnings and errors, the audit log, panics and the reason why the
/// program ends do not wait.
pub fn gather() -> Gathering {
    OUTLET.get().map_or_else(Gathering::none, Outlet::gather)
}

/// Writes a line for each event that the level of `control` lets through.
fn subscriber<W>(
    crates: &'static [&'static str],
    control: &LogControl,
    format: LogFormat,
    colour: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = Filter {
        crates,
        control: control.clone(),
    };
    let lines = subscriber_fmt::layer()
        .fmt_fields(FieldLines)
        .event_format(Lines { format, colour })
        .with_writer(writer)
        // A log that cannot be written must not stop the service, and this would panic then.
        .log_internal_errors(false);
    Registry::default().with(filter).with(lines)
}

/// Logs why the program ends, with all causes, at level fatal. The caller ends it with status 1.
pub fn fatal(error: &(dyn Error + 'static)) {
    tracing::error!(target: FATAL, "{}", Causes(error));
}

/// An error and its causes in one sentence, each said once.
///
/// Many errors repeat their cause in their own text; a cause that was said already is left out.
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            next = cause.source();
        }
        Ok(())
    }
}

/// Makes a panic one line like any other; Notary's went to standard error as plain text.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let message = panic.payload_as_str().unwrap_or("panic");
        tracing::error!(target: PANIC, place, %backtrace, "{message}");
    }));
}
