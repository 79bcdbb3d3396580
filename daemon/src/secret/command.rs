//! A command whose output is a secret.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{LONGEST, Secret, bounded};

/// How a command failed. What it printed is in no variant; what it complained of it said itself, since its
/// standard error is ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// The command is written for a shell, and there is none, as in images without one.
    #[error(
        "the command needs a shell and there is no {0}; without one it can only be words divided by \
         spaces, none with a character that a shell gives a meaning to"
    )]
    NoShell(String),
    /// The system refused.
    #[error("the command cannot be started: {0}")]
    NotStarted(io::Error),
    /// Its end was not a good one.
    #[error("the command failed ({0})")]
    Failed(ExitStatus),
    /// It was killed.
    #[error("the command took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// Its output, or how it ended, cannot be read.
    #[error("the output of the command cannot be read: {0}")]
    Output(io::Error),
}

/// What the command prints; more than the longest secret, if it prints more.
///
/// It has no standard input, and is killed with all it started if it takes longer than `patience`.
pub(super) fn output(
    line: &[u8],
    shell: &Path,
    patience: Duration,
) -> Result<Secret, CommandFault> {
    let mut child = start(OsStr::from_bytes(line), shell)?;
    let output = wait(&mut child, patience);
    if matches!(
        output,
        Err(CommandFault::TooSlow(_) | CommandFault::Output(_))
    ) {
        end(&mut child);
    }
    output
}

/// Starts `line` by the shell; as a program and its arguments, where there is no shell and none is needed.
fn start(line: &OsStr, shell: &Path) -> Result<Child, CommandFault> {
    let mut by_shell = Command::new(shell);
    match spawn(by_shell.arg("-c").arg(line)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let words = plain_words(line.as_bytes())
                .ok_or_else(|| CommandFault::NoShell(shell.display().to_string()))?;
            let [program, arguments @ ..] = words.as_slice() else {
                return Err(CommandFault::NotStarted(error));
            };
            spawn(Command::new(program).args(arguments)).map_err(CommandFault::NotStarted)
        }
        other => other.map_err(CommandFault::NotStarted),
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that all of a pipeline can be ended at once.
        .process_group(0)
        .spawn()
}

/// The words of `line`, if a shell would make the same of it.
fn plain_words(line: &[u8]) -> Option<Vec<&OsStr>> {
    let is_special = |byte: &u8| b"|&;<>()$`\\\"'*?[]#~{}!\n".contains(byte);
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let first = words.clone().next().unwrap_or_default();
    // `NAME=value command` sets a variable.
    if line.iter().any(is_special) || first.contains(&b'=') {
        return None;
    }
    Some(words.by_ref().map(OsStr::from_bytes).collect())
}

fn wait(child: &mut Child, patience: Duration) -> Result<Secret, CommandFault> {
    let too_late = Instant::now() + patience;
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take().expect("it was started with a pipe");
    thread::Builder::new()
        .name("secret".to_owned())
        .spawn(move || {
            // Nobody listens any more if it took too long; what was read is wiped then.
            let _ = sender.send(bounded(stdout));
        })
        .map_err(CommandFault::Output)?;
    let output = receiver
        .recv_timeout(patience)
        .map_err(|_| CommandFault::TooSlow(patience))?
        .map_err(CommandFault::Output)?;
    if output.len() > LONGEST {
        // It may still be writing.
        end(child);
        return Ok(output);
    }
    match status(child, too_late)? {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(CommandFault::Failed(status)),
        None => Err(CommandFault::TooSlow(patience)),
    }
}

/// How it ended; `None` if it still runs `too_late`. It has closed its output, so its end is near.
fn status(child: &mut Child, too_late: Instant) -> Result<Option<ExitStatus>, CommandFault> {
    const POLL: Duration = Duration::from_millis(5);
    loop {
        let status = child.try_wait().map_err(CommandFault::Output)?;
        if status.is_some() || Instant::now() >= too_late {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

/// Kills it and what it started. It was not waited for yet, so that its id is still its own.
fn end(child: &mut Child) {
    // Both fail only if there is nothing left to do.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words that a shell makes of `line`.
    fn words_of_shell(line: &str) -> Vec<u8> {
        let script = format!("printf '%s\\n' {line}");
        let output = Command::new("/bin/sh").args(["-c", &script]).output();
        output.unwrap().stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_takes_the_same_words_out_of_a_line(line in "[ -~\t]{0,3}[a-z ./:=%@^+,-]{1,20}") {
            if let Some(words) = plain_words(line.as_bytes()).filter(|words| !words.is_empty()) {
                let lines: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\n"].concat()).collect();
                prop_assert_eq!(words_of_shell(&line), lines);
            }
        }

        #[test]
        fn no_line_is_too_strange_to_be_looked_at(line: Vec<u8>) {
            let _ = plain_words(&line);
        }
    }

    #[test]
    fn words_are_taken_for_a_command_only_if_a_shell_would_take_them_so() {
        let words = |line: &str| {
            let words = plain_words(line.as_bytes())?;
            Some(
                words
                    .iter()
                    .map(|word| word.to_str().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            words(" op read\top://Vault/db/password ").unwrap(),
            ["op", "read", "op://Vault/db/password"]
        );
        assert_eq!(
            words("vault kv get -field=password kv/db").unwrap(),
            ["vault", "kv", "get", "-field=password", "kv/db"]
        );
        for line in [
            "a | b", "a; b", "a && b", "a $B", "a `b`", "a 'b c'", "a \"b\"", "a > b", "a \\b",
            "A=b c", "a *", "a ~/b", "a\nb", "a # b",
        ] {
            assert!(words(line).is_none(), "{line}");
        }
    }
}
