//! A repository in memory: what a server does with this crate, without the server.

use std::sync::LazyLock;

use fixtures::{Part, Publisher, clock};
use time::OffsetDateTime;
use tuf::{
    Accepted, Draft, EnvelopeFault, Fault, File, Gun, InvalidUpload, KeyAlgorithm, Limits,
    MetadataFormat, Place, PrivateKey, Refusal, Role, SignatureFault, Stored, StructureFault,
    StructureProblem, SyntaxError, Update, Uploaded, check,
};

/// A server that holds the snapshot and timestamp keys of one repository, and what it stored.
pub(crate) struct Server {
    pub(crate) gun: Gun,
    pub(crate) stored: Stored,
    pub(crate) snapshot: PrivateKey,
    pub(crate) timestamp: PrivateKey,
}

pub(crate) static GUN: LazyLock<Gun> = LazyLock::new(|| Gun::parse("example.com/app").unwrap());

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            gun: GUN.clone(),
            stored: Stored::default(),
            snapshot: PrivateKey::generate(KeyAlgorithm::Ecdsa).unwrap(),
            timestamp: PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap(),
        }
    }

    /// An owner who leaves the snapshot to this server.
    pub(crate) fn owner(&self) -> Publisher {
        self.client()
            .with_server_key("snapshot", self.snapshot.public().public_bytes(), "ecdsa")
    }

    /// An owner who makes the snapshot herself.
    pub(crate) fn independent_owner(&self) -> Publisher {
        self.client().holds_snapshot(true)
    }

    fn client(&self) -> Publisher {
        let timestamp = self.timestamp.public().public_bytes();
        Publisher::new(self.gun.as_str()).with_server_key("timestamp", timestamp, "ed25519")
    }

    /// What the server says to an upload.
    pub(crate) fn judge(&self, parts: &[Part]) -> Result<Accepted, Refusal> {
        check(&self.gun, &self.stored, try_update(parts)?, clock())
    }

    pub(crate) fn refusal(&self, parts: &[Part]) -> Refusal {
        self.judge(parts).expect_err("the update is refused")
    }

    /// Publishes an upload that is accepted.
    pub(crate) fn publish(&mut self, parts: &[Part]) -> Vec<File> {
        let accepted = self.judge(parts).expect("the update is accepted");
        let mut files = accepted.files().to_vec();
        if let Some(draft) = accepted.snapshot_to_make(clock()) {
            files.push(self.seal(draft));
        }
        let snapshot = match files.last() {
            Some(file) if *file.role() == Role::Snapshot => file,
            _ => panic!("every publish has a snapshot"),
        };
        let timestamp = self.seal(accepted.timestamp_to_make(snapshot, clock()));
        files.push(timestamp);
        for file in &files {
            self.store(file);
        }
        files
    }

    /// Signs a draft with the one key that the server holds for its role.
    pub(crate) fn seal(&self, draft: Draft) -> File {
        let key = if *draft.role() == Role::Snapshot {
            &self.snapshot
        } else {
            &self.timestamp
        };
        let signature = key.sign(draft.message()).unwrap();
        draft
            .seal(vec![(key.public().id().clone(), signature)])
            .expect("the signature is good")
    }

    fn store(&mut self, file: &File) {
        let bytes = file.bytes().clone();
        self.stored.insert_bytes(file.role().clone(), bytes);
    }

    /// Stores parts as they are, as an older server did.
    pub(crate) fn keep(&mut self, parts: &[Part]) {
        for (role, bytes) in parts {
            self.store(&file(role, bytes));
        }
    }
}

/// An upload of these parts.
pub(crate) fn update(parts: &[Part]) -> Update {
    try_update(parts).expect("the parts are read in one way only")
}

fn try_update(parts: &[Part]) -> Result<Update, Refusal> {
    let mut update = Update::default();
    for (role, bytes) in parts {
        match uploaded(role, bytes) {
            Ok(file) => update.insert(file),
            Err(InvalidUpload::Refused(refusal) | InvalidUpload::Oversized(refusal)) => {
                return Err(refusal);
            }
            Err(InvalidUpload::Malformed(fault)) => panic!("{role}: {fault}"),
        }
    }
    Ok(update)
}

pub(crate) fn uploaded(role: &str, bytes: &[u8]) -> Result<Uploaded, InvalidUpload> {
    let bytes = bytes.to_vec().into();
    Uploaded::read(role_named(role), bytes, &Limits::default())
}

pub(crate) fn file(role: &str, bytes: &[u8]) -> File {
    File::parse(
        MetadataFormat::NOTARY,
        role_named(role),
        bytes.to_vec().into(),
    )
    .expect("the part is an envelope")
}

pub(crate) fn role_named(name: &str) -> Role {
    Role::parse(name).expect("the name of a role")
}

/// The part of one role, to be changed.
pub(crate) fn part<'p>(parts: &'p mut [Part], role: &str) -> &'p mut Vec<u8> {
    let part = parts.iter_mut().find(|(name, _)| name == role);
    &mut part.expect("the role is in the upload").1
}

/// Too few of the keys of `role` signed.
pub(crate) fn shortfall(role: &str, valid: usize, threshold: i64) -> Fault {
    let role = role.to_owned();
    let fault = SignatureFault::Threshold {
        role,
        valid,
        threshold,
    };
    fault.into()
}

pub(crate) fn structure(role: &str, problem: StructureProblem) -> Fault {
    let role = role_named(role);
    StructureFault { role, problem }.into()
}

pub(crate) fn expired(role: &str, expires: Option<OffsetDateTime>) -> Fault {
    let role = role_named(role);
    Fault::Expired { role, expires }
}

/// An `x` follows the file.
pub(crate) fn trailing_x() -> Fault {
    let fault = SyntaxError::Character {
        byte: b'x',
        place: Place::AfterText,
    };
    EnvelopeFault::Trailing(fault).into()
}
