//! How a database is doing, as requests see it: for health, and told in the log once, not once a
//! request.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{Fault, is_transient};

/// How often at most the log tells of one kind of failure.
const PAUSE: Duration = Duration::from_secs(30);

/// How a database is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Why it cannot serve, in a sentence with its cure.
    pub failing: Option<String>,
    /// Whether the last write failed because the database only allows reads.
    pub is_read_only: bool,
}

/// Watches over the condition of one database.
pub(super) struct Outlook {
    place: String,
    condition: watch::Sender<Condition>,
    /// Whether the condition is any other than good; asked with each answer.
    is_troubled: AtomicBool,
    /// Whether the log told of the trouble that there is.
    is_told: AtomicBool,
    /// Failures since the log last told of one.
    untold: AtomicU64,
    last_told: Mutex<Option<(Fault, Instant)>>,
}

impl Outlook {
    pub(super) fn new(place: String) -> Self {
        Self {
            place,
            condition: watch::Sender::new(Condition::default()),
            is_troubled: AtomicBool::default(),
            is_told: AtomicBool::default(),
            untold: AtomicU64::default(),
            last_told: Mutex::default(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.condition.borrow().is_read_only
    }

    /// Takes note of how a statement failed.
    pub(super) fn note(&self, fault: Fault, error: &sqlx::Error) {
        match fault {
            Fault::Away => self.note_unconnected(fault, error),
            Fault::ReadOnly => {
                self.tell_of_trouble(fault, error);
                self.change(|condition| condition.is_read_only = true);
            }
            // What is retried is counted as such.
            Fault::Busy if is_transient(error) => {}
            Fault::Busy | Fault::Full | Fault::Pooled => _ = self.tell(fault, error),
            _ => {}
        }
    }

    /// Notes that the database cannot serve.
    pub(super) fn note_unconnected(&self, fault: Fault, error: &sqlx::Error) {
        self.tell_of_trouble(fault, error);
        self.change(|condition| condition.failing = Some(self.describe(fault, error)));
    }

    /// Takes note that the database has answered.
    pub(super) fn note_answer(&self) {
        if self.is_troubled.load(Ordering::Relaxed) {
            self.change(|condition| condition.failing = None);
        }
    }

    /// Takes note that the database has written.
    pub(super) fn note_write(&self) {
        if self.is_troubled.load(Ordering::Relaxed) {
            self.change(|condition| condition.is_read_only = false);
        }
    }

    fn describe(&self, fault: Fault, error: &sqlx::Error) -> String {
        format!(
            "the database {} {fault}: {error}; {}",
            self.place,
            fault.cure()
        )
    }

    fn tell_of_trouble(&self, fault: Fault, error: &sqlx::Error) {
        if self.tell(fault, error) {
            self.is_told.store(true, Ordering::Relaxed);
        }
    }

    /// Writes to the log, unless it told of the same a moment ago; says whether it did.
    fn tell(&self, fault: Fault, error: &sqlx::Error) -> bool {
        metrics::counter!("database_failures_total", "fault" => fault.name()).increment(1);
        let mut last = self
            .last_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|(last, when)| last == fault && when.elapsed() < PAUSE) {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        *last = Some((fault, Instant::now()));
        drop(last);
        let untold = self.untold.swap(0, Ordering::Relaxed);
        let sentence = self.describe(fault, error);
        tracing::error!(failures_since_the_last_line = untold, "{sentence}");
        true
    }

    fn change(&self, change: impl FnOnce(&mut Condition)) {
        let mut recovered = None;
        self.condition.send_if_modified(|condition| {
            let before = condition.clone();
            change(condition);
            if before.failing.is_some() && condition.failing.is_none() {
                recovered = Some("answers again");
            } else if before.is_read_only && !condition.is_read_only {
                recovered = Some("can be written again");
            }
            self.is_troubled
                .store(*condition != Condition::default(), Ordering::Relaxed);
            *condition != before
        });
        if let Some(recovered) = recovered
            && self.is_told.swap(false, Ordering::Relaxed)
        {
            let untold = self.untold.swap(0, Ordering::Relaxed);
            let place = &self.place;
            tracing::warn!(
                failures_since_the_last_line = untold,
                "the database {place} {recovered}"
            );
        }
    }
}
