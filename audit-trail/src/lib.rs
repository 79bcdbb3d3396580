//! The audit log: who changed trust data, or was not let, from where and with what result.
//!
//! One line an event, in a file of its own or, without one, in the program's log at whatever level.
//! Reads that are granted leave no line, and neither does the challenge that every client begins
//! with.
//!
//! Lines are a chain: each has a number and the checksum of the line before (`chain.rs`). The
//! newest one is stored in the database each minute (`anchor.rs`), so `verify.rs` can tell whether
//! any line was changed, inserted or taken away.

mod anchor;
mod chain;
mod changes;
mod file;
mod flood;
mod line;
mod name;
mod recent;
mod record;
mod tail;
#[cfg(test)]
mod tests;
mod text;
mod torn;
pub mod verify;

use std::{
    fs::File,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use access::Caller;
pub use anchor::Anchor;
use chain::Chain;
pub use chain::Head;
use daemon::clock;
use file::{AppendFile, Unwritten};
use flood::{Flood, Verdict};
pub use line::{Line, RawLine, read_line};
pub use name::name_log;
pub use recent::{BadPlace, Recent, Wanted};
use record::Record;
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use torn::Torn;
use tuf::Difference;

/// The most parts of lines in the file that no line tells of yet.
const MOST_TORN: usize = 32;

/// How long a file that cannot be written is complained about once.
const COMPLAINT_EVERY: Duration = Duration::MINUTE;

/// Where events are written down; cheap to clone, and safe to call from an async thread.
///
/// A line is written before the caller goes on, so that no one is told of a success that is in no
/// log. This waits for no disk: a short line goes into the memory of the operating system, just as
/// those of the program's log do. A line that the file does not take goes to the program's log.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

/// What time it is.
type Clock = Box<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Is told of events.
type Listener = Box<dyn Fn(&Event<'_>) + Send + Sync>;

struct Inner {
    clock: Clock,
    state: Mutex<State>,
    /// Told when a chain gets its first line.
    begun: Notify,
    /// Who else is told.
    listener: OnceLock<Listener>,
}

struct State {
    file: Option<AppendFile>,
    chain: Chain,
    /// Parts of lines in the file that no line tells of yet.
    torn: Vec<Torn>,
    /// How many lines the file did not take since it took one.
    unwritten: u64,
    flood: Flood,
    complained: Option<OffsetDateTime>,
}

/// An act of a caller, or an attempt.
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

/// What a caller did, or tried to do.
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
    /// An authenticated caller, or an anonymous one.
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
    /// was renamed or removed the next line begins a new one. The chain of its last line goes on,
    /// unless another process is writing to it.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no file (a pipe could make the server wait for its reader).
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = AppendFile::open(path)?;
        Ok(Self::new(Some(file), Box::new(clock::now)))
    }

    fn new(file: Option<AppendFile>, clock: Clock) -> Self {
        let mut state = State {
            file,
            chain: Chain::begin(),
            torn: Vec::new(),
            unwritten: 0,
            flood: Flood::default(),
            complained: None,
        };
        state.go_on();
        Self(Arc::new(Inner {
            clock,
            state: Mutex::new(state),
            begun: Notify::new(),
            listener: OnceLock::new(),
        }))
    }

    /// Tells `listener` of each event from here on, whether or not it is written down. It must be
    /// quick. There is one; a second is not heard of.
    pub fn tell_also(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) {
        let _ = self.0.listener.set(Box::new(listener));
    }

    /// The newest line, if there is any.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.state().chain.head()
    }

    /// The id of the chain, which may have no line yet.
    fn chain(&self) -> Arc<str> {
        self.state().chain.id().clone()
    }

    /// The file that lines are written to, if they have one.
    fn path(&self) -> Option<PathBuf> {
        let state = self.state();
        state.file.as_ref().map(|file| file.path().to_owned())
    }

    /// What has to be on the disk for all lines so far to be there.
    fn unsynced(&self) -> io::Result<Vec<File>> {
        match &mut self.state().file {
            None => Ok(Vec::new()),
            Some(file) => file.unsynced(),
        }
    }

    /// Tells when a chain gets its first line.
    fn begun(&self) -> &Notify {
        &self.0.begun
    }

    /// Ends the chain, and begins another one with a line that says why.
    fn begin_again(&self, reason: &str) {
        let now = (self.0.clock)();
        let mut state = self.state();
        state.chain = Chain::begin();
        state.write(Record::restarted(reason, now), now);
    }

    /// Writes down what was counted only, at the end of the program.
    pub fn finish(&self) {
        let now = (self.0.clock)();
        self.state().write_left_out(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what happened. Never fails: a log that cannot be written stops no service.
    ///
    /// Of attempts that came to nothing only so many are written in a second, then their number, so
    /// that guessing does not fill the disk. Strangers do not use up the lines of those who are
    /// known.
    pub fn record(&self, event: &Event<'_>) {
        if let Some(listener) = self.0.listener.get() {
            listener(event);
        }
        let now = (self.0.clock)();
        let mut state = self.state();
        let is_begun = state.chain.head().is_some();
        let Verdict { is_shown, left_out } = state.flood.weigh(event, now);
        if let Some(count) = left_out {
            state.write(Record::left_out(count, now), now);
        }
        if is_shown {
            state.write(Record::of(event, now), now);
        }
        if !is_begun && state.chain.head().is_some() {
            self.0.begun.notify_one();
        }
    }
}

/// Says how many attempts were left out before the program ended.
impl Drop for Inner {
    fn drop(&mut self) {
        let now = (self.clock)();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.write_left_out(now);
    }
}

impl State {
    /// Goes on with the chain of the file, if this process has the file for itself. A file that can
    /// be written but not read gets a new chain.
    fn go_on(&mut self) {
        let Some(file) = &mut self.file else {
            return;
        };
        let is_alone = file.take();
        if !is_alone {
            self.chain = Chain::begin_beside();
        }
        match tail::find(file.path()) {
            Ok(tail) => {
                if tail.is_open {
                    file.mark_torn();
                }
                if is_alone {
                    self.torn.extend(tail.torn);
                    self.chain = tail.head.map_or_else(Chain::begin, Chain::after);
                }
            }
            Err(error) => {
                tracing::warn!(target: "startup", %error, "the audit file cannot be read; its lines begin a new chain");
            }
        }
    }

    fn write_left_out(&mut self, now: OffsetDateTime) {
        if let Some(count) = self.flood.left_out() {
            self.write(Record::left_out(count, now), now);
        }
    }

    fn write(&mut self, record: Record, now: OffsetDateTime) {
        if self.file.is_some() {
            return self.write_to_file(record, now);
        }
        let (record, _) = self.chain.append(record);
        record.log();
    }

    /// Adds `record` to the file, behind lines that tell of what the file did not take.
    fn write_to_file(&mut self, record: Record, now: OffsetDateTime) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut chain = self.chain.clone();
        let mut text = String::new();
        // Where each line ends, and the chain behind it.
        let mut ends = Vec::new();
        let torn = self.torn.iter().map(|torn| Record::torn(torn, now));
        let unwritten = (self.unwritten > 0).then(|| Record::unwritten(self.unwritten, now));
        let mut last = None;
        for record in torn.chain(unwritten).chain([record]) {
            let (record, line) = chain.append(record);
            text.push_str(&line);
            ends.push((text.len(), chain.clone()));
            text.push('\n');
            last = Some(record);
        }
        let written = match file.append(&text) {
            Ok(()) => {
                self.chain = chain;
                self.torn.clear();
                self.unwritten = 0;
                return;
            }
            Err(Unwritten { written, error }) => {
                self.complain(&error, now);
                written
            }
        };
        if self.keep_written(&text, &ends, written) {
            return;
        }
        self.unwritten += 1;
        if let Some(record) = last {
            record.unlinked().log();
        }
    }

    /// Goes on behind the lines that are in the file in whole, of a text that is there in part; says
    /// whether all are, and only the last newline is missing.
    fn keep_written(&mut self, text: &str, ends: &[(usize, Chain)], written: usize) -> bool {
        let whole = ends.iter().take_while(|(end, _)| *end <= written).count();
        let begin = match whole.checked_sub(1).map(|last| &ends[last]) {
            None => 0,
            Some((end, chain)) => {
                self.chain = chain.clone();
                end + 1
            }
        };
        let told = whole.min(self.torn.len());
        self.torn.drain(..told);
        if whole > told {
            self.unwritten = 0;
        }
        if let Some(part) = text
            .as_bytes()
            .get(begin..written)
            .filter(|part| !part.is_empty())
        {
            self.torn.push(Torn::of(part));
        }
        if self.torn.len() > MOST_TORN {
            // What no line tells of shows as a fault when the file is verified.
            self.torn.remove(0);
        }
        whole == ends.len()
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
