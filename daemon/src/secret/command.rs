//! A command whose output is a secret.

use std::{
    ffi::OsStr,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};
use zeroize::Zeroizing;

use super::{LONGEST, Secret};
use crate::logging::Plain;

/// How a command failed. What it printed is in no variant; what it complained of was passed on.
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
/// What it left running when it ended well is its own affair. What it writes to its standard error
/// goes to ours, each line behind `name`.
pub(super) fn output(
    line: &[u8],
    name: &str,
    shell: &Path,
    patience: Duration,
) -> Result<Secret, CommandFault> {
    let mut child = start(OsStr::from_bytes(line), shell)?;
    let complaints = child.stderr.take().expect("it was started with a pipe");
    let name = name.to_owned();
    let relay = thread::spawn(move || pass_on(complaints, &name, io::stderr()));
    let output = wait(&mut child, patience);
    if matches!(
        output,
        Err(CommandFault::TooSlow(_) | CommandFault::Output(_))
    ) {
        end(&mut child);
    }
    // Something in the background may hold it open for ever.
    let until = Instant::now() + AFTERWARDS;
    while !relay.is_finished() && Instant::now() < until {
        thread::sleep(POLL);
    }
    output
}

/// Writes each line that comes behind `name`, so that none can pass for one of the program's own.
fn pass_on(from: impl io::Read, name: &str, mut to: impl io::Write) {
    let (mut from, mut line, mut left) = (BufReader::new(from), Vec::new(), MOST_COMPLAINTS);
    loop {
        line.clear();
        let piece = from
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        if !piece.is_ok_and(|length| length > 0) {
            return;
        }
        // What is beyond is read all the same, or the command would wait for ever.
        left = left.saturating_sub(line.len());
        if left > 0 {
            let text = String::from_utf8_lossy(&line);
            let text = Plain(text.trim_end_matches(['\r', '\n']));
            // There is nowhere else to say it.
            let _ = writeln!(to, "{name}: {text}");
        }
    }
}

/// Starts `line` by the shell; as a program and its arguments, where there is no shell and none is
/// needed.
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
        .stderr(Stdio::piped())
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

/// What the command prints until it closes its output, or ends. What it left running in the
/// background may hold the output open for ever, and has nothing more to say.
fn wait(child: &mut Child, patience: Duration) -> Result<Secret, CommandFault> {
    let too_late = Instant::now() + patience;
    let mut output = Output::of(child);
    let status = loop {
        output.take_what_comes(POLL).map_err(CommandFault::Output)?;
        if output.printed.len() > LONGEST {
            // It may still be writing.
            end(child);
            return Ok(output.printed);
        }
        if let Some(status) = child.try_wait().map_err(CommandFault::Output)? {
            break status;
        }
        if Instant::now() >= too_late {
            return Err(CommandFault::TooSlow(patience));
        }
    };
    if !status.success() {
        return Err(CommandFault::Failed(status));
    }
    output.take_the_rest().map_err(CommandFault::Output)?;
    Ok(output.printed)
}

/// How long there is nothing to read before the command itself is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How long after the end of a command others may still write for it.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// The standard output of a command, and what was read of it.
struct Output {
    pipe: ChildStdout,
    printed: Secret,
    /// Whether nothing more can come.
    is_closed: bool,
}

impl Output {
    fn of(child: &mut Child) -> Self {
        Self {
            pipe: child.stdout.take().expect("it was started with a pipe"),
            // With room for all: a buffer that grows leaves what it held behind.
            printed: Zeroizing::new(Vec::with_capacity(LONGEST + PIECE)),
            is_closed: false,
        }
    }

    /// Reads what is there, or comes within `time`: a piece of it; whether there was one.
    fn take_what_comes(&mut self, time: Duration) -> io::Result<bool> {
        if self.is_closed {
            thread::sleep(time);
            return Ok(false);
        }
        let timeout = Timespec::try_from(time).expect("it is short");
        let mut awaited = [PollFd::new(&self.pipe, PollFlags::IN)];
        match poll(&mut awaited, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            ready => ready?,
        };
        // There is no other reader, so that this does not wait.
        let mut piece = Zeroizing::new([0; PIECE]);
        let length = match self.pipe.read(&mut *piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            length => length?,
        };
        self.printed.extend_from_slice(&piece[..length]);
        self.is_closed = length == 0;
        Ok(length > 0)
    }

    /// Reads what is left once the command has ended, and what others write for it just then.
    fn take_the_rest(&mut self) -> io::Result<()> {
        let until = Instant::now() + AFTERWARDS;
        while !self.is_closed && self.printed.len() <= LONGEST {
            let left = until.saturating_duration_since(Instant::now());
            if !self.take_what_comes(left)? && left.is_zero() {
                break;
            }
        }
        Ok(())
    }
}

/// How many bytes of a line of complaints are passed on as one line, and how many of all.
const LONGEST_LINE: u64 = 1024;
const MOST_COMPLAINTS: usize = 64 * 1024;

/// How much is read at once.
const PIECE: usize = 4096;

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

    fn passed_on(complaints: &[u8]) -> String {
        let mut to = Vec::new();
        pass_on(complaints, "PASSWORD_COMMAND", &mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn no_line_of_a_command_passes_for_one_of_the_program() {
        assert_eq!(
            passed_on(b"no such vault\n{\"level\":\"info\"}\r\n\x1b[2Jx\xffy\xc2\x85z"),
            "PASSWORD_COMMAND: no such vault\n\
             PASSWORD_COMMAND: {\"level\":\"info\"}\n\
             PASSWORD_COMMAND: \\u{1b}[2Jx\u{fffd}y\\u{85}z\n"
        );
        for endless in ["x".repeat(1 << 20), "x\n".repeat(1 << 20)] {
            let said = passed_on(endless.as_bytes());
            assert!(
                said.lines()
                    .all(|line| line.starts_with("PASSWORD_COMMAND: "))
            );
            assert!(said.len() < 1 << 20, "{}", said.len());
        }
    }

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
