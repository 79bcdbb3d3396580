//! Lines for the password file.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::{Child, Output, Stdio},
};

use access::{Credentials, PasswordFile};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use super::{Setup, text};

fn setup() -> Setup {
    Setup::new(&json!({"type": "none"}))
}

/// Whether `line` lets alice in with this password.
fn lets_in(line: &str, password: &str) -> bool {
    let file = PasswordFile::parse(line).unwrap();
    file.verify(&Credentials {
        user: "alice".to_owned(),
        password: password.into(),
    })
}

#[test]
fn a_password_on_standard_input_becomes_a_line_that_lets_the_user_in() {
    for (arguments, begin) in [
        ("hash alice", "alice:$2"),
        ("hash --argon2id alice", "alice:$argon2id$"),
    ] {
        let output = setup().run_with("correct horse\n", arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let line = text(&output.stdout);
        assert!(line.starts_with(begin) && line.ends_with('\n'), "{line}");
        assert!(lets_in(&line, "correct horse"));
        assert!(!lets_in(&line, "correct horse\n"));
    }
}

#[test]
fn without_a_user_the_hash_stands_alone() {
    let output = setup().run_with("secret", "hash");
    let line = text(&output.stdout);
    assert!(line.starts_with("$2"), "{line}");
    assert!(lets_in(&format!("alice:{line}"), "secret"));
}

#[test]
fn what_is_no_password_or_no_name_ends_with_status_2_and_is_not_repeated() {
    let long = "xyzzy".repeat(20);
    for (input, arguments) in [
        ("", "hash alice"),
        ("\n", "hash alice"),
        ("xyzzy\nxyzzy\n", "hash alice"),
        (long.as_str(), "hash alice"),
        ("xyzzy", "hash a:b"),
    ] {
        let output = setup().run_with(input, arguments);
        assert_eq!(output.status.code(), Some(2), "{input:?} {arguments}");
        assert!(output.stdout.is_empty());
        let told = text(&output.stderr);
        assert!(!told.is_empty() && !told.contains("xyzzy"), "{told}");
    }
}

/// A command whose standard input is a terminal.
struct AtTerminal {
    child: Child,
    keyboard: File,
}

impl AtTerminal {
    fn run(arguments: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let mut command = setup().command();
        command.current_dir("/").args(arguments);
        command.stdin(terminal);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            child: command.spawn().unwrap(),
            keyboard: keyboard.into(),
        }
    }

    /// Waits for `prompt`, then types.
    fn answer(&mut self, prompt: &str, line: &str) {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(prompt.as_bytes()) {
            let stderr = self.child.stderr.as_mut().unwrap();
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", text(&seen));
            seen.push(byte[0]);
        }
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// Waits for the end; what was printed, and what the terminal showed.
    fn end(self) -> (Output, String) {
        let output = self.child.wait_with_output().unwrap();
        let mut keyboard = self.keyboard;
        let mut shown = Vec::new();
        // Ends in an error, as no process has the terminal open any longer.
        let _ = keyboard.read_to_end(&mut shown);
        (output, text(&shown))
    }
}

#[test]
fn at_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let mut command = AtTerminal::run(&["hash", "alice"]);
    command.answer("Password: ", "correct horse");
    command.answer("Again: ", "correct horse");
    let (output, shown) = command.end();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(lets_in(&text(&output.stdout), "correct horse"));
    assert!(!shown.contains("horse"), "{shown}");
}

#[test]
fn two_different_passwords_at_a_terminal_are_refused() {
    let mut command = AtTerminal::run(&["hash", "alice"]);
    command.answer("Password: ", "correct horse");
    command.answer("Again: ", "correct house");
    let (output, _) = command.end();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
