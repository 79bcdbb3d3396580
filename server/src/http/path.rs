//! The one place that understands paths, and the table of routes.
//!
//! A GUN may hold slashes, and even `/_trust/tuf/`, so a table of patterns with one segment per
//! placeholder cannot route these requests. [`route`] is a pure function from method and raw path
//! to a [`Route`]; everything behind it sees values that mean something.
//!
//! Paths are percent-decoded first, then cleaned: one that is not clean already is answered with a
//! redirect, before anything else is looked at, as Notary 0.7 does. `//v2/…` alone is `/v2/…`, from
//! here on: whatever is decided behind this module is decided about the path without the second
//! slash.

mod names;

use http::Method;
pub use names::{GunName, RoleName};
use names::{RolesAtEnd, split_trust_path};
use tuf::Role;

use super::target::{
    LONGEST_TARGET, clean_up, decode_percent, is_clean, location, without_doubled_slash,
};

/// What the table of routes says of one method and path; `docs/http.md` is made of these.
#[derive(Clone, Copy, Debug)]
pub struct RouteDoc {
    /// The method.
    pub method: &'static str,
    /// The path, with names in braces for what it holds.
    pub path: &'static str,
    /// The permission that it takes, in the words of the rules file.
    pub permission: &'static str,
    /// The name under which logs and metrics count it; `None`: it is not counted.
    pub operation: Option<&'static str>,
    /// The codes of its errors, beside those that every route with its permission has.
    pub codes: &'static [&'static str],
    /// What it does; lines of Markdown.
    pub summary: &'static [&'static str],
}

/// A row of the table: what it says, and what it finds in a path.
struct Row {
    doc: RouteDoc,
    find: fn(&str) -> Option<Route>,
}

