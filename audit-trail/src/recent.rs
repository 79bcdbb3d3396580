//! The newest lines of the audit file, the newest first.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

use super::{Audit, Line};

/// How many pages of the log may be read at once: each takes a window of memory.
static READERS: Semaphore = Semaphore::const_new(2);

/// How much of the file is read for one page.
const WINDOW: u64 = 4 << 20;

/// Which lines are asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// About this repository.
    pub gun: Option<String>,
    /// Not older than this.
    pub since: Option<OffsetDateTime>,
    /// At most so many.
    pub limit: usize,
}

/// Lines of the log.
#[derive(Clone, Debug)]
pub struct Recent {
    /// The newest first; there may be none although there are older ones.
    pub lines: Vec<Line>,
    /// What to ask for older lines with; `None` where the file begins.
    pub next: Option<String>,
}

/// Why no lines are read.
#[derive(Debug, thiserror::Error)]
pub enum BadPlace {
    /// The place is none of this file.
    #[error("it names no place in the audit file, which may have been rotated; begin without it")]
    Other,
    /// Others read the log.
    #[error("others are reading the audit log; ask again in a moment")]
    Busy,
    /// The file cannot be read.
    #[error("the audit file cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Audit {
    /// Lines of the file before `place`, which an earlier answer gave; `None` if the log has no
    /// file. It reads a part of the file of bounded size, off the async threads.
    ///
    /// # Errors
    ///
    /// [`BadPlace`]
    pub async fn read_recent(
        &self,
        wanted: Wanted,
        place: Option<String>,
    ) -> Result<Option<Recent>, BadPlace> {
        let _reader = READERS.try_acquire().map_err(|_| BadPlace::Busy)?;
        let audit = self.clone();
        tokio::task::spawn_blocking(move || audit.recent(&wanted, place.as_deref()))
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn recent(&self, wanted: &Wanted, place: Option<&str>) -> Result<Option<Recent>, BadPlace> {
        let Some(path) = self.path() else {
            return Ok(None);
        };
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let end = match place {
            None => metadata.len(),
            Some(place) => read_place(place, &metadata).ok_or(BadPlace::Other)?,
        };
        let begin = end.saturating_sub(WINDOW);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(end - begin).read_to_end(&mut bytes)?;
        let mut lines = Vec::new();
        let mut rest = bytes.as_slice();
        // Without the part of a line that the window begins with.
        let first = match begin {
            0 => 0,
            _ => memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1),
        };
        while rest.len() > first && lines.len() < wanted.limit {
            let ended = rest.strip_suffix(b"\n").unwrap_or(rest);
            let start = memchr::memrchr(b'\n', ended).map_or(0, |newline| newline + 1);
            if let Some(line) = Line::of_file(&ended[start..]).filter(|line| wanted.has(line)) {
                lines.push(line);
            }
            rest = &rest[..start];
        }
        // A window without a whole line is passed over.
        let left = if rest.len() <= first && first == bytes.len() {
            begin
        } else {
            begin + rest.len() as u64
        };
        let is_old = |line: &Line| wanted.since.is_some_and(|since| is_before(line, since));
        let is_over = left == 0 || Line::of_file(last_line(rest)).as_ref().is_some_and(is_old);
        Ok(Some(Recent {
            lines,
            next: (!is_over).then(|| format!("{:x}-{left:x}", metadata.ino())),
        }))
    }
}

impl Wanted {
    fn has(&self, line: &Line) -> bool {
        let is_about = self
            .gun
            .as_ref()
            .is_none_or(|gun| line.member("gun") == gun);
        is_about && !self.since.is_some_and(|since| is_before(line, since))
    }
}

/// Whether a line is older than a time; one whose time cannot be read is not.
fn is_before(line: &Line, since: OffsetDateTime) -> bool {
    OffsetDateTime::parse(line.member("time"), &Rfc3339).is_ok_and(|time| time < since)
}

fn last_line(bytes: &[u8]) -> &[u8] {
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    &ended[memchr::memrchr(b'\n', ended).map_or(0, |newline| newline + 1)..]
}

fn read_place(place: &str, metadata: &std::fs::Metadata) -> Option<u64> {
    let (file, end) = place.split_once('-')?;
    let file = u64::from_str_radix(file, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    (file == metadata.ino() && end <= metadata.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Act, Actor, Event, Outcome};

    fn record(audit: &Audit, gun: &str) {
        audit.record(&Event {
            act: Act::Delete,
            gun,
            actor: Actor::Program,
            address: None,
            request_id: "",
            outcome: Outcome::Done,
        });
    }

    fn all(audit: &Audit, wanted: &Wanted) -> Vec<String> {
        let (mut guns, mut place) = (Vec::new(), None);
        loop {
            let page = audit.recent(wanted, place.as_deref()).unwrap().unwrap();
            assert!(page.lines.len() <= wanted.limit);
            guns.extend(page.lines.iter().map(|line| line.member("gun").to_owned()));
            place = page.next;
            if place.is_none() {
                return guns;
            }
        }
    }

    fn wanted(limit: usize) -> Wanted {
        Wanted {
            gun: None,
            since: None,
            limit,
        }
    }

    #[test]
    fn lines_come_newest_first_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = Audit::to_file(&path).unwrap();
        let names: Vec<String> = (0..7).map(|number| format!("ex.com/{number}")).collect();
        for name in &names {
            record(&audit, name);
        }
        let newest: Vec<String> = names.iter().rev().cloned().collect();
        for limit in 1..9 {
            assert_eq!(all(&audit, &wanted(limit)), newest);
        }
        let one = Wanted {
            gun: Some("ex.com/3".to_owned()),
            ..wanted(2)
        };
        assert_eq!(all(&audit, &one), ["ex.com/3"]);
        let later = Wanted {
            since: Some(time::macros::datetime!(2300-01-01 00:00 UTC)),
            ..wanted(2)
        };
        assert!(all(&audit, &later).is_empty());
        // What is no line is passed over.
        let mut text = fs::read_to_string(&path).unwrap();
        text.insert_str(0, "torn\n");
        fs::write(&path, text + "torn").unwrap();
        assert_eq!(all(&audit, &wanted(3)), newest);
    }

    #[test]
    fn more_than_a_window_is_read_window_by_window() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = Audit::to_file(&path).unwrap();
        record(&audit, "first");
        let line = fs::read_to_string(&path).unwrap();
        let count = usize::try_from(WINDOW).unwrap() / line.len() * 2;
        let noise = "x".repeat(usize::try_from(WINDOW).unwrap() * 2);
        fs::write(&path, line.repeat(count) + &noise + "\n" + &line).unwrap();
        assert_eq!(all(&audit, &wanted(100_000)).len(), count + 1);
    }

    #[test]
    fn a_place_is_one_of_this_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::to_file(&folder.path().join("audit.log")).unwrap();
        record(&audit, "a");
        for place in [
            "",
            "x",
            "1-1",
            "-",
            "ffffffffffffffff-ffffffffffffffff",
            "0-0",
        ] {
            let refused = audit.recent(&wanted(1), Some(place));
            assert!(matches!(refused, Err(BadPlace::Other)), "{place}");
        }
        assert!(Audit::to_log().recent(&wanted(1), None).unwrap().is_none());
    }
}
