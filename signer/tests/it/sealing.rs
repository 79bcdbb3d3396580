//! Two signatures by one call.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proto::extension::{
    Filling, MAX_PIECES, Piece, SealBothRequest, SealBothResponse, piece::Kind,
    sealing_client::SealingClient,
};
use ring::digest::{SHA256, SHA512, digest};
use tonic::{Code, Status};
use tuf::{KeyType, PublicKey};

use crate::support::{TestSigner, id_of};

const UNKNOWN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn text(text: &str) -> Piece {
    let text = text.to_owned().into();
    Piece {
        kind: Some(Kind::Text(text)),
    }
}

fn filling(filling: Filling) -> Piece {
    Piece {
        kind: Some(Kind::Filling(filling.into())),
    }
}

/// A request of every piece that there is.
fn asking(first: &str, second: &str) -> SealBothRequest {
    SealBothRequest {
        first_key_id: first.to_owned(),
        first_content: "the first".into(),
        first_file: vec![
            text("<"),
            filling(Filling::Content),
            text("|"),
            filling(Filling::Signature),
            text(">"),
        ],
        second_key_id: second.to_owned(),
        second_content: vec![
            text("256 "),
            filling(Filling::Sha256),
            text(" 512 "),
            filling(Filling::Sha512),
        ],
    }
}

async fn seal(signer: &TestSigner, request: SealBothRequest) -> Result<SealBothResponse, Status> {
    let mut client = SealingClient::new(signer.router.clone());
    Ok(client.seal_both(request).await?.into_inner())
}

/// A key, and its id.
async fn key(signer: &TestSigner, algorithm: &str, role: &str) -> (PublicKey, String) {
    let made = signer.create(algorithm, "a", role).await.unwrap();
    let key = PublicKey::new(KeyType::from(algorithm), made.public_key.to_vec());
    (key, id_of(&made))
}

#[tokio::test]
async fn the_second_signature_is_over_the_checksums_of_the_file_with_the_first() {
    let signer = TestSigner::start().await;
    let (snapshot, first) = key(&signer, "ecdsa", "snapshot").await;
    let (timestamp, second) = key(&signer, "ed25519", "timestamp").await;
    let mut large = asking(&first, &second);
    large.first_content = vec![b'x'; 1 << 20].into();
    for request in [asking(&first, &second), large] {
        let content = request.first_content.clone();
        let both = seal(&signer, request).await.unwrap();
        let signature = &both.first_signature;
        assert!(snapshot.verifies(&snapshot.signature_method(), &content, signature));
        let encoded = STANDARD.encode(signature);
        let file = [b"<", &content[..], b"|", encoded.as_bytes(), b">"].concat();
        let expected = format!(
            "256 {} 512 {}",
            STANDARD.encode(digest(&SHA256, &file)),
            STANDARD.encode(digest(&SHA512, &file))
        );
        let method = timestamp.signature_method();
        assert!(timestamp.verifies(&method, expected.as_bytes(), &both.second_signature));
    }
    // Both have signed, so both are pending no more.
    assert_ne!(key(&signer, "ecdsa", "snapshot").await.1, first);
    assert_ne!(key(&signer, "ed25519", "timestamp").await.1, second);
}

#[tokio::test]
async fn unless_both_keys_are_there_neither_signs() {
    let signer = TestSigner::start().await;
    let (_, id) = key(&signer, "ecdsa", "snapshot").await;
    for (first, second) in [(id.as_str(), UNKNOWN), (UNKNOWN, id.as_str())] {
        let status = seal(&signer, asking(first, second)).await.unwrap_err();
        let expected = format!("signing key not found: {UNKNOWN}");
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, &*expected)
        );
    }
    assert_eq!(
        key(&signer, "ecdsa", "snapshot").await.1,
        id,
        "it is pending"
    );
}

#[tokio::test]
async fn an_open_pending_key_that_another_signer_deleted_seals_nothing() {
    let signer = TestSigner::start().await;
    let other = signer.beside().await;
    let (_, kept) = key(&signer, "ecdsa", "snapshot").await;
    for gone_is_first in [true, false] {
        let (_, gone) = key(&signer, "ecdsa", "timestamp").await;
        other.delete(&gone).await.unwrap();
        signer.describe(&gone).await.expect("it is still open");
        let request = if gone_is_first {
            asking(&gone, &kept)
        } else {
            asking(&kept, &gone)
        };
        let status = seal(&signer, request).await.unwrap_err();
        let expected = format!("signing key not found: {gone}");
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, &*expected)
        );
        let described = signer.describe(&gone).await;
        assert_eq!(described.unwrap_err().code(), Code::NotFound, "it left");
    }
    let (_, new) = key(&signer, "ecdsa", "timestamp").await;
    seal(&signer, asking(&kept, &new)).await.unwrap();
}

#[tokio::test]
async fn a_request_that_makes_no_sense_or_would_grow_is_refused() {
    let signer = TestSigner::start().await;
    let (_, id) = key(&signer, "ecdsa", "snapshot").await;
    let good = asking(&id, &id);
    let change = |change: fn(&mut SealBothRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for request in [
        change(|request| request.first_key_id.clear()),
        change(|request| request.second_key_id.truncate(63)),
        change(|request| request.first_file.push(filling(Filling::Content))),
        change(|request| request.first_file.push(filling(Filling::Sha256))),
        change(|request| request.first_file.push(filling(Filling::Unspecified))),
        change(|request| request.first_file.push(Piece { kind: None })),
        change(|request| request.first_file = vec![text(""); MAX_PIECES + 1]),
        change(|request| request.second_content.push(filling(Filling::Content))),
        change(|request| request.second_content.push(filling(Filling::Signature))),
        change(|request| request.second_content = vec![text(""); MAX_PIECES + 1]),
        change(|request| {
            let unknown = Some(Kind::Filling(77));
            request.second_content.push(Piece { kind: unknown });
        }),
    ] {
        let status = seal(&signer, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
    }
    let too_large = change(|request| {
        request.first_file = vec![text(&"x".repeat(proto::MAX_REQUEST))];
    });
    let status = seal(&signer, too_large).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        key(&signer, "ecdsa", "snapshot").await.1,
        id,
        "nothing signed"
    );
    seal(&signer, good).await.unwrap();
}
