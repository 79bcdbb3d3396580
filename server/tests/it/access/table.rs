//! Every route, asked by every kind of caller: what a caller may do follows from a few rules, each
//! with its reason, and whatever a rule does not name is refused.

use http::StatusCode;

use super::callers::{Stage, outside_rules, rules};
use crate::support::{Settings, TestServer};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asks {
    /// Nothing: it answers before credentials are looked at.
    Nothing,
    /// Credentials that name a caller.
    Login,
    PullApp,
    /// To read `public/app`, which the rules open to anonymous callers.
    PullPublic,
    KeyOfApp,
    KeyOfPublic,
    Publish,
    Rotate,
    Delete,
    /// The changefeed of all repositories.
    AllChanges,
}

use Asks::{
    AllChanges, Delete, KeyOfApp, KeyOfPublic, Login, Nothing, Publish, PullApp, PullPublic, Rotate,
};

/// A request, what it asks of its caller, and the status that a permitted caller gets. Nothing is
/// stored: a permitted reader finds nothing, and a permitted publisher sends an empty body.
struct Route {
    method: &'static str,
    path: &'static str,
    asks: Asks,
    permitted: u16,
}

const fn route(method: &'static str, path: &'static str, asks: Asks, permitted: u16) -> Route {
    Route {
        method,
        path,
        asks,
        permitted,
    }
}

const ROUTES: [Route; 20] = [
    route("GET", "/v2/", Login, 200),
    route("GET", "/v2/app/_trust/tuf/root.json", PullApp, 404),
    route(
        "GET",
        "/v2/public/app/_trust/tuf/root.json",
        PullPublic,
        404,
    ),
    route("GET", "/v2/app/_trust/tuf/1.root.json", PullApp, 404),
    route(
        "GET",
        "/v2/app/_trust/tuf/root.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json",
        PullApp,
        404,
    ),
    route("GET", "/v2/app/_trust/changefeed?records=1", PullApp, 200),
    route("GET", "/v2/_trust/changefeed?records=1", AllChanges, 200),
    route("GET", "/v2/app/_trust/tuf/timestamp.key", KeyOfApp, 200),
    route(
        "GET",
        "/v2/public/app/_trust/tuf/timestamp.key",
        KeyOfPublic,
        200,
    ),
    route("POST", "/v2/app/_trust/tuf/snapshot.key", Rotate, 200),
    route("POST", "/v2/app/_trust/tuf/", Publish, 400),
    route("DELETE", "/v2/app/_trust/tuf/", Delete, 200),
    // Below /v2/, a path that means nothing asks who the caller is first, as Notary does.
    route("GET", "/v2/app/_trust/tuf/nothing", Login, 404),
    route("HEAD", "/v2/app/_trust/tuf/root.json", Login, 404),
    route("PUT", "/v2/app/_trust/tuf/root.json", Login, 404),
    route("GET", "/_notary_server/health", Nothing, 200),
    route("GET", "/metrics", Nothing, 200),
    route("PATCH", "/v2/app/_trust/tuf/root.json", Nothing, 405),
    route("GET", "/v2//app/_trust/tuf/root.json", Nothing, 301),
    route("GET", "/%0a", Nothing, 404),
];

/// The routes of the token service: unknown paths where there is none.
const TOKENS: [Route; 2] = [
    // No service is named here, which is the first thing that a request for a token needs.
    route("GET", "/auth/token", Nothing, 400),
    route("GET", "/auth/jwks.json", Nothing, 200),
];
const NO_TOKENS: [Route; 2] = [
    route("GET", "/auth/token", Login, 404),
    route("GET", "/auth/jwks.json", Login, 404),
];

/// What some callers may do, and no more.
struct Rule {
    callers: &'static [&'static str],
    may: &'static [Asks],
    because: &'static str,
}

