//! What Notary 0.7's signer wrote and answered, asked of this one.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::ServiceExt;
use tuf::{KeyType, Method, PrivateKey, PublicKey};

use crate::support::{TestSigner, vectors};

fn cases(name: &str) -> Vec<Value> {
    vectors(name)["cases"].as_array().unwrap().clone()
}

fn bytes(value: &Value, member: &str) -> Vec<u8> {
    hex::decode(value[member].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_recorded_row_signs_with_its_own_key() {
    let signer = TestSigner::recorded().await;
    for row in vectors("signer-db-rows")["rows"].as_array().unwrap() {
        let (id, algorithm) = (
            row["key_id"].as_str().unwrap(),
            row["algorithm"].as_str().unwrap(),
        );
        let described = signer.describe(id).await.unwrap();
        assert_eq!(described.role, row["role"].as_str().unwrap());
        assert_eq!(
            hex::encode(&described.public_key),
            row["public"].as_str().unwrap()
        );

        let signature = signer.sign(id, b"{\"_type\":\"Timestamp\"}").await.unwrap();
        let key = PublicKey::new(KeyType::from(algorithm), bytes(row, "public"));
        let method = match algorithm {
            "ed25519" => "eddsa",
            "rsa" => "rsapss",
            other => other,
        };
        assert_eq!(signature.algorithm.unwrap().algorithm, method);
        let verified = key.verifies(
            &key.signature_method(),
            b"{\"_type\":\"Timestamp\"}",
            &signature.content,
        );
        assert!(verified, "{id} {algorithm}");
    }
}

#[tokio::test]
async fn recorded_bodies_get_the_recorded_answers() {
    let signer = TestSigner::recorded().await;
    signer.health.check(&signer.keys).await;
    let mut compared = 0;
    for case in cases("signer-grpc") {
        let method = case["method"].as_str().unwrap();
        let (status, message, body) = call(&signer, method, &bytes(&case, "request_hex")).await;
        if let Some(expected) = &case["response_hex"]
            .as_str()
            .filter(|_| is_repeatable(&case))
        {
            assert_eq!(
                (status, hex::encode(body)),
                (0, (*expected).to_owned()),
                "{case}"
            );
            compared += 1;
        } else if is_refused_earlier(&case) {
            assert_eq!(status, 3, "{message}: {case}");
        } else {
            assert_eq!(
                u64::from(status),
                case["status_code"].as_u64().unwrap(),
                "{message}: {case}"
            );
            if method == "/proto.KeyManagement/CreateKey" && status != 0 {
                assert_eq!(message, case["message"].as_str().unwrap());
            }
        }
    }
    assert!(compared >= 5, "{compared}");
}

/// Whether the recorded answer can be expected again: not if a fresh random key is in it.
fn is_repeatable(case: &Value) -> bool {
    case["method"] != "/proto.KeyManagement/CreateKey" && !is_refused_earlier(case)
}

/// Notary looked up ids that cannot exist; here they are an invalid argument (they are `00ff` in
/// the recordings).
fn is_refused_earlier(case: &Value) -> bool {
    case["request_hex"]
        .as_str()
        .unwrap()
        .contains("0a0430306666")
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused_and_the_next_request_is_served() {
    let signer = TestSigner::recorded().await;
    let sign = "/proto.Signer/Sign";
    // A length that runs past the end; text that is not UTF-8; a key ID that is a number.
    for body in [
        &[0x0a, 0x7f, 0x01][..],
        &[0x0a, 0x04, 0x0a, 0x02, 0xff, 0xfe],
        &[0x08, 0x01],
    ] {
        let (status, message, _) = call(&signer, sign, body).await;
        assert_eq!(status, 13, "{body:02x?}: {message}");
    }
    let (status, message, _) = call_with(&signer, sign, &[], Some("gzip")).await;
    assert_eq!(status, 12, "{message}");
    let (status, ..) = call(&signer, sign, &[]).await;
    assert_eq!(status, 3, "no key ID at all");
    let rows = vectors("signer-db-rows");
    signer
        .sign(rows["rows"][2]["key_id"].as_str().unwrap(), b"x")
        .await
        .unwrap();
}

/// Status, message and body of a unary call with a raw protobuf body.
async fn call(signer: &TestSigner, method: &str, body: &[u8]) -> (u16, String, Bytes) {
    call_with(signer, method, body, None).await
}

/// The same for a body that claims to be compressed.
async fn call_with(
    signer: &TestSigner,
    method: &str,
    body: &[u8],
    encoding: Option<&'static str>,
) -> (u16, String, Bytes) {
    let mut frame = vec![u8::from(encoding.is_some())];
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    let request = Request::post(format!("http://signer{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding.unwrap_or("identity"))
        .body(Full::new(Bytes::from(frame)))
        .unwrap();
    let response = signer.router.clone().oneshot(request).await.unwrap();
    let headers = response.headers().clone();
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or(headers);
    let field = |name: &str| {
        trailers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let message = field("grpc-message").replace("%20", " ");
    let body = collected.to_bytes();
    (
        field("grpc-status").parse().unwrap(),
        message,
        body.slice(body.len().min(5)..),
    )
}

#[tokio::test]
async fn deterministic_signatures_are_the_recorded_ones_and_the_others_are_as_long() {
    let signer = TestSigner::recorded().await;
    let mut same = 0;
    for case in cases("signer-signatures") {
        let (message, recorded) = (bytes(&case, "message_hex"), bytes(&case, "signature_hex"));
        let made = signer
            .sign(case["key_id"].as_str().unwrap(), &message)
            .await;
        let made = made.unwrap().content;
        assert_eq!(made.len(), recorded.len(), "{case}");
        if case["signature_algorithm"] == "eddsa" {
            assert_eq!(made, recorded);
            same += 1;
        }
        let algorithm = KeyType::from(case["key_algorithm"].as_str().unwrap());
        let public = STANDARD
            .decode(case["public_base64"].as_str().unwrap())
            .unwrap();
        let key = PublicKey::new(algorithm, public);
        assert!(
            key.verifies(&key.signature_method(), &message, &recorded),
            "{case}"
        );
        assert!(
            key.verifies(&key.signature_method(), &message, &made),
            "{case}"
        );
    }
    assert!(same > 0);
}

#[test]
fn key_ids_are_the_recorded_ones() {
    for case in cases("signer-key-ids") {
        let key_type = KeyType::from(case["keytype"].as_str().unwrap());
        let key = PublicKey::new(key_type, bytes(&case, "public_hex"));
        assert_eq!(
            key.id().as_str(),
            case["key_id"].as_str().unwrap(),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn decrypted_keys_are_read_and_written_in_the_recorded_form() {
    for case in cases("signer-jwe-at-rest") {
        let private = bytes(&case, "plaintext_hex");
        let algorithm = case["algorithm"].as_str().unwrap();
        let key =
            PrivateKey::from_stored(algorithm, &private, &bytes(&case, "public_hex")).unwrap();
        assert_eq!(*key.to_stored(), private, "{}", case["name"]);
        assert_eq!(key.public().id().as_str(), case["key_id"].as_str().unwrap());
        let signature = key.sign(b"x").unwrap();
        let method = if algorithm == "ed25519" {
            Method::EdDsa
        } else {
            key.public().signature_method()
        };
        assert!(key.public().verifies(&method, b"x", &signature));
    }
}
