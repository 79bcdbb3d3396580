//! Whether lines are those that servers wrote: none missing, none changed, none in another place.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::{self, BufRead},
};

use serde::Serialize;
use trust::store::chains::ChainRow;

use super::{
    line::{Line, Link, RawLine, read_line},
    torn::Torn,
};

/// The most faults that are told; the rest is a number.
const MOST_FAULTS: usize = 20;
/// The most torn lines in a row.
const MOST_TORN: usize = 64;
/// The most chains; each start of a server without an audit file begins one.
const MOST_CHAINS: usize = 100_000;

/// What a source of lines holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Audit lines and nothing else.
    AuditFile,
    /// Audit lines among others.
    Log,
}

/// What was found out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// How many lines were verified.
    pub lines: u64,
    /// What is wrong, in the order of the lines.
    pub faults: Vec<Fault>,
    /// How many faults there are beyond those.
    pub more_faults: usize,
    /// What should be known, and is not wrong.
    pub notes: Vec<String>,
    /// The chains.
    pub chains: Vec<Found>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The chain, if it is known.
    pub chain: Option<String>,
    /// The number in the chain of the first line that is missing or was changed.
    pub line: Option<u64>,
    /// Where that was seen: the name of a file and the number of its line.
    pub at: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// A chain.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its id.
    pub chain: String,
    /// The number of its first line in the files.
    pub first: u64,
    /// The number of its last line in the files.
    pub last: u64,
    /// The checksum of that line.
    pub sha256: String,
    /// The number of the line that the database knows, if that is in the files, as it was.
    pub compared: Option<u64>,
}

/// Takes lines in their order, and tells what is wrong with them.
pub struct Verifier {
    /// What the database knows; `None`: it was not asked.
    rows: Option<BTreeMap<String, ChainRow>>,
    /// Whether chains have to be there from their first line on.
    is_complete: bool,
    /// The log that the lines should be of.
    log: Option<String>,
    chains: BTreeMap<String, State>,
    order: Vec<String>,
    /// Texts in audit files that are no line, and that no line has told of yet.
    torn: VecDeque<(Torn, String, bool)>,
    /// How many lines came before any chain, and where the first is.
    before: Option<(u64, String)>,
    report: Report,
}

/// How far a chain was followed.
struct State {
    first: u64,
    last: Entry,
    /// A line that may have been changed; if not, the last one was.
    suspect: Option<Entry>,
    compared: Option<u64>,
}

#[derive(Clone)]
struct Entry {
    line: u64,
    sha256: String,
    at: String,
}

impl Verifier {
    /// Compares with `rows`, if the database was asked.
    #[must_use]
    pub fn new(rows: Option<Vec<ChainRow>>) -> Self {
        let by_id = |rows: Vec<ChainRow>| {
            rows.into_iter()
                .map(|row| (row.chain.clone(), row))
                .collect()
        };
        Self {
            rows: rows.map(by_id),
            is_complete: false,
            log: None,
            chains: BTreeMap::new(),
            order: Vec::new(),
            torn: VecDeque::new(),
            before: None,
            report: Report::default(),
        }
    }

    /// Demands that every chain is there from its first line on, and nothing before.
    #[must_use]
    pub fn complete(self, is_complete: bool) -> Self {
        Self {
            is_complete,
            ..self
        }
    }

    /// Demands every chain that the database knows of this log.
    #[must_use]
    pub fn of_log(self, log: Option<String>) -> Self {
        Self { log, ..self }
    }