/// Makes [`Route`] and its table, in which rows of one method are tried in their order.
///
/// `others` are requests that are answered by this server and belong to no route.
macro_rules! routes {
    (
        $(
            $(#[doc = $summary:literal])+
            $route:ident $(($($part:ident: $kind:ty),+))? {
                $method:ident $path:literal,
                permission: $permission:literal,
                operation: $operation:expr,
                codes: $codes:expr,
                find: $find:expr,
            }
        )+
        others {
            $($(#[doc = $other_doc:literal])+ $other:ident $(($inner:ty))?,)+
        }
    ) => {
        /// What a request asks for.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Route {
            $($(#[doc = $summary])+ $route $(($($kind),+))?,)+
            $($(#[doc = $other_doc])+ $other $(($inner))?,)+
        }

        const TABLE: &[Row] = &[
            $(Row {
                doc: RouteDoc {
                    method: stringify!($method),
                    path: $path,
                    permission: $permission,
                    operation: $operation,
                    codes: &$codes,
                    summary: &[$($summary),+],
                },
                find: $find,
            },)+
        ];

        /// The positions of the rows.
        enum Position {
            $($route,)+
        }

        impl Route {
            /// The position of the row of this route; `None` where it is no route.
            fn position(&self) -> Option<Position> {
                match self {
                    $(Self::$route { .. } => Some(Position::$route),)+
                    _ => None,
                }
            }

            /// The first of what `look` sees in what the path holds for the log and for decisions;
            /// nothing where it is no route.
            fn find_part<'r, T>(&'r self, look: impl Fn(&'r dyn Part) -> Option<T>) -> Option<T> {
                match self {
                    $(Self::$route $(($($part),+))? => {
                        let parts: &[&'r dyn Part] = &[$($($part),+)?];
                        parts.iter().find_map(|part| look(*part))
                    })+
                    _ => None,
                }
            }
        }
    };
}

routes! {
    /// Answers `{}`. Clients look here for the challenge that says how to log in.
    Ping {
        GET "/v2/",
        permission: "authenticated",
        operation: None,
        codes: [],
        find: |path| (path == "/v2/").then_some(Route::Ping),
    }
    /// A page of the changefeed of all GUNs.
    AllChanges {
        GET "/v2/_trust/changefeed",
        permission: "admin",
        operation: Some("Changefeed"),
        codes: ["INVALID_PARAMETERS", "UNAVAILABLE"],
        find: |path| (path == "/v2/_trust/changefeed").then_some(Route::AllChanges),
    }
    /// The version of a role that has this checksum. Only SHA-256 finds anything.
    ByChecksum(gun: GunName, role: RoleName, sha256: Option<[u8; 32]>) {
        GET "/v2/{gun}/_trust/tuf/{role}.{sha256}.json",
        permission: "pull",
        operation: Some("GetRoleByHash"),
        codes: ["METADATA_NOT_FOUND", "UNAVAILABLE"],
        find: checksum_file,
    }
    /// One version of a role by its number.
    ByVersion(gun: GunName, role: RoleName, version: String) {
        GET "/v2/{gun}/_trust/tuf/{version}.{role}.json",
        permission: "pull",
        operation: Some("GetRoleByVersion"),
        codes: ["METADATA_NOT_FOUND", "UNAVAILABLE"],
        find: version_file,
    }
    /// The current version of a role, byte for byte as it was signed.
    Current(gun: GunName, role: RoleName) {
        GET "/v2/{gun}/_trust/tuf/{role}.json",
        permission: "pull",
        operation: Some("GetRole"),
        codes: ["METADATA_NOT_FOUND", "UNAVAILABLE"],
        find: current_file,
    }
    /// The public key that signs a GUN's snapshot or timestamp. Before the first publish, this
    /// makes the key.
    Key(gun: GunName, role: Role) {
        GET "/v2/{gun}/_trust/tuf/{snapshot|timestamp}.key",
        permission: "push or delegate",
        operation: Some("GetKey"),
        codes: ["INVALID_GUN", "TOOMANYREQUESTS", "UNAVAILABLE"],
        find: |path| key_file(path).map(|(gun, role)| Route::Key(gun, role)),
    }
    /// A page of the changefeed of one GUN.
    Changes(gun: GunName) {
        GET "/v2/{gun}/_trust/changefeed",
        permission: "pull",
        operation: Some("Changefeed"),
        codes: ["INVALID_PARAMETERS", "METADATA_NOT_FOUND", "UNAVAILABLE"],
        find: changefeed,
    }
    /// Publishes an update: the changed metadata files as a multipart form. All of them are stored,
    /// or none.
    Publish(gun: GunName) {
        POST "/v2/{gun}/_trust/tuf/",
        permission: "push or delegate, for each role that changes",
        operation: Some("UpdateTUF"),
        codes: [
            "INVALID_GUN", "MALFORMED_UPLOAD", "NO_FILENAME", "INVALID_ROLE", "MALFORMED_JSON",
            "INVALID_UPDATE", "VERSION", "UPDATING", "UNAVAILABLE"
        ],
        find: |path| folder(path).map(Route::Publish),
    }
    /// Makes a new key for a GUN's snapshot or timestamp. It signs once a root names it.
    RotateKey(gun: GunName, role: Role) {
        POST "/v2/{gun}/_trust/tuf/{snapshot|timestamp}.key",
        permission: "rotate",
        operation: Some("RotateKey"),
        codes: ["INVALID_GUN", "TOOMANYREQUESTS", "UNAVAILABLE"],
        find: |path| key_file(path).map(|(gun, role)| Route::RotateKey(gun, role)),
    }
    /// Deletes the trust data of a GUN. Deleting what does not exist succeeds.
    Delete(gun: GunName) {
        DELETE "/v2/{gun}/_trust/tuf/",
        permission: "delete",
        operation: Some("DeleteTUF"),
        codes: ["METADATA_NOT_FOUND", "UNAVAILABLE"],
        find: |path| folder(path).map(Route::Delete),
    }
    others {
        /// A path outside of `/v2/`, decoded and clean: a matter of the plain router.
        Outside(String),
        /// A path below `/api/`: a matter of the API for operators, whatever its method.
        Api,
        /// No route: the error that every unknown path gets.
        Unknown,
        /// No route, in the plain form that a path with a newline gets.
        UnknownPlain,
        /// A method that no route has.
        MethodNotAllowed,
        /// The target is longer than any that means something.
        TooLong,
        /// The path is not clean; this one, with its query, is.
        Redirect(String),
    }
}

/// What the table says of every route, in its order.
pub(super) fn docs() -> impl Iterator<Item = &'static RouteDoc> {
    TABLE.iter().map(|row| &row.doc)
}

/// The name under which metrics and logs count the route of a row.
pub(super) fn operation(row: usize) -> Option<&'static str> {
    TABLE.get(row)?.doc.operation
}

/// Something that the path of a route holds.
trait Part {
    fn gun(&self) -> Option<&GunName> {
        None
    }

    fn role(&self) -> Option<RoleText> {
        None
    }
}

/// The text of a role; cheap to clone.
#[derive(Clone, Debug)]
pub enum RoleText {
    /// As the path spells it.
    Name(RoleName),
    /// A role that there are routes for.
    Role(Role),
}

impl RoleText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Role(role) => role.as_str(),
        }
    }
}

impl Part for GunName {
    fn gun(&self) -> Option<&GunName> {
        Some(self)
    }
}

impl Part for RoleName {
    fn role(&self) -> Option<RoleText> {
        Some(RoleText::Name(self.clone()))
    }
}

impl Part for Role {
    fn role(&self) -> Option<RoleText> {
        Some(RoleText::Role(self.clone()))
    }
}

/// A checksum.
impl Part for Option<[u8; 32]> {}

/// A version, as it was written.
impl Part for String {}

impl Route {
    /// What the table says of this route; `None` where it is no route.
    #[must_use]
    pub fn doc(&self) -> Option<&'static RouteDoc> {
        Some(&TABLE[self.row()?].doc)
    }

    /// The row of the table; `None` where it is no route.
    pub(super) fn row(&self) -> Option<usize> {
        Some(self.position()? as usize)
    }

    /// The name under which metrics and logs count this route; `None` is not counted.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.doc()?.operation
    }

    /// The GUN the request is about, for logs and for the prefix filter.
    #[must_use]
    pub fn gun(&self) -> Option<&GunName> {
        self.find_part(|part| part.gun())
    }

    /// The role the request is about, for logs.
    #[must_use]
    pub fn role(&self) -> Option<RoleText> {
        self.find_part(Part::role)
    }
}

