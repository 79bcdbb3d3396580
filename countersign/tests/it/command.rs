//! The command as it is typed.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

fn countersign(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .output()
        .unwrap()
}

fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "nothing is to be pasted"
    );
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("countersign: "), "{text}");
    last
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_busy_port_ends_it_with_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();

    let output = countersign(&["--data", text(folder.path()), "--listen", &address]);

    let sentence = sentence(&output);
    // The signer's usual port may be taken too, on a machine where countersign runs.
    assert!(
        sentence.contains("cannot listen on 127.0.0.1:"),
        "{sentence}"
    );
    assert!(
        sentence.contains("choose another address with --"),
        "{sentence}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_ends_it_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, b"").unwrap();

    let output = countersign(&["up", "--data", text(&in_the_way)]);

    assert!(
        sentence(&output).contains("cannot be written"),
        "{output:?}"
    );
}

#[test]
fn an_empty_variable_does_not_make_the_current_folder_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".countersign"), b"").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .env("COUNTERSIGN_DATA", "")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        sentence(&output).contains("/.countersign cannot be written"),
        "{output:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn help_names_every_flag_and_both_programs() {
    let output = countersign(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in [
        "--data",
        "COUNTERSIGN_DATA",
        "--listen",
        "--signer-listen",
        "--log",
        "server",
        "signer",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("child"), "not for people");
}

#[test]
fn help_and_version_are_words_as_well() {
    for word in ["help", "version"] {
        let output = countersign(&[word]);
        assert!(output.status.success(), "{word}");
        assert!(!output.stdout.is_empty(), "{word}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_with_an_example() {
    let output = countersign(&["--listen", "everywhere"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("write HOST:PORT, such as 127.0.0.1:4443"),
        "{text}"
    );
}

#[test]
fn every_command_of_an_operator_has_a_home_here_too() {
    let folder = tempfile::tempdir().unwrap();
    drop(crate::prepare(folder.path(), crate::FIRST).unwrap());
    let data = ["--data", text(folder.path())];
    let run = |arguments: &[&str]| countersign(&[arguments, &data].concat());
    let shown = |output: &Output| {
        let both = [output.stdout.clone(), output.stderr.clone()].concat();
        String::from_utf8_lossy(&both).into_owned()
    };

    let checked = run(&["config", "check"]);
    let said = shown(&checked);
    assert!(checked.status.success(), "{said}");
    assert!(
        said.contains("server.http_addr = ") && said.contains("server.grpc_addr = "),
        "{said}"
    );
    let planned = run(&["migrate", "--plan"]);
    assert_eq!(planned.status.code(), Some(1), "there are no databases yet");
    assert!(run(&["migrate"]).status.success());
    assert!(run(&["migrate", "--plan"]).status.success());
    let listed = run(&["key", "list"]);
    assert!(
        shown(&listed).starts_with("GUN\tROLE"),
        "{}",
        shown(&listed)
    );
    let diagnosed = run(&["doctor"]);
    let said = shown(&diagnosed);
    assert_eq!(diagnosed.status.code(), Some(1), "nothing runs");
    assert!(said.contains("start notary-signer"), "{said}");
    let explained = run(&["auth", "explain", "--help"]);
    assert!(explained.status.success(), "{}", shown(&explained));

    let elsewhere = tempfile::tempdir().unwrap();
    let nothing = countersign(&["doctor", "--data", text(elsewhere.path())]);
    assert!(sentence(&nothing).contains("there is no service in"));
    let configuration = folder.path().join("signer.json");
    let named = countersign(&["key", "list", "-config", text(&configuration)]);
    assert!(named.status.success(), "{}", shown(&named));
}

/// Files may be from elsewhere: no service has to be there for them.
#[test]
fn the_audit_log_of_another_machine_is_read_without_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let line = concat!(
        r#"{"time":"2026-11-22T10:20:30.250Z","level":"info","target":"audit","event":"publish","#,
        r#""outcome":"done","gun":"ex.com/app","caller.name":"alice"}"#,
        "\n"
    );
    std::fs::write(folder.path().join("audit.log"), line).unwrap();
    let audit = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(folder.path())
            .env_remove("COUNTERSIGN_DATA")
            .arg("audit")
            .args(arguments)
            .output()
            .unwrap()
    };
    let said = audit(&["audit.log"]);
    let table = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{said:?}");
    assert!(
        table.contains("alice") && table.contains("ex.com/app"),
        "{table}"
    );
    let verified = audit(&["verify", "--offline", "audit.log"]);
    assert!(verified.status.success(), "{verified:?}");

    // Without files, and without a service that says where they are, there is nothing to read.
    for arguments in [&[][..], &["verify", "audit.log"]] {
        let said = audit(arguments);
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        let reason = String::from_utf8_lossy(&said.stderr);
        assert!(reason.contains("config"), "{reason}");
    }
}
