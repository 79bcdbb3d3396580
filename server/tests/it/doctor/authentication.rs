//! Who is let in, and what is doubtful about it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use access::Hashing;
use authn::{settings::TokenServiceSettings, token_service};
use fixtures::clock;
use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
use serde_json::{Value, json};
use server::doctor::{Check, Report, Verdict};
use time::{Duration, macros::datetime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    examined,
    stage::{Authority, Leaf, Stage},
    told,
};

const RULES: &str = r#"{"rules": [{"who": "anonymous", "may": "pull", "on": "**"}]}"#;

/// A server whose `auth` section has these members, and whose password file holds alice and bob.
async fn stage(auth: &Value) -> Stage {
    let mut stage = Stage::healthy().await;
    let hash = access::hash(&"secret".into(), Hashing::Bcrypt).unwrap();
    let file = stage.file("htpasswd", &format!("alice:{hash}\nbob:{hash}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    for (key, value) in auth.as_object().unwrap() {
        stage.set("auth", key, value.clone());
    }
    if auth["type"] == "htpasswd" {
        stage.set("auth", "htpasswd_file", file);
    }
    stage
}

fn htpasswd() -> Value {
    json!({"type": "htpasswd"})
}

/// The sentences about access with this verdict, each with its cure.
fn sentences(report: &Report, verdict: Verdict) -> Vec<(String, String)> {
    let told = told(report, verdict).into_iter();
    told.filter(|(check, ..)| *check == Check::Access)
        .map(|(_, sentence, cure)| (sentence, cure))
        .collect()
}

/// The one sentence about access with this verdict, and its cure.
#[track_caller]
fn only(report: &Report, verdict: Verdict) -> (String, String) {
    let mut sentences = sentences(report, verdict);
    assert_eq!(sentences.len(), 1, "{report}");
    sentences.remove(0)
}

#[track_caller]
fn assert_well(report: &Report) {
    for verdict in [Verdict::Warning, Verdict::Wrong] {
        assert!(sentences(report, verdict).is_empty(), "{report}");
    }
}

#[tokio::test]
async fn a_server_that_lets_everybody_do_everything_is_told_so_written_or_not() {
    let (sentence, cure) = only(&examined(&stage(&json!({})).await).await, Verdict::Warning);
    assert!(
        sentence.starts_with("there is no auth section"),
        "{sentence}"
    );
    assert!(cure.contains("NOTARY_AUTH"), "{cure}");
    let none = stage(&json!({"type": "none"})).await;
    let (sentence, _) = only(&examined(&none).await, Verdict::Warning);
    assert!(sentence.starts_with("auth.type is \"none\""), "{sentence}");
}

#[tokio::test]
async fn users_and_administrator_are_told_and_no_password() {
    let mut auth = htpasswd();
    auth["administrator"] = "cm9vdDp4eXp6eS1wYXNzd29yZA==".into();
    let report = examined(&stage(&auth).await).await;
    assert_well(&report);
    let fine: Vec<_> = sentences(&report, Verdict::Ok)
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    assert_eq!(
        fine,
        [
            "the administrator is \"root\"",
            "the password file holds 2 users",
            "the token service keeps its keys in memory: several servers behind one name need auth.token_folder",
        ]
    );
    assert!(!report.to_string().contains("xyzzy"));
}

#[tokio::test]
async fn a_password_file_that_everybody_can_read_is_a_warning() {
    let stage = stage(&htpasswd()).await;
    let file = stage.path("htpasswd");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (sentence, cure) = only(&examined(&stage).await, Verdict::Warning);
    assert!(
        sentence.ends_with("can be read by every user of this machine"),
        "{sentence}"
    );
    assert_eq!(cure, format!("chmod o-rwx {}", file.display()));
}

#[tokio::test]
async fn files_that_the_server_would_not_start_with_are_wrong() {
    let stage = stage(&htpasswd()).await;
    stage.file("htpasswd", "alice:plain\n");
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.starts_with("the password file cannot be used: "),
        "{sentence}"
    );

    let mut stage = self::stage(&htpasswd()).await;
    let rules = stage.file("rules.json", r#"{"rules": [{"who": "nobody"}]}"#);
    stage.set("auth", "rules_file", rules);
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.starts_with("the rules cannot be used: "),
        "{sentence}"
    );
}

#[tokio::test]
async fn anonymous_pull_that_docker_does_not_ask_for_is_a_warning_without_the_token_service() {
    let mut stage = stage(&htpasswd()).await;
    stage.set("auth", "token_service", false);
    let rules = stage.file("rules.json", RULES);
    stage.set("auth", "rules_file", rules);
    let (sentence, cure) = only(&examined(&stage).await, Verdict::Warning);
    assert!(sentence.contains("docker does not ask"), "{sentence}");
    assert_eq!(cure, "leave out auth.token_service, which is false");
    stage.set("auth", "token_service", true);
    let folder = stage.path("tokens");
    stage.set("auth", "token_folder", folder.to_str().unwrap());
    assert_well(&examined(&stage).await);
    assert!(!folder.exists(), "the check-up makes nothing");
}

fn service(folder: &Path) -> TokenServiceSettings {
    TokenServiceSettings {
        issuer: "notary-server".to_owned(),
        audience: "notary-server".to_owned(),
        folder: Some(folder.to_owned()),
        lifetime: std::time::Duration::from_mins(5),
        registries: BTreeMap::new(),
    }
}

