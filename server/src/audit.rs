//! The audit log: who changed trust data, or was not let, from where and with what result.
//!
//! One line an event, in a file of its own or, without one, in the program's log at whatever level.
//! Reads that are granted leave no line, and neither does the challenge that every client begins
//! with.

mod changes;
mod file;
mod flood;
mod record;
#[cfg(test)]
mod tests;
mod text;

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use access::Caller;
use daemon::clock;
use file::AppendFile;
use flood::{Flood, Verdict};
use record::Record;
use time::{Duration, OffsetDateTime};
use tuf::Difference;

/// How long a file that cannot be written is complained about once.
const COMPLAINT_EVERY: Duration = Duration::MINUTE;

/// Where events are written down; cheap to clone, and safe to call from an async thread.
///
/// A line is written before the caller goes on, so that nobody is told of a success that is in no
/// log. This waits for no disk: a short line goes into the memory of the operating system, just as
/// those of the program's log do. A line that the file does not take goes to the program's log.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

/// What time it is.
type Clock = Box<dyn Fn() -> OffsetDateTime + Send + Sync>;

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    file: Option<AppendFile>,
    flood: Flood,
    complained: Option<OffsetDateTime>,
}

/// Something that somebody did, or tried to.
#[derive(Clone, Copy)]
pub struct Event<'e> {
    /// What.
    pub act: Act<'e>,
    /// To the trust data of which GUN, as the request spelt it; empty if it is about none.
    pub gun: &'e str,
    /// Who.
    pub actor: Actor<'e>,
    /// From where, trusted proxies seen through; `None` if it was this program itself.
    pub address: Option<IpAddr>,
    /// The id of the request, for finding its other lines; empty if there was none.
    pub request_id: &'e str,
    /// What came of it.
    pub outcome: Outcome<'e>,
}

/// What somebody did, or tried to.
#[derive(Clone, Copy)]
pub enum Act<'e> {
    /// Published these versions of roles; of a refused attempt what is known of them.
    Publish {
        /// Role and version.
        files: &'e [(&'e str, i64)],
        /// What they changed, if they were stored.
        changes: Option<&'e Difference>,
    },
    /// Made these versions of roles because the old ones were about to expire; none if it failed.
    Renew {
        /// Role and version.
        files: &'e [(&'e str, i64)],
    },
    /// Asked for a key, which was made for it.
    CreateKey {
        /// Whose.
        role: &'e str,
        /// Which, if it was made.
        key_id: Option<&'e str>,
    },
    /// Had a new key made in the place of another.
    RotateKey {
        /// Whose.
        role: &'e str,
        /// Which, if it was made.
        key_id: Option<&'e str>,
    },
    /// Deleted all trust data of the GUN.
    Delete,
    /// Something else, in a word: `pull`, `admin`, `login`. Written down only if it was refused.
    Other(&'static str),
}

/// Who did something, or tried to.
#[derive(Clone, Copy)]
pub enum Actor<'e> {
    /// Somebody who proved it, or nobody that is known.
    Known(&'e Caller),
    /// Who only says so: the user of a wrong password; empty where no name was given.
    Claimed(&'e str),
    /// This program itself.
    Program,
}

impl<'e> From<&'e Caller> for Actor<'e> {
    fn from(caller: &'e Caller) -> Self {
        Self::Known(caller)
    }
}

/// What came of an attempt.
#[derive(Clone, Copy)]
pub enum Outcome<'e> {
    /// It was done.
    Done,
    /// They may not; the reason is for operators, and must hold nothing secret.
    Refused(&'e str),
    /// They may, and it failed; the code of the error that the client was told.
    Failed(&'e str),
}

impl Audit {
    /// Writes to the program's log, whatever its level.
    #[must_use]
    pub fn to_log() -> Self {
        Self::new(None, Box::new(clock::now))
    }

    /// Appends to the file at `path`. It is made, for its owner alone, if it is not there; once it
    /// was renamed or removed the next line begins a new one.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no file (a pipe could make the server wait for its reader).
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = AppendFile::open(path)?;
        Ok(Self::new(Some(file), Box::new(clock::now)))
    }

    fn new(file: Option<AppendFile>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            state: Mutex::new(State {
                file,
                flood: Flood::default(),
                complained: None,
            }),
        }))
    }

    /// Writes down what happened. Never fails: a log that cannot be written stops no service.
    ///
    /// Of attempts that came to nothing only so many are written in a second, then their number, so
    /// that guessing does not fill the disk. Strangers do not use up the lines of those who are
    /// known.
    pub fn record(&self, event: &Event<'_>) {
        let now = (self.0.clock)();
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Verdict { is_shown, left_out } = state.flood.weigh(event, now);
        if let Some(count) = left_out {
            state.write(&Record::left_out(count, now), now);
        }
        if is_shown {
            state.write(&Record::of(event, now), now);
        }
    }
}

/// Says how many attempts were left out before the program ended.
impl Drop for Inner {
    fn drop(&mut self) {
        let now = (self.clock)();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.flood.left_out() {
            state.write(&Record::left_out(count, now), now);
        }
    }
}

impl State {
    fn write(&mut self, record: &Record, now: OffsetDateTime) {
        let Some(file) = &mut self.file else {
            return record.log();
        };
        if let Err(error) = file.append(&record.line()) {
            self.complain(&error, now);
            record.log();
        }
    }

    fn complain(&mut self, error: &io::Error, now: OffsetDateTime) {
        metrics::counter!("notary_server_audit_failures_total").increment(1);
        let is_due = self
            .complained
            .is_none_or(|last| (now - last).abs() >= COMPLAINT_EVERY);
        if is_due {
            self.complained = Some(now);
            tracing::error!(%error, "the audit file cannot be written; its lines come here instead");
        }
    }
}
