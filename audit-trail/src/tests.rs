//! What is written down, and what becomes of the file.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
};

use access::{Identity, OutsideToken};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::datetime;
use tuf::{Digest, KeyId, MOST_NAMED, MovedTag, Named, Role, Signer, Tag};

use super::*;

mod chained;
mod stored;

/// An audit file and the time, which only the test moves.
struct Stage {
    folder: TempDir,
    audit: Audit,
    milliseconds: Arc<AtomicI64>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let milliseconds = Arc::new(AtomicI64::new(0));
        let passed = milliseconds.clone();
        let clock = move || {
            datetime!(2026-11-22 10:20:30.25 UTC)
                + Duration::milliseconds(passed.load(Ordering::SeqCst))
        };
        let file = AppendFile::open(&folder.path().join("audit.log")).unwrap();
        Self {
            audit: Audit::new(Some(file), Box::new(clock)),
            folder,
            milliseconds,
        }
    }

    fn pass(&self, milliseconds: i64) {
        self.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.path())
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn user(name: &str) -> Caller {
    Caller::new(Identity::User(name.to_owned()))
}

fn event<'e>(actor: Actor<'e>, outcome: Outcome<'e>) -> Event<'e> {
    Event {
        act: Act::Publish {
            files: &[("root", 1), ("targets", 7)],
            changes: None,
        },
        gun: "example.com/app",
        actor,
        address: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
        request_id: "7-7",
        outcome,
    }
}