/// Finds the route of a request by its method, its raw path and its raw query.
///
/// The work is linear in the length of the target, whatever it holds.
#[must_use]
pub fn route(method: &Method, raw_path: &str, query: Option<&str>) -> Route {
    if is_below_v1(raw_path) {
        return Route::Api;
    }
    if !matches!(
        *method,
        Method::GET | Method::POST | Method::PUT | Method::HEAD | Method::DELETE
    ) {
        return Route::MethodNotAllowed;
    }
    if raw_path.len() + query.map_or(0, |query| query.len() + 1) > LONGEST_TARGET {
        return Route::TooLong;
    }
    let Some(path) = decode_percent(without_doubled_slash(raw_path)) else {
        return Route::Unknown;
    };
    if !is_clean(&path) {
        return Route::Redirect(location(&clean_up(&path), query));
    }
    let rows = TABLE.iter().filter(|row| row.doc.method == method.as_str());
    let mut found = rows.filter_map(|row| (row.find)(&path));
    match found.next() {
        Some(route) => route,
        None if path.contains('\n') => Route::UnknownPlain,
        None if may_be_outside(method, &path) => Route::Outside(path.into_owned()),
        None => Route::Unknown,
    }
}

/// Whether the plain router is asked. It has GET and POST, and would answer HEAD by GET.
fn may_be_outside(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::POST) && !path.starts_with("/v2/")
}

