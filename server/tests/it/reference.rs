//! `docs/http.md`, which is made from the table of routes.

use std::{env, fmt::Write as _, fs, path::Path};

use server::http::{RouteDoc, error_kinds, route_docs};

use crate::support::TestServer;

const INTRODUCTION: &str = "\
# HTTP routes

This page is generated from the table of routes in the server's code.

Names in braces stand for parts of a path: `{gun}` is a repository's globally unique name and may
hold slashes, `{role}` is `root`, `targets`, `snapshot`, `timestamp` or a delegation such as
`targets/releases`. Paths are percent-decoded first. A path that is not clean (`//`, `.` or `..`)
is answered with a redirect to the clean one.

Each route states the permission that it takes, in the words of the
[rules file](authentication-reference.md). `authenticated` is granted to every caller who is not
anonymous. While authentication is off, every permission is granted.

An error has a JSON body with one entry: `{\"errors\":[{\"code\":…,\"message\":…,\"detail\":…}]}`. A route
with a permission answers 401 `UNAUTHORIZED` when the caller lacks it, and 429 `TOOMANYREQUESTS`
after too many failed logins. Every route can answer 500 `UNKNOWN`. A request target of more than
8 KiB is answered with 414 `URI_TOO_LONG`, and a method other than GET, HEAD, POST, PUT and DELETE
with 405. Paths without a route are answered with 404 `METADATA_NOT_FOUND`.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let (trust, others): (Vec<&RouteDoc>, Vec<&RouteDoc>) =
        route_docs().partition(|route| route.path.starts_with("/v2/"));
    let (operators, open): (Vec<&RouteDoc>, Vec<&RouteDoc>) = others
        .into_iter()
        .partition(|route: &&RouteDoc| route.path.starts_with("/api/"));
    page.push_str("\n## Trust data\n");
    for route in trust {
        write_route(&mut page, route);
    }
    page.push_str("\n## The API for operators\n");
    page.push_str(
        "\nIt only reads: GET and HEAD. Its parameters, answers and errors, which are problems (RFC\n\
         9457), are described in [api.md](api.md) and by `/api/v1/openapi.json`. It exists unless\n\
         `api.enabled` is false.\n",
    );
    for route in operators {
        write_route(&mut page, route);
    }
    page.push_str("\n## Monitoring and tokens\n");
    page.push_str(
        "\nHealth and metrics may have a listener of their own (`server.monitoring_addr`). The token\n\
         service exists while passwords are in use, unless `auth.token_service` is false.\n",
    );
    for route in open {
        write_route(&mut page, route);
    }
    page.push_str("\n## Errors\n\n| status | code | message |\n| --- | --- | --- |\n");
    for (status, code, message) in error_kinds() {
        writeln!(page, "| {} | `{code}` | {message} |", status.as_u16()).unwrap();
    }
    page
}

fn write_route(page: &mut String, route: &RouteDoc) {
    writeln!(page, "\n### `{} {}`\n", route.method, route.path).unwrap();
    for line in route.summary {
        writeln!(page, "{}", line.trim()).unwrap();
    }
    writeln!(page, "\n- permission: {}", route.permission).unwrap();
    if let Some(operation) = route.operation {
        writeln!(page, "- operation in logs and metrics: `{operation}`").unwrap();
    }
    if !route.codes.is_empty() {
        write_codes(page, route.codes);
    }
}

/// The codes in a list, in lines of at most 100 columns.
fn write_codes(page: &mut String, codes: &[&str]) {
    let mut line = "- errors:".to_owned();
    for (number, code) in codes.iter().enumerate() {
        let end = if number + 1 == codes.len() { "" } else { "," };
        let word = format!(" `{code}`{end}");
        if line.len() + word.len() > 100 {
            writeln!(page, "{line}").unwrap();
            " ".clone_into(&mut line);
        }
        line.push_str(&word);
    }
    writeln!(page, "{line}").unwrap();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is for whoever runs the test"
)]
fn the_page_of_routes_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
    let page = page();
    if env::var_os("COUNTERSIGN_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/http.md is stale: run COUNTERSIGN_BLESS=1 cargo nextest run -p server page_of_routes"
    );
}

/// `docs/openapi.json`, which is what the server answers.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is for whoever runs the test"
)]
async fn the_description_of_the_api_is_current() {
    let server = TestServer::start().await;
    let description = server.get("/api/v1/openapi.json").await.ok().json();
    let description = serde_json::to_string_pretty(&description).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if env::var_os("COUNTERSIGN_BLESS").is_some() {
        fs::write(&path, &description).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == description,
        "docs/openapi.json is stale: run COUNTERSIGN_BLESS=1 cargo nextest run -p server is_current"
    );
}

#[test]
fn every_code_of_a_route_is_a_known_kind_of_error() {
    let known: Vec<_> = error_kinds().iter().map(|(_, code, _)| *code).collect();
    for route in route_docs() {
        for code in route.codes {
            assert!(
                known.contains(code),
                "{} {}: {code}",
                route.method,
                route.path
            );
        }
    }
}
