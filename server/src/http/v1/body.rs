//! The answer on the wire: its checksum as an `ETag`, and gzip for those who take it.

use std::io::Write as _;

use axum::{body::Body, response::Response};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts as Head};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::{Kind, Problem, takes_gzip};

/// From how many bytes on an answer is compressed.
const WORTH_IT: usize = 1 << 10;

/// From how many bytes on that happens off the async threads.
const LARGE: usize = 64 << 10;

/// Who may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privacy {
    /// It is the same for everybody.
    Public,
    /// It shows what its caller may see.
    OfCaller,
}

/// What is answered.
pub(super) struct Answered {
    privacy: Privacy,
    content_type: &'static str,
    bytes: Vec<u8>,
}

impl Answered {
    /// An answer of any type.
    pub(super) fn of(privacy: Privacy, content_type: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            privacy,
            content_type,
            bytes,
        }
    }

    /// An answer in JSON.
    pub(super) fn json(privacy: Privacy, value: &impl Serialize) -> Result<Self, Problem> {
        let mut bytes = serde_json::to_vec(value)
            .map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
        bytes.push(b'\n');
        Ok(Self::of(privacy, "application/json", bytes))
    }

    /// The answer to a request.
    pub(super) async fn into_response(self, head: &Head) -> Response {
        let is_packed = self.bytes.len() >= WORTH_IT && takes_gzip(&head.headers);
        let etag = etag(&self.bytes, is_packed);
        let is_known = is_known(&head.headers, &etag);
        let bytes = match (is_known, is_packed) {
            (true, _) => Vec::new(),
            (false, true) => compress(self.bytes).await,
            (false, false) => self.bytes,
        };
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        let (cache, vary) = match self.privacy {
            Privacy::Public => ("no-cache", "accept-encoding"),
            Privacy::OfCaller => ("private, no-store", "accept-encoding, authorization"),
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let content_type = HeaderValue::from_static(self.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        if is_packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// The checksum of the bytes as they are sent, or as good as that: equal bytes are compressed
/// alike by one version of the program.
fn etag(bytes: &[u8], is_packed: bool) -> String {
    let sum = hex::encode(&digest(&SHA256, bytes).as_ref()[..16]);
    let end = if is_packed { "-gzip" } else { "" };
    format!("\"{sum}{end}\"")
}

/// Whether the client has it already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim);
    known.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

async fn compress(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < LARGE {
        return pack(&bytes);
    }
    let work = tokio::task::spawn_blocking(move || pack(&bytes));
    work.await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed
        .write_all(bytes)
        .and_then(|()| packed.finish())
        .expect("memory takes everything that is written to it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_own_etag_alone() {
        let (plain, packed) = (etag(b"a", false), etag(b"a", true));
        let has = |text: &str, etag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, text.parse().unwrap());
            is_known(&headers, etag)
        };
        assert!(has(&plain, &plain) && has("*", &plain) && has(&format!("W/{plain}"), &plain));
        assert!(has(&format!("\"x\", {packed}"), &packed));
        assert!(!has(&plain, &packed) && !has(&etag(b"b", false), &plain) && !has("", &plain));
    }
}