#[test]
fn a_publish_is_one_line_of_json_with_sorted_members_that_says_who_did_what() {
    let stage = Stage::new();
    let alice = user("alice");
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Done));
    let text = fs::read_to_string(stage.path()).unwrap();
    let expected = r#"{"address":"192.0.2.7","caller.kind":"user","caller.name":"alice","event":"publish","gun":"example.com/app","outcome":"done","request_id":"7-7","roles":"root:1,targets:7","target":"audit","time":"2026-11-22T10:20:30.250Z"}"#;
    let chain = format!(r#""chain":"{}","#, stage.audit.chain());
    let plain = text.replacen(&chain, "", 1).replacen(r#""line":1,"#, "", 1);
    assert_eq!(plain, format!("{expected}\n"));
}

#[test]
fn a_key_is_told_with_its_role_and_id_and_a_token_with_its_issuer() {
    let stage = Stage::new();
    let caller = Caller::new(Identity::Outside(OutsideToken {
        issuer: "auth.example.com".to_owned(),
        subject: "bob".to_owned(),
        claims: serde_json::Map::new(),
    }));
    stage.audit.record(&Event {
        act: Act::RotateKey {
            role: "snapshot",
            key_id: Some("abc"),
        },
        ..event(Actor::from(&caller), Outcome::Done)
    });
    let line = &stage.lines()[0];
    assert_eq!(
        (&line["event"], &line["roles"], &line["key_id"]),
        (&json!("key.rotate"), &json!("snapshot"), &json!("abc"))
    );
    assert_eq!(
        (
            &line["caller.kind"],
            &line["caller.issuer"],
            &line["caller.name"]
        ),
        (&json!("token"), &json!("auth.example.com"), &json!("bob"))
    );
}

#[test]
fn a_refusal_says_why_and_a_failure_with_what_code() {
    let stage = Stage::new();
    let alice = user("alice");
    for outcome in [
        Outcome::Refused("no rule grants it"),
        Outcome::Failed("INVALID_UPDATE"),
    ] {
        stage.audit.record(&event(Actor::from(&alice), outcome));
    }
    let lines = stage.lines();
    assert_eq!(lines[0]["outcome"], "refused");
    assert_eq!(lines[0]["reason"], "no rule grants it");
    assert_eq!(lines[1]["outcome"], "failed");
    assert_eq!(lines[1]["code"], "INVALID_UPDATE");
}

#[test]
fn who_only_claims_to_be_somebody_is_told_from_who_is() {
    let stage = Stage::new();
    stage
        .audit
        .record(&event(Actor::Claimed("alice"), Outcome::Refused("wrong")));
    assert_eq!(stage.lines()[0]["caller.kind"], "unproven");
    assert_eq!(stage.lines()[0]["caller.name"], "alice");
}

#[test]
fn what_a_client_sends_can_neither_forge_a_line_nor_make_it_long() {
    let stage = Stage::new();
    let name = format!(
        "x\n{{\"event\":\"forged\"}}\u{1b}[31m\u{2028}{}",
        "ü".repeat(9_999)
    );
    let alice = user(&name);
    let files: Vec<_> = (0..500).map(|version| ("targets/a", version)).collect();
    stage.audit.record(&Event {
        act: Act::Publish {
            files: &files,
            changes: None,
        },
        gun: &name,
        ..event(Actor::from(&alice), Outcome::Refused(&name))
    });
    let text = fs::read_to_string(stage.path()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains('\u{1b}'));
    assert!(text.len() < 4096, "{}", text.len());
    let line = &stage.lines()[0];
    assert_eq!(line["event"], "publish");
    assert_eq!(line["gun"].as_str().unwrap().chars().count(), 256);
}

/// The first of `count` changes, all alike.
fn many<T: Clone>(one: &T, count: usize) -> Named<T> {
    Named {
        first: vec![one.clone(); count.min(MOST_NAMED)],
        count,
    }
}

/// A publish that changes so many of everything, under this name.
fn busy(name: &str, count: usize) -> Difference {
    let (role, name) = (Role::Targets, name.to_owned());
    let (old, new) = (Digest::Sha256([1; 32]), Digest::Sha256([2; 32]));
    let signer = Signer {
        role: "targets/a".to_owned(),
        key_id: KeyId::from("k".repeat(64).as_str()),
    };
    let tag = Tag {
        role: role.clone(),
        name: name.clone(),
        digest: new,
    };
    let moved = MovedTag {
        role,
        name,
        from: old,
        to: new,
    };
    Difference {
        added: many(&tag, count),
        moved: many(&moved, count),
        removed: many(&tag, count),
        signers_added: many(&signer, count),
        signers_removed: many(&signer, count),
        signed_by: many(&signer, count),
        unreadable: vec![Role::Targets; count.min(500)],
    }
}

fn record_changes(stage: &Stage, changes: &Difference) {
    stage.audit.record(&Event {
        act: Act::Publish {
            files: &[("targets", 7)],
            changes: Some(changes),
        },
        ..event(Actor::from(&user("alice")), Outcome::Done)
    });
}

#[test]
fn a_publish_names_what_it_changed() {
    let stage = Stage::new();
    record_changes(&stage, &busy("1.0", 1));
    let line = &stage.lines()[0];
    let (old, new) = ("01".repeat(32), "02".repeat(32));
    let key = format!("{} targets/a", "k".repeat(64));
    assert_eq!(
        line["tags.added"],
        json!([format!("targets sha256:{new} 1.0")])
    );
    assert_eq!(
        line["tags.moved"],
        json!([format!("targets sha256:{old} to sha256:{new} 1.0")])
    );
    assert_eq!(
        line["tags.removed"],
        json!([format!("targets sha256:{new} 1.0")])
    );
    for member in ["signers.added", "signers.removed", "signed_by"] {
        assert_eq!(line[member], json!([key]), "{member}");
    }
}

#[test]
fn a_publish_of_many_changes_has_a_line_of_bounded_length() {
    for (name, most) in [
        ("release-000001", 24 << 10),
        (&*"ü".repeat(9_999), 64 << 10),
    ] {
        let stage = Stage::new();
        record_changes(&stage, &busy(name, 50_000));
        let text = fs::read_to_string(stage.path()).unwrap();
        assert!(text.len() < most, "{} for {name:.20}", text.len());
        let added = &stage.lines()[0]["tags.added"];
        assert_eq!(added[MOST_NAMED], "and 49980 more");
    }
}

#[test]
fn the_file_is_made_for_its_owner_alone_and_only_ever_added_to() {
    let stage = Stage::new();
    let alice = user("alice");
    let mode = fs::metadata(stage.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Done));
    let again = Audit::to_file(&stage.path()).unwrap();
    again.record(&event(Actor::from(&alice), Outcome::Done));
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Done));
    assert_eq!(stage.lines().len(), 3);
}

