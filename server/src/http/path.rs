//! The one place that understands paths.
//!
//! A GUN may hold slashes, and even `/_trust/tuf/`, so a table of patterns with one segment per
//! placeholder cannot route these requests. [`route`] is a pure function from method and raw path to
//! a [`Route`]; everything behind it sees values that mean something.
//!
//! Paths are percent-decoded first, then cleaned: one that is not clean already is answered with a
//! redirect, before anything else is looked at, as Notary 0.7 does.

use http::Method;
use tuf::Role;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /v2/`: clients look here for an authentication challenge.
    Ping,
    /// `POST /v2/GUN/_trust/tuf/`.
    Publish(GunName),
    /// `DELETE /v2/GUN/_trust/tuf/`.
    Delete(GunName),
    /// `GET /v2/GUN/_trust/tuf/ROLE.SUM.json`; `None` for a checksum that is not a SHA-256.
    ByChecksum(GunName, RoleName, Option<[u8; 32]>),
    /// `GET /v2/GUN/_trust/tuf/VERSION.ROLE.json`, the version as it was written.
    ByVersion(GunName, RoleName, String),
    /// `GET /v2/GUN/_trust/tuf/ROLE.json`.
    Current(GunName, RoleName),
    /// `GET /v2/GUN/_trust/tuf/{snapshot,timestamp}.key`.
    Key(GunName, Role),
    /// `POST /v2/GUN/_trust/tuf/{snapshot,timestamp}.key`.
    RotateKey(GunName, Role),
    /// `GET /v2/_trust/changefeed`, or that of one GUN.
    Changes(Option<GunName>),
    /// `GET` or `POST /auth/token`: the token service, where there is one.
    Token,
    /// `GET /auth/jwks.json`: the keys of the token service.
    Jwks,
    /// `GET /_notary_server/health`.
    Health,
    /// `GET /metrics`.
    Metrics,
    /// Nothing of ours: the error every unknown path gets.
    Unknown,
    /// Nothing of ours, in the plain form that a path with a newline gets.
    UnknownPlain,
    /// A method this server knows no use for.
    MethodNotAllowed,
    /// The path is not clean; this one, with its query, is.
    Redirect(String),
}

/// A GUN as the path spells it. It takes a granted permission to make a [`tuf::Gun`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunName(String);

impl GunName {
    /// The name as sent, percent-decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role as the path spells it. More names route than can be stored (`targets/A.b`): those are
/// simply never found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// The name as sent, percent-decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role, if it is a valid one.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        Role::parse(&self.0).ok()
    }
}

impl Route {
    /// The name under which metrics and logs count this route; `None` is not counted.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        Some(match self {
            Self::Publish(_) => "UpdateTUF",
            Self::Delete(_) => "DeleteTUF",
            Self::ByChecksum(..) => "GetRoleByHash",
            Self::ByVersion(..) => "GetRoleByVersion",
            Self::Current(..) => "GetRole",
            Self::Key(..) => "GetKey",
            Self::RotateKey(..) => "RotateKey",
            Self::Changes(_) => "Changefeed",
            _ => return None,
        })
    }

    /// The GUN the request is about, for logs and for the prefix filter.
    #[must_use]
    pub fn gun(&self) -> Option<&GunName> {
        match self {
            Self::Publish(gun)
            | Self::Delete(gun)
            | Self::ByChecksum(gun, ..)
            | Self::ByVersion(gun, ..)
            | Self::Current(gun, _)
            | Self::Key(gun, _)
            | Self::RotateKey(gun, _) => Some(gun),
            Self::Changes(gun) => gun.as_ref(),
            _ => None,
        }
    }

    /// The role the request is about, for logs.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::ByChecksum(_, role, _) | Self::ByVersion(_, role, _) | Self::Current(_, role) => {
                Some(role.as_str())
            }
            Self::Key(_, role) | Self::RotateKey(_, role) => Some(role.as_str()),
            _ => None,
        }
    }
}

/// Where the token service is asked; it is where challenges lead as well.
const TOKEN_PATH: &str = "/auth/token";

/// Finds the route of a request by its method, its raw path and its raw query.
#[must_use]
pub fn route(method: &Method, raw_path: &str, query: Option<&str>) -> Route {
    if !matches!(
        *method,
        Method::GET | Method::POST | Method::PUT | Method::HEAD | Method::DELETE
    ) {
        return Route::MethodNotAllowed;
    }
    let Some(path) = percent_decoded(raw_path) else {
        return Route::Unknown;
    };
    let clean = cleaned(&path);
    if clean != path {
        return Route::Redirect(location(&clean, query));
    }
    let found = match *method {
        Method::GET => get(&path),
        Method::POST => post(&path),
        Method::DELETE => trust_path(&path, |file| file.is_empty().then_some(()))
            .map(|(gun, ())| Route::Delete(gun)),
        _ => None,
    };
    found.unwrap_or(if path.contains('\n') {
        Route::UnknownPlain
    } else {
        Route::Unknown
    })
}

fn post(path: &str) -> Option<Route> {
    if path == TOKEN_PATH {
        return Some(Route::Token);
    }
    if let Some((gun, ())) = trust_path(path, |file| file.is_empty().then_some(())) {
        return Some(Route::Publish(gun));
    }
    trust_path(path, key_file).map(|(gun, role)| Route::RotateKey(gun, role))
}

/// The routes of GET, in the order in which they are tried.
fn get(path: &str) -> Option<Route> {
    match path {
        "/v2/" => return Some(Route::Ping),
        "/_notary_server/health" => return Some(Route::Health),
        "/metrics" => return Some(Route::Metrics),
        TOKEN_PATH => return Some(Route::Token),
        "/auth/jwks.json" => return Some(Route::Jwks),
        "/v2/_trust/changefeed" => return Some(Route::Changes(None)),
        _ => {}
    }
    if let Some((gun, (role, sum))) = trust_path(path, checksum_file) {
        return Some(Route::ByChecksum(gun, role, sum));
    }
    if let Some((gun, (role, version))) = trust_path(path, version_file) {
        return Some(Route::ByVersion(gun, role, version));
    }
    if let Some((gun, role)) = trust_path(path, |file| metadata_role(file.strip_suffix(".json")?)) {
        return Some(Route::Current(gun, role));
    }
    if let Some((gun, role)) = trust_path(path, key_file) {
        return Some(Route::Key(gun, role));
    }
    let gun = path
        .strip_prefix("/v2/")?
        .strip_suffix("/_trust/changefeed")?;
    Some(Route::Changes(Some(gun_name(gun)?)))
}

/// Splits `/v2/GUN/_trust/tuf/FILE` at the last place where `file` understands what follows: the GUN
/// is as long as it can be.
fn trust_path<T>(path: &str, file: impl Fn(&str) -> Option<T>) -> Option<(GunName, T)> {
    const MARK: &str = "/_trust/tuf/";
    let rest = path.strip_prefix("/v2/")?;
    rest.rmatch_indices(MARK).find_map(|(at, _)| {
        let found = file(&rest[at + MARK.len()..])?;
        Some((gun_name(&rest[..at])?, found))
    })
}

fn gun_name(name: &str) -> Option<GunName> {
    (!name.is_empty() && !name.contains('*')).then(|| GunName(name.to_owned()))
}

fn checksum_file(file: &str) -> Option<(RoleName, Option<[u8; 32]>)> {
    let (role, sum) = file.strip_suffix(".json")?.rsplit_once('.')?;
    let is_checksum =
        matches!(sum.len(), 64 | 96 | 128) && sum.bytes().all(|b| b.is_ascii_hexdigit());
    let role = metadata_role(role).filter(|_| is_checksum)?;
    let mut sha256 = [0; 32];
    Some((
        role,
        hex::decode_to_slice(sum, &mut sha256).ok().map(|()| sha256),
    ))
}

fn version_file(file: &str) -> Option<(RoleName, String)> {
    let (version, role) = file.strip_suffix(".json")?.split_once('.')?;
    let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    let role = metadata_role(role).filter(|_| is_version)?;
    Some((role, version.to_owned()))
}

fn key_file(file: &str) -> Option<Role> {
    match file {
        "snapshot.key" => Some(Role::Snapshot),
        "timestamp.key" => Some(Role::Timestamp),
        _ => None,
    }
}

fn metadata_role(name: &str) -> Option<RoleName> {
    let routes = match name {
        "root" | "snapshot" | "timestamp" | "targets" => true,
        _ => name.strip_prefix("targets/").is_some_and(|rest| {
            rest.split('/').all(|segment| {
                !segment.is_empty() && !segment.contains(|c: char| c.is_ascii_whitespace())
            })
        }),
    };
    routes.then(|| RoleName(name.to_owned()))
}

/// The path with its escapes undone; `None` if an escape is cut off or the result is not UTF-8.
pub(super) fn percent_decoded(raw: &str) -> Option<String> {
    if !raw.contains('%') {
        return Some(raw.to_owned());
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' {
            let mut value = [0];
            hex::decode_to_slice([rest.next()?, rest.next()?], &mut value).ok()?;
            value[0]
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// The shortest path that means the same: no empty, `.` or `..` segments; a final slash stays.
fn cleaned(path: &str) -> String {
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

/// `path` written for a `Location` header, with the query of the request.
fn location(path: &str, query: Option<&str>) -> String {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str) -> Route {
        route(&Method::GET, path, None)
    }

    #[test]
    fn the_gun_is_as_long_as_it_can_be() {
        let route = get("/v2/x/_trust/tuf/_trust/tuf/root.json");
        assert_eq!(route.gun().map(GunName::as_str), Some("x/_trust/tuf"));
    }

    #[test]
    fn a_role_may_hold_what_looks_like_the_mark() {
        let route = get("/v2/x/_trust/tuf/targets/a/_trust/tuf/b.json");
        assert_eq!(route.gun().map(GunName::as_str), Some("x"));
        assert_eq!(route.role(), Some("targets/a/_trust/tuf/b"));
    }

    #[test]
    fn escapes_mean_what_they_stand_for() {
        assert_eq!(
            get("/v2/a%2Fb/_trust/tuf/%72oot.json"),
            get("/v2/a/b/_trust/tuf/root.json")
        );
        assert_eq!(get("/v2/a%2/_trust/tuf/root.json"), Route::Unknown);
        assert_eq!(get("/v2/a%ff/_trust/tuf/root.json"), Route::Unknown);
    }

    #[test]
    fn a_path_that_climbs_is_sent_to_where_it_leads() {
        assert_eq!(
            route(&Method::DELETE, "/v2/a/%2e%2e/b//_trust/tuf/", Some("q=1")),
            Route::Redirect("/v2/b/_trust/tuf/?q=1".into())
        );
    }

    #[test]
    fn the_token_service_is_asked_by_get_and_by_post() {
        assert_eq!(get("/auth/token"), Route::Token);
        assert_eq!(route(&Method::POST, "/auth/token", None), Route::Token);
        assert_eq!(route(&Method::PUT, "/auth/token", None), Route::Unknown);
        assert_eq!(get("/auth/jwks.json"), Route::Jwks);
        assert_eq!(
            route(&Method::POST, "/auth/jwks.json", None),
            Route::Unknown
        );
        assert_eq!(get("/auth/token/"), Route::Unknown);
    }

    #[test]
    fn a_checksum_is_read_in_either_case_and_only_sha256_can_be_found() {
        let upper = get(&format!("/v2/a/_trust/tuf/root.{}.json", "AB".repeat(32)));
        assert!(matches!(upper, Route::ByChecksum(_, _, Some(sum)) if sum == [0xab; 32]));
        let long = get(&format!("/v2/a/_trust/tuf/root.{}.json", "ab".repeat(64)));
        assert!(matches!(long, Route::ByChecksum(_, _, None)));
        let odd = get(&format!(
            "/v2/a/_trust/tuf/targets/a.{}.json",
            "ab".repeat(33)
        ));
        assert!(matches!(odd, Route::Current(..)));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "(/|%2e|%|\\PC|_trust/tuf/|v2/|\\.json|[0-9]|root){0,24}") {
            let _ = route(&Method::GET, &path, None);
        }

        #[test]
        fn a_redirect_leads_to_a_clean_path(path in "/(a|\\.|\\.\\.|/|%20|é){0,12}") {
            if let Route::Redirect(to) = get(&path) {
                prop_assert!(!matches!(get(&to), Route::Redirect(_)), "{to}");
            }
        }
    }
}
