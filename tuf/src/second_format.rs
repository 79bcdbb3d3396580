//! The whole crate with a second metadata format, which exists for these tests alone: nothing
//! outside of [`wire`](crate::wire) may know a format.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

use crate::{
    client::{ClientOutcome, FileRequest, WalkError, walk},
    encoding::canonical,
    fault::{DelegationFault, Fault, MetaFault, Refusal, RootFault},
    files::{Draft, File, Limits, SnapshotView, Stored, StoredFile, Uploaded},
    gun::Gun,
    key::{KeyAlgorithm, PrivateKey},
    role::Role,
    rules::meta::check_listed,
    update::{Update, check},
    wire::MetadataFormat,
};

const SKETCH: MetadataFormat = MetadataFormat::SKETCH;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// A repository in which one key signs everything.
struct Repository {
    gun: Gun,
    key: PrivateKey,
    stored: Stored,
    /// Every file that was ever stored.
    files: Vec<File>,
}

impl Repository {
    /// Targets delegate to `sketch-a`, which delegates to `sketch-b`.
    fn new() -> Self {
        let mut repository = Self {
            gun: Gun::parse("example.com/app").expect("a name"),
            key: PrivateKey::generate(KeyAlgorithm::Ed25519).expect("random bytes"),
            stored: Stored::default(),
            files: Vec::new(),
        };
        repository
            .publish(&[
                ("root", repository.root(1)),
                ("targets", repository.targets(1, &["sketch-a"])),
                ("sketch-a", repository.targets(1, &["sketch-b"])),
                ("sketch-b", repository.targets(1, &[])),
            ])
            .expect("a good update");
        repository
    }

    fn key_id(&self) -> &str {
        self.key.public().id().as_str()
    }

    fn role_keys(&self) -> Value {
        json!({"keyids": [self.key_id()], "threshold": 1})
    }

    fn keys(&self) -> Value {
        let public = hex::encode(self.key.public().public_bytes());
        json!({self.key_id(): {"keyval": {"public": public}}})
    }

    fn root(&self, version: i64) -> Value {
        let keys = self.role_keys();
        json!({"_type": "root", "version": version, "keys": self.keys(), "roles":
            {"root": keys, "targets": keys, "snapshot": keys, "timestamp": keys}})
    }

    fn targets(&self, version: i64, below: &[&str]) -> Value {
        let role = |name: &&str| {
            let mut role = self.role_keys();
            role["name"] = json!(name);
            role
        };
        let roles: Vec<Value> = below.iter().map(role).collect();
        let delegations = json!({"keys": self.keys(), "roles": roles});
        json!({"_type": "targets", "version": version, "delegations": delegations})
    }

    fn sign(&self, mut signed: Value) -> Vec<u8> {
        signed["spec_version"] = json!("1.0.34");
        signed["expires"] = json!("2030-01-01T00:00:00Z");
        let message = canonical::encode(signed.to_string().as_bytes()).expect("it can be signed");
        let sig = hex::encode(self.key.sign(&message).expect("a signature"));
        let signatures = json!([{"keyid": self.key_id(), "sig": sig}]);
        json!({"signed": signed, "signatures": signatures})
            .to_string()
            .into()
    }

    fn update(&self, parts: &[(&str, Value)]) -> Update {
        let mut update = Update::default();
        for (name, signed) in parts {
            let role = Role::parse(name).expect("a role");
            let bytes = self.sign(signed.clone()).into();
            let file = Uploaded::read(role, bytes, &Limits::default());
            update.insert(file.expect("it can be read"));
        }
        update
    }

    fn seal(&self, draft: Draft) -> File {
        let signature = self.key.sign(draft.message()).expect("a signature");
        let id = self.key.public().id().clone();
        draft
            .seal(vec![(id, signature)])
            .expect("the key is root's")
    }

    fn publish(&mut self, parts: &[(&str, Value)]) -> Result<(), Refusal> {
        let accepted = check(&self.gun, &self.stored, self.update(parts), NOW)?;
        self.stored.format = SKETCH;
        let made = accepted.snapshot_to_make(NOW).map(|draft| self.seal(draft));
        let snapshot = made.as_ref().or(accepted.files().last());
        let snapshot = snapshot.expect("it was made or sent").clone();
        let timestamp = self.seal(accepted.timestamp_to_make(&snapshot, NOW));
        let files = accepted.into_files().into_iter().chain(made);
        for file in files.chain([timestamp]) {
            self.stored.insert(StoredFile::from(file.clone()));
            self.files.push(file);
        }
        Ok(())
    }

    fn file(&self, role: &Role) -> &File {
        let stored = self.stored.get(role).expect("it is stored");
        stored.file().expect("it can be read")
    }

    fn walk(&self) -> Result<ClientOutcome, WalkError> {
        let find = |role: &Role, wanted| {
            let mut files = self.files.iter().filter(|file| file.role() == role);
            let found = match wanted {
                FileRequest::Newest => files.max_by_key(|file| file.version()),
                FileRequest::Version(version) => files.find(|file| file.version() == version),
                FileRequest::Sha256(sha256) => files.find(|file| file.checksums().sha256 == sha256),
            };
            found.map(|file| file.bytes().clone())
        };
        walk(SKETCH, &self.gun, &find, NOW)
    }
}