#[tokio::test]
async fn the_folder_of_the_token_service_is_looked_at() {
    let mut stage = stage(&htpasswd()).await;
    stage.set("auth", "token_service", true);
    let folder = stage.path("tokens");
    stage.set("auth", "token_folder", folder.to_str().unwrap());
    token_service::TokenService::open(service(&folder), None, clock()).unwrap();
    assert_well(&examined(&stage).await);

    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(sentence.contains("others can write"), "{sentence}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
    let (sentence, cure) = only(&examined(&stage).await, Verdict::Warning);
    assert!(
        sentence.contains("can be changed by other users"),
        "{sentence}"
    );
    assert!(cure.starts_with("chmod 700"), "{cure}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();

    let key = folder.join("ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.contains(key.to_str().unwrap()) && sentence.contains("others can read"),
        "{sentence}"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    stage.file("tokens/ca.crt", "");
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.ends_with("ca.crt is not the certificate of an authority"),
        "{sentence}"
    );
}

#[tokio::test]
async fn an_authority_of_the_token_service_that_ends_within_a_year_is_a_warning() {
    let mut stage = stage(&htpasswd()).await;
    stage.set("auth", "token_service", true);
    let folder = stage.path("tokens");
    stage.set("auth", "token_folder", folder.to_str().unwrap());
    let begun = clock() + Duration::days(300) - Duration::days(30 * 365);
    token_service::TokenService::open(service(&folder), None, begun).unwrap();
    let warnings = sentences(&examined(&stage).await, Verdict::Warning);
    assert!(
        warnings
            .iter()
            .any(|(text, _)| text.contains("ca.crt ends on 2027-09-18")),
        "{warnings:?}"
    );
}

async fn outside(members: Value) -> Stage {
    let mut options = json!({
        "realm": "https://auth.example.com/token",
        "service": "notary-server",
        "issuer": "auth.example.com",
    });
    for (key, value) in members.as_object().unwrap() {
        options[key] = value.clone();
    }
    let mut stage = stage(&json!({"type": "token", "options": options})).await;
    let rules = stage.file("rules.json", RULES);
    stage.set("auth", "rules_file", rules);
    stage
}

#[tokio::test]
async fn certificates_of_an_issuer_that_expired_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.crt");
    let old = Authority::until("The old one", datetime!(2020-01-01 00:00 UTC)).pem;
    let current = Authority::named("The new one").pem;
    fs::write(&bundle, format!("{old}{current}")).unwrap();
    let stage = outside(json!({"rootcertbundle": &bundle})).await;
    let (sentence, _) = only(&examined(&stage).await, Verdict::Warning);
    assert!(
        sentence.contains("CN=The old one expired") && !sentence.contains("The new one"),
        "{sentence}"
    );
    fs::write(&bundle, current).unwrap();
    assert_well(&examined(&stage).await);
    fs::write(&bundle, "").unwrap();
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(sentence.contains("cannot be used"), "{sentence}");
}

#[tokio::test]
async fn a_key_set_at_an_address_is_asked_for() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", socket.local_addr().unwrap());
    let stage = outside(json!({"jwks": url})).await;
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let ec = json!({
        "kty": "EC", "crv": "P-256", "kid": "2",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let set = json!({"keys": [key, ec]}).to_string();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}",
            set.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let report = examined(&stage).await;
    assert_well(&report);
    let fine = sentences(&report, Verdict::Ok);
    assert!(
        fine.iter()
            .any(|(text, _)| text.contains(&url) && text.contains(" key")),
        "{report}"
    );
    answering.await.unwrap();
    // Nothing listens there any more.
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.starts_with("the key set of issuer \"auth.example.com\"")
            && sentence.contains("cannot be used: "),
        "{sentence}"
    );
}

#[tokio::test]
async fn proxies_that_are_everybody_are_a_warning() {
    let mut stage = stage(&htpasswd()).await;
    stage.set("server", "trusted_proxies", json!(["10.0.0.0/8"]));
    assert_well(&examined(&stage).await);
    stage.set(
        "server",
        "trusted_proxies",
        json!(["10.0.0.0/8", "0.0.0.0/0"]),
    );
    let (sentence, _) = only(&examined(&stage).await, Verdict::Warning);
    assert!(
        sentence.contains("pretend to come from anywhere"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_public_address_that_the_certificate_does_not_name_is_a_warning() {
    let mut stage = stage(&htpasswd()).await;
    stage.show_clients(Leaf {
        names: &["*.example.com", "10.0.0.7"],
        ..Leaf::for_use(&[ServerAuth])
    });
    for url in ["https://notary.example.com:4443", "https://10.0.0.7"] {
        stage.set("server", "public_url", url);
        assert_well(&examined(&stage).await);
    }
    stage.set("server", "public_url", "https://notary.example.org");
    let (sentence, _) = only(&examined(&stage).await, Verdict::Warning);
    assert_eq!(
        sentence,
        "server.public_url sends clients to notary.example.org, which the certificate of this server does not name: it names *.example.com and 10.0.0.7"
    );
}

#[tokio::test]
async fn an_audit_file_that_cannot_be_is_wrong() {
    let mut stage = stage(&htpasswd()).await;
    let file = |name| stage.path(name).to_str().unwrap().to_owned();
    let (good, bad) = (file("audit.log"), file("none/audit.log"));
    stage.set("logging", "audit_file", good.clone());
    assert_well(&examined(&stage).await);
    assert!(!fs::exists(good).unwrap(), "the check-up makes nothing");
    stage.set("logging", "audit_file", bad);
    let (sentence, _) = only(&examined(&stage).await, Verdict::Wrong);
    assert!(
        sentence.starts_with("the audit log cannot be written"),
        "{sentence}"
    );
}
