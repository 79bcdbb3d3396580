//! What commands printed, so that each is run once: a vault is not to be asked for every key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use daemon::{Secret, SecretError, secret::Source};

/// How long a command that failed is left alone: every request for a key would wait for it otherwise.
const PAUSE: Duration = Duration::from_mins(1);

/// What the commands of all aliases printed.
pub(super) struct Printed {
    /// By what names the command. Each has a lock of its own, held while it runs: the others shall not wait.
    commands: Mutex<HashMap<String, Arc<Mutex<Option<Last>>>>>,
    pause: Duration,
}

/// What came of running a command.
struct Last {
    outcome: Result<Secret, Arc<SecretError>>,
    at: Instant,
}

impl Default for Printed {
    fn default() -> Self {
        Self {
            commands: Mutex::default(),
            pause: PAUSE,
        }
    }
}

impl Printed {
    /// What the command of `source` printed when it was run, now or before.
    pub(super) fn by(&self, source: &Source, name: &str) -> Result<Secret, Arc<SecretError>> {
        let command = {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(commands.entry(name.to_owned()).or_default())
        };
        let mut last = command.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(last) if last.outcome.is_ok() || last.at.elapsed() < self.pause => {
                last.outcome.clone()
            }
            _ => {
                let outcome = source.read_as_it_is().map_err(Arc::new);
                *last = Some(Last {
                    outcome: outcome.clone(),
                    at: Instant::now(),
                });
                outcome
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// A command that leaves a line each time it is run, and ends as `status` says.
    fn source(folder: &Path, status: u8) -> Source {
        let line = format!(
            "echo x >> {}/runs; echo secret; exit {status}",
            folder.display()
        );
        let value = |name: &str| (name == "A_COMMAND").then_some(line.as_bytes());
        Source::of_variables("A", value).unwrap().unwrap()
    }

    fn runs(folder: &Path) -> usize {
        fs::read_to_string(folder.join("runs"))
            .unwrap()
            .lines()
            .count()
    }

    #[test]
    fn a_command_that_printed_a_passphrase_is_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let printed = Printed {
            pause: Duration::ZERO,
            ..Printed::default()
        };
        for _ in 0..3 {
            let secret = printed.by(&source(folder.path(), 0), "A").unwrap();
            assert_eq!(secret.as_slice(), b"secret");
        }
        assert_eq!(runs(folder.path()), 1);
    }

    #[test]
    fn a_command_that_failed_is_run_again_after_a_pause_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (patient, hasty) = (
            Printed::default(),
            Printed {
                pause: Duration::ZERO,
                ..Printed::default()
            },
        );
        for (printed, expected) in [(patient, 1), (hasty, 3)] {
            for _ in 0..2 {
                assert!(printed.by(&source(folder.path(), 1), "A").is_err());
            }
            assert_eq!(runs(folder.path()), expected);
        }
    }
}