/// The GUN of a path that ends where its files begin.
fn folder(path: &str) -> Option<GunName> {
    split_trust_path(path, |at| (at == path.len()).then_some(())).map(|(gun, ())| gun)
}

fn checksum_file(path: &str) -> Option<Route> {
    let (before, sum) = path.strip_suffix(".json")?.rsplit_once('.')?;
    let is_checksum =
        matches!(sum.len(), 64 | 96 | 128) && sum.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_checksum {
        return None;
    }
    let roles = RolesAtEnd::of(before);
    let (gun, role) = split_trust_path(path, |at| roles.beginning_at(at))?;
    let mut sha256 = [0; 32];
    let sha256 = hex::decode_to_slice(sum, &mut sha256).ok().map(|()| sha256);
    Some(Route::ByChecksum(gun, role, sha256))
}

fn version_file(path: &str) -> Option<Route> {
    let stem = path.strip_suffix(".json")?;
    let roles = RolesAtEnd::of(stem);
    let (gun, (role, version)) = split_trust_path(path, |at| {
        let digits = stem.get(at..)?.bytes().take_while(u8::is_ascii_digit);
        let dot = at + digits.count();
        if dot == at || !stem[dot..].starts_with('.') {
            return None;
        }
        Some((roles.beginning_at(dot + 1)?, stem[at..dot].to_owned()))
    })?;
    Some(Route::ByVersion(gun, role, version))
}

fn current_file(path: &str) -> Option<Route> {
    let roles = RolesAtEnd::of(path.strip_suffix(".json")?);
    let (gun, role) = split_trust_path(path, |at| roles.beginning_at(at))?;
    Some(Route::Current(gun, role))
}

fn changefeed(path: &str) -> Option<Route> {
    let gun = path
        .strip_prefix("/v2/")?
        .strip_suffix("/_trust/changefeed")?;
    let is_name = !gun.is_empty() && !gun.contains('*');
    is_name.then(|| Route::Changes(GunName::new(gun)))
}

fn key_file(path: &str) -> Option<(GunName, Role)> {
    split_trust_path(path, |at| match &path[at..] {
        "snapshot.key" => Some(Role::Snapshot),
        "timestamp.key" => Some(Role::Timestamp),
        _ => None,
    })
}