    /// Reads all lines of `reader`, which is called `name`.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn read(
        &mut self,
        name: &str,
        reader: &mut impl BufRead,
        source: Source,
    ) -> io::Result<()> {
        let mut number = 0;
        while let Some(raw) = read_line(reader)? {
            number += 1;
            self.take(&raw, format!("{name}:{number}"), source);
        }
        Ok(())
    }

    fn take(&mut self, raw: &RawLine, at: String, source: Source) {
        let line = match source {
            _ if raw.is_too_long => None,
            Source::AuditFile => Line::of_file(&raw.bytes),
            Source::Log => Line::within(&raw.bytes),
        };
        match (line, source) {
            (Some(line), _) => self.take_line(&line, at, source),
            (None, Source::Log) => {}
            (None, Source::AuditFile) if self.chains.is_empty() => self.take_before(at),
            (None, Source::AuditFile) => {
                self.torn
                    .push_back((Torn::of(&raw.bytes), at, raw.is_ended));
                if self.torn.len() > MOST_TORN {
                    self.refuse_torn();
                }
            }
        }
    }

    fn take_before(&mut self, at: String) {
        let (count, _) = self.before.get_or_insert((0, at));
        *count += 1;
    }

    fn take_line(&mut self, line: &Line, at: String, source: Source) {
        let Some(own) = line.link() else {
            if self.chains.is_empty() {
                return self.take_before(at);
            }
            let what = "an audit line without a number stands here, which no server wrote behind \
                        numbered ones";
            return self.fault(None, None, Some(at), what.to_owned());
        };
        if source == Source::AuditFile {
            self.explain_torn(line, &at);
        }
        self.report.lines += 1;
        let sha256 = line.sha256();
        if self.chains.is_empty() && own.line > 1 {
            self.refuse_before(&own);
        }
        self.follow(own, sha256, at);
    }

    /// A line that tells of a torn one explains it; no other line stands behind one.
    fn explain_torn(&mut self, line: &Line, at: &str) {
        let Some(told) = line.torn() else {
            return self.refuse_torn();
        };
        match self.torn.pop_front() {
            Some((found, place, _)) if found == told => self.report.notes.push(format!(
                "{place}: a line was torn by a crash or a full disk; {at} tells of it"
            )),
            Some((_, place, _)) => {
                let what = format!("the torn line is not the one that {at} tells of");
                self.fault(None, None, Some(place), what);
            }
            // Rotated away with the end of an older file.
            None if self.chains.is_empty() => {}
            None => {
                let what = "the torn line that this one tells of is missing";
                self.fault(None, None, Some(at.to_owned()), what.to_owned());
            }
        }
    }

    fn refuse_torn(&mut self) {
        for (_, at, _) in std::mem::take(&mut self.torn) {
            let what = "this is no line of an audit log: it was changed, or inserted";
            self.fault(None, None, Some(at), what.to_owned());
        }
    }

    /// What has no number can stand only before the first line of the first chain.
    fn refuse_before(&mut self, own: &Link) {
        if let Some((_, at)) = self.before.take() {
            let what = format!("a text without a number stands before line {}", own.line);
            self.fault(Some(own.chain.clone()), None, Some(at), what);
        }
    }

    fn follow(&mut self, own: Link, sha256: String, at: String) {
        let chain = own.chain.clone();
        let row = self.rows.as_ref().and_then(|rows| rows.get(&chain));
        let known = row.filter(|row| row.line == own.line);
        let is_known = known.map(|row| row.sha256 == sha256);
        let entry = Entry {
            line: own.line,
            sha256,
            at,
        };
        match self.chains.remove(&chain) {
            None => self.begin(own, entry, is_known),
            Some(state) => {
                let state = self.go_on(state, &own, entry, is_known);
                self.chains.insert(chain, state);
            }
        }
    }

    fn begin(&mut self, own: Link, mut entry: Entry, is_known: Option<bool>) {
        if self.chains.len() >= MOST_CHAINS {
            let what = format!("there are more than {MOST_CHAINS} chains");
            return self.fault(None, None, Some(entry.at), what);
        }
        let chain = own.chain;
        if (entry.line > 1) != own.previous.is_some() {
            // Only the first line has none before it.
            let (line, at) = (1, Some(entry.at.clone()));
            let what = format!(
                "line {line} was changed: it says that it is line {}",
                entry.line
            );
            self.fault(Some(chain.clone()), Some(line), at, what);
            entry.line = line;
        }
        if entry.line > 1 && self.is_complete {
            let what = missing(1, entry.line - 1);
            self.fault(Some(chain.clone()), Some(1), Some(entry.at.clone()), what);
        }
        self.compare(&chain, &entry, is_known);
        self.order.push(chain.clone());
        let state = State {
            first: entry.line,
            compared: is_known.and_then(|is_same| is_same.then_some(entry.line)),
            last: entry,
            suspect: None,
        };
        self.chains.insert(chain, state);
    }

    fn go_on(
        &mut self,
        mut state: State,
        own: &Link,
        mut entry: Entry,
        is_known: Option<bool>,
    ) -> State {
        let chain = &own.chain;
        let is_behind = own.previous.as_ref() == Some(&state.last.sha256);
        let next = state.last.line + 1;
        if entry.line < next && !is_behind {
            let what = format!(
                "line {} stands behind line {}: it was inserted or moved, or the files are not in \
                 their order, oldest first",
                entry.line, state.last.line
            );
            self.fault(Some(chain.clone()), Some(entry.line), Some(entry.at), what);
            return state;
        }
        if entry.line != next && is_behind {
            let what = format!(
                "line {next} was changed: it says that it is line {}",
                entry.line
            );
            let at = Some(entry.at.clone());
            self.fault(Some(chain.clone()), Some(next), at, what);
            entry.line = next;
        }
        if entry.line > next {
            self.accuse(chain, &mut state, None);
            let what = missing(next, entry.line - 1);
            self.fault(
                Some(chain.clone()),
                Some(next),
                Some(entry.at.clone()),
                what,
            );
        } else if is_behind {
            // The last line is as it was, so what it did not fit behind is not.
            self.accuse(chain, &mut state, Some(false));
        } else if state.suspect.is_some() {
            // The last line fits neither behind the one before, nor before this one.
            self.accuse(chain, &mut state, Some(true));
        } else {
            state.suspect = Some(state.last.clone());
        }
        self.compare(chain, &entry, is_known);
        if is_known == Some(true) {
            state.compared = Some(entry.line);
        }
        state.last = entry;
        if let Some(is_same) = is_known {
            self.accuse(chain, &mut state, Some(!is_same));
        }
        state
    }

    /// Names the line that was changed, where one does not fit behind the other: the last one, the
    /// one before, or one of both.
    fn accuse(&mut self, chain: &str, state: &mut State, is_last: Option<bool>) {
        let Some(suspect) = state.suspect.take() else {
            return;
        };
        let (entry, what) = match is_last {
            Some(true) => (&state.last, format!("line {} was changed", state.last.line)),
            Some(false) => (&suspect, format!("line {} was changed", suspect.line)),
            None => (
                &suspect,
                format!(
                    "line {} or line {} was changed",
                    suspect.line,
                    suspect.line + 1
                ),
            ),
        };
        let (line, at) = (Some(entry.line), Some(entry.at.clone()));
        self.fault(Some(chain.to_owned()), line, at, what);
    }

    fn compare(&mut self, chain: &str, entry: &Entry, is_known: Option<bool>) {
        if is_known == Some(false) {
            let what = format!(
                "line {} is not the one that the database knows: it was changed, or lines before it \
                 were and all checksums since",
                entry.line
            );
            let at = Some(entry.at.clone());
            self.fault(Some(chain.to_owned()), Some(entry.line), at, what);
        }
    }

    fn fault(
        &mut self,
        chain: Option<String>,
        line: Option<u64>,
        at: Option<String>,
        what: String,
    ) {
        let is_told = |told: &Fault| line.is_some() && told.line == line && told.chain == chain;
        if self.report.faults.iter().any(is_told) {
            return;
        }
        if self.report.faults.len() == MOST_FAULTS {
            self.report.more_faults += 1;
            return;
        }
        self.report.faults.push(Fault {
            chain,
            line,
            at,
            what,
        });
    }

    /// What was found, once all lines were taken.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.end_torn();
        if let Some((count, at)) = self.before.take() {
            if self.is_complete {
                let what = "this is in no chain: it was inserted, or is older than chains are";
                self.fault(None, None, Some(at.clone()), what.to_owned());
            }
            self.report.notes.push(format!(
                "{count} lines from {at} on are not in a chain: nothing proves them"
            ));
        }
        let rows = self.rows.take();
        for chain in std::mem::take(&mut self.order) {
            let mut state = self.chains.remove(&chain).expect("each is there once");
            self.accuse(&chain, &mut state, None);
            self.end(&chain, &state);
            if let Some(rows) = &rows {
                self.compare_end(&chain, &state, rows.get(&chain));
            }
            self.report.chains.push(Found {
                chain,
                first: state.first,
                last: state.last.line,
                sha256: state.last.sha256,
                compared: state.compared,
            });
        }
        if let Some(rows) = rows {
            self.miss_chains(&rows);
        }
        self.report.ok = self.report.faults.is_empty();
        self.report
    }

    /// Only the very last text may be torn without a line that tells of it.
    fn end_torn(&mut self) {
        if let Some((_, at, false)) = self.torn.back() {
            self.report.notes.push(format!(
                "{at}: the last line is torn, as by a crash; the server will tell of it when it starts"
            ));
            self.torn.pop_back();
        }
        self.refuse_torn();
    }

    fn end(&mut self, chain: &str, state: &State) {
        if state.first > 1 {
            self.report.notes.push(format!(
                "chain {chain}: the lines before line {} are not in these files",
                state.first
            ));
        }
    }

    /// Compares the end of a chain with what the database knows of it.
    fn compare_end(&mut self, chain: &str, state: &State, row: Option<&ChainRow>) {
        let last = state.last.line;
        let id = Some(chain.to_owned());
        let Some(row) = row else {
            let what = "the database does not know this chain, although a server stores it with \
                        the first line";
            return self.fault(id, Some(state.first), None, what.to_owned());
        };
        if row.line > last {
            let what = missing(last + 1, row.line) + ", which the database knows";
            self.fault(id, Some(last + 1), None, what);
        } else if state.compared.is_none() {
            let what = format!("line {}, which the database knows, is not here", row.line);
            self.fault(id, Some(row.line), None, what);
        } else if row.line < last {
            self.report.notes.push(format!(
                "chain {chain}: the lines behind line {} are newer than what the database knows",
                row.line
            ));
        }
    }

    /// Chains of the same log that are not in the files at all.
    fn miss_chains(&mut self, rows: &BTreeMap<String, ChainRow>) {
        let found: Vec<String> = self
            .report
            .chains
            .iter()
            .map(|it| it.chain.clone())
            .collect();
        let mut logs: Vec<&str> = found
            .iter()
            .filter_map(|chain| rows.get(chain))
            .map(|row| row.log.as_str())
            .filter(|log| !is_shared(log))
            .collect();
        logs.extend(self.log.as_deref());
        let logs: Vec<String> = logs.into_iter().map(str::to_owned).collect();
        let mut others = 0;
        for (chain, row) in rows {
            if found.contains(chain) {
                continue;
            }
            if logs.contains(&row.log) {
                let what = format!(
                    "{}, which the database knows of {}: give the older files too; once they are \
                     meant to be gone, delete the row of this chain",
                    missing(1, row.line),
                    row.log
                );
                self.fault(Some(chain.clone()), Some(1), None, what);
            } else {
                others += 1;
            }
        }
        if others > 0 {
            self.report.notes.push(format!(
                "the database knows {others} chains of other logs, or of earlier starts"
            ));
        }
    }
}

