//! What the pages say, and to whom.

use fixtures::Publisher;

use super::*;

/// What a page must never hold as it is: each would be more than text.
const ATTACKS: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "\u{202e}gnp.evil",
    "{{ 7 * 7 }}",
];

#[tokio::test]
async fn each_page_answers_its_question() {
    let stage = Stage::open().await;
    stage.publish("a/app", &["1.0", "2.0"]).await;
    stage.publish("b/app", &[]).await;
    let mut browser = Browser::default();
    let page = stage.visit(&mut browser, "/ui/").await.ok().text();
    assert!(page.contains("All 2 repositories are well"), "{page}");
    assert!(
        page.contains("The inventory says what the files say"),
        "{page}"
    );

    let page = stage
        .visit(&mut browser, "/ui/repositories?tag=1.0")
        .await
        .ok()
        .text();
    assert!(page.contains("a/app") && !page.contains("b/app"), "{page}");
    let page = stage
        .visit(&mut browser, "/ui/repositories?prefix=b%2F")
        .await
        .ok()
        .text();
    assert!(!page.contains("a/app") && page.contains("b/app"), "{page}");
    let page = stage
        .visit(&mut browser, "/ui/repositories?unhealthy=yes")
        .await
        .ok()
        .text();
    assert!(page.contains("No repository matches"), "{page}");
    let page = stage
        .visit(&mut browser, "/ui/repositories?expires=1095")
        .await
        .ok();
    assert!(page.text().contains("a/app"), "{}", page.text());

    let page = stage
        .visit(&mut browser, "/ui/repository?gun=a%2Fapp")
        .await
        .ok()
        .text();
    for text in [
        "Clients can read and follow it.",
        "1 of 1 key must sign",
        "named by root",
        r#"<a class="gun" href="/ui/tag?gun=a%2Fapp&#38;tag=2.0">2.0</a>"#,
        "sha256:",
        "<strong>version 2</strong>",
        "notary -s https://notary.example.com -d ~/.docker/trust witness a/app targets -p",
        "docker trust inspect --pretty a/app",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let page = stage
        .visit(&mut browser, "/ui/tag?gun=a%2Fapp&tag=2.0")
        .await;
    let page = page.ok().text();
    assert!(page.contains("nothing: it is new"), "{page}");
    assert!(page.contains("history a/app 2.0"), "{page}");
    let keys = stage.visit(&mut browser, "/ui/signers").await.ok().text();
    let (_, rest) = keys.split_once("/ui/key?id=").unwrap();
    let id = rest.split_once('"').unwrap().0;
    let page = stage
        .visit(&mut browser, &format!("/ui/key?id={id}"))
        .await
        .ok()
        .text();
    assert!(page.contains(id) && page.contains("/app"), "{page}");

    let page = stage.visit(&mut browser, "/ui/expiry").await.ok().text();
    assert!(page.contains("Nothing expires in that time"), "{page}");
    let page = stage
        .visit(&mut browser, "/ui/expiry?within=1095")
        .await
        .ok()
        .text();
    assert!(page.contains("notary witness a/app targets -p"), "{page}");
    assert!(
        page.contains(r#"href="/api/v1/expiry.ics?within=1095d""#),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_wrong_or_due_stands_on_the_first_page() {
    let stage = Stage::open().await;
    stage.publish("a/app", &["1.0"]).await;
    stage.server.keep_unreadable("c/damaged").await;
    stage.server.advance(days(3 * 365 - 31));
    stage.follow().await;
    let mut browser = Browser::default();
    let page = stage.visit(&mut browser, "/ui/").await.ok().text();
    for text in [
        "c/damaged",
        "Broken",
        "clients cannot follow it",
        "notary witness a/app targets -p",
        "due in 30 days",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let page = stage
        .visit(&mut browser, "/ui/repository?gun=c%2Fdamaged")
        .await
        .ok()
        .text();
    assert!(
        page.contains("A client cannot read or follow it."),
        "{page}"
    );
    assert!(page.contains("What to do:"), "{page}");
}

#[tokio::test]
async fn no_name_can_become_more_than_text() {
    let stage = Stage::open().await;
    let guns: Vec<_> = ATTACKS.iter().map(|attack| format!("a/{attack}")).collect();
    let mut stored = 0;
    for gun in &guns {
        let other = TestServer::stored_in(stage.server.pool.clone());
        let encoded: String = form_urlencoded::byte_serialize(gun.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20").replace("%2F", "/");
        let mut publisher = Publisher::new(gun);
        for role in ["timestamp", "snapshot"] {
            let key = other.file(&encoded, &format!("{role}.key")).await;
            if key.status == StatusCode::OK {
                publisher = publisher.with_server_key_document(role, &key.body);
            }
        }
        publisher.expire("targets", fixtures::clock() + days(3 * 365 - 1));
        let parts = publisher.first_publish();
        stored += u32::from(other.publish(&encoded, &parts).await.status == StatusCode::OK);
    }
    // A repository may not have every name, but a tag may.
    assert!(stored > 0);
    stage.publish("a/tags", &ATTACKS).await;
    stage.server.advance(days(3 * 365 - 31));
    stage.follow().await;
    let mut browser = Browser::default();
    let mut pages = vec![
        "/ui/repository?gun=a%2Ftags".to_owned(),
        "/ui/".to_owned(),
        "/ui/repositories".to_owned(),
        "/ui/expiry".to_owned(),
        "/ui/signers".to_owned(),
    ];
    for gun in &guns {
        let encoded: String = form_urlencoded::byte_serialize(gun.as_bytes()).collect();
        for path in [
            "tag?gun=a%2Ftags&tag=",
            "repository?gun=",
            "repositories?prefix=",
            "repositories?tag=",
            "key?id=",
        ] {
            pages.push(format!("/ui/{path}{encoded}"));
        }
        pages.push(format!("/ui/repositories?{encoded}=1"));
        pages.push(format!("/ui/repositories?after={encoded}"));
        pages.push(format!("/ui/{encoded}"));
        pages.push(format!("/ui/sign-in?to={encoded}"));
    }
    let mut found = 0;
    for path in pages {
        let answer = stage.visit(&mut browser, &path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text());
        let page = answer.text();
        for bad in ["<script", "<img src=x", "' autofocus onfocus='"] {
            assert!(!page.contains(bad), "{path} holds {bad}: {page}");
        }
        // What was typed into a field stays there as it was.
        let fields = page.split("<input").skip(1);
        let typed = fields.filter_map(|rest| rest.split('>').next());
        let told = typed.fold(page.clone(), |told, field| told.replace(field, ""));
        assert!(!told.contains('\u{202e}'), "{path}: {page}");
        found += page
            .matches("&#60;script&#62;alert(1)&#60;/script&#62;")
            .count();
        found += page.matches(r"\u{202e}gnp.evil").count();
    }
    assert!(found > 20, "the names were shown {found} times");
}

#[tokio::test]
async fn a_user_of_one_prefix_learns_nothing_of_another() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    stage.publish("b/secret", &["hidden-tag"]).await;
    stage.publish("public/app", &[]).await;
    stage.server.advance(days(3 * 365 - 31));
    stage.follow().await;
    let mut admin = stage.browser_of("admin").await;
    let page = stage
        .visit(&mut admin, "/ui/repository?gun=b%2Fsecret")
        .await
        .ok()
        .text();
    let (_, rest) = page.split_once("/ui/key?id=").unwrap();
    let key = format!("/ui/key?id={}", rest.split_once('"').unwrap().0);

    let mut alice = stage.browser_of("alice").await;
    let paths = PAGES.iter().map(|path| (*path).to_owned()).chain([
        "/ui/repositories?tag=hidden-tag".to_owned(),
        "/ui/repositories?prefix=b".to_owned(),
        "/ui/repositories?unhealthy=yes".to_owned(),
        "/ui/repository?gun=b%2Fsecret".to_owned(),
        "/ui/tag?gun=b%2Fsecret&tag=hidden-tag".to_owned(),
        key.clone(),
    ]);
    for path in paths {
        let page = stage.visit(&mut alice, &path).await.text();
        assert!(!page.contains("b/secret"), "{path}: {page}");
        assert!(!page.contains("sha256:hidden"), "{path}: {page}");
    }
    // What is hidden and what does not exist look the same.
    let hidden = stage
        .visit(&mut alice, "/ui/repository?gun=b%2Fsecret")
        .await;
    let missing = stage.visit(&mut alice, "/ui/repository?gun=b%2Fnone").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert_eq!(
        without_tokens(&hidden.text()),
        without_tokens(&missing.text())
    );
    let key = stage.visit(&mut alice, &key).await;
    let no_key = stage.visit(&mut alice, "/ui/key?id=00").await;
    assert_eq!(key.status, StatusCode::NOT_FOUND);
    assert_eq!(without_tokens(&key.text()), without_tokens(&no_key.text()));
    let page = stage.visit(&mut alice, "/ui/").await.ok().text();
    assert!(
        page.contains(r#"<a href="/ui/repositories">2</a>"#),
        "{page}"
    );

    // Without a session, there is what everybody may see.
    let mut stranger = Browser::default();
    let page = stage
        .visit(&mut stranger, "/ui/repositories")
        .await
        .ok()
        .text();
    assert!(
        page.contains("public/app") && !page.contains("a/app"),
        "{page}"
    );
    assert!(
        page.contains(r#"<a href="/ui/sign-in">Sign in</a>"#),
        "{page}"
    );
}

/// A page without what differs from one answer to the next.
fn without_tokens(page: &str) -> String {
    page.split('"').filter(|part| part.len() < 60).collect()
}

#[tokio::test]
async fn browsers_are_told_to_run_and_keep_nothing() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    let mut alice = stage.browser_of("alice").await;
    let others = [
        "/",
        "/ui/sign-in",
        "/ui/none",
        "/ui",
        "/ui/repositories?x=1",
    ];
    let mut style = String::new();
    for path in PAGES.iter().chain(&others) {
        let answer = stage.visit(&mut alice, path).await;
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let page = answer.text();
        assert!(
            !page.contains("<script") && !page.contains(" style="),
            "{page}"
        );
        if let Some((_, rest)) = page.split_once(r#"rel="stylesheet" href=""#) {
            style = rest.split_once('"').unwrap().0.to_owned();
        }
    }
    let answer = stage.visit(&mut alice, &style).await.ok();
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert!(answer.text().contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_that_says_what_to_do() {
    let stage = Stage::open().await;
    let mut browser = Browser::default();
    let answer = stage.visit(&mut browser, "/ui/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.text().contains("notary-server migrate"),
        "{}",
        answer.text()
    );
    stage.follow().await;
    for (path, status, text) in [
        ("/ui/none", 404, "There is no such page"),
        (
            "/ui/repository?gun=none",
            404,
            "There is no such repository",
        ),
        ("/ui/repository", 400, "gun is missing"),
        ("/ui/repositories?x=1", 400, "There is no parameter x"),
        ("/ui/repositories?tag=1&tag=2", 400, "tag is there twice"),
        (
            "/ui/repositories?expires=soon",
            400,
            "takes a number of days",
        ),
        (
            "/ui/repositories?after=AAAA",
            400,
            "Begin with the first page",
        ),
        (
            "/ui/expiry?within=999999999999999999999",
            400,
            "takes a number of days",
        ),
        ("/ui/tag?gun=none&tag=x", 404, "There is no such repository"),
        (
            "/ui/tag?gun=a&tag=x&role=targets",
            400,
            "no place in this history",
        ),
        (
            "/ui/tag?gun=a&tag=x&role=../x&below=2",
            400,
            "no place in this history",
        ),
        ("/ui/key?id=%00", 404, "There is no such key"),
        ("/ui/ca.pem", 404, "There is no such page"),
    ] {
        let answer = stage.visit(&mut browser, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert!(answer.text().starts_with("<!doctype html>"), "{path}");
    }
    let request = Stage::request(&browser, "POST", "/ui/repositories").body(Body::empty());
    let answer = stage.server.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_long_list_is_paged_and_keeps_its_search() {
    let stage = Stage::open().await;
    for number in 0..52 {
        let other = TestServer::stored_in(stage.server.pool.clone());
        other.published(&format!("a/{number:02}")).await;
    }
    stage.follow().await;
    let mut browser = Browser::default();
    let page = stage
        .visit(&mut browser, "/ui/repositories?prefix=a%2F")
        .await
        .ok()
        .text();
    assert!(
        page.contains(">a/49<") && !page.contains(">a/50<"),
        "{page}"
    );
    let (_, rest) = page.split_once(r#"<a rel="next" href=""#).unwrap();
    let next = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    assert!(next.contains("prefix=a%2F"), "{next}");
    let page = stage.visit(&mut browser, &next).await.ok().text();
    assert!(
        !page.contains(">a/49<") && page.contains(">a/51<"),
        "{page}"
    );
    assert!(
        page.contains("First page") && !page.contains("Next page"),
        "{page}"
    );
}

#[tokio::test]
async fn the_root_greets_browsers_and_nobody_else() {
    let stage = Stage::with(Some(rules())).await;
    let off = Stage {
        server: TestServer::with(Settings {
            authenticator: Arc::clone(&stage.authenticator),
            ui: None,
            ..Settings::default()
        })
        .await,
        folder: TempDir::new().unwrap(),
        authenticator: Arc::clone(&stage.authenticator),
    };
    let ask = async |stage: &Stage, method: &str, path: &str, accept: Option<&str>| {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "notary.example.com");
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        stage
            .server
            .send(request.body(Body::empty()).unwrap())
            .await
    };
    let browser = Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    let page = ask(&stage, "GET", "/", browser).await.ok().text();
    for text in [
        "export DOCKER_CONTENT_TRUST=1",
        "export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com",
        "docker pull REGISTRY/IMAGE:TAG",
    ] {
        assert!(page.contains(text), "{page}");
    }
    for (method, path, accept) in [
        ("GET", "/", None),
        ("GET", "/", Some("*/*")),
        ("GET", "/", Some("application/json")),
        ("POST", "/", browser),
        ("PUT", "/", browser),
        ("GET", "/other", browser),
        ("GET", "/v2/", browser),
    ] {
        let (with, without) = (
            ask(&stage, method, path, accept).await,
            ask(&off, method, path, accept).await,
        );
        assert_eq!(with.status, without.status, "{method} {path}");
        assert_eq!(with.body, without.body, "{method} {path}");
        assert_eq!(
            with.header("www-authenticate"),
            without.header("www-authenticate")
        );
    }
    for path in ["/", "/ui/", "/ui", "/ui/sign-in"] {
        let answer = ask(&off, "GET", path, browser).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn callers_with_a_password_in_the_header_need_no_session() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    let none = Browser::default();
    let ask = async |credentials: &str| {
        let request = Stage::request(&none, "GET", "/ui/repositories")
            .header("authorization", format!("Basic {credentials}"));
        stage
            .server
            .send(request.body(Body::empty()).unwrap())
            .await
    };
    let answer = ask("YWxpY2U6cmlnaHQ=").await.ok();
    assert!(answer.text().contains("a/app"));
    let answer = ask("YWxpY2U6d3Jvbmc=").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").starts_with("Basic"));
    assert!(answer.text().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn the_audit_log_is_for_those_who_may_audit() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    stage
        .sign_in(&mut Browser::default(), "<b>eve</b>", "wrong")
        .await;
    let mut alice = stage.browser_of("alice").await;
    for path in ["/ui/audit", "/ui/audit?gun=a%2Fapp"] {
        let answer = stage.visit(&mut alice, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!answer.text().contains("eve"), "{}", answer.text());
    }
    let page = stage.visit(&mut alice, "/ui/").await.ok().text();
    assert!(!page.contains("/ui/audit"), "{page}");
    let mut admin = stage.browser_of("admin").await;
    let page = stage.visit(&mut admin, "/ui/").await.ok().text();
    assert!(page.contains("/ui/audit"), "{page}");
    let page = stage.visit(&mut admin, "/ui/audit").await.ok().text();
    for text in [
        "&#60;b&#62;eve&#60;/b&#62; at 192.0.2.1",
        "refused",
        "alice at 192.0.2.1",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("<b>eve"), "{page}");
    let page = stage
        .visit(&mut admin, "/ui/audit?gun=none")
        .await
        .ok()
        .text();
    assert!(page.contains("No line is about that."), "{page}");
    let answer = stage.visit(&mut admin, "/ui/audit?after=nonsense").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
