//! Where the last process left the log.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    chain::{Chain, Head},
    line::Line,
    torn::Torn,
};

/// How much of the end of a file is read; a line is much shorter.
const WINDOW: u64 = 1 << 20;

/// What the end of a file shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The newest line of a chain that may go on.
    pub(super) head: Option<Head>,
    /// The part of a line behind the last newline, if it is not a whole line.
    pub(super) torn: Option<Torn>,
    /// Whether the file ends without a newline.
    pub(super) is_open: bool,
}

/// The end of the log at `path`: of its file or, while that is empty, of the file that was rotated
/// away last.
pub(super) fn find(path: &Path) -> io::Result<Tail> {
    let tail = read(path)?;
    if fs::metadata(path)?.len() > 0 {
        return Ok(tail);
    }
    match newest_rotated(path) {
        None => Ok(tail),
        Some(rotated) => Ok(Tail {
            is_open: false,
            ..read(&rotated)?
        }),
    }
}

fn read(path: &Path) -> io::Result<Tail> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(of(&bytes))
}

fn of(bytes: &[u8]) -> Tail {
    let mut tail = Tail::default();
    for (number, line) in bytes.rsplit(|byte| *byte == b'\n').enumerate() {
        if number == 0 {
            tail.is_open = !line.is_empty();
        }
        if line.is_empty() {
            continue;
        }
        let found = Line::of_file(line);
        if number == 0 && found.is_none() {
            tail.torn = Some(Torn::of(line));
        }
        let head = found.and_then(|line| {
            let link = line.link()?;
            Chain::may_go_on(&link.chain).then(|| Head {
                chain: link.chain.into(),
                line: link.line,
                sha256: line.sha256(),
            })
        });
        if head.is_some() {
            tail.head = head;
            break;
        }
    }
    tail
}

/// The file beside `path` that is named as logrotate names rotated ones, and was written last;
/// compressed ones are left out.
pub(super) fn newest_rotated(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let found = entry.file_name();
        let end = found.to_str().and_then(|found| found.strip_prefix(name));
        let is_rotated = end.is_some_and(|end| {
            let is_compressed = ["gz", "bz2", "xz", "zst"]
                .iter()
                .any(|kind| end.ends_with(kind));
            end.starts_with(['.', '-']) && !is_compressed
        });
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let Ok(written) = metadata.modified() else {
            continue;
        };
        let is_newer = newest.as_ref().is_none_or(|(time, _)| written > *time);
        if is_rotated && metadata.is_file() && metadata.len() > 0 && is_newer {
            newest = Some((written, entry.path()));
        }
    }
    newest.map(|(_, path)| path)
}

/// The last bytes of a file, from the beginning of a line on.
pub(super) fn last_lines(path: &Path, most: u64) -> io::Result<BufReader<impl io::Read + use<>>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(most);
    // A byte earlier: what comes first ends with a newline then, whole line or not.
    file.seek(SeekFrom::Start(begin.saturating_sub(1)))?;
    let mut reader = BufReader::new(file.take(most + 1));
    if begin > 0 {
        super::line::read_line(&mut reader)?;
    }
    Ok(reader)
}
