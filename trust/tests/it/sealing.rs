//! How a snapshot and its timestamp are sealed: by one call, or by one for each.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fixtures::{Publisher, clock};
use trust::signer::{Origin, SealError, Signer, SignerError, seal_both};
use tuf::{
    Accepted, Checksums, File, Gun, KeyAlgorithm, KeyId, Limits, Pair, Piece, PrivateKey,
    PublicKey, Role, Stored, Update, Uploaded,
};

/// What a signer does when it is asked for both signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Both {
    Signs,
    Cannot,
    LacksAKey,
    SignsSomethingElse,
    SwapsSignatures,
    IsAway,
}

/// A signer that holds keys for one repository, and remembers what it was asked.
struct Double {
    keys: [PrivateKey; 2],
    both: Both,
    calls: Mutex<Vec<&'static str>>,
}

impl Double {
    fn new(both: Both) -> Arc<Self> {
        let key = |algorithm| PrivateKey::generate(algorithm).unwrap();
        Arc::new(Self {
            keys: [key(KeyAlgorithm::Ecdsa), key(KeyAlgorithm::Ed25519)],
            both,
            calls: Mutex::default(),
        })
    }

    /// A first publish of a repository whose root names the keys of this signer.
    fn accept(&self) -> Accepted {
        let [snapshot, timestamp] = &self.keys;
        let mut owner = Publisher::new("example.com/app")
            .with_server_key("snapshot", snapshot.public().public_bytes(), "ecdsa")
            .with_server_key("timestamp", timestamp.public().public_bytes(), "ed25519");
        let mut update = Update::default();
        for (role, bytes) in owner.first_publish() {
            let role = Role::parse(&role).unwrap();
            let uploaded = Uploaded::read(role, bytes.into(), &Limits::default());
            update.insert(uploaded.unwrap());
        }
        let gun = Gun::parse("example.com/app").unwrap();
        tuf::check(&gun, &Stored::default(), update, clock()).unwrap()
    }

    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }

    fn key(&self, id: &KeyId) -> &PrivateKey {
        let mut keys = self.keys.iter();
        keys.find(|key| key.public().id() == id).unwrap()
    }
}

/// What `pieces` make, once everything is known.
fn fill(pieces: &[Piece], content: &[u8], signature: &[u8], file: &[u8]) -> Vec<u8> {
    let checksums = Checksums::of(file);
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Text(bytes) => bytes.clone(),
        Piece::Snapshot => content.to_vec(),
        Piece::Signature => STANDARD.encode(signature).into_bytes(),
        Piece::Sha256 => STANDARD.encode(checksums.sha256).into_bytes(),
        Piece::Sha512 => STANDARD.encode(checksums.sha512).into_bytes(),
    });
    pieces.flatten().collect()
}

#[async_trait]
impl Signer for Double {
    async fn create_key(&self, _: &Gun, _: &Role) -> Result<PublicKey, SignerError> {
        unreachable!("keys are there")
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        Ok(self.key(id).public().clone())
    }

    async fn origins(&self, _: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        Ok(Vec::new())
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.note("one");
        Ok(self.key(key.id()).sign(message).unwrap())
    }

    async fn sign_both(&self, pair: &Pair) -> Result<Option<[Vec<u8>; 2]>, SignerError> {
        self.note("both");
        match self.both {
            Both::Cannot => return Ok(None),
            Both::LacksAKey => return Err(SignerError::KeyNotFound("it".to_owned())),
            Both::IsAway => return Err(SignerError::Unavailable("it".to_owned())),
            Both::Signs | Both::SignsSomethingElse | Both::SwapsSignatures => {}
        }
        let first = self.key(&pair.snapshot_key).sign(&pair.snapshot).unwrap();
        let file = fill(&pair.file, &pair.snapshot, &first, b"");
        let mut content = fill(&pair.timestamp, b"", b"", &file);
        if self.both == Both::SignsSomethingElse {
            content = fill(&pair.timestamp, b"", b"", b"another file");
        }
        let second = self.key(&pair.timestamp_key).sign(&content).unwrap();
        Ok(Some(match self.both {
            Both::SwapsSignatures => [second, first],
            _ => [first, second],
        }))
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }
}

async fn seal(double: &Arc<Double>) -> Result<[File; 2], SealError> {
    let accepted = double.accept();
    let draft = accepted.snapshot_to_make(clock()).unwrap();
    let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, clock());
    let signer = Arc::clone(double) as Arc<dyn Signer>;
    seal_both(&signer, draft, timestamp).await
}

#[tokio::test]
async fn an_update_takes_one_call_of_a_signer_that_signs_both_and_two_more_of_another() {
    for (both, expected) in [
        (Both::Signs, &["both"][..]),
        (Both::Cannot, &["both", "one", "one"]),
        // Which one, and whether the update is to be refused for it, shows then.
        (Both::LacksAKey, &["both", "one", "one"]),
    ] {
        let double = Double::new(both);
        let [snapshot, timestamp] = seal(&double).await.unwrap();
        assert_eq!(*double.calls.lock().unwrap(), expected, "{both:?}");
        assert_eq!(*snapshot.role(), Role::Snapshot);
        let listed = STANDARD.encode(snapshot.checksums().sha256);
        let text = std::str::from_utf8(timestamp.bytes()).unwrap();
        assert!(text.contains(&listed), "{text}");
    }
}

#[tokio::test]
async fn signatures_that_do_not_verify_make_no_file() {
    for both in [Both::SignsSomethingElse, Both::SwapsSignatures] {
        let double = Double::new(both);
        let error = seal(&double).await.unwrap_err();
        let is_told = matches!(error, SealError::Signer(SignerError::BadAnswer(_)));
        assert!(is_told, "{both:?}: {error}");
        assert_eq!(*double.calls.lock().unwrap(), ["both"]);
    }
}

#[tokio::test]
async fn a_signer_that_is_away_is_not_asked_again() {
    let double = Double::new(Both::IsAway);
    let error = seal(&double).await.unwrap_err();
    let is_told = matches!(error, SealError::Signer(SignerError::Unavailable(_)));
    assert!(is_told, "{error}");
    assert_eq!(*double.calls.lock().unwrap(), ["both"]);
}
