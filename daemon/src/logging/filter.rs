//! Which events make a line, at which level and of which length.

use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{Layer, layer::Context};

use super::{AUDIT, FATAL, Level, LogControl, PANIC, STARTUP, safe::Length};

/// This crate, and the targets that stand for a kind of line instead of a module.
const OWN: [&str; 5] = ["daemon", AUDIT, STARTUP, FATAL, PANIC];

/// Lets through what the level of the log shows.
///
/// Not `filter::Targets`, whose targets are prefixes: `proto` would be `protox` as well.
pub(super) struct Filter {
    /// The crates that are shown at every level.
    pub(super) crates: &'static [&'static str],
    /// The level.
    pub(super) control: LogControl,
}

impl Filter {
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

impl<S: Subscriber> Layer<S> for Filter {
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
}

/// Notary's name for the level: two of its levels have none of their own in `tracing`.
pub(super) fn level_of(metadata: &Metadata<'_>) -> Level {
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
pub(super) fn length_of(metadata: &Metadata<'_>) -> Length {
    match metadata.target() {
        AUDIT | STARTUP | FATAL | PANIC => Length::OfOurOwn,
        _ => Length::OfRequest,
    }
}
