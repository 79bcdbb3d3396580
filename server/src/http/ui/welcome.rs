//! What this server is, for browsers that ask for `/`.

use askama::Template;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use insight::quote;

use super::{Frame, ca, html};
use crate::{App, http::origin::Origin};

#[derive(Template)]
#[template(path = "ui/welcome.html")]
struct Page<'p> {
    frame: Frame,
    lines: String,
    ca: Option<CaPart<'p>>,
}

struct CaPart<'p> {
    place: String,
    fingerprints: &'p [String],
}

/// Whether a request comes from a browser. Clients of the trust API name JSON, everything or
/// nothing.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// The page.
pub(super) fn page(app: &App, origin: &Origin) -> Response {
    let site = origin.site(app.public_url.as_deref());
    let host = site.split_once("://").map_or("", |(_, host)| host);
    let site = if site.is_empty() {
        "https://HOST"
    } else {
        &site
    };
    let host = if host.is_empty() { "HOST" } else { host };
    let lines = format!(
        "export DOCKER_CONTENT_TRUST=1\n\
         export DOCKER_CONTENT_TRUST_SERVER={}\n\
         docker pull REGISTRY/IMAGE:TAG",
        quote(site)
    );
    let page = Page {
        frame: Frame {
            has_pages: false,
            ..Frame::bare()
        },
        lines,
        ca: ca(app).map(|ca| CaPart {
            place: format!("~/.docker/tls/{host}/ca.crt"),
            fingerprints: &ca.fingerprints,
        }),
    };
    let mut response = html(StatusCode::OK, &page);
    let accept = HeaderValue::from_static("Accept");
    response.headers_mut().insert(header::VARY, accept);
    response
}
