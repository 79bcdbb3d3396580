//! Everything that was ever stored of a repository, as a client asks for it.

use bytes::Bytes;
use fixtures::{Key, Part, Publisher, clock};
use time::OffsetDateTime;
use tuf::{ClientOutcome, File, FileRequest, MetadataFormat, Role, WalkError, walk};

use crate::given::{GUN, Server, file, role_named};

/// Everything that a server ever stored of one repository.
pub(crate) struct Archive {
    pub(crate) server: Server,
    pub(crate) files: Vec<File>,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self {
            server: Server::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn publish(&mut self, parts: &[Part]) {
        self.files.extend(self.server.publish(parts));
    }

    /// Stores parts as they are, with the timestamp that an older server would have made.
    pub(crate) fn keep(&mut self, parts: &[Part]) {
        let files = parts.iter().map(|(role, bytes)| file(role, bytes));
        self.files.extend(files);
        self.server.keep(parts);
        let none = file(
            "timestamp",
            br#"{"signed":{"_type":"Timestamp","version":1,"meta":{"snapshot":
            {"hashes":{"sha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}}}"#,
        );
        let [root, snapshot] = [Role::Root, Role::Snapshot].map(|role| {
            let stored = self.server.stored.get(&role).expect("it was kept");
            stored.file().expect("it can be read").clone()
        });
        let draft = tuf::renew_timestamp(&root, &snapshot, &none, clock()).expect("a draft");
        let timestamp = self.server.seal(draft);
        self.server.stored.insert(timestamp.clone().into());
        self.files.push(timestamp);
    }

    pub(crate) fn find(&self, role: &Role, wanted: FileRequest) -> Option<Bytes> {
        let mut files = self.files.iter().filter(|file| file.role() == role);
        let found = match wanted {
            FileRequest::Newest => files.max_by_key(|file| file.version()),
            FileRequest::Version(version) => files.find(|file| file.version() == version),
            FileRequest::Sha256(sha256) => files.find(|file| file.checksums().sha256 == sha256),
        };
        found.map(|file| file.bytes().clone())
    }

    pub(crate) fn walk_at(&self, now: OffsetDateTime) -> Result<ClientOutcome, WalkError> {
        walk(
            MetadataFormat::NOTARY,
            &GUN,
            &|role, wanted| self.find(role, wanted),
            now,
        )
    }

    pub(crate) fn walk(&self) -> ClientOutcome {
        self.walk_at(clock()).expect("clients can follow")
    }

    /// The walk with the bytes of one role's files replaced, however they are asked for.
    pub(crate) fn walk_with(
        &self,
        replaced: &str,
        bytes: Option<Vec<u8>>,
    ) -> Result<ClientOutcome, WalkError> {
        let replaced = role_named(replaced);
        let bytes = bytes.map(Bytes::from);
        let files = |role: &Role, wanted| {
            if *role == replaced {
                bytes.clone()
            } else {
                self.find(role, wanted)
            }
        };
        walk(MetadataFormat::NOTARY, &GUN, &files, clock())
    }

    /// The bytes of a role's newest file.
    pub(crate) fn newest(&self, role: &str) -> Bytes {
        let found = self.find(&role_named(role), FileRequest::Newest);
        found.expect("the role was published")
    }

    pub(crate) fn lose(&mut self, role: &str, version: i64) {
        let role = role_named(role);
        self.files
            .retain(|file| (file.role(), file.version()) != (&role, version));
    }
}

pub(crate) fn published() -> (Archive, Publisher) {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    archive.publish(&owner.first_publish());
    (archive, owner)
}

/// A repository whose root key was replaced twice, the first key being gone from the third root.
pub(crate) fn rotated() -> Archive {
    let (mut archive, mut owner) = published();
    owner.rotate_root();
    archive.publish(&owner.next(&["root"]));
    owner.rotate_root();
    owner.root.signers.remove(0);
    archive.publish(&owner.next(&["root"]));
    archive
}

pub(crate) fn with_delegations() -> (Archive, Publisher) {
    let (mut archive, mut owner) = published();
    let keys = [Key::throw_away_ecdsa()];
    owner.delegate("targets", "a", &keys, &[""], 1);
    owner.delegate("targets/a", "b", &keys, &[""], 1);
    archive.publish(&owner.next(&["targets", "targets/a", "targets/a/b"]));
    (archive, owner)
}
