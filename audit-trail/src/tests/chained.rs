//! That nothing can be done to the lines unseen, and that crashes and rotation are nothing of the
//! kind.

use proptest::prelude::*;
use trust::store::chains::ChainRow;

use super::*;
use crate::verify::{Report, Source, Verifier};

const LOG: &str = "host:/var/log/audit.log";

/// Writes so many lines.
fn write(audit: &Audit, count: usize) {
    for number in 0..count {
        let name = format!("user {number}");
        let actor = user(&name);
        audit.record(&event(Actor::from(&actor), Outcome::Done));
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

fn append(path: &Path, text: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text).unwrap();
}

/// Verifies files without a database.
fn verify(files: &[&[u8]]) -> Report {
    verify_with(files, None)
}

fn verify_with(files: &[&[u8]], rows: Option<Vec<ChainRow>>) -> Report {
    let mut verifier = Verifier::new(rows)
        .complete(true)
        .of_log(Some(LOG.to_owned()));
    for (number, mut file) in files.iter().copied().enumerate() {
        let name = format!("file {number}");
        verifier.read(&name, &mut file, Source::AuditFile).unwrap();
    }
    verifier.finish()
}

/// The row that a server would store now.
fn row(audit: &Audit) -> ChainRow {
    let head = audit.head().unwrap();
    ChainRow {
        chain: head.chain.to_string(),
        log: LOG.to_owned(),
        line: head.line,
        sha256: head.sha256,
        stored_at: datetime!(2026-11-22 10:20:30 UTC),
    }
}

#[track_caller]
fn assert_whole(report: &Report, lines: u64) {
    assert!(report.ok, "{report}");
    let ranges: Vec<_> = report.chains.iter().map(|it| (it.first, it.last)).collect();
    assert_eq!(ranges, [(1, lines)], "{report}");
}

#[test]
fn each_line_has_a_number_and_the_checksum_of_the_line_before() {
    let stage = Stage::new();
    write(&stage.audit, 3);
    let text = fs::read_to_string(stage.path()).unwrap();
    let texts: Vec<&str> = text.lines().collect();
    let lines = stage.lines();
    assert!(lines[0].get("previous").is_none());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["line"], number + 1);
        assert_eq!(line["chain"], lines[0]["chain"]);
        if number > 0 {
            let before = torn::checksum(texts[number - 1].as_bytes());
            assert_eq!(line["previous"], before);
        }
    }
    assert_whole(&verify(&[text.as_bytes()]), 3);
}

#[test]
fn the_chain_goes_on_over_a_restart() {
    let Stage { folder, audit, .. } = Stage::new();
    write(&audit, 3);
    drop(audit);
    let path = folder.path().join("audit.log");
    let again = Audit::to_file(&path).unwrap();
    write(&again, 2);
    assert_whole(&verify_with(&[&read(&path)], Some(vec![row(&again)])), 5);
}

