//! A database that Notary filled, and what it answered from it.

use std::{fmt::Write as _, sync::Arc};

use anyhow::Result;
use audit_trail::Audit;
use authn::Authenticator;
use axum::body::Body;
use fixtures::{bytes, vectors};
use harness::Fresh;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use insight::Overview;
use serde_json::Value;
use server::{App, KeyLimiter, Parts, UploadLimits, config::MaxAge};
use trust::{
    Repositories, cache::MetadataCache, memory::MemoryLimits, signer::LocalSigner,
    store::TrustStore,
};

use crate::support::{Server, on_both, open};

on_both!(every_recorded_request_is_answered_from_the_rows_as_they_are);

/// A server on `store`.
pub(crate) fn app(store: Arc<dyn TrustStore>) -> App {
    App::new(Parts {
        repositories: Repositories::new(
            store,
            Arc::new(LocalSigner::default()),
            MetadataCache::new(1 << 20),
            MemoryLimits::new(1 << 20),
            fixtures::clock,
        ),
        caching: MaxAge::default(),
        gun_prefixes: Vec::new(),
        limits: UploadLimits::new(1 << 20, tuf::Limits::default()),
        health: Arc::default(),
        metrics: daemon::metrics::install_recorder(&[]),
        authenticator: Arc::new(Authenticator::open()),
        overview: Overview::off(),
        has_v1: true,
        audit: Audit::to_log(),
        key_limiter: KeyLimiter::per_minute(0),
        trusted_proxies: Vec::new(),
        public_url: None,
        is_tls: false,
        monitoring_apart: false,
        ui: None,
    })
}

/// What `app` answers to a GET.
pub(crate) async fn get(app: &App, path: &str) -> Result<(StatusCode, HeaderMap, Vec<u8>)> {
    let request = Request::builder().uri(path).body(Body::empty())?;
    let (head, body) = server::http::Endpoint::main(app.clone())
        .answer(request)
        .await
        .expect("it always answers")
        .into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    Ok((head.status, head.headers, body))
}

async fn every_recorded_request_is_answered_from_the_rows_as_they_are(
    server: Server,
) -> Result<()> {
    let recording = vectors("existing_db");
    let fresh = server.notarys()?;
    fill(&server, &fresh, &recording)?;
    let app = app(open(&fresh).await?);
    let mut wrong = Vec::new();
    let requests = recording["requests"].as_array().expect("a list");
    for request in requests {
        let path = request["path"].as_str().expect("a path");
        let (status, headers, body) = get(&app, path).await?;
        let expected = expected(path, request, &recording);
        if (u64::from(status.as_u16()), &body) != (expected.0, &expected.1) {
            wrong.push(format!(
                "{path}: {status} {}\n  expected {} {}",
                String::from_utf8_lossy(&body),
                expected.0,
                String::from_utf8_lossy(&expected.1)
            ));
        } else if status == StatusCode::OK && !request["cache_control"].is_null() {
            let header = |name| headers.get(name).map_or("", |v| v.to_str().unwrap_or(""));
            assert_eq!(header("cache-control"), request["cache_control"], "{path}");
            let since = request["last_modified_mysql"].as_str().unwrap_or_default();
            assert_eq!(
                header("last-modified"),
                since.replace("UTC", "GMT"),
                "{path}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(requests.len(), 58);
    Ok(())
}

/// Answers of Notary that were mistakes: a role that no snapshot lists is simply not there.
const CORRECTED: (&str, u64, &str) = (
    "/v2/example.com/app/_trust/tuf/targets/nope.json",
    404,
    "{\"errors\":[{\"code\":\"METADATA_NOT_FOUND\",\"message\":\"You have requested metadata that does not \
     exist.\",\"detail\":{}}]}\n",
);

/// Status and body that are right: Notary's, where it was. The changefeed is as `MySQL` has it,
/// which does not pad checksums with blanks.
fn expected(path: &str, request: &Value, recording: &Value) -> (u64, Vec<u8>) {
    if path == CORRECTED.0 {
        return (CORRECTED.1, CORRECTED.2.into());
    }
    let body = match request["body_is_data_of_row"].as_u64() {
        Some(id) => {
            let rows = recording["tuf_files"].as_array().expect("a list");
            let row = rows.iter().find(|row| row["id"] == id).expect("a row");
            bytes(&row["data_b64"])
        }
        None => request["body"].as_str().unwrap_or_default().into(),
    };
    (request["status"].as_u64().expect("a number"), body)
}

/// Puts the recorded rows into the tables.
fn fill(server: &Server, fresh: &Fresh, recording: &Value) -> Result<()> {
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    };
    let mut statements = String::new();
    for row in recording["tuf_files"].as_array().expect("a list") {
        let data = hex::encode(bytes(&row["data_b64"]));
        let data = server.pick(format!("decode('{data}', 'hex')"), format!("x'{data}'"));
        let columns = [
            "id",
            "created_at",
            "updated_at",
            "deleted_at",
            "gun",
            "role",
            "version",
            "sha256",
        ];
        let values = columns.map(|column| text(&row[column])).join(", ");
        let columns = columns.join(", ");
        writeln!(
            statements,
            "INSERT INTO tuf_files ({columns}, data) VALUES ({values}, {data});"
        )?;
    }
    for row in recording["changefeed"].as_array().expect("a list") {
        let columns = ["id", "created_at", "gun", "version", "sha256", "category"];
        let values = columns.map(|column| text(&row[column])).join(", ");
        let columns = columns.join(", ");
        writeln!(
            statements,
            "INSERT INTO changefeed ({columns}) VALUES ({values});"
        )?;
    }
    let zone = server.pick("SET TIME ZONE 'UTC';\n", "SET time_zone = '+00:00';\n");
    server.run(fresh, &format!("{zone}{statements}"))?;
    Ok(())
}