#[test]
fn a_file_that_was_renamed_or_removed_is_begun_anew() {
    let stage = Stage::new();
    let alice = user("alice");
    let record = || {
        stage
            .audit
            .record(&event(Actor::from(&alice), Outcome::Done));
    };
    record();
    let rotated = stage.folder.path().join("audit.log.1");
    fs::rename(stage.path(), &rotated).unwrap();
    record();
    record();
    assert_eq!(lines(&rotated).len(), 1);
    assert_eq!(stage.lines().len(), 2);
    fs::remove_file(stage.path()).unwrap();
    record();
    assert_eq!(stage.lines().len(), 1);
}

#[test]
fn a_folder_that_is_gone_stops_nothing_and_the_file_is_there_again_with_it() {
    let stage = Stage::new();
    let alice = user("alice");
    let moved = stage.folder.path().with_extension("moved");
    fs::rename(stage.folder.path(), &moved).unwrap();
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Done));
    fs::rename(&moved, stage.folder.path()).unwrap();
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Done));
    let lines = stage.lines();
    assert_eq!(lines[0]["event"], "log.unwritten");
    assert_eq!(lines[0]["count"], 1);
    assert_eq!(lines[1]["event"], "publish");
    assert_eq!(lines.len(), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Audit::to_file(folder.path()).is_err());
    assert!(Audit::to_file(Path::new("/dev/full")).is_err());
    assert!(Audit::to_file(&folder.path().join("none/audit.log")).is_err());
}

#[test]
fn hostile_names_stay_in_their_field() {
    let stage = Stage::new();
    let hostile = "x\n\u{85}\u{9b}31m\u{2028}\u{202e}\u{7f}";
    let refused = Outcome::Refused(hostile);
    stage.audit.record(&event(Actor::Claimed(hostile), refused));
    let text = fs::read_to_string(stage.path()).unwrap();
    let line = text.strip_suffix('\n').unwrap();
    let is_bad = |c: char| c.is_control() || "\u{2028}\u{202e}".contains(c);
    assert!(!line.contains(is_bad), "{line:?}");
    let lines = stage.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["caller.name"], hostile);
}

#[test]
fn guessing_leaves_a_hundred_lines_a_second_and_then_a_count() {
    let stage = Stage::new();
    let guess = || {
        let guess = event(Actor::Claimed("alice"), Outcome::Refused("wrong"));
        stage.audit.record(&guess);
    };
    for _ in 0..1000 {
        guess();
    }
    assert_eq!(stage.lines().len(), 100);
    stage.pass(1000);
    guess();
    let lines = stage.lines();
    assert_eq!(lines.len(), 102);
    assert_eq!(lines[100]["event"], "left-out");
    assert_eq!(lines[100]["count"], 900);
    assert_eq!(lines[101]["event"], "publish");
}

#[test]
fn strangers_cannot_use_up_the_lines_of_those_who_are_known_nor_of_what_was_done() {
    let stage = Stage::new();
    let (alice, nobody) = (user("alice"), Caller::anonymous());
    for _ in 0..200 {
        let refused = Outcome::Refused("no rule grants it");
        stage.audit.record(&event(Actor::from(&nobody), refused));
    }
    stage
        .audit
        .record(&event(Actor::from(&alice), Outcome::Refused("no")));
    stage
        .audit
        .record(&event(Actor::from(&nobody), Outcome::Done));
    let lines = stage.lines();
    assert_eq!(lines.len(), 102);
    assert_eq!(lines[100]["caller.name"], "alice");
    assert_eq!(lines[101]["outcome"], "done");
}

#[test]
fn what_was_left_out_is_counted_at_the_end_of_the_program_too() {
    let Stage { folder, audit, .. } = Stage::new();
    for _ in 0..103 {
        audit.record(&event(Actor::Claimed(""), Outcome::Refused("wrong")));
    }
    drop(audit);
    let lines = lines(&folder.path().join("audit.log"));
    assert_eq!(lines.last().unwrap()["count"], 3);
}