#[test]
fn a_line_torn_by_a_crash_is_tolerated_and_told_of_and_cannot_be_made_up_later() {
    let Stage { folder, audit, .. } = Stage::new();
    write(&audit, 2);
    let stored = row(&audit);
    drop(audit);
    let path = folder.path().join("audit.log");
    append(&path, br#"{"address":"192.0"#);
    let torn = read(&path);
    let report = verify_with(&[&torn], Some(vec![stored.clone()]));
    assert_whole(&report, 2);
    assert!(
        report.notes[0].contains("the last line is torn"),
        "{report}"
    );
    // Had the database known of the line, it would be missing.
    let known = ChainRow { line: 3, ..stored };
    let report = verify_with(&[&torn], Some(vec![known]));
    assert_eq!(report.faults[0].line, Some(3), "{report}");

    let again = Audit::to_file(&path).unwrap();
    write(&again, 1);
    let text = read(&path);
    let report = verify(&[&text]);
    assert_whole(&report, 4);
    assert!(report.notes[0].contains("was torn"), "{report}");

    let other = String::from_utf8(text.clone()).unwrap();
    let other = other.replace("192.0\n", "192.1\n");
    assert!(!verify(&[other.as_bytes()]).ok);
    let gone = String::from_utf8(text).unwrap();
    let gone = gone.replace("{\"address\":\"192.0\n", "");
    assert!(!verify(&[gone.as_bytes()]).ok);
}

#[test]
fn a_line_that_lacks_only_its_newline_is_whole() {
    let Stage { folder, audit, .. } = Stage::new();
    write(&audit, 2);
    drop(audit);
    let path = folder.path().join("audit.log");
    let mut text = read(&path);
    text.pop();
    fs::write(&path, &text).unwrap();
    let again = Audit::to_file(&path).unwrap();
    write(&again, 1);
    let report = verify(&[&read(&path)]);
    assert_whole(&report, 3);
    assert!(report.notes.is_empty(), "{report}");
}

#[test]
fn a_disk_that_fills_up_anywhere_in_a_line_leaves_a_chain_that_tells_of_it() {
    let room = |stage: &Stage, room| {
        let mut state = stage.audit.state();
        state.file.as_mut().unwrap().room = room;
    };
    let line = {
        let stage = Stage::new();
        write(&stage.audit, 1);
        read(&stage.path()).len()
    };
    for written in (0..line + 200).step_by(7) {
        let stage = Stage::new();
        write(&stage.audit, 1);
        for written in [written, written / 2, 1, 0] {
            room(&stage, Some(written));
            write(&stage.audit, 1);
        }
        room(&stage, None);
        write(&stage.audit, 2);
        let text = read(&stage.path());
        let report = verify_with(&[&text], Some(vec![row(&stage.audit)]));
        assert!(
            report.ok,
            "{written}: {report}\n{}",
            String::from_utf8_lossy(&text)
        );
        let told = String::from_utf8(text).unwrap().contains("log.unwritten");
        assert!(told, "{written}");
    }
}

#[test]
fn rotation_by_renaming_is_no_gap_even_if_the_server_restarts_before_the_next_line() {
    let Stage { folder, audit, .. } = Stage::new();
    let path = folder.path().join("audit.log");
    let rotated = |number: u8| folder.path().join(format!("audit.log.{number}"));
    write(&audit, 2);
    fs::rename(&path, rotated(2)).unwrap();
    write(&audit, 2);
    drop(audit);
    fs::rename(&path, rotated(1)).unwrap();
    let again = Audit::to_file(&path).unwrap();
    write(&again, 1);
    let texts = [read(&rotated(2)), read(&rotated(1)), read(&path)];
    let report = verify(&[&texts[0], &texts[1], &texts[2]]);
    assert_whole(&report, 5);

    // A file that is left out, or given in the wrong order, is noticed.
    let report = verify(&[&texts[0], &texts[2]]);
    assert_eq!(report.faults[0].line, Some(3), "{report}");
    assert!(!verify(&[&texts[1], &texts[0], &texts[2]]).ok);
}

#[test]
fn rotation_by_copying_and_truncating_is_no_gap() {
    let stage = Stage::new();
    write(&stage.audit, 3);
    let copy = read(&stage.path());
    fs::OpenOptions::new()
        .write(true)
        .open(stage.path())
        .unwrap()
        .set_len(0)
        .unwrap();
    write(&stage.audit, 2);
    assert_whole(&verify(&[&copy, &read(&stage.path())]), 5);
}

#[test]
fn two_processes_that_write_one_file_have_two_chains() {
    let stage = Stage::new();
    write(&stage.audit, 1);
    let beside = Audit::to_file(&stage.path()).unwrap();
    for _ in 0..3 {
        write(&stage.audit, 1);
        write(&beside, 1);
    }
    let report = verify(&[&read(&stage.path())]);
    assert!(report.ok, "{report}");
    let lasts: Vec<_> = report.chains.iter().map(|it| it.last).collect();
    assert_eq!(lasts, [4, 3]);
    let Stage { folder, audit, .. } = stage;
    let first = audit.chain();
    drop((audit, beside));
    // The next process goes on with the one that no other can be writing.
    let next = Audit::to_file(&folder.path().join("audit.log")).unwrap();
    assert_eq!(next.chain(), first);
}

#[test]
fn lines_of_the_time_before_chains_are_told_apart_but_only_at_the_beginning() {
    let Stage { folder, audit, .. } = Stage::new();
    drop(audit);
    let path = folder.path().join("audit.log");
    let old = br#"{"event":"delete","gun":"a","target":"audit","time":"2026-11-22T10:20:30.250Z"}
"#;
    append(&path, old);
    let audit = Audit::to_file(&path).unwrap();
    write(&audit, 2);
    let verify_rest = || {
        let mut verifier = Verifier::new(None);
        let text = read(&path);
        verifier
            .read("file 0", &mut &text[..], Source::AuditFile)
            .unwrap();
        verifier.finish()
    };
    let report = verify_rest();
    assert_whole(&report, 2);
    assert!(
        report.notes[0].contains("1 lines from file 0:1"),
        "{report}"
    );
    assert!(!verify(&[&read(&path)]).ok);
    append(&path, old);
    assert!(!verify_rest().ok);
}

#[test]
fn a_member_that_is_there_twice_is_no_line() {
    let stage = Stage::new();
    write(&stage.audit, 1);
    let text = fs::read_to_string(stage.path()).unwrap();
    let twice = text.replacen('{', r#"{"gun":"other","#, 1);
    assert!(Line::within(text.as_bytes()).is_some());
    assert!(Line::within(twice.as_bytes()).is_none());
}

/// What is done to the lines of a file.
#[derive(Clone, Debug)]
enum Deed {
    /// Changes a byte of a line.
    Change(usize, usize, u8),
    /// Takes lines away.
    Remove(usize, usize),
    /// Exchanges two lines.
    Swap(usize, usize),
    /// Puts a copy of a line before another one.
    Copy(usize, usize),
    /// Puts another text before a line.
    Insert(usize, String),
    /// Cuts bytes off the end.
    Cut(usize),
    /// Changes the actor of one line, and computes all checksums since again.
    Recompute(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let place = 0..64_usize;
    prop_oneof![
        (place.clone(), any::<usize>(), 1..=255_u8)
            .prop_map(|(line, byte, with)| Deed::Change(line, byte, with)),
        (place.clone(), 1..8_usize).prop_map(|(line, count)| Deed::Remove(line, count)),
        (place.clone(), place.clone()).prop_map(|(one, other)| Deed::Swap(one, other)),
        (place.clone(), place.clone()).prop_map(|(what, before)| Deed::Copy(what, before)),
        (place.clone(), "[^\n]{1,60}").prop_map(|(before, text)| Deed::Insert(before, text)),
        (1..4000_usize).prop_map(Deed::Cut),
        place.prop_map(Deed::Recompute),
    ]
}

/// The text that comes of it, and the numbers of lines of which a fault should name one; none where
/// any fault will do. `None` if nothing was done.
fn perform(deed: &Deed, lines: &[String]) -> Option<(Vec<u8>, Vec<usize>)> {
    let count = lines.len();
    let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
    let named = match deed {
        Deed::Change(line, byte, with) => {
            let line = line % count;
            let byte = byte % lines[line].len();
            lines[line][byte] ^= with;
            vec![line + 1]
        }
        Deed::Remove(line, many) => {
            let line = line % count;
            lines.drain(line..count.min(line + many));
            vec![line + 1]
        }
        Deed::Swap(one, other) => {
            let (one, other) = (one % count, other % count);
            if one == other {
                return None;
            }
            lines.swap(one, other);
            vec![one.min(other) + 1]
        }
        Deed::Copy(what, before) => {
            let (what, before) = (what % count, before % (count + 1));
            lines.insert(before, lines[what].clone());
            vec![what + 1, before + 1]
        }
        Deed::Insert(before, text) => {
            lines.insert(before % (count + 1), text.clone().into_bytes());
            Vec::new()
        }
        Deed::Cut(bytes) => {
            let mut text = lines.join(&b'\n');
            text.push(b'\n');
            let left = text.len().saturating_sub(*bytes);
            text.truncate(left);
            // A line that lacks its newline only is whole.
            let mut end = 0;
            let whole = lines.iter().map_while(|line| {
                end += line.len() + 1;
                (end - 1 <= left).then_some(())
            });
            let whole = whole.count();
            return (whole < count).then_some((text, vec![whole + 1]));
        }
        Deed::Recompute(line) => {
            let line = line % count;
            let mut before: Option<String> = None;
            for (number, bytes) in lines.iter_mut().enumerate() {
                let mut text = String::from_utf8(bytes.clone()).unwrap();
                if number == line {
                    text = text.replace("\"user ", "\"mallory ");
                }
                if let Some(before) = &before {
                    let at = text.find("\"previous\":\"").unwrap() + 12;
                    text.replace_range(at..at + 64, before);
                }
                before = Some(torn::checksum(text.as_bytes()));
                *bytes = text.into_bytes();
            }
            vec![count]
        }
    };
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    Some((text, named))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_the_lines_is_found_and_named(
        deed in deed(),
        (count, cut) in (1..9_usize).prop_flat_map(|count| (Just(count), 0..=count)),
    ) {
        let stage = Stage::new();
        write(&stage.audit, count);
        let rows = Some(vec![row(&stage.audit)]);
        let text = fs::read_to_string(stage.path()).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_whole(&verify_with(&[text.as_bytes()], rows.clone()), count as u64);

        let Some((text, named)) = perform(&deed, &lines) else { return Ok(()) };
        // In two files as in one.
        let mut newlines = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = newlines.nth(cut).map_or(text.len(), |(end, _)| end + 1);
        let report = verify_with(&[&text[..end], &text[end..]], rows);
        prop_assert!(!report.ok, "{report}\n{}", String::from_utf8_lossy(&text));
        let tells = |number: &usize| {
            report.faults.iter().any(|fault| fault.line == Some(*number as u64))
        };
        let is_named = named.is_empty() || named.iter().any(tells);
        prop_assert!(is_named, "{named:?} {report}\n{}", String::from_utf8_lossy(&text));
    }
}