const fn rule(
    callers: &'static [&'static str],
    may: &'static [Asks],
    because: &'static str,
) -> Rule {
    Rule {
        callers,
        may,
        because,
    }
}

/// What a server that knows its caller, and has no rules, lets the caller do.
const EVERYTHING: &[Asks] = &[
    Login,
    PullApp,
    PullPublic,
    KeyOfApp,
    KeyOfPublic,
    Publish,
    Rotate,
    Delete,
    AllChanges,
];

/// The same without administration.
const EVERY_REPOSITORY: &[Asks] = &[
    Login,
    PullApp,
    PullPublic,
    KeyOfApp,
    KeyOfPublic,
    Publish,
    Rotate,
    Delete,
];

const WRONG_CREDENTIALS: &str =
    "wrong credentials are refused even where anonymous callers may read";

/// Asks every route as every caller of `rules`.
async fn assert_permissions(stage: Stage, token_routes: &[Route], rules: &[Rule]) {
    let mut wrong = Vec::new();
    for Rule {
        callers,
        may,
        because,
    } in rules
    {
        for who in *callers {
            for route in ROUTES.iter().chain(token_routes) {
                let is_permitted = route.asks == Nothing || may.contains(&route.asks);
                let expected = if is_permitted { route.permitted } else { 401 };
                let answer = stage.ask(who, route.method, route.path).await;
                if answer.status.as_u16() != expected {
                    wrong.push(format!(
                        "{who}: {} {} answers {}, expected {expected}: {because}",
                        route.method, route.path, answer.status
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn rules_permit_what_they_grant_and_no_more() {
    let stage = Stage::with_token_service(Some(rules())).await;
    let rules = [
        rule(
            &["nobody"],
            &[PullPublic],
            "anonymous callers may pull below public/",
        ),
        rule(&["wrong", "garbled", "forged"], &[], WRONG_CREDENTIALS),
        rule(
            &["alice"],
            EVERY_REPOSITORY,
            "alice has every permission on repositories, and the feed of all is for administrators",
        ),
        rule(
            &["ci"],
            &[Login, PullApp, PullPublic, KeyOfApp, Publish],
            "ci may pull and push app, and below public/ it may read as anonymous callers do",
        ),
        rule(&["admin"], EVERYTHING, "the administrator needs no rule"),
        rule(
            &["robot"],
            &[Login, PullApp, PullPublic],
            "the certificate's name may pull app",
        ),
        rule(
            &["t-none"],
            &[PullPublic],
            "a token made without credentials is anonymous",
        ),
        rule(
            &["t-pull"],
            &[Login, PullApp, PullPublic],
            "the token was asked for with pull alone",
        ),
        rule(
            &["t-push"],
            &[Login, PullApp, PullPublic, KeyOfApp, KeyOfPublic, Publish],
            "a publisher needs the keys that the server makes, and push does not rotate or delete",
        ),
        rule(
            &["t-star"],
            EVERY_REPOSITORY,
            "a token for repositories never gives the feed of all",
        ),
    ];
    assert_permissions(stage, &TOKENS, &rules).await;
}

#[tokio::test]
async fn without_rules_a_known_caller_may_do_everything_within_the_limits_of_a_token() {
    let stage = Stage::with_token_service(None).await;
    let rules = [
        rule(&["nobody"], &[], "no rule lets anonymous callers in"),
        rule(&["wrong", "garbled", "forged"], &[], WRONG_CREDENTIALS),
        rule(
            &["alice", "ci", "admin", "robot"],
            EVERYTHING,
            "without rules, a known caller may do everything",
        ),
        rule(
            &["t-none"],
            &[],
            "a token made without credentials is anonymous",
        ),
        rule(
            &["t-pull"],
            &[Login, PullApp, PullPublic],
            "the token was asked for with pull alone",
        ),
        rule(
            &["t-push"],
            &[Login, PullApp, PullPublic, KeyOfApp, KeyOfPublic, Publish],
            "a publisher needs the keys that the server makes, and push does not rotate or delete",
        ),
        rule(
            &["t-star"],
            EVERY_REPOSITORY,
            "a token for repositories never gives the feed of all",
        ),
    ];
    assert_permissions(stage, &TOKENS, &rules).await;
}

const NO_PASSWORDS: &str = "where outside tokens are asked for, passwords mean nothing";
const NO_LOGIN: &str =
    "GET /v2/ asks for a catalog entry, as Notary does, so a token for a repository does not do";

#[tokio::test]
async fn rules_permit_holders_of_outside_tokens_what_rule_and_token_both_grant() {
    let stage = Stage::with_outside_tokens(Some(outside_rules())).await;
    let rules = [
        rule(
            &["nobody"],
            &[PullPublic],
            "anonymous callers may pull below public/",
        ),
        rule(&["alice"], &[], NO_PASSWORDS),
        rule(&["garbled", "forged"], &[], WRONG_CREDENTIALS),
        rule(
            &["robot"],
            &[Login, PullPublic],
            "a certificate names its caller, and no rule is about this one",
        ),
        rule(
            &["unnamed", "empty"],
            &[],
            "a token needs a subject for the rules, and entries for the repository",
        ),
        rule(&["pull"], &[PullApp], NO_LOGIN),
        rule(
            &["push"],
            &[PullApp, KeyOfApp, Publish],
            "the rules grant builder everything, the token pull and push",
        ),
        rule(
            &["star"],
            &[PullApp, KeyOfApp, Publish, Rotate, Delete],
            "rules and token both grant everything on app",
        ),
        rule(
            &["limited"],
            &[PullApp],
            "the token grants everything, the rules grant reader pull alone",
        ),
        rule(
            &["catalog"],
            &[Login, AllChanges],
            "the catalog entry is for what belongs to no repository",
        ),
    ];
    assert_permissions(stage, &NO_TOKENS, &rules).await;
}

#[tokio::test]
async fn without_rules_outside_tokens_decide_alone() {
    let stage = Stage::with_outside_tokens(None).await;
    let rules = [
        rule(&["nobody"], &[], "no rule lets anonymous callers in"),
        rule(&["alice"], &[], NO_PASSWORDS),
        rule(&["garbled", "forged"], &[], WRONG_CREDENTIALS),
        rule(
            &["robot"],
            EVERYTHING,
            "a certificate names its caller, and without rules that is enough",
        ),
        rule(&["empty"], &[], "the token has no entry for the repository"),
        rule(
            &["unnamed", "pull"],
            &[PullApp],
            "without rules a token needs no subject, and both grant pull",
        ),
        rule(
            &["push"],
            &[PullApp, KeyOfApp, Publish],
            "the token grants pull and push",
        ),
        rule(
            &["star", "limited"],
            &[PullApp, KeyOfApp, Publish, Rotate, Delete],
            "the token grants everything on app",
        ),
        rule(
            &["catalog"],
            &[Login, AllChanges],
            "the catalog entry is for what belongs to no repository",
        ),
    ];
    assert_permissions(stage, &NO_TOKENS, &rules).await;
}

#[tokio::test]
async fn where_only_passwords_are_asked_for_a_token_is_worth_nothing() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    let rules = [
        rule(
            &["nobody"],
            &[PullPublic],
            "anonymous callers may pull below public/",
        ),
        rule(
            &["alice"],
            EVERY_REPOSITORY,
            "alice has every permission on repositories, and the feed of all is for administrators",
        ),
        rule(&["forged"], &[], "no token is accepted"),
    ];
    assert_permissions(stage, &NO_TOKENS, &rules).await;
}

#[tokio::test]
async fn an_open_server_asks_for_no_credentials() {
    let server = TestServer::start().await;
    for route in ROUTES.iter().chain(&NO_TOKENS) {
        let answer = server.request(route.method, route.path).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{}", route.path);
    }
}
