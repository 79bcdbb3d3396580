//! Every way to a secret, and every way to miss one.

use std::{collections::BTreeMap, fs, os::fd::AsRawFd as _, time::Instant};

use tempfile::TempDir;

use super::*;

/// Stands in nothing but secrets.
const SEEDED: &str = "xyzzy-seeded";

fn find(variables: &[(&str, &str)]) -> Result<Option<Source>, SecretError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Source::of_variables("DB", |name| {
        variables.get(name).map(|value| value.as_bytes())
    })
}

fn read(variables: &[(&str, &str)]) -> Result<String, String> {
    let secret = find(variables)
        .and_then(|source| source.unwrap().read())
        .map_err(|error| format!("{error} {error:?}"))?;
    Ok(String::from_utf8(secret.to_vec()).unwrap())
}

fn file(content: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn refused(variables: &[(&str, &str)], named_by: &str, reason: &str) {
    let error = read(variables).unwrap_err();
    assert!(
        error.contains(named_by) && error.contains(reason),
        "{error}"
    );
    assert!(!error.contains(SEEDED), "{error}");
}

#[test]
fn a_secret_is_in_a_variable_a_file_or_the_output_of_a_command() {
    let (_folder, path) = file("in a file\n");
    assert_eq!(read(&[("DB", "in a variable")]).unwrap(), "in a variable");
    assert_eq!(read(&[("DB_FILE", &path)]).unwrap(), "in a file");
    let command = ("DB_COMMAND", "printf 'from a %s\\n' command | cat");
    assert_eq!(read(&[command]).unwrap(), "from a command");
    assert!(
        find(&[("DB", ""), ("DB_FILE", ""), ("OTHER", "x")])
            .unwrap()
            .is_none()
    );
}

#[test]
fn two_ways_to_one_secret_are_an_error_that_names_both() {
    let all = [("DB", SEEDED), ("DB_FILE", "/x"), ("DB_COMMAND", SEEDED)];
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let error = find(&[all[one], all[other]]).unwrap_err().to_string();
        let expected = format!(
            "{} and {} are both set: set one of the two",
            all[one].0, all[other].0
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn one_line_end_is_no_part_of_a_secret_and_all_else_is() {
    for (content, secret) in [
        ("a", "a"),
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        (" a \n", " a "),
        ("a\r", "a\r"),
    ] {
        let (_folder, path) = file(content);
        assert_eq!(read(&[("DB_FILE", &path)]).unwrap(), secret);
        let command = format!("cat {path}");
        assert_eq!(read(&[("DB_COMMAND", &command)]).unwrap(), secret);
    }
    assert_eq!(read(&[("DB", "a\n")]).unwrap(), "a\n");
}

#[test]
fn a_file_that_is_missing_empty_or_too_long_is_named() {
    refused(
        &[("DB_FILE", "/does/not/exist")],
        "DB_FILE",
        "/does/not/exist",
    );
    let (_folder, path) = file("\n");
    refused(&[("DB_FILE", &path)], "DB_FILE", "it is empty");
    let (_folder, path) = file(SEEDED.repeat(10_000));
    refused(&[("DB_FILE", &path)], "DB_FILE", "longer than 65536 bytes");
    refused(&[("DB_FILE", "/")], "DB_FILE", "directory");
}

#[test]
fn a_command_that_fails_says_its_status_and_never_its_output_or_line() {
    let failing = format!("echo {SEEDED}; exit 7");
    refused(&[("DB_COMMAND", &failing)], "DB_COMMAND", "exit status: 7");
    let killed = format!("echo {SEEDED}; kill -9 $$");
    refused(&[("DB_COMMAND", &killed)], "DB_COMMAND", "signal: 9");
    refused(&[("DB_COMMAND", "true")], "DB_COMMAND", "it is empty");
    let endless = format!("yes {SEEDED}");
    refused(
        &[("DB_COMMAND", &endless)],
        "DB_COMMAND",
        "longer than 65536 bytes",
    );
    let absent = format!("/does/not/exist/{SEEDED} 2> /dev/null");
    refused(&[("DB_COMMAND", &absent)], "DB_COMMAND", "exit status: 127");
}

#[test]
fn a_command_that_takes_too_long_is_given_up() {
    // The second one closed its output, and still does not end.
    let started = Instant::now();
    for line in ["sleep 60 | cat", "exec >&-; sleep 60"] {
        let source = find(&[("DB_COMMAND", line)]).unwrap().unwrap();
        let error = source
            .read_with(Path::new(SHELL), Duration::from_millis(200))
            .unwrap_err();
        assert!(
            matches!(
                error,
                SecretError::Command {
                    fault: CommandFault::TooSlow(_),
                    ..
                }
            ),
            "{error}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_a_command_that_takes_too_long_started_is_ended_with_it() {
    // The pipe that the test waits for ends when no writer is left.
    let (reader, writer) = std::io::pipe().unwrap();
    let line = format!(
        "exec 3> /proc/{}/fd/{}; sleep 60 & echo a; sleep 60",
        std::process::id(),
        writer.as_raw_fd()
    );
    let source = find(&[("DB_COMMAND", &line)]).unwrap().unwrap();
    assert!(
        source
            .read_with(Path::new(SHELL), Duration::from_millis(500))
            .is_err()
    );
    drop(writer);
    let started = Instant::now();
    assert_eq!(std::io::read_to_string(reader).unwrap(), "");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_a_command_printed_counts_though_something_in_the_background_holds_its_output() {
    let started = Instant::now();
    let pid = read(&[("DB_COMMAND", "sleep 60 & echo $!")]).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        .expect("what a command leaves running is left alone");
}

#[test]
fn a_file_that_would_keep_the_program_waiting_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let path = fifo.to_str().unwrap();
    refused(&[("DB_FILE", path)], path, "it is a pipe (FIFO)");
    refused(&[("DB_FILE", "/dev/zero")], "DB_FILE", "it is a device");
}

#[test]
fn a_command_has_no_standard_input() {
    assert_eq!(
        read(&[("DB_COMMAND", "cat; echo nothing came")]).unwrap(),
        "nothing came"
    );
}

#[test]
fn without_a_shell_plain_words_are_run_and_anything_else_is_refused() {
    let shell = Path::new("/does/not/exist/sh");
    let output = |line| {
        let source = find(&[("DB_COMMAND", line)]).unwrap().unwrap();
        source
            .read_with(shell, PATIENCE)
            .map_err(|error| error.to_string())
    };
    assert_eq!(output("echo  a b").unwrap().as_slice(), b"a b");
    for (line, reason) in [
        (
            "echo xyzzy-seeded | cat",
            "needs a shell and there is no /does/not/exist/sh",
        ),
        ("/does/not/exist/tool xyzzy-seeded", "cannot be started"),
        (" ", "cannot be started"),
    ] {
        let error = output(line).unwrap_err();
        assert!(
            error.contains("DB_COMMAND") && error.contains(reason),
            "{error}"
        );
        assert!(!error.contains(SEEDED), "{error}");
    }
}

#[test]
fn a_source_says_where_a_secret_is_and_never_what() {
    let (_folder, path) = file(SEEDED);
    for variables in [
        [("DB", SEEDED)],
        [("DB_FILE", path.as_str())],
        [("DB_COMMAND", SEEDED)],
    ] {
        let source = find(&variables).unwrap().unwrap();
        assert!(!format!("{source:?} {}", source.origin()).contains(SEEDED));
    }
}

#[test]
fn a_reference_that_nothing_has_resolved_is_no_secret_wherever_it_stands() {
    const UNRESOLVED: &str = "keeper://xyzzy-seeded/field/password";
    let (_folder, path) = file(UNRESOLVED.to_owned() + "\n");
    let command = format!("echo {UNRESOLVED}");
    for variable in [
        ("DB", UNRESOLVED),
        ("DB_FILE", &path),
        ("DB_COMMAND", &command),
    ] {
        refused(&[variable], variable.0, "a reference (keeper://…)");
        refused(&[variable], variable.0, "`ksm exec --`");
        let source = find(&[variable]).unwrap().unwrap();
        let as_it_is = source.read_as_it_is().unwrap();
        assert_eq!(as_it_is.as_slice(), UNRESOLVED.as_bytes());
    }
}
