//! Signing in and out, and what ends a session.

use super::*;

const SESSION: &str = "__Host-countersign-session";

#[tokio::test]
async fn a_user_signs_in_and_out() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    let mut browser = Browser::default();
    let answer = stage.sign_in(&mut browser, "alice", "right").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/ui/");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let cookie = cookies[0].to_str().unwrap();
    assert!(cookie.starts_with(&format!("{SESSION}=")), "{cookie}");
    for part in [
        "; Path=/",
        "; HttpOnly",
        "; Secure",
        "; SameSite=Lax",
        "; Max-Age=3600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");

    let page = stage.visit(&mut browser, "/ui/").await.ok().text();
    assert!(
        page.contains(r#"<span class="name">alice</span>"#),
        "{page}"
    );
    let copy = Browser(browser.0.clone());
    let token = hidden(&page, "token");
    let wrong = [("token", "00")];
    let answer = stage.send(&mut browser, "/ui/sign-out", Some(SITE), &wrong);
    assert_eq!(answer.await.status, StatusCode::FORBIDDEN);
    let right = [("token", &*token)];
    let answer = stage.send(&mut browser, "/ui/sign-out", Some(SITE), &right);
    assert_eq!(answer.await.status, StatusCode::SEE_OTHER);
    assert!(browser.0.iter().all(|(name, _)| name != SESSION));
    // A copy that was made before is worth nothing either.
    let mut copy = copy;
    let page = stage.visit(&mut copy, "/ui/").await.ok().text();
    assert!(!page.contains("alice"), "{page}");
}

