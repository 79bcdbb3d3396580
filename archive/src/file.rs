//! Archives as files, or as standard input and output (`-`).

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    ArchiveError, Reader,
    escrow::PrivateKey,
    sealed::{self, Opener},
};

/// Bytes read or written at a time.
const BUFFER: usize = 256 * 1024;

/// What an archive is read from.
pub type Input = Box<dyn Read + Send>;

/// Opens the archive at `path`; with `key`, only a sealed one. Answers the size of the file as
/// well, if it is known.
///
/// # Errors
///
/// [`ArchiveError::Sealed`] and [`ArchiveError::NotSealed`] if the archive is not of the kind that
/// `key` says it is: the holder of an escrow key relies on being the only one who can read the
/// archive.
pub fn open(
    path: &Path,
    key: Option<&PrivateKey>,
) -> Result<(Reader<Input>, Option<u64>), ArchiveError> {
    let (mut input, size): (Box<dyn BufRead + Send>, _) = if is_standard(path) {
        (
            Box::new(BufReader::with_capacity(BUFFER, io::stdin())),
            None,
        )
    } else {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let buffered = BufReader::with_capacity(BUFFER, file);
        (Box::new(buffered), Some(size))
    };
    let input: Input = match key {
        Some(_) if !sealed::is_sealed(input.fill_buf()?) => return Err(ArchiveError::NotSealed),
        Some(key) => Box::new(Opener::new(input, key)?),
        None => Box::new(input),
    };
    Ok((Reader::new(input)?, size))
}

/// A file that appears under its name only when it is whole, readable by its owner alone. What is
/// not [committed](Self::commit) is removed again.
pub struct Output(Target);

enum Target {
    Standard(io::Stdout),
    File {
        partial: Partial,
        out: BufWriter<File>,
    },
}

/// Removes the unfinished file when dropped.
struct Partial {
    path: PathBuf,
    /// Where it goes when it is whole; none: it went there.
    target: Option<PathBuf>,
}

impl Output {
    /// Begins the file `path`, which must not be there: a backup replaces no other.
    pub fn create(path: &Path) -> io::Result<Self> {
        if is_standard(path) {
            let out = io::stdout();
            if out.is_terminal() {
                return Err(io::Error::other(
                    "standard output is a terminal: name a file, or another program to read it",
                ));
            }
            return Ok(Self(Target::Standard(out)));
        }
        if path.try_exists()? {
            return Err(already_there(path));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = begin(&partial)?;
        Ok(Self(Target::File {
            partial: Partial {
                path: partial,
                target: Some(path.to_owned()),
            },
            out: BufWriter::with_capacity(BUFFER, file),
        }))
    }

    /// Makes sure that everything is on disk, then gives the file its name.
    pub fn commit(self) -> io::Result<()> {
        match self.0 {
            Target::Standard(mut out) => out.flush(),
            Target::File { mut partial, out } => {
                out.into_inner()
                    .map_err(io::IntoInnerError::into_error)?
                    .sync_all()?;
                partial.publish()
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Target::Standard(out) => out.write(bytes),
            Target::File { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Target::Standard(out) => out.flush(),
            Target::File { out, .. } => out.flush(),
        }
    }
}

impl Partial {
    /// A link refuses a name that is taken, where a rename would replace what has it.
    fn publish(&mut self) -> io::Result<()> {
        let Some(target) = self.target.take() else {
            return Ok(());
        };
        match fs::hard_link(&self.path, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(already_there(&target));
            }
            // Some file systems know no links.
            Err(_) if !target.try_exists()? => fs::rename(&self.path, &target)?,
            linked => linked?,
        }
        let folder = target.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Whether or not it has its name by now, this one is not needed; one that stays is
        // truncated by the next attempt.
        let _ = fs::remove_file(&self.path);
    }
}

/// An empty file that no other process is writing. What an interrupted attempt has left is
/// overwritten.
fn begin(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("another program is writing {}", path.display()),
            ));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    Ok(file)
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

fn already_there(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!("{} is there already", path.display()),
    )
}
