//! The audit log of a real server: killed under load, rotated, restarted, printed and verified.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flate2::{Compression, write::GzEncoder};

use super::*;

fn with_file() -> Stage {
    Stage::with(
        |_| json!({}),
        json!({
            "logging": {"level": "info", "audit_file": "audit.log"},
            "storage": {"backend": "sqlite3", "db_url": "server.db"},
        }),
    )
}

/// Asks for the key of a repository, which is made and leaves a line; says whether it was.
fn make_key(stage: &Stage, gun: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(stage.address) else {
        return false;
    };
    let mut answer = String::new();
    let request = format!(
        "GET /v2/{gun}/_trust/tuf/timestamp.key HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// What `audit verify` says.
fn verify(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = stage.run(&[&["audit", "verify", "--json"], arguments].concat(), &[]);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    (output.status.code(), report)
}

#[test]
fn a_server_that_is_killed_under_load_leaves_a_log_that_is_whole() {
    let stage = with_file();
    let made = AtomicUsize::new(0);
    for round in 0..3 {
        let mut running = stage.start(&[]);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (stage, made, is_over) = (&stage, &made, &is_over);
                scope.spawn(move || {
                    for number in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        if make_key(stage, &format!("r{round}/t{thread}/n{number}")) {
                            made.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            let before = made.load(Ordering::SeqCst);
            while made.load(Ordering::SeqCst) < before + 50 {
                thread::yield_now();
            }
            if round == 1 {
                fs::rename(stage.path("audit.log"), stage.path("audit.log.1")).unwrap();
                while made.load(Ordering::SeqCst) < before + 100 {
                    thread::yield_now();
                }
            }
            // SIGKILL.
            running.child.kill().unwrap();
            running.child.wait().unwrap();
            is_over.store(true, Ordering::SeqCst);
        });
    }
    let (status, report) = verify(&stage, &["audit.log.1", "audit.log"]);
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(report["chains"].as_array().unwrap().len(), 1, "{report:#}");
    // Every caller that got an answer is in the log.
    assert!(report["lines"].as_u64().unwrap() >= made.load(Ordering::SeqCst) as u64);
    assert_eq!(report["chains"][0]["first"], 1);
    assert!(report["chains"][0]["compared"].is_u64(), "{report:#}");

    let (status, report) = verify(&stage, &["audit.log"]);
    assert_eq!(status, Some(0), "{report:#}");
    let (status, report) = verify(&stage, &["--complete", "audit.log"]);
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!(report["faults"][0]["line"], 1);
}

#[test]
fn a_clean_end_stores_the_last_line_and_a_shortened_file_is_named() {
    let stage = with_file();
    let mut running = stage.start(&[]);
    for number in 0..5 {
        assert!(make_key(&stage, &format!("r{number}")));
    }
    let id = running.child.id().to_string();
    let ended = Command::new("kill").arg(id).status().unwrap();
    assert!(ended.success());
    running.child.wait().unwrap();
    let (status, report) = verify(&stage, &[]);
    assert_eq!(
        (status, &report["chains"][0]["compared"]),
        (Some(0), &json!(5))
    );

    let log = fs::read_to_string(stage.path("audit.log")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    fs::write(stage.path("audit.log"), lines[..3].concat()).unwrap();
    let said = stage.run(&["audit", "verify"], &[]);
    assert_eq!(said.status.code(), Some(1));
    let said = text(&said.stdout);
    assert!(said.contains("lines 4 to 5 are missing"), "{said}");
    // Without the database, nothing tells that there was more.
    let (status, _) = verify(&stage, &["--offline"]);
    assert_eq!(status, Some(0));

    fs::write(stage.path("audit.log"), log.replacen("r1", "r9", 1)).unwrap();
    let (status, report) = verify(&stage, &["--offline", "audit.log"]);
    assert_eq!((status, &report["faults"][0]["line"]), (Some(1), &json!(2)));
    assert_eq!(report["faults"][0]["at"], "audit.log:2");
    let none = stage.run(&["audit", "verify", "--offline", "none.log"], &[]);
    assert_eq!(none.status.code(), Some(2));
    fs::write(stage.path("old.xz"), b"\xfd7zXZ\0\0\0\0").unwrap();
    let packed = stage.run(&["audit", "verify", "--offline", "old.xz"], &[]);
    assert_eq!(packed.status.code(), Some(2));
    assert!(text(&packed.stderr).contains("xzcat -f"));
}

/// `content` as gzip packs it.
fn pack(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

#[test]
fn files_that_logrotate_compressed_are_read_as_they_are() {
    let stage = with_file();
    let running = stage.start(&[]);
    for number in 1..=6 {
        assert!(make_key(&stage, &format!("r{number}")));
    }
    running.stop();
    let log = fs::read_to_string(stage.path("audit.log")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    // Of two files that were packed together, each is a member of its own.
    let packed = [
        pack(lines[0].as_bytes()),
        pack(lines[1..3].concat().as_bytes()),
    ]
    .concat();
    fs::write(stage.path("audit.log.2.gz"), &packed).unwrap();
    fs::write(stage.path("audit.log.1"), lines[3..4].concat()).unwrap();
    fs::write(stage.path("audit.log"), lines[4..].concat()).unwrap();
    let files = ["audit.log.2.gz", "audit.log.1", "audit.log"];
    let (status, report) = verify(&stage, &[&["--complete"], &files[..]].concat());
    assert_eq!(
        (status, &report["lines"]),
        (Some(0), &json!(lines.len())),
        "{report}"
    );
    let said = stage.run(&[&["audit", "--json"], &files[..]].concat(), &[]);
    assert_eq!(text(&said.stdout).lines().count(), lines.len());

    let changed = pack(lines[..3].concat().replacen("r1", "r9", 1).as_bytes());
    fs::write(stage.path("audit.log.2.gz"), changed).unwrap();
    let (status, report) = verify(&stage, &files);
    assert_eq!(status, Some(1));
    assert_eq!(report["faults"][0]["at"], "audit.log.2.gz:1");

    // What cannot be read to its end proves nothing.
    fs::write(stage.path("audit.log.2.gz"), &packed[..packed.len() - 9]).unwrap();
    let cut = stage.run(
        &[&["audit", "verify", "--offline"], &files[..]].concat(),
        &[],
    );
    assert_eq!(cut.status.code(), Some(2));
    assert!(text(&cut.stderr).contains("audit.log.2.gz"));
}

#[test]
fn the_lines_among_those_of_the_programs_log_are_a_chain_in_every_form() {
    for form in ["json", "logfmt", "human"] {
        let stage = Stage::with(
            |_| json!({}),
            json!({
                "logging": {"level": "info"},
                "storage": {"backend": "sqlite3", "db_url": "server.db"},
            }),
        );
        let running = Running::start(stage.command(&[]).args(["-logf", form]));
        for gun in ["a/b", "c"] {
            assert!(make_key(&stage, gun));
        }
        let mut stream = TcpStream::connect(stage.address).unwrap();
        let hostile = "DELETE /v2/x%22%0a%1b/_trust/tuf/ HTTP/1.1\r\nhost: localhost\r\n\
                       user-agent: \"event=delete target=audit\r\nconnection: close\r\n\r\n";
        stream.write_all(hostile.as_bytes()).unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
        let log = running.stop();
        let ask = |log: &str, arguments: &[&str]| {
            let arguments = [&["audit"], arguments, &["-"]].concat();
            let mut child = stage
                .command(&[])
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(log.as_bytes()).unwrap();
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            (output.status.code(), text(&output.stdout))
        };
        let (status, said) = ask(&log, &["verify", "--offline", "--complete", "--json"]);
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(status, Some(0), "{form} {report:#}\n{log}");
        let lines = report["lines"].as_u64().unwrap();
        assert!(lines >= 2, "{form} {report:#}\n{log}");
        // As a collector has them: with something before each line.
        let collected: String = "host | ".to_owned() + &log.trim_end().replace('\n', "\nhost | ");
        let (status, said) = ask(&collected, &["verify", "--offline", "--complete"]);
        assert_eq!(status, Some(0), "{form} {said}");
        let changed = log.replace("a/b", "a/x");
        let (status, said) = ask(&changed, &["verify", "--offline"]);
        assert_eq!(status, Some(1), "{form} {said}");
        let (status, said) = ask(&log, &["--gun", "a/b"]);
        assert_eq!(status, Some(0), "{form}");
        assert_eq!(
            said.lines()
                .filter(|line| line.contains("key.create"))
                .count(),
            1,
            "{said}"
        );
    }
}

#[test]
fn the_log_is_printed_with_what_changed_and_without_anything_that_moves_a_cursor() {
    let stage = with_file();
    let line = |members: Value| members.to_string() + "\n";
    let log = [
        line(json!({
            "target": "audit", "event": "publish", "outcome": "done", "gun": "ex.com/app",
            "caller.kind": "user", "caller.name": "alice", "address": "192.0.2.7",
            "time": "2026-11-22T10:20:30.250Z",
            "tags.moved": ["targets sha256:01 to sha256:02 1.0"],
        })),
        "no audit line\n".to_owned(),
        line(json!({
            "target": "audit", "event": "delete", "outcome": "refused", "gun": "ex.com/other",
            "caller.kind": "unproven", "caller.name": "\u{1b}[31m\u{202e}bob",
            "time": "2026-11-23T10:20:30.250Z", "reason": "no rule\n grants it",
        })),
    ]
    .concat();
    fs::write(stage.path("audit.log"), log).unwrap();
    let ask = |arguments: &[&str]| {
        let output = stage.run(&[&["audit"], arguments].concat(), &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let all = ask(&["audit.log"]);
    assert_eq!(all.lines().count(), 5, "{all}");
    assert!(all.contains("alice at 192.0.2.7"), "{all}");
    assert!(
        all.contains("tag moved: targets sha256:01 to sha256:02 1.0"),
        "{all}"
    );
    assert!(all.contains("\\u{1b}[31m\\u{202e}bob (unproven)"), "{all}");
    assert!(!all.contains(['\u{1b}', '\u{202e}']), "{all}");
    for (filter, expected) in [
        (["--gun", "ex.com/app"], "alice"),
        (["--user", "alice"], "alice"),
        (["--action", "delete"], "bob"),
        (["--since", "2026-11-23"], "bob"),
        (["--since", "2026-11-22T10:20:31Z"], "bob"),
    ] {
        let found = ask(&[&filter[..], &["--json"]].concat());
        assert_eq!(found.lines().count(), 1, "{filter:?} {found}");
        assert!(found.contains(expected), "{filter:?} {found}");
    }
    let wrong = stage.run(&["audit", "--since", "yesterday"], &[]);
    assert_eq!(wrong.status.code(), Some(2));
}