#[tokio::test]
async fn without_a_session_visitors_are_asked_to_sign_in_and_led_back() {
    let rules = json!({"rules": [{"who": "user:alice", "may": "pull", "on": "a/"}]});
    let stage = Stage::with(Some(rules)).await;
    stage.publish("a/app", &["1.0"]).await;
    let mut browser = Browser::default();
    let wanted = "/ui/repository?gun=a%2Fapp";
    let answer = stage.visit(&mut browser, wanted).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let to = answer.header("location").to_owned();
    assert_eq!(to, "/ui/sign-in?to=%2Fui%2Frepository%3Fgun%3Da%252Fapp");
    let form = stage.visit(&mut browser, &to).await.ok().text();
    assert_eq!(hidden(&form, "to"), wanted);
    let token = hidden(&form, "token");
    let fields = [
        ("token", &*token),
        ("to", wanted),
        ("user", "alice"),
        ("password", "right"),
    ];
    let answer = stage
        .send(&mut browser, "/ui/sign-in", Some(SITE), &fields)
        .await;
    assert_eq!(answer.header("location"), wanted);
    let away = "https://evil.example/";
    let mut browser = Browser::default();
    let form = stage
        .visit(&mut browser, &format!("/ui/sign-in?to={away}"))
        .await;
    assert_eq!(hidden(&form.text(), "to"), "/ui/");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_guessing_is_slowed_down() {
    let stage = Stage::with(Some(rules())).await;
    stage.follow().await;
    let mut browser = Browser::default();
    let answer = stage.sign_in(&mut browser, "alice", "wrong").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let page = answer.text();
    assert!(
        page.contains("The user or the password is wrong."),
        "{page}"
    );
    assert!(!page.contains("wrong\""), "{page}");
    assert!(page.contains(r#"name="user" value="alice""#), "{page}");
    let mut last = answer.status;
    for _ in 0..40 {
        let answer = stage.sign_in(&mut browser, "alice", "wrong").await;
        last = answer.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(!answer.header("retry-after").is_empty());
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn no_other_site_can_sign_a_browser_in_or_out() {
    let stage = Stage::with(Some(rules())).await;
    stage.follow().await;
    let mut browser = Browser::default();
    let form = stage.visit(&mut browser, "/ui/sign-in").await.ok().text();
    let token = hidden(&form, "token");
    let credentials = [("user", "alice"), ("password", "right")];
    let with = |token| [credentials[0], credentials[1], ("token", token)];
    for (origin, token) in [
        (None, &*token),
        (Some("null"), &*token),
        (Some("https://evil.example"), &*token),
        (Some("http://notary.example.com"), &*token),
        (Some("https://notary.example.com:444"), &*token),
        (Some(SITE), ""),
        (Some(SITE), "guess"),
    ] {
        let answer = stage
            .send(&mut browser, "/ui/sign-in", origin, &with(token))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?} {token}");
        assert!(browser.0.iter().all(|(name, _)| name != SESSION));
    }
    // The token alone does not do: it belongs to the cookie of one browser.
    let (mut other, fields) = (Browser::default(), with(&token));
    let answer = stage.send(&mut other, "/ui/sign-in", Some(SITE), &fields);
    assert_eq!(answer.await.status, StatusCode::FORBIDDEN);
    let answer = stage
        .send(&mut browser, "/ui/sign-in", Some(SITE), &with(&token))
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let answer = stage
        .send(
            &mut browser,
            "/ui/sign-out",
            Some("https://evil.example"),
            &[],
        )
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let page = stage.visit(&mut browser, "/ui/").await.ok().text();
    assert!(page.contains("alice"), "{page}");
}

#[tokio::test]
async fn a_session_ends_with_time_password_user_and_rules() {
    let rules_of_alice = json!({"rules": [{"who": "user:alice", "may": "pull", "on": "a/"}]});
    let stage = Stage::with(Some(rules_of_alice.clone())).await;
    stage.publish("a/app", &["1.0"]).await;
    let sees = async |browser: &mut Browser| {
        let answer = stage.visit(browser, "/ui/repositories").await;
        answer.status == StatusCode::OK && answer.text().contains("a/app")
    };
    let mut browser = stage.browser_of("alice").await;
    assert!(sees(&mut browser).await);
    // The rules of this moment count.
    let none = json!({"rules": [{"who": "user:ci", "may": "pull", "on": "a/"}]});
    stage.change("rules.json", &none.to_string());
    let answer = stage.visit(&mut browser, "/ui/repositories").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    stage.change("rules.json", &rules_of_alice.to_string());
    assert!(sees(&mut browser).await);
    // Another hash of another password.
    let ci = USERS.lines().nth(1).unwrap();
    let changed = format!("{}\n{ci}\n", ci.replace("ci:", "alice:"));
    stage.change("htpasswd", &changed);
    assert!(!sees(&mut browser).await);
    stage.change("htpasswd", USERS);
    assert!(sees(&mut browser).await);
    stage.change("htpasswd", &format!("{ci}\n"));
    assert!(!sees(&mut browser).await);
    stage.change("htpasswd", USERS);
    // Used each 50 minutes, it lives for twelve hours.
    for _ in 0..14 {
        assert!(sees(&mut browser).await);
        stage.server.advance(Duration::minutes(50));
    }
    stage.server.advance(Duration::minutes(20));
    assert!(!sees(&mut browser).await);
    let mut browser = stage.browser_of("alice").await;
    stage.server.advance(Duration::hours(1));
    assert!(!sees(&mut browser).await);
}

#[tokio::test]
async fn another_replica_knows_the_session() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    let browser = stage.browser_of("alice").await;
    let other = stage.server.sibling_with(
        Settings {
            authenticator: Arc::clone(&stage.authenticator),
            ..Settings::default()
        },
        |store| store,
    );
    let request = Stage::request(&browser, "GET", "/ui/repositories").body(Body::empty());
    let page = other.send(request.unwrap()).await.ok().text();
    assert!(page.contains("alice") && page.contains("a/app"), "{page}");
}

#[tokio::test]
async fn the_administrator_signs_in_too_and_a_session_is_no_other_users() {
    let stage = Stage::with(Some(rules())).await;
    stage.publish("a/app", &["1.0"]).await;
    stage.publish("b/app", &["1.0"]).await;
    let mut admin = stage.browser_of("admin").await;
    let page = stage
        .visit(&mut admin, "/ui/repositories")
        .await
        .ok()
        .text();
    assert!(page.contains("admin (administrator)"), "{page}");
    assert!(page.contains("a/app") && page.contains("b/app"), "{page}");
    // One that claims to be another's.
    let mut forged = stage.browser_of("alice").await;
    for (name, value) in &mut forged.0 {
        if name == SESSION {
            let tail = value.len() - 43;
            value.replace_range(tail..=tail, "A");
            value.replace_range(4..5, "B");
        }
    }
    let page = stage
        .visit(&mut forged, "/ui/repositories")
        .await
        .ok()
        .text();
    assert!(!page.contains("a/app"), "{page}");
}

#[tokio::test]
async fn over_plain_http_on_this_machine_cookies_are_plain_and_elsewhere_refused() {
    let stage = Stage::with(Some(rules())).await;
    stage.follow().await;
    // What the browser says decides nothing: behind TLS, `http` is another site.
    let mut browser = Browser::default();
    let form = stage.visit(&mut browser, "/ui/sign-in").await.ok().text();
    let token = hidden(&form, "token");
    let fields = [("token", &*token), ("user", "alice"), ("password", "right")];
    let plain = Some("http://notary.example.com");
    let answer = stage
        .send(&mut browser, "/ui/sign-in", plain, &fields)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains("plain HTTP"), "{}", answer.text());
}
