//! Something made of a file, made anew when the file changes: not at once, since it may be half-written,
//! but when two history found the same.

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

/// Makes something of a file's content, or says in a sentence why it cannot.
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
    /// What was taken up, or found to be of no use.
    settled: Fingerprint,
    /// What else the last poll found.
    fresh: Option<Fingerprint>,
}

/// What the file was when it was looked at; its content is not kept.
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

    /// What `make` makes of the file at `path`, which errors and the log call `what`.
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
                    fresh: None,
                }),
            }),
        })
    }

    /// What was made of the file when it last made sense.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// History at the file, and says whether there is a new value. There is one when the poll before found
    /// the same. The file is read each time: links and coarse clocks hide changes otherwise.
    ///
    /// A content that makes no sense changes nothing, and is complained about once.
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
                tracing::info!(file = %file.path.display(), "took up the changed {}", file.what);
                true
            }
            Err(reason) => {
                tracing::error!(
                    file = %file.path.display(),
                    "the changed {} is of no use, the one in force stays in force: {reason}",
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
    /// Whether `now` is new, and was there at the poll before.
    fn settles(&mut self, now: Fingerprint) -> bool {
        let before = self.fresh.take();
        if now == self.settled {
            return false;
        }
        if before.as_ref() == Some(&now) {
            self.settled = now;
            return true;
        }
        self.fresh = Some(now);
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
    fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
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
            assert_eq!(*watched.current(), 2, "what was in force stays in force");
        }

        fs::write(&path, "3").unwrap();
        assert!(!watched.poll() && watched.poll());
        assert_eq!(*watched.current(), 3);
    }

    #[test]
    fn a_file_that_is_being_written_is_not_taken_up_before_it_is_whole() {
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
        assert!(
            !watched.poll(),
            "history that are not one after the other do not count"
        );
    }

    #[test]
    fn a_file_that_is_of_no_use_at_first_is_named_with_the_reason() {
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
