//! What the server accepts, Go's clients read, and read the same: files, whole and mutated, are
//! held against what the packages that Notary's client is made of find in the same bytes.

mod mutation;
mod oracle;
mod reading;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use fixtures::{Key, Part, Publisher, clock};
use harness::process::soak;
use mutation::Mutator;
use oracle::Oracle;
use reading::Reading;
use serde_json::Value;
use tuf::{File, Gun, Limits, MetadataFormat, Role, Stored, Update, Uploaded, check};

const GUN: &str = "example.com/app";

/// How many mutated files are looked at in one round; a soak has more than one.
const INPUTS: usize = 12_000;

/// An owner with a file of every kind, and a server that holds what they published first.
struct Repository {
    owner: Publisher,
    stored: Stored,
    seeds: Vec<Part>,
}

impl Repository {
    fn new() -> Self {
        let mut owner = Publisher::new(GUN).holds_snapshot(true);
        owner.add_target("targets", "v1", b"content");
        owner.targets.signed["targets"]["v1"]["custom"] = serde_json::json!({"Key": [1, "x"]});
        owner.add_target("targets", "v2/\u{e9}\n", b"other content");
        let keys = [Key::throw_away_ecdsa(), Key::throw_away_ed25519()];
        owner.delegate("targets", "a", &keys, &["", "v"], 1);
        owner.delegate("targets/a", "b", &[Key::throw_away_ed25519()], &[""], 1);
        let first = owner.first_publish();
        let mut stored = Stored::default();
        for (role, bytes) in first.iter().chain(&owner.clone().as_server()) {
            let bytes = Bytes::from(bytes.clone());
            stored.insert_bytes(Role::parse(role).expect("a role"), bytes);
        }
        let seeds = owner.next(&["root", "targets", "targets/a"]);
        Self {
            owner,
            stored,
            seeds,
        }
    }

    /// Whether the server would accept a file for `role` that says the same as `file` and is signed
    /// by the keys of the role.
    fn accepts_signed(&mut self, role: &str, file: &[u8]) -> bool {
        let Ok(mut value) = serde_json::from_slice::<Value>(file) else {
            return self.accepts(role, file);
        };
        let keys = self.owner.document_mut(role).signers.clone();
        let signatures = keys.iter().map(|key| key.signature(&value["signed"]));
        value["signatures"] = signatures.collect();
        self.accepts(role, value.to_string().as_bytes())
    }

    fn accepts(&self, role: &str, file: &[u8]) -> bool {
        let Some(file) = upload(role, file) else {
            return false;
        };
        let mut update = Update::default();
        update.insert(file);
        let gun = Gun::parse(GUN).expect("the name of a repository");
        check(&gun, &self.stored, update, clock()).is_ok()
    }
}

fn upload(role: &str, file: &[u8]) -> Option<Uploaded> {
    let role = Role::parse(role).expect("a role");
    Uploaded::read(role, Bytes::copy_from_slice(file), &Limits::default()).ok()
}

#[test]
fn what_is_accepted_is_read_by_go_and_read_the_same() -> Result<()> {
    let deadline = Instant::now() + soak();
    let mut oracle = Oracle::build_and_start()?;
    let mut repository = Repository::new();
    let mut mutator = Mutator::new(0x5eed);
    loop {
        compare(&mut oracle, &mut repository, &mut mutator)?;
        if Instant::now() >= deadline {
            return Ok(());
        }
    }
}

/// Holds one round of mutated files against what Go reads.
fn compare(oracle: &mut Oracle, repository: &mut Repository, mutator: &mut Mutator) -> Result<()> {
    let seeds = repository.seeds.clone();
    let (mut accepted, mut unlike) = (0, 0);
    let inputs: Vec<(&str, Vec<u8>)> = (0..INPUTS)
        .map(|number| {
            let (role, file) = &seeds[number % seeds.len()];
            (role.as_str(), mutator.mutate(file))
        })
        .collect();
    let answers = oracle.ask(&inputs)?;
    for ((role, file), answer) in inputs.iter().zip(answers) {
        let Some(uploaded) = upload(role, file) else {
            unlike += usize::from(reads_otherwise(role, file, &answer));
            continue;
        };
        let shown = || format!("{role}: {}", String::from_utf8_lossy(file));
        match answer {
            Ok(found) => {
                accepted += 1;
                let own = Reading::of(uploaded.file()).with_context(shown)?;
                ensure!(found == own, "{}\nGo: {found}\nwe: {own}", shown());
            }
            // Rules about what a file says, which the server checks once it has read it.
            Err(fault) => ensure!(
                !repository.accepts_signed(role, file),
                "Go reads less than the server: {fault}\n{}",
                shown()
            ),
        }
    }
    // Without these the test says nothing.
    ensure!(accepted > INPUTS / 20, "only {accepted} were accepted");
    ensure!(
        unlike > INPUTS / 20,
        "only {unlike} would be read otherwise"
    );
    Ok(())
}

/// Whether Go and a lenient reader disagree about a file, as the server would without its check.
fn reads_otherwise(role: &str, file: &[u8], answer: &Result<Reading, String>) -> bool {
    let role = Role::parse(role).expect("a role");
    let Ok(file) = File::parse(MetadataFormat::NOTARY, role, Bytes::copy_from_slice(file)) else {
        return false;
    };
    match answer {
        Ok(found) => Reading::of(&file).ok().as_ref() != Some(found),
        Err(_) => true,
    }
}

/// Files that Notary's clients read otherwise than its server, or not at all: each was accepted
/// once.
#[test]
fn known_files_that_go_reads_otherwise_are_refused() -> Result<()> {
    let mut oracle = Oracle::build_and_start()?;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/readings");
    let mut seen = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().context("a name")?.to_string_lossy();
        let (role, case) = name.split_once('.').context("ROLE.CASE.json")?;
        let role = role.replace('+', "/");
        let file = fs::read(&path)?;
        let answers = oracle.ask(&[(&role, file.clone())])?;
        let uploaded = upload(&role, &file);
        if case == "whole" {
            let uploaded = uploaded.with_context(|| format!("{name} is refused"))?;
            ensure!(answers == [Ok(Reading::of(uploaded.file())?)], "{name}");
        } else {
            ensure!(uploaded.is_none(), "{name} is accepted");
            ensure!(reads_otherwise(&role, &file, &answers[0]), "{name}");
        }
        seen += 1;
    }
    ensure!(seen >= 20, "only {seen} files");
    Ok(())
}
