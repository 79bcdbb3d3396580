//! A snapshot and the timestamp that lists it, for a signer that signs both by one call.
//!
//! The timestamp names checksums of the sealed snapshot, which are unknown before it is signed.
//! But everything around the signature is known, and so is the length of the signature: so the
//! snapshot is written with a stand-in, and what depends on the stand-in is left to be filled in.
//! Nothing here is believed: the files are made from the signatures by [`Draft::seal`].

use super::{draft::Draft, file::File};
use crate::{
    encoding::base64,
    key::{KeyId, KeyType, PublicKey},
};

/// Bytes of the signatures that are foreseen: those of Ed25519, and of ECDSA on P-256.
const SIGNATURE: usize = 64;
/// Bytes of a snapshot from which on a plan takes longer than the call that it saves.
const LARGE: usize = 64 * 1024;
/// Bytes of a public key on P-256.
const P256_KEY: usize = 91;
/// What stands for the signature of the snapshot.
const STAND_IN: [u8; SIGNATURE] = [0xa5; SIGNATURE];

/// What a signer needs to sign a snapshot and the timestamp that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key of the snapshot.
    pub snapshot_key: KeyId,
    /// What it signs.
    pub snapshot: Vec<u8>,
    /// The file of the snapshot.
    pub file: Vec<Piece>,
    /// The key of the timestamp.
    pub timestamp_key: KeyId,
    /// What it signs.
    pub timestamp: Vec<Piece>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes as they are.
    Text(Vec<u8>),
    /// What is signed of the snapshot.
    Snapshot,
    /// The signature of the snapshot in base64.
    Signature,
    /// SHA-256 of the snapshot's file in base64.
    Sha256,
    /// SHA-512 of the snapshot's file in base64.
    Sha512,
}

impl Pair {
    /// Plans how to have `snapshot` signed, and the draft that `timestamp` makes of its file.
    /// `None` if that does not fit: each has to have one key, of a usual kind, and the holes have
    /// to be where they are expected; or if the snapshot is so large that it would not pay.
    pub fn plan(snapshot: &Draft, timestamp: impl FnOnce(&File) -> Draft) -> Option<Self> {
        let key = snapshot.only_key().filter(|key| has_usual_signature(key))?;
        if snapshot.message().len() >= LARGE {
            return None;
        }
        let stand_in = (key.id().clone(), key.signature_method(), STAND_IN.to_vec());
        let sealed = snapshot.write(&[stand_in]);
        let timestamp = timestamp(&sealed);
        let file = [Piece::Text(sealed.bytes().to_vec())];
        let file = cut(
            &file,
            base64::encode(&STAND_IN).as_bytes(),
            &Piece::Signature,
        )?;
        // Where a file spells characters in another way than what is signed, it is sent as well.
        let file = cut(&file, snapshot.message(), &Piece::Snapshot).unwrap_or(file);
        let checksums = sealed.checksums();
        let text = [Piece::Text(timestamp.message().to_vec())];
        let sha256 = base64::encode(&checksums.sha256);
        let sha512 = base64::encode(&checksums.sha512);
        let text = cut(&text, sha256.as_bytes(), &Piece::Sha256)?;
        let text = cut(&text, sha512.as_bytes(), &Piece::Sha512)?;
        Some(Self {
            snapshot_key: key.id().clone(),
            snapshot: snapshot.message().to_vec(),
            file,
            timestamp_key: timestamp.only_key()?.id().clone(),
            timestamp: text,
        })
    }
}

/// Whether the signatures of `key` are as long as the stand-in.
fn has_usual_signature(key: &PublicKey) -> bool {
    match key.key_type() {
        KeyType::Ed25519 => true,
        KeyType::Ecdsa => key.public_bytes().len() == P256_KEY,
        _ => false,
    }
}

/// `pieces` with `hole` in the place of `text`; `None` if that does not occur exactly once.
fn cut(pieces: &[Piece], text: &[u8], hole: &Piece) -> Option<Vec<Piece>> {
    let mut cut = Vec::new();
    let mut found = 0;
    for piece in pieces {
        let Piece::Text(bytes) = piece else {
            cut.push(piece.clone());
            continue;
        };
        let mut rest = bytes.as_slice();
        while let Some(at) = find(rest, text) {
            found += 1;
            cut.push(Piece::Text(rest[..at].to_vec()));
            cut.push(hole.clone());
            rest = &rest[at + text.len()..];
            if found > 1 {
                return None;
            }
        }
        cut.push(Piece::Text(rest.to_vec()));
    }
    (found == 1).then_some(cut)
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_where_its_text_occurs_exactly_once() {
        let text = |text: &str| Piece::Text(text.as_bytes().to_vec());
        let pieces = [text("one two"), Piece::Snapshot, text("three")];
        let expected = [
            text("one "),
            Piece::Signature,
            text(""),
            Piece::Snapshot,
            text("three"),
        ];
        let cut_out = cut(&pieces, b"two", &Piece::Signature);
        assert_eq!(cut_out.as_deref(), Some(&expected[..]));
        for twice_or_never in ["o", "e", "four"] {
            let cut_out = cut(&pieces, twice_or_never.as_bytes(), &Piece::Signature);
            assert_eq!(cut_out, None, "{twice_or_never}");
        }
    }

    #[test]
    fn signatures_of_another_length_are_not_foreseen() {
        let key = |key_type, length| PublicKey::new(key_type, vec![0; length]);
        assert!(has_usual_signature(&key(KeyType::Ed25519, 32)));
        assert!(has_usual_signature(&key(KeyType::Ecdsa, P256_KEY)));
        assert!(!has_usual_signature(&key(KeyType::Ecdsa, 120)));
        assert!(!has_usual_signature(&key(KeyType::Rsa, 294)));
        assert!(!has_usual_signature(&key(KeyType::EcdsaX509, P256_KEY)));
    }
}
