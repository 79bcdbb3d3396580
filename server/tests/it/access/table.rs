//! Every route, walked by every kind of caller.

use std::fmt::Write as _;

use http::StatusCode;

use super::callers::{Stage, outside_rules, rules};
use crate::support::{Settings, TestServer};

/// Each route, in the order of the tables' rows. Nothing is published: whoever is let in to read finds
/// nothing, and whoever may publish sends nothing that could be taken.
const ROUTES: [(&str, &str, &str); 22] = [
    ("ping", "GET", "/v2/"),
    ("current", "GET", "/v2/app/_trust/tuf/root.json"),
    (
        "public current",
        "GET",
        "/v2/public/app/_trust/tuf/root.json",
    ),
    ("by version", "GET", "/v2/app/_trust/tuf/1.root.json"),
    (
        "by checksum",
        "GET",
        "/v2/app/_trust/tuf/root.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json",
    ),
    ("changes", "GET", "/v2/app/_trust/changefeed?records=1"),
    ("all changes", "GET", "/v2/_trust/changefeed?records=1"),
    ("key", "GET", "/v2/app/_trust/tuf/timestamp.key"),
    (
        "public key",
        "GET",
        "/v2/public/app/_trust/tuf/timestamp.key",
    ),
    ("rotate", "POST", "/v2/app/_trust/tuf/snapshot.key"),
    ("publish", "POST", "/v2/app/_trust/tuf/"),
    ("delete", "DELETE", "/v2/app/_trust/tuf/"),
    ("unknown", "GET", "/v2/app/_trust/tuf/nothing"),
    ("head", "HEAD", "/v2/app/_trust/tuf/root.json"),
    ("put", "PUT", "/v2/app/_trust/tuf/root.json"),
    ("token", "GET", "/auth/token"),
    ("jwks", "GET", "/auth/jwks.json"),
    ("health", "GET", "/_notary_server/health"),
    ("metrics", "GET", "/metrics"),
    ("patch", "PATCH", "/v2/app/_trust/tuf/root.json"),
    ("redirect", "GET", "/v2//app/_trust/tuf/root.json"),
    ("newline", "GET", "/%0a"),
];

/// The status of every route for every one of `callers`, a row each.
async fn walked(stage: Stage, callers: &[&str]) -> String {
    let mut table = format!("{:<14}", "route");
    for who in callers {
        let _ = write!(table, " {who:>7}");
    }
    for (name, method, path) in ROUTES {
        let _ = write!(table, "\n{name:<14}");
        for who in callers {
            let status = stage.ask(who, method, path).await.status;
            let _ = write!(table, " {:>7}", status.as_u16());
        }
    }
    table
}

/// Those who come with a password, a certificate or a token of the server's own, or with nothing.
const OWN: [&str; 12] = [
    "nobody", "wrong", "garbled", "forged", "alice", "ci", "admin", "robot", "t-none", "t-pull",
    "t-push", "t-star",
];

/// Those who come with tokens of somebody else; passwords mean nothing where these are asked for.
const OUTSIDE: [&str; 12] = [
    "nobody", "alice", "garbled", "forged", "robot", "unnamed", "empty", "pull", "push", "star",
    "limited", "catalog",
];