#[test]
fn a_repository_is_published_and_walked_in_its_own_format() {
    let mut repository = Repository::new();
    let snapshot = repository.file(&Role::Snapshot);
    assert_eq!(snapshot.format(), SKETCH);
    let view = SnapshotView::parse(SKETCH, snapshot.bytes()).expect("a snapshot");
    let names: Vec<&str> = view.listed.names().collect();
    assert_eq!(
        names,
        ["sketch-a", "sketch-b", "targets"],
        "root is not listed"
    );
    let text = String::from_utf8(snapshot.bytes().to_vec()).expect("JSON");
    assert!(text.contains(r#""meta":{"sketch-a.json":{"hashes":{"sha256":""#));
    assert_eq!(
        repository.walk().expect("clients can follow").files.len(),
        6
    );

    let next = repository.targets(2, &[]);
    repository
        .publish(&[("sketch-b", next)])
        .expect("who delegates to it is found");
    let outcome = repository.walk().expect("clients can follow");
    let files = outcome.files.iter();
    let versions = files.map(|file| (file.role.to_string(), file.version));
    assert!(
        versions
            .collect::<Vec<_>>()
            .contains(&("sketch-b".to_owned(), 2))
    );
    let third = repository.root(2);
    repository.publish(&[("root", third)]).expect("a new root");
    let outcome = repository.walk().expect("clients can follow");
    assert_eq!(outcome.root().version(), 2, "the newest root is current");
}

#[test]
fn any_file_may_delegate_to_any_name_and_one_has_to() {
    let repository = Repository::new();
    let update = repository.update(&[("sketch-b", repository.targets(2, &[]))]);
    let listed = ["targets", "sketch-a", "sketch-b"].map(|name| Role::parse(name).expect("a role"));
    let needed = update.needed_roles(listed.iter().map(Role::as_str));
    assert_eq!(needed, BTreeSet::from(listed), "names tell nothing");

    let mut repository = repository;
    let stray = Role::parse("sketch-c").expect("a role");
    let refusal = repository.publish(&[("sketch-c", repository.targets(1, &[]))]);
    let fault = Fault::from(DelegationFault::NotDelegated(stray));
    assert_eq!(refusal, Err(Refusal::Targets(fault)));
    let parts = [
        ("sketch-b", repository.targets(2, &["sketch-c"])),
        ("sketch-c", repository.targets(1, &[])),
    ];
    repository
        .publish(&parts)
        .expect("what is sent delegates to it");
}

#[test]
fn a_root_is_followed_by_the_next_version_only() {
    let mut repository = Repository::new();
    for (sent, is_taken) in [(1, false), (3, false), (2, true)] {
        let root = repository.root(sent);
        let outcome = repository.publish(&[("root", root)]);
        let fault = Fault::from(RootFault::VersionSkipped { current: 1, sent });
        let expected = if is_taken {
            Ok(())
        } else {
            Err(Refusal::Root(fault))
        };
        assert_eq!(outcome, expected);
    }
}

#[test]
fn a_root_of_strange_keys_is_refused() {
    let mut repository = Repository::new();
    let own = std::mem::replace(
        &mut repository.key,
        PrivateKey::generate(KeyAlgorithm::Ed25519).expect("random bytes"),
    );
    let root = repository.root(2);
    let fault = Fault::from(RootFault::NotSignedByPrevious);
    assert_eq!(
        repository.publish(&[("root", root)]),
        Err(Refusal::Root(fault))
    );
    repository.key = own;
    let root = repository.root(2);
    assert_eq!(repository.publish(&[("root", root)]), Ok(()));
}

#[test]
fn versions_are_compared_and_hashes_may_be_missing() {
    let mut repository = Repository::new();
    let snapshot = |version: i64| json!({"_type": "snapshot", "version": 2, "meta": {"targets.json": {"version": version}}});
    let parse = |repository: &Repository, version| {
        let bytes = repository.sign(snapshot(version)).into();
        File::parse(SKETCH, Role::Snapshot, bytes).expect("a snapshot")
    };
    let targets = repository.file(&Role::Targets);
    for (version, expected) in [
        (1, Ok(())),
        (
            2,
            Err(MetaFault::Version {
                role: Role::Targets,
                version: 1,
                listed: 2,
            }),
        ),
    ] {
        let listing = parse(&repository, version);
        let checked = listing.check(crate::files::Strictness::Sent);
        let meta = checked.expect("in order").meta().expect("whole");
        assert_eq!(check_listed(meta, targets), expected);
    }
    repository
        .publish(&[("snapshot", snapshot(1))])
        .expect("clients may sign the snapshot");
    let roles = |outcome: ClientOutcome| outcome.files.into_iter().map(|file| file.role);
    let walked: Vec<Role> = roles(repository.walk().expect("found by version")).collect();
    assert_eq!(
        walked,
        [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets]
    );
}
