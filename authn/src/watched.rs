//! A value parsed from a file, and parsed again when the file changes. A change counts once two
//! polls in a row find the same content: before, the file may be half-written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use daemon::regular;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// Parses a file's content, or says in a sentence why it cannot.
type Make<T> = Box<dyn Fn(&[u8]) -> Result<T, String> + Send + Sync>;

/// A value that follows a file, or one that stays as it is.
pub(crate) struct Watched<T> {
    current: ArcSwap<T>,
    file: Option<File<T>>,
}

struct File<T> {
    /// What operators call it.
    what: &'static str,
    path: PathBuf,
    make: Make<T>,
    history: Mutex<History>,
}

struct History {
    /// What was loaded, or could not be.
    settled: Fingerprint,
    /// What the last poll found, if it differs.
    candidate: Option<Fingerprint>,
}

/// What a poll found; the content itself is not kept.
#[derive(Clone, PartialEq, Eq)]
enum Fingerprint {
    Content([u8; 32]),
    Unreadable(io::ErrorKind),
}

impl<T> Watched<T> {
    /// A value that never changes.
    pub(crate) fn unchanging(value: T) -> Self {
        Self {
            current: ArcSwap::from_pointee(value),
            file: None,
        }
    }

    /// The value that `make` parses from the file at `path`, which errors and the log call `what`.
    pub(crate) fn load(
        what: &'static str,
        path: PathBuf,
        make: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let content =
            read(&path).with_context(|| format!("unable to open {what} {}", path.display()))?;
        let value =
            make(&content).map_err(|reason| anyhow!("{what} {}: {reason}", path.display()))?;
        Ok(Self {
            current: ArcSwap::from_pointee(value),
            file: Some(File {
                what,
                path,
                make: Box::new(make),
                history: Mutex::new(History {
                    settled: Fingerprint::of(&Ok(content)),
                    candidate: None,
                }),
            }),
        })
    }

    /// The value of the last content that could be parsed.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Reads the file, and returns whether there is a new value. It is read each time, since links
    /// and coarse clocks hide changes. A content that cannot be parsed changes nothing, and is
    /// logged once.
    pub(crate) fn poll(&self) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        let content = read(&file.path);
        let now = Fingerprint::of(&content);
        // Held to the end, so that two of us cannot swap in the wrong order.
        let mut history = file.history.lock().unwrap_or_else(PoisonError::into_inner);
        if !history.settles(now) {
            return false;
        }
        let made = content
            .map_err(|error| error.to_string())
            .and_then(|content| (file.make)(&content));
        match made {
            Ok(value) => {
                self.current.store(Arc::new(value));
                tracing::info!(file = %file.path.display(), "loaded the new {}", file.what);
                true
            }
            Err(reason) => {
                tracing::error!(
                    file = %file.path.display(),
                    "cannot load the new {}; keeping the current one: {reason}",
                    file.what
                );
                false
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    regular::read(path).map(Zeroizing::new)
}

impl History {
    /// Whether `now` is new, and the poll before found the same.
    fn settles(&mut self, now: Fingerprint) -> bool {
        let before = self.candidate.take();
        if now == self.settled {
            return false;
        }
        if before.as_ref() == Some(&now) {
            self.settled = now;
            return true;
        }
        self.candidate = Some(now);
        false
    }
}

impl Fingerprint {
    fn of(content: &io::Result<Zeroizing<Vec<u8>>>) -> Self {
        match content {
            Ok(content) => {
                let mut sum = [0; 32];
                sum.copy_from_slice(digest(&SHA256, content).as_ref());
                Self::Content(sum)
            }
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn number(content: &[u8]) -> Result<u32, String> {
        let text = str::from_utf8(content).map_err(|error| error.to_string())?;
        text.trim().parse().map_err(|_| "not a number".to_owned())
    }

    #[test]
    fn a_changed_file_is_loaded_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let watched = Watched::load("number file", path.clone(), number).unwrap();
        assert!(!watched.poll(), "nothing has changed");

        fs::write(&path, "2").unwrap();
        assert!(!watched.poll(), "it may be half-written");
        assert!(watched.poll());
        assert_eq!(*watched.current(), 2);

        for broken in [Some("two"), None] {
            match broken {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(!watched.poll() && !watched.poll());
            assert_eq!(*watched.current(), 2, "the last value is kept");
        }

        fs::write(&path, "3").unwrap();
        assert!(!watched.poll() && watched.poll());
        assert_eq!(*watched.current(), 3);
    }

    #[test]
    fn a_file_is_not_loaded_before_it_is_written_completely() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let watched = Watched::load("number file", path.clone(), number).unwrap();
        for part in ["", "2", "23", "234"] {
            fs::write(&path, part).unwrap();
            assert!(!watched.poll());
            assert_eq!(*watched.current(), 1, "{part:?}");
        }
        assert!(watched.poll());
        assert_eq!(*watched.current(), 234);

        fs::write(&path, "5").unwrap();
        assert!(!watched.poll());
        fs::write(&path, "234").unwrap();
        assert!(!watched.poll());
        fs::write(&path, "5").unwrap();
        assert!(!watched.poll(), "only polls in a row count");
    }

    #[test]
    fn a_file_that_cannot_be_loaded_at_first_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        let load = || {
            Watched::load("number file", path.clone(), number)
                .err()
                .unwrap()
        };
        assert!(format!("{:#}", load()).contains("open number file"));
        fs::write(&path, "x").unwrap();
        let error = format!("{:#}", load());
        assert!(
            error.contains("not a number") && error.contains("/number"),
            "{error}"
        );
    }
}
