//! What commands printed, so that each is run once: asking a vault for every key takes too long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use daemon::{Secret, SecretError, secret::Source};

/// How long a command that failed is not run again: every request for a key would wait for it
/// otherwise.
const PAUSE: Duration = Duration::from_mins(1);

/// What the commands of all aliases printed.
pub(super) struct CommandOutputs {
    /// By the variable that names the command. Each has a lock of its own, held while it runs, so
    /// that the others do not wait.
    commands: Mutex<HashMap<String, Arc<Mutex<Option<Last>>>>>,
    pause: Duration,
}

/// How a command ended.
struct Last {
    outcome: Result<Secret, Arc<SecretError>>,
    at: Instant,
}

impl Default for CommandOutputs {
    fn default() -> Self {
        Self {
            commands: Mutex::default(),
            pause: PAUSE,
        }
    }
}

impl CommandOutputs {
    /// What the command of `source` printed, now or when it was run before.
    pub(super) fn get(&self, source: &Source, name: &str) -> Result<Secret, Arc<SecretError>> {
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
        let outputs = CommandOutputs {
            pause: Duration::ZERO,
            ..CommandOutputs::default()
        };
        for _ in 0..3 {
            let secret = outputs.get(&source(folder.path(), 0), "A").unwrap();
            assert_eq!(secret.as_slice(), b"secret");
        }
        assert_eq!(runs(folder.path()), 1);
    }

    #[test]
    fn a_command_that_failed_is_run_again_after_a_pause_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (patient, hasty) = (
            CommandOutputs::default(),
            CommandOutputs {
                pause: Duration::ZERO,
                ..CommandOutputs::default()
            },
        );
        for (outputs, expected) in [(patient, 1), (hasty, 3)] {
            for _ in 0..2 {
                assert!(outputs.get(&source(folder.path(), 1), "A").is_err());
            }
            assert_eq!(runs(folder.path()), expected);
        }
    }
}
