//! `auth hash`: a line for the password file.

use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write as _};

use access::Hashing;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Arg, ArgMatches};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::switch;

pub(super) const NAME: &str = "hash";

/// More than any password; what is longer is a mistake, such as a whole file.
const LONGEST_INPUT: usize = 4096;

pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Hash a password for the password file")
        .long_about(
            "Asks for a password, twice, without showing it, and prints the line of the password file. \
             Where standard input is no terminal, the password is read from it.",
        )
        .arg(switch(
            "argon2id",
            "Hash with argon2id, which this server alone can read, instead of bcrypt",
        ))
        .arg(
            Arg::new("user")
                .value_name("USER")
                .help("Print USER:HASH instead of the hash alone"),
        )
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let user: Option<&String> = arguments.get_one("user");
    if let Some(user) = user {
        check_name(user)?;
    }
    let hashing = if arguments.get_flag("argon2id") {
        Hashing::Argon2id
    } else {
        Hashing::Bcrypt
    };
    let hash = access::hash(&password()?, hashing)?;
    match user {
        Some(user) => println!("{user}:{hash}"),
        None => println!("{hash}"),
    }
    Ok(())
}

/// A name that would break its line, or be read as another one.
fn check_name(user: &str) -> Result<()> {
    let is_name = !user.is_empty()
        && !user.starts_with('#')
        && user.trim() == user
        && !user.contains(|c: char| c == ':' || c.is_control());
    ensure!(
        is_name,
        "{user:?} cannot be the name of a user: it is not empty, has no colon, control character or outer blanks, and does not begin with #"
    );
    Ok(())
}

fn password() -> Result<SecretString> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return from_terminal();
    }
    from_input(stdin.lock())
}

/// All of `input` but the newline at its end.
fn from_input(input: impl io::Read) -> Result<SecretString> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_INPUT + 1));
    input
        .take(LONGEST_INPUT as u64 + 1)
        .read_to_end(&mut bytes)
        .context("the password cannot be read")?;
    secret(&bytes)
}

/// A password from what was typed or sent.
fn secret(bytes: &[u8]) -> Result<SecretString> {
    ensure!(
        bytes.len() <= LONGEST_INPUT,
        "that is too long for a password"
    );
    let text = std::str::from_utf8(bytes).context("the password is not UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains(['\n', '\r']) {
        bail!("a password is one line: standard input holds several");
    }
    Ok(SecretString::from(text))
}

fn from_terminal() -> Result<SecretString> {
    let silence = Silence::new().context("the terminal does not stop showing what is typed")?;
    let first = ask("Password: ")?;
    let second = ask("Again: ")?;
    drop(silence);
    ensure!(
        first.expose_secret() == second.expose_secret(),
        "these were two different passwords"
    );
    Ok(first)
}

fn ask(prompt: &str) -> Result<SecretString> {
    eprint!("{prompt}");
    io::stderr().flush()?;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_INPUT + 1));
    // A reader of its own: the buffer of the standard one is never wiped. A terminal gives a line
    // at a time, so that nothing of the next one is lost with it.
    BufReader::with_capacity(1, Terminal)
        .take(LONGEST_INPUT as u64 + 1)
        .read_until(b'\n', &mut line)
        .context("the password cannot be read")?;
    eprintln!();
    secret(&line)
}

/// Standard input without a buffer.
struct Terminal;

impl io::Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

/// A terminal that does not show what is typed, until dropped.
struct Silence(Termios);

impl Silence {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing is left to be done if the terminal is gone.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<String> {
        let password = from_input(bytes).ok()?;
        Some(password.expose_secret().to_owned())
    }

    #[test]
    fn the_newline_at_the_end_of_the_input_is_no_part_of_the_password() {
        for text in ["a b", "a b\n", "a b\r\n"] {
            assert_eq!(read(text.as_bytes()).as_deref(), Some("a b"));
        }
        assert_eq!(read(b" a \n").as_deref(), Some(" a "));
    }

    #[test]
    fn what_cannot_be_one_password_is_refused() {
        for bytes in [&b"a\nb\n"[..], b"a\n\n", b"\xff", &[b'a'; 5000]] {
            assert_eq!(read(bytes), None);
        }
    }

    #[test]
    fn a_name_that_would_break_its_line_is_refused() {
        for name in ["", "a:b", "a\nb", " a", "#a"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["alice", "alice@example.com", "Zoë"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
