//! What a run leaves for operators: log lines and metrics.

use std::{
    io,
    sync::{Arc, Mutex},
};

use proto::{KeyId, SignatureRequest};
use tonic::Request;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::TestSigner;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

const UNKNOWN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test]
async fn lines_about_a_request_carry_the_callers_id_and_a_digest_but_no_content_and_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let signer = TestSigner::start().await;
    let id = signer.create_id("example.com/app").await;
    for key in [id.as_str(), UNKNOWN] {
        let key_id = Some(KeyId { id: key.to_owned() });
        let content = "{\"_type\":\"Timestamp\"}".into();
        let mut request = Request::new(SignatureRequest { key_id, content });
        request
            .metadata_mut()
            .insert("x-request-id", "req-4711".parse().unwrap());
        let _ = signer.signer().sign(request).await;
    }

    let text = log.text();
    let line = |part: &str| {
        text.lines()
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part}: {text}"))
    };
    assert!(line("CreateKey: Created KeyID").contains("gun=\"example.com/app\""));
    // `printf '{"_type":"Timestamp"}' | sha256sum`
    let digest = "sha256:21e2d8906862bfbf6c2fbd6b82a34dd89ce640f260d21ec93d2ceb1faaf6ee8c";
    let line_of_signature = line("Sign: Signed");
    assert!(
        line_of_signature.contains("request_id=\"req-4711\""),
        "{line_of_signature}"
    );
    let described = format!("{digest} (21 bytes)");
    assert!(
        line_of_signature.contains(&described),
        "{line_of_signature}"
    );
    assert!(line("there is no such key").contains("request_id=\"req-4711\""));
    assert!(!text.contains("_type"), "content is in the log");
    assert!(
        !text.contains("throwaway-pass-1"),
        "a passphrase is in the log"
    );
}

#[tokio::test]
async fn signatures_keys_and_the_cache_are_counted() {
    let metrics = daemon::metrics::install_recorder(signer::metrics::BUCKETS);
    signer::metrics::describe();
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    for _ in 0..2 {
        signer.sign(&id, b"x").await.unwrap();
    }
    signer.sign(UNKNOWN, b"x").await.unwrap_err();
    let damaged = signer.create_id("b").await;
    signer
        .execute("UPDATE private_keys SET private = 'garbage' WHERE gun = 'b'")
        .await;
    signer.forget(&damaged);
    signer.sign(&damaged, b"x").await.unwrap_err();
    signer.health.check(&signer.keys).await;
    signer.keys.store().record_metrics();
    signer.execute("DROP TABLE private_keys").await;
    signer.sign(UNKNOWN, b"x").await.unwrap_err();

    let text = metrics.render();
    for line in [
        "signer_signatures_total{algorithm=\"ecdsa\",outcome=\"signed\"}",
        "signer_signatures_total{algorithm=\"unknown\",outcome=\"no_key\"}",
        "signer_keys_created_total{algorithm=\"ecdsa\"}",
        "signer_key_cache_hits_total",
        "signer_key_cache_misses_total",
        "signer_key_cache_entries",
        "signer_database_errors_total",
        "signer_key_open_failures_total 1",
        "signer_alias_faults 0",
        "signer_key_faults 1",
        "signer_sign_duration_seconds_bucket{algorithm=\"ecdsa\",le=\"0.001\"}",
        "database_connections ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