const BY_RULES: &str = "\
route           nobody   wrong garbled  forged   alice      ci   admin   robot  t-none  t-pull  t-push  t-star
ping               401     401     401     401     200     200     200     200     401     200     200     200
current            401     401     401     401     404     404     404     404     401     404     404     404
public current     404     401     401     401     404     404     404     404     404     404     404     404
by version         401     401     401     401     404     404     404     404     401     404     404     404
by checksum        401     401     401     401     404     404     404     404     401     404     404     404
changes            401     401     401     401     200     200     200     200     401     200     200     200
all changes        401     401     401     401     401     401     200     401     401     401     401     401
key                401     401     401     401     200     200     200     401     401     401     200     200
public key         401     401     401     401     200     401     200     401     401     401     200     200
rotate             401     401     401     401     200     401     200     401     401     401     401     200
publish            401     401     401     401     400     400     400     401     401     401     400     400
delete             401     401     401     401     200     401     200     401     401     401     401     200
unknown            401     401     401     401     404     404     404     404     401     404     404     404
head               401     401     401     401     404     404     404     404     401     404     404     404
put                401     401     401     401     404     404     404     404     401     404     404     404
token              400     400     400     400     400     400     400     400     400     400     400     400
jwks               200     200     200     200     200     200     200     200     200     200     200     200
health             200     200     200     200     200     200     200     200     200     200     200     200
metrics            200     200     200     200     200     200     200     200     200     200     200     200
patch              405     405     405     405     405     405     405     405     405     405     405     405
redirect           301     301     301     301     301     301     301     301     301     301     301     301
newline            404     404     404     404     404     404     404     404     404     404     404     404";

#[tokio::test]
async fn rules_let_everybody_do_what_they_grant_and_no_more() {
    let stage = Stage::with_token_service(Some(rules())).await;
    assert_eq!(walked(stage, &OWN).await, BY_RULES);
}

const BY_NAME: &str = "\
route           nobody   wrong garbled  forged   alice      ci   admin   robot  t-none  t-pull  t-push  t-star
ping               401     401     401     401     200     200     200     200     401     200     200     200
current            401     401     401     401     404     404     404     404     401     404     404     404
public current     401     401     401     401     404     404     404     404     401     404     404     404
by version         401     401     401     401     404     404     404     404     401     404     404     404
by checksum        401     401     401     401     404     404     404     404     401     404     404     404
changes            401     401     401     401     200     200     200     200     401     200     200     200
all changes        401     401     401     401     200     200     200     200     401     401     401     401
key                401     401     401     401     200     200     200     200     401     401     200     200
public key         401     401     401     401     200     200     200     200     401     401     200     200
rotate             401     401     401     401     200     200     200     200     401     401     401     200
publish            401     401     401     401     400     400     400     400     401     401     400     400
delete             401     401     401     401     200     200     200     200     401     401     401     200
unknown            401     401     401     401     404     404     404     404     401     404     404     404
head               401     401     401     401     404     404     404     404     401     404     404     404
put                401     401     401     401     404     404     404     404     401     404     404     404
token              400     400     400     400     400     400     400     400     400     400     400     400
jwks               200     200     200     200     200     200     200     200     200     200     200     200
health             200     200     200     200     200     200     200     200     200     200     200     200
metrics            200     200     200     200     200     200     200     200     200     200     200     200
patch              405     405     405     405     405     405     405     405     405     405     405     405
redirect           301     301     301     301     301     301     301     301     301     301     301     301
newline            404     404     404     404     404     404     404     404     404     404     404     404";

#[tokio::test]
async fn without_rules_whoever_is_known_may_do_everything_within_the_limits_of_a_token() {
    let stage = Stage::with_token_service(None).await;
    assert_eq!(walked(stage, &OWN).await, BY_NAME);
}

const BY_RULES_AND_TOKENS: &str = "\
route           nobody   alice garbled  forged   robot unnamed   empty    pull    push    star limited catalog
ping               401     401     401     401     200     401     401     401     401     401     401     200
current            401     401     401     401     401     401     401     404     404     404     404     401
public current     404     401     401     401     404     401     401     401     401     401     401     401
by version         401     401     401     401     401     401     401     404     404     404     404     401
by checksum        401     401     401     401     401     401     401     404     404     404     404     401
changes            401     401     401     401     401     401     401     200     200     200     200     401
all changes        401     401     401     401     401     401     401     401     401     401     401     200
key                401     401     401     401     401     401     401     401     200     200     401     401
public key         401     401     401     401     401     401     401     401     401     401     401     401
rotate             401     401     401     401     401     401     401     401     401     200     401     401
publish            401     401     401     401     401     401     401     401     400     400     401     401
delete             401     401     401     401     401     401     401     401     401     200     401     401
unknown            401     401     401     401     404     401     401     401     401     401     401     404
head               401     401     401     401     404     401     401     401     401     401     401     404
put                401     401     401     401     404     401     401     401     401     401     401     404
token              401     401     401     401     404     401     401     401     401     401     401     404
jwks               401     401     401     401     404     401     401     401     401     401     401     404
health             200     200     200     200     200     200     200     200     200     200     200     200
metrics            200     200     200     200     200     200     200     200     200     200     200     200
patch              405     405     405     405     405     405     405     405     405     405     405     405
redirect           301     301     301     301     301     301     301     301     301     301     301     301
newline            404     404     404     404     404     404     404     404     404     404     404     404";

