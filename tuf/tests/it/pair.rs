//! A snapshot and its timestamp for a signer that signs both by one call.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fixtures::{Key, clock};
use tuf::{Checksums, Draft, File, Pair, Piece, renew_snapshot};

use crate::given::{Server, file};

/// What a signer makes of `pieces`, knowing nothing of what they mean.
fn fill(pieces: &[Piece], content: &[u8], signature: &[u8], file: &[u8]) -> Vec<u8> {
    let checksums = Checksums::of(file);
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(bytes) => text.extend_from_slice(bytes),
            Piece::Snapshot => text.extend_from_slice(content),
            Piece::Signature => text.extend_from_slice(STANDARD.encode(signature).as_bytes()),
            Piece::Sha256 => text.extend_from_slice(STANDARD.encode(checksums.sha256).as_bytes()),
            Piece::Sha512 => text.extend_from_slice(STANDARD.encode(checksums.sha512).as_bytes()),
        }
    }
    text
}

#[test]
fn a_signer_that_fills_in_the_pieces_signs_both_files() {
    let server = Server::new();
    let accepted = server.judge(&server.owner().first_publish()).unwrap();
    let snapshot = accepted.snapshot_to_make(clock()).unwrap();
    let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, clock());
    let pair = Pair::plan(&snapshot, timestamp).unwrap();
    assert_eq!(pair.snapshot_key, *server.snapshot.public().id());
    assert_eq!(pair.timestamp_key, *server.timestamp.public().id());
    assert_eq!(pair.snapshot, snapshot.message());
    let holes = |pieces: &[Piece]| {
        let holes = pieces
            .iter()
            .filter(|piece| !matches!(piece, Piece::Text(_)));
        holes.cloned().collect::<Vec<_>>()
    };
    assert_eq!(holes(&pair.file), [Piece::Snapshot, Piece::Signature]);
    assert_eq!(holes(&pair.timestamp), [Piece::Sha256, Piece::Sha512]);
    assert!(pair.file.len() <= 8 && pair.timestamp.len() <= 8);

    let first = server.snapshot.sign(&pair.snapshot).unwrap();
    let file = fill(&pair.file, &pair.snapshot, &first, b"");
    let content = fill(&pair.timestamp, b"", b"", &file);
    let second = server.timestamp.sign(&content).unwrap();

    let seal = |draft: Draft, key, signature| draft.seal(vec![(key, signature)]).unwrap();
    let snapshot = seal(snapshot, pair.snapshot_key, first);
    assert_eq!(snapshot.bytes(), &file);
    let draft = timestamp(&snapshot);
    assert_eq!(draft.message(), content);
    seal(draft, pair.timestamp_key, second);
}

#[test]
fn what_several_keys_may_or_must_sign_is_signed_one_by_one() {
    let server = Server::new();
    let second = Key::throw_away_ecdsa();
    for (role, threshold) in [("snapshot", 1), ("snapshot", 2), ("timestamp", 1)] {
        let mut owner = server.owner();
        let key = if role == "snapshot" {
            &server.snapshot
        } else {
            &server.timestamp
        };
        let key = fixtures::Named {
            keytype: key.public().key_type().as_str().to_owned(),
            public: key.public().public_bytes().to_vec(),
        };
        owner.name_keys(role, &[&key, second.public()], threshold);
        let accepted = server.judge(&owner.first_publish()).unwrap();
        let snapshot = accepted.snapshot_to_make(clock()).unwrap();
        let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, clock());
        assert_eq!(Pair::plan(&snapshot, timestamp), None, "{role} {threshold}");
    }
}

#[test]
fn a_large_snapshot_is_signed_by_itself() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    let accepted = server.judge(&parts).unwrap();
    let files = server.publish(&parts);
    let text = String::from_utf8(files[2].bytes().to_vec()).unwrap();
    for (entries, is_large) in [(100, false), (2000, true)] {
        let entry = |number| format!(r#""targets/r{number}":{{"hashes":{{}},"length":1}},"#);
        let more: String = (0..entries).map(entry).collect();
        let text = text.replacen(r#""targets":{"#, &format!(r#"{more}"targets":{{"#), 1);
        let draft = renew_snapshot(&files[0], &file("snapshot", text.as_bytes()), clock()).unwrap();
        assert_eq!(draft.message().len() >= 64 * 1024, is_large);
        let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, clock());
        assert_eq!(Pair::plan(&draft, timestamp).is_none(), is_large);
    }
}