/// Whether a path, as it was sent, is a matter of the API for operators.
fn is_below_v1(raw_path: &str) -> bool {
    raw_path == "/api" || raw_path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str) -> Route {
        route(&Method::GET, path, None)
    }

    #[test]
    fn only_paths_below_the_api_for_operators_are_its_own() {
        for path in ["/api", "/api/", "/api/v1/x", "/api/v2/"] {
            assert!(is_below_v1(path));
        }
        for path in ["/", "/apis", "/v2/api/", "//api/v1/"] {
            assert!(!is_below_v1(path));
        }
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
        let role = route.role();
        assert_eq!(
            role.as_ref().map(RoleText::as_str),
            Some("targets/a/_trust/tuf/b")
        );
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
    fn paths_outside_of_v2_are_decoded_and_left_to_the_plain_router() {
        let outside = |path: &str| Route::Outside(path.to_owned());
        assert_eq!(get("/auth/%74oken"), outside("/auth/token"));
        assert_eq!(get("/auth/token/"), outside("/auth/token/"));
        assert_eq!(
            route(&Method::POST, "/auth/token", None),
            outside("/auth/token")
        );
        for method in [Method::PUT, Method::HEAD, Method::DELETE] {
            assert_eq!(route(&method, "/auth/token", None), Route::Unknown);
        }
        assert_eq!(get("/a%0Ab"), Route::UnknownPlain);
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

    #[test]
    fn a_doubled_slash_before_v2_changes_nothing() {
        for path in [
            "/v2/",
            "/v2/a/b/_trust/tuf/root.json",
            "/v2/a/_trust/tuf/1.targets/b.json",
            "/v2/a/_trust/tuf/timestamp.key",
            "/v2/a//b/_trust/tuf/root.json",
            "/v2/_trust/changefeed",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let plain = route(&method, path, Some("q"));
                assert_eq!(route(&method, &format!("/{path}"), Some("q")), plain);
            }
        }
        let publish = route(&Method::POST, "//v2/a/_trust/tuf/", None);
        assert_eq!(publish, Route::Publish(GunName::new("a")));
        // No other slash is folded.
        for path in ["///v2/", "/%2fv2/", "//auth/token", "//metrics", "//v2x/"] {
            assert!(matches!(get(path), Route::Redirect(_)), "{path}");
        }
    }

    #[test]
    fn a_target_of_more_than_8_kib_is_too_long() {
        let path = |len: usize| format!("/v2/{}", "a".repeat(len - 4));
        assert_eq!(get(&path(LONGEST_TARGET)), Route::Unknown);
        assert_eq!(get(&path(LONGEST_TARGET + 1)), Route::TooLong);
        let with_query = route(&Method::GET, "/v2/", Some(&"q".repeat(LONGEST_TARGET)));
        assert_eq!(with_query, Route::TooLong);
    }

    /// What [`get`] has to find, in as simple a way as possible and in no particular time.
    fn found_slowly(path: &str, sums: &[usize]) -> Option<(String, String)> {
        let is_role = |name: &str| {
            matches!(name, "root" | "snapshot" | "timestamp" | "targets")
                || name.strip_prefix("targets/").is_some_and(|rest| {
                    rest.split('/')
                        .all(|s| !s.is_empty() && !s.contains(|c: char| c.is_ascii_whitespace()))
                })
        };
        let split = |file: &dyn Fn(&str) -> Option<String>| {
            let rest = path.strip_prefix("/v2/")?;
            rest.rmatch_indices("/_trust/tuf/").find_map(|(at, mark)| {
                let found = file(&rest[at + mark.len()..])?;
                let gun = &rest[..at];
                (!gun.is_empty() && !gun.contains('*')).then(|| (gun.to_owned(), found))
            })
        };
        let by_sum = |file: &str| {
            let (role, sum) = file.strip_suffix(".json")?.rsplit_once('.')?;
            let is_sum = sums.contains(&sum.len()) && sum.bytes().all(|b| b.is_ascii_hexdigit());
            (is_sum && is_role(role)).then(|| format!("sum {role}"))
        };
        let by_version = |file: &str| {
            let (version, role) = file.strip_suffix(".json")?.split_once('.')?;
            let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
            (is_version && is_role(role)).then(|| format!("{version} {role}"))
        };
        let current = |file: &str| {
            let role = file.strip_suffix(".json")?;
            is_role(role).then(|| format!("current {role}"))
        };
        split(&by_sum)
            .or_else(|| split(&by_version))
            .or_else(|| split(&current))
    }

    fn found(path: &str) -> Option<(String, String)> {
        let route = get(path);
        let what = match &route {
            Route::ByChecksum(_, role, _) => format!("sum {}", role.as_str()),
            Route::ByVersion(_, role, version) => format!("{version} {}", role.as_str()),
            Route::Current(_, role) => format!("current {}", role.as_str()),
            _ => return None,
        };
        Some((route.gun()?.as_str().to_owned(), what))
    }

    proptest! {
        #[test]
        fn the_search_finds_what_a_simple_one_finds(
            path in "/v2(/(a|\\*|b c|_trust/tuf|_trust|tuf|targets|root|1\\.root|12\\.targets|x\\.y)){1,9}(\\.(abcd){16})?\\.json",
        ) {
            prop_assert_eq!(found(&path), found_slowly(&path, &[64, 96, 128]), "{}", path);
        }

        #[test]
        fn a_path_is_clean_if_cleaning_changes_nothing(path in "(/|\\.|a|\\.\\./|//){0,8}") {
            prop_assert_eq!(is_clean(&path), clean_up(&path) == path, "{}", path);
        }

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
