//! The target of a request as text: escapes, doubled slashes, and segments that climb.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The longest request target that is read, in bytes, its query included. The longest GUN and role
/// that can be stored fit in it with every byte escaped.
pub(super) const LONGEST_TARGET: usize = 8 * 1024;

/// The path without the second slash of `//v2/…`. Clients that are told of a server as
/// `https://host/` put `/v2/…` behind that slash, and they cannot follow a redirect when they
/// publish.
pub(super) fn without_doubled_slash(raw_path: &str) -> &str {
    match raw_path.strip_prefix('/') {
        Some(rest) if rest.starts_with("/v2/") => rest,
        _ => raw_path,
    }
}

/// The path with its escapes undone; `None` if an escape is cut off or the result is not UTF-8.
pub(super) fn decode_percent(raw: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', raw.as_bytes()).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !raw.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(raw).decode_utf8().ok()
}

/// Whether [`clean_up`] would change nothing.
pub(super) fn is_clean(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    // A segment that is empty or begins with a dot has a slash before it.
    let may_climb = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    if !path.as_bytes().windows(2).any(may_climb) {
        return true;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    path == "/"
        || rest
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// The shortest path that means the same: no empty, `.` or `..` segments; a final slash stays.
pub(super) fn clean_up(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

/// `path` written as a target, with the query of the request.
pub(super) fn location(path: &str, query: Option<&str>) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}
