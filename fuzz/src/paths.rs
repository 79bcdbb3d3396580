//! Paths of requests.

use std::fmt::Write as _;

use http::Method;
use server::http::{Route, route};

const METHODS: [Method; 6] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::HEAD,
    Method::DELETE,
    Method::PATCH,
];

/// Finds the route of a method, which the first byte names, and a target.
///
/// # Panics
///
/// If a redirect leads to another one, if a name is not what its own path leads to, or if escapes
/// lead elsewhere.
pub fn run(data: &[u8]) {
    let Some((first, target)) = data.split_first() else {
        return;
    };
    let Ok(target) = std::str::from_utf8(target) else {
        return;
    };
    let method = &METHODS[usize::from(*first) % METHODS.len()];
    let (path, query) = split(target);
    let found = route(method, path, query);
    if let Route::Redirect(to) = &found {
        let (path, query) = split(to);
        assert!(path.starts_with('/'), "{to}");
        let next = route(method, path, query);
        assert!(!matches!(next, Route::Redirect(_)), "{to}: {next:?}");
    }
    if let Some(gun) = found.gun() {
        let path = format!("/v2/{}/_trust/tuf/", escape(gun.as_str()));
        let folder = route(&Method::DELETE, &path, None);
        let is_same = folder == Route::Delete(gun.clone());
        assert!(is_same || folder == Route::TooLong, "{folder:?}");
    }
    // One slash too many at the beginning is taken for none, which an escape is not.
    if !path.starts_with("//") && !path.contains('%') {
        let other = route(method, &escape(path), None);
        let found = route(method, path, None);
        assert!(other == found || other == Route::TooLong, "{other:?}");
    }
}

fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Every byte as an escape.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").expect("a string takes it");
        out
    })
}
