//! Children: how they end, what is said of it, and that none is left behind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{
    process::{Display, Line, Program, Running},
    up::{Supervised, UpError},
};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(20);

/// A program whose whole behaviour is `script`.
fn sh(script: &str) -> Program {
    Program {
        name: "signer",
        executable: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("GREETING", "hello".to_owned())],
    }
}

fn start(script: &str) -> Running {
    Running::start(&sh(script), &Display::default()).unwrap()
}

async fn until_there(path: &Path) {
    let wait = async {
        while !path.exists() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, wait)
        .await
        .unwrap_or_else(|_| panic!("{} never came", path.display()));
}

#[tokio::test]
async fn a_fatal_log_line_is_the_cause_whatever_comes_after_it() {
    let mut child = start(
        r#"echo '{"level":"fatal","msg":"the disk is full","time":"2026-11-22T12:00:00Z"}' >&2
           echo '{"level":"info","msg":"good bye","time":"2026-11-22T12:00:00Z"}' >&2
           echo 'and this' >&2; exit 1"#,
    );
    assert_eq!(
        timeout(SOON, child.wait_for_end()).await.unwrap(),
        "the disk is full"
    );
}

#[tokio::test]
async fn without_a_log_line_the_last_words_or_the_status_are_the_cause() {
    for (script, cause) in [
        (
            "echo 'thread main panicked' >&2; exit 101",
            "thread main panicked",
        ),
        ("exit 3", "it ended with exit status 3"),
        ("kill -9 $$", "it was ended by signal 9"),
    ] {
        assert_eq!(
            timeout(SOON, start(script).wait_for_end()).await.unwrap(),
            cause
        );
    }
}

#[tokio::test]
async fn a_child_that_is_told_to_stop_may_finish_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    let mut child = start(&format!(
        "cat; sleep 0.2; echo $GREETING > {}",
        done.display()
    ));
    child.stop(SOON).await;
    assert_eq!(std::fs::read_to_string(done).unwrap(), "hello\n");
}

#[tokio::test]
async fn a_child_that_does_not_stop_is_killed() {
    let mut child = start("trap '' TERM; exec sleep 1000");
    timeout(SOON, child.stop(Duration::from_millis(100)))
        .await
        .unwrap();
    assert_eq!(child.id(), None);
}

#[tokio::test]
async fn a_program_that_ends_before_it_is_healthy_is_reported_with_its_cause() {
    let script = r#"echo '{"level":"fatal","msg":"no such table"}' >&2; exit 1"#;
    let mut child = Supervised::start(sh(script), &Display::default()).unwrap();
    let never = || std::future::ready(Err("refused".to_owned()));
    let error = timeout(SOON, child.healthy(never))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, UpError::Start { .. }));
    assert_eq!(error.to_string(), "the signer did not start: no such table");
}

#[tokio::test]
async fn a_program_that_dies_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    let script = format!(
        "if [ -e {0} ]; then touch {1}; exec cat; fi; touch {0}; kill -9 $$",
        first.display(),
        second.display()
    );
    let mut child = Supervised::start(sh(&script), &Display::default()).unwrap();
    tokio::select! {
        never = child.keep() => match never {},
        () = until_there(&second) => {}
    }
    assert!(child.id().is_some());
}

#[test]
fn a_log_line_is_read_into_what_people_want_to_see() {
    let line = Line::parse(
        r#"{"gun":"example.com/app","http.request.host":"localhost","http.response.status":200,
            "level":"info","msg":"published","role":"","time":"2026-11-22T12:34:56Z","version":2}"#,
    );
    assert_eq!(
        (line.level.as_str(), line.text.as_str()),
        ("info", "published")
    );
    assert_eq!(line.fields, " gun=example.com/app status=200 version=2");
    assert_eq!(line.time, "12:34:56");
    assert!(!line.is_complaint());
}

#[test]
fn a_log_line_is_shown_on_one_line_whatever_a_client_has_sent() {
    let line = Line::parse(
        r#"{"gun":"a\nfake gun=b","http.request.uri":"/v2/\u001b[31m\u009b\u0085\u2028\u202e\r",
            "level":"warning","msg":"refused\nfake","time":"2026-11-22T12:34:56Z"}"#,
    );
    assert_eq!(
        line.show("server"),
        "12:34:56 server warning refused\\nfake gun=\"a\\nfake gun=b\" \
         uri=/v2/\\u{1b}[31m\\u{9b}\\u{85}\\u{2028}\\u{202e}\\r"
    );
    let stray = Line::parse("panicked\u{1b}[2J");
    assert!(!stray.show("server").contains('\u{1b}'));
}