#[tokio::test]
async fn rules_let_holders_of_outside_tokens_do_what_rule_and_token_both_grant() {
    let stage = Stage::with_outside_tokens(Some(outside_rules())).await;
    assert_eq!(walked(stage, &OUTSIDE).await, BY_RULES_AND_TOKENS);
}

const BY_TOKENS: &str = "\
route           nobody   alice garbled  forged   robot unnamed   empty    pull    push    star limited catalog
ping               401     401     401     401     200     401     401     401     401     401     401     200
current            401     401     401     401     404     404     401     404     404     404     404     401
public current     401     401     401     401     404     401     401     401     401     401     401     401
by version         401     401     401     401     404     404     401     404     404     404     404     401
by checksum        401     401     401     401     404     404     401     404     404     404     404     401
changes            401     401     401     401     200     200     401     200     200     200     200     401
all changes        401     401     401     401     200     401     401     401     401     401     401     200
key                401     401     401     401     200     401     401     401     200     200     200     401
public key         401     401     401     401     200     401     401     401     401     401     401     401
rotate             401     401     401     401     200     401     401     401     401     200     200     401
publish            401     401     401     401     400     401     401     401     400     400     400     401
delete             401     401     401     401     200     401     401     401     401     200     200     401
unknown            401     401     401     401     404     401     401     401     401     401     401     404
head               401     401     401     401     404     401     401     401     401     401     401     404
put                401     401     401     401     404     401     401     401     401     401     401     404
token              401     401     401     401     404     401     401     401     401     401     401     404
jwks               401     401     401     401     404     401     401     401     401     401     401     404
health             200     200     200     200     200     200     200     200     200     200     200     200
metrics            200     200     200     200     200     200     200     200     200     200     200     200
patch              405     405     405     405     405     405     405     405     405     405     405     405
redirect           301     301     301     301     301     301     301     301     301     301     301     301
newline            404     404     404     404     404     404     404     404     404     404     404     404";

#[tokio::test]
async fn without_rules_outside_tokens_decide_alone() {
    let stage = Stage::with_outside_tokens(None).await;
    assert_eq!(walked(stage, &OUTSIDE).await, BY_TOKENS);
}

const BY_PASSWORDS: &str = "\
route           nobody   alice  forged
ping               401     200     401
current            401     404     401
public current     404     404     401
by version         401     404     401
by checksum        401     404     401
changes            401     200     401
all changes        401     401     401
key                401     200     401
public key         401     200     401
rotate             401     200     401
publish            401     400     401
delete             401     200     401
unknown            401     404     401
head               401     404     401
put                401     404     401
token              401     404     401
jwks               401     404     401
health             200     200     200
metrics            200     200     200
patch              405     405     405
redirect           301     301     301
newline            404     404     404";

#[tokio::test]
async fn where_only_passwords_are_asked_for_a_token_is_worth_nothing() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    let callers = ["nobody", "alice", "forged"];
    assert_eq!(walked(stage, &callers).await, BY_PASSWORDS);
}

#[tokio::test]
async fn an_open_server_asks_nobody() {
    let server = TestServer::start().await;
    for (name, method, path) in ROUTES {
        let answer = server.request(method, path).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
    }
}
