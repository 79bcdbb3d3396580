//! The messages against bodies recorded from Notary 0.7's signer.

use prost::Message;
use proto::{
    CreateKeyRequest, GetKeyInfoResponse, KeyId, PublicKey, Signature, SignatureRequest, Void,
};
use serde_json::Value;

const RECORDED: &str = include_str!("../../../fixtures/vectors/signer-grpc.json");

/// What `bytes` become when decoded as `M` and encoded again; anything that `M` has no field
/// for is lost on the way.
fn again<M: Message + Default>(bytes: &[u8]) -> Vec<u8> {
    M::decode(bytes)
        .expect("a recorded body decodes")
        .encode_to_vec()
}

/// [`again`] for one kind of message.
type Again = fn(&[u8]) -> Vec<u8>;

fn bytes(case: &Value, member: &str) -> Option<Vec<u8>> {
    Some(hex::decode(case[member].as_str()?).unwrap())
}

#[test]
fn recorded_bodies_survive_decoding_and_encoding() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let mut seen = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let (request, answer): (Again, Again) = match case["method"].as_str().unwrap() {
            "/proto.KeyManagement/CreateKey" => (again::<CreateKeyRequest>, again::<PublicKey>),
            "/proto.KeyManagement/GetKeyInfo" => (again::<KeyId>, again::<GetKeyInfoResponse>),
            "/proto.KeyManagement/DeleteKey" => (again::<KeyId>, again::<Void>),
            "/proto.Signer/Sign" => (again::<SignatureRequest>, again::<Signature>),
            "/grpc.health.v1.Health/Check" | "/proto.Signer/Nope" => continue,
            other => panic!("{other} is recorded, but not in the protocol"),
        };
        seen += 1;
        let body = bytes(case, "request_hex").unwrap();
        assert_eq!(hex::encode(request(&body)), hex::encode(&body), "{case}");
        if let Some(body) = bytes(case, "response_hex") {
            assert_eq!(hex::encode(answer(&body)), hex::encode(&body), "{case}");
        }
    }
    assert!(seen >= 10, "{seen} bodies");
}

#[test]
fn the_extension_has_a_package_of_its_own() {
    use proto::extension::{GetOriginsRequest, GetOriginsResponse, Origin};
    assert_eq!(
        proto::extension::key_origin_server::SERVICE_NAME,
        "countersign.v1.KeyOrigin"
    );
    let request = GetOriginsRequest {
        key_ids: vec!["i".into()],
    };
    assert_eq!(request.encode_to_vec(), b"\x0a\x01i");
    let answer = GetOriginsResponse {
        origins: vec![Origin {
            key_id: "i".into(),
            gun: "g".into(),
            role: "r".into(),
        }],
    };
    assert_eq!(
        answer.encode_to_vec(),
        b"\x0a\x09\x0a\x01i\x12\x01g\x1a\x01r"
    );
}

#[test]
fn both_signatures_are_asked_for_in_pieces() {
    use proto::extension::{Filling, Piece, SealBothRequest, SealBothResponse, piece::Kind};
    assert_eq!(
        proto::extension::sealing_server::SERVICE_NAME,
        "countersign.v1.Sealing"
    );
    let piece = |kind| vec![Piece { kind: Some(kind) }];
    let request = SealBothRequest {
        first_key_id: "i".into(),
        first_content: "c".into(),
        first_file: piece(Kind::Text("t".into())),
        second_key_id: "j".into(),
        second_content: piece(Kind::Filling(Filling::Sha512.into())),
    };
    assert_eq!(
        request.encode_to_vec(),
        b"\x0a\x01i\x12\x01c\x1a\x03\x0a\x01t\x22\x01j\x2a\x02\x10\x04"
    );
    let answer = SealBothResponse {
        first_signature: "s".into(),
        second_signature: "t".into(),
    };
    assert_eq!(answer.encode_to_vec(), b"\x0a\x01s\x12\x01t");
}

#[test]
fn fields_carry_what_their_names_say() {
    let request = CreateKeyRequest {
        algorithm: "a".into(),
        gun: "g".into(),
        role: "r".into(),
    };
    assert_eq!(request.encode_to_vec(), b"\x0a\x01a\x12\x01g\x1a\x01r");
    let request = SignatureRequest {
        key_id: Some(KeyId { id: "i".into() }),
        content: "c".into(),
    };
    assert_eq!(request.encode_to_vec(), b"\x0a\x03\x0a\x01i\x12\x01c");
    let answer = GetKeyInfoResponse {
        key_info: None,
        public_key: "p".into(),
        role: "r".into(),
    };
    assert_eq!(answer.encode_to_vec(), b"\x12\x01p\x1a\x01r");
}