/// Whether each start of a server begins a chain in the log of this name.
fn is_shared(log: &str) -> bool {
    log.ends_with(super::name::STANDARD_ERROR)
}

fn missing(from: u64, to: u64) -> String {
    if from == to {
        format!("line {from} is missing")
    } else {
        format!("lines {from} to {to} are missing")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use daemon::logging::Plain;
        for note in &self.notes {
            writeln!(out, "note: {}", Plain(note))?;
        }
        for fault in &self.faults {
            write!(out, "WRONG: ")?;
            if let Some(at) = &fault.at {
                write!(out, "{}: ", Plain(at))?;
            }
            if let Some(chain) = &fault.chain {
                write!(out, "chain {}: ", Plain(chain))?;
            }
            writeln!(out, "{}", Plain(&fault.what))?;
        }
        if self.more_faults > 0 {
            writeln!(out, "WRONG: and {} more faults", self.more_faults)?;
        }
        for chain in &self.chains {
            let Found {
                chain,
                first,
                last,
                sha256,
                compared,
            } = chain;
            write!(out, "chain {}: lines {first} to {last}, ", Plain(chain))?;
            match compared {
                Some(line) => write!(out, "line {line} as in the database, ")?,
                None => write!(out, "not compared with the database, ")?,
            }
            writeln!(out, "newest {sha256}")?;
        }
        if self.ok {
            writeln!(out, "{} lines, none missing or changed", self.lines)
        } else {
            writeln!(out, "the audit log is not as it was written")
        }
    }
}
