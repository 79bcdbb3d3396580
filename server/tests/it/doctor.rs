//! The check-up: each classic fault is made here, and the sentence that names it is what is
//! asserted.

mod authentication;
mod command;
mod repository;
mod stage;

use daemon::ClientTls;
use fixtures::clock;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use server::{
    config::TrustService,
    doctor::{Check, Report, Verdict, examine, signer_diagnosis},
};
use stage::{Authority, Leaf, Stage, store};
use time::{Duration, macros::datetime};
use tokio::net::TcpListener;
use trust::signer::{DEADLINE, RemoteSigner, RemoteSignerConfig, Signer as _};

/// What is wrong, each with its cure.
fn wrongs(report: &Report) -> Vec<(Check, String, String)> {
    told(report, Verdict::Wrong)
}

fn told(report: &Report, verdict: Verdict) -> Vec<(Check, String, String)> {
    let findings = report.findings.iter();
    findings
        .filter(|finding| finding.verdict == verdict)
        .map(|finding| {
            let cure = finding.cure.clone().unwrap_or_default();
            (finding.check, finding.sentence.clone(), cure)
        })
        .collect()
}

/// The one thing that is wrong.
#[track_caller]
fn only_wrong(report: &Report) -> (Check, String, String) {
    let mut wrongs = wrongs(report);
    assert_eq!(wrongs.len(), 1, "{report}");
    wrongs.remove(0)
}

async fn examined(stage: &Stage) -> Report {
    examine(&stage.config(), clock()).await
}

#[tokio::test]
async fn a_server_that_is_well_is_told_so_and_no_key_is_made() {
    let stage = Stage::healthy().await;
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    let warnings = told(&report, Verdict::Warning);
    assert!(
        warnings
            .iter()
            .all(|(check, ..)| matches!(check, Check::Configuration | Check::Access)),
        "{report}"
    );
    for check in [
        Check::Configuration,
        Check::Database,
        Check::Clock,
        Check::Certificates,
        Check::Access,
        Check::Signer,
    ] {
        assert!(
            report.findings.iter().any(|finding| finding.check == check),
            "{check:?}"
        );
    }
    assert_eq!(stage.keys_made(), 0);
}

#[tokio::test]
async fn a_signer_certificate_without_the_right_name_is_named_with_the_names_it_has() {
    let mut stage = Stage::healthy().await;
    let elsewhere = Leaf {
        names: &["signer.example", "10.0.0.7"],
        ..Leaf::for_use(&[ServerAuth])
    };
    stage.start_signer(elsewhere, None).await;
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert_eq!(
        sentence,
        "the certificate of the signer does not name localhost, which trust_service.hostname says it is: it names signer.example and 10.0.0.7"
    );
    assert_eq!(
        cure,
        "issue the signer's certificate again with localhost as subject alternative name, or set trust_service.hostname to a name it has"
    );
}

#[tokio::test]
async fn a_signer_certificate_with_a_common_name_alone_is_told_from_one_with_another_name() {
    let mut stage = Stage::healthy().await;
    let nameless = Leaf {
        names: &[],
        ..Leaf::for_use(&[ServerAuth])
    };
    stage.start_signer(nameless, None).await;
    let (_, sentence, _) = only_wrong(&examined(&stage).await);
    assert!(
        sentence.ends_with("it has no subject alternative name, and a common name does not count"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_signer_of_an_authority_that_is_not_listed_is_told_with_its_issuer() {
    let mut stage = Stage::healthy().await;
    let other = Authority::named("Another CA");
    stage.set(
        "trust_service",
        "tls_ca_file",
        stage.file("other.crt", &other.pem),
    );
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert!(
        sentence.starts_with("the certificate of the signer was issued by CN=The CA, which is not in trust_service.tls_ca_file ("),
        "{sentence}"
    );
    assert!(cure.contains("into trust_service.tls_ca_file"), "{cure}");
}

#[tokio::test]
async fn an_authority_made_anew_under_its_old_name_is_seen_through() {
    let mut stage = Stage::healthy().await;
    let namesake = Authority::named("The CA");
    stage.set(
        "trust_service",
        "tls_ca_file",
        stage.file("anew.crt", &namesake.pem),
    );
    let (_, sentence, _) = only_wrong(&examined(&stage).await);
    assert!(
        sentence.contains("is another one, with another key"),
        "{sentence}"
    );
}

#[tokio::test]
async fn the_wrong_client_ca_at_the_signer_is_told_with_the_one_it_should_be() {
    let mut stage = Stage::healthy().await;
    let other = Authority::named("Another CA");
    stage
        .start_signer(Leaf::for_use(&[ServerAuth]), Some(&other))
        .await;
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert!(
        sentence.starts_with(
            "the signer refuses the certificate that this server shows it (it says UnknownCA): "
        ),
        "{sentence}"
    );
    assert!(sentence.ends_with("issued by CN=The CA"), "{sentence}");
    assert!(
        cure.starts_with(
            "put the certificate of CN=The CA into the signer's server.client_ca_file"
        ),
        "{cure}"
    );
}

#[tokio::test]
async fn a_server_without_a_certificate_for_the_signer_is_told_which_settings_are_missing() {
    let mut stage = Stage::healthy().await;
    stage.unset("trust_service", "tls_client_cert");
    stage.unset("trust_service", "tls_client_key");
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert_eq!(
        sentence,
        "the signer lets in only who shows a certificate, and this server has none to show"
    );
    assert!(cure.contains("trust_service.tls_client_cert"), "{cure}");
}

#[tokio::test]
async fn an_expired_signer_certificate_is_told_with_its_date() {
    let mut stage = Stage::healthy().await;
    let expired = Leaf {
        not_after: datetime!(2020-01-01 00:00 UTC),
        ..Leaf::for_use(&[ServerAuth])
    };
    stage.start_signer(expired, None).await;
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert_eq!(
        sentence,
        "the certificate of the signer expired on 2020-01-01"
    );
}

#[tokio::test]
async fn an_expired_certificate_for_the_signer_is_told_before_the_signer_refuses_it() {
    let mut stage = Stage::healthy().await;
    let expired = Leaf {
        not_after: datetime!(2020-01-01 00:00 UTC),
        ..Leaf::for_use(&[ClientAuth])
    };
    stage.show_signer(expired);
    let wrongs = wrongs(&examined(&stage).await);
    let [(first, own, _), (second, refusal, _)] = &wrongs[..] else {
        panic!("{wrongs:?}")
    };
    assert_eq!((*first, *second), (Check::Certificates, Check::Signer));
    assert!(
        own.starts_with("the certificate shown to the signer (")
            && own.ends_with("expired on 2020-01-01"),
        "{own}"
    );
    assert!(
        refusal.contains("(it says CertificateExpired)"),
        "{refusal}"
    );
}

#[tokio::test]
async fn certificates_made_for_another_purpose_are_told() {
    let mut stage = Stage::healthy().await;
    stage.show_clients(Leaf::for_use(&[ClientAuth]));
    let (_, sentence, cure) = only_wrong(&examined(&stage).await);
    assert!(sentence.contains("is not made for servers"), "{sentence}");
    assert_eq!(cure, "issue it again for servers");

    let mut stage = Stage::healthy().await;
    stage.start_signer(Leaf::for_use(&[ClientAuth]), None).await;
    let (_, sentence, _) = only_wrong(&examined(&stage).await);
    assert!(
        sentence.starts_with("the certificate of the signer is not made for servers"),
        "{sentence}"
    );
}

#[tokio::test]
async fn the_servers_own_certificate_is_looked_at_as_a_client_would() {
    let expired = Leaf {
        not_after: datetime!(2020-01-01 00:00 UTC),
        ..Leaf::for_use(&[ServerAuth])
    };
    let unborn = Leaf {
        not_before: clock() + Duration::days(2),
        ..Leaf::for_use(&[ServerAuth])
    };
    let nameless = Leaf {
        names: &[],
        ..Leaf::for_use(&[ServerAuth])
    };
    for (leaf, expected) in [
        (expired, "expired on 2020-01-01"),
        (
            unborn,
            "is not valid before 2026-11-24, and this machine says it is 2026-11-22",
        ),
        (
            nameless,
            "names no host: it has no subject alternative name, and clients ignore its common name",
        ),
    ] {
        let mut stage = Stage::healthy().await;
        stage.show_clients(leaf);
        let (check, sentence, _) = only_wrong(&examined(&stage).await);
        assert_eq!(check, Check::Certificates);
        assert!(sentence.starts_with("the certificate of this server ("));
        assert!(sentence.ends_with(expected), "{sentence}");
    }
}

#[tokio::test]
async fn a_certificate_near_its_end_is_a_warning() {
    let mut stage = Stage::healthy().await;
    stage.show_clients(Leaf {
        not_after: clock() + Duration::days(10),
        ..Leaf::for_use(&[ServerAuth])
    });
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    let warnings = told(&report, Verdict::Warning);
    let near = warnings
        .iter()
        .find(|(check, ..)| *check == Check::Certificates);
    assert!(
        near.is_some_and(|(_, text, _)| text.ends_with("expires in 10 days (2026-12-02)")),
        "{report}"
    );
}

#[tokio::test]
async fn authorities_that_end_are_a_warning_as_long_as_another_is_left() {
    let mut stage = Stage::healthy().await;
    let old = Authority::until("The old CA", datetime!(2020-01-01 00:00 UTC)).pem;
    let both = format!("{old}{}", stage.authority.pem);
    stage.set("server", "client_ca_file", stage.file("both.crt", &both));
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    let warnings = told(&report, Verdict::Warning);
    assert!(
        warnings
            .iter()
            .any(|(_, text, _)| text.ends_with("CN=The old CA expired on 2020-01-01")),
        "{report}"
    );

    stage.set("server", "client_ca_file", stage.file("old.crt", &old));
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Certificates);
    assert!(
        sentence.starts_with("all authorities in server.client_ca_file ("),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_key_of_another_certificate_and_a_chain_in_the_wrong_order_are_told() {
    let mut stage = Stage::healthy().await;
    let other = stage.authority.issue(&Leaf::for_use(&[ServerAuth]));
    stage.set(
        "server",
        "tls_key_file",
        stage.file("other.key", &other.key),
    );
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Certificates);
    assert!(
        sentence.ends_with("the key does not belong to the (first) certificate"),
        "{sentence}"
    );

    let mut stage = Stage::healthy().await;
    let own = stage.authority.issue(&Leaf::for_use(&[ServerAuth]));
    let stranger = Authority::named("Another CA").pem;
    let chain = stage.file("chain.crt", &format!("{}{stranger}", own.pem));
    stage.set("server", "tls_cert_file", chain);
    stage.set("server", "tls_key_file", stage.file("chain.key", &own.key));
    let (_, sentence, cure) = only_wrong(&examined(&stage).await);
    assert!(sentence.contains("does not hold a chain"), "{sentence}");
    assert!(cure.starts_with("put the server's own certificate first"));
}

#[tokio::test]
async fn a_signer_without_its_passphrase_is_there_but_cannot_sign() {
    let mut stage = Stage::healthy().await;
    stage.is_serving = false;
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert!(
        sentence.contains("is there but cannot sign") && sentence.contains("NOT_SERVING"),
        "{sentence}"
    );
    assert!(cure.contains("passphrase"), "{cure}");
}

#[tokio::test]
async fn a_signer_that_is_not_there_is_told_by_what_is_in_its_place() {
    let mut stage = Stage::healthy().await;
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = vacant.local_addr().unwrap().port();
    drop(vacant);
    stage.set("trust_service", "port", port.to_string());
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Signer);
    assert_eq!(
        sentence,
        format!("nothing listens at localhost:{port}, where the signer should be")
    );
    assert!(cure.starts_with("start notary-signer"), "{cure}");

    stage.set("trust_service", "hostname", "no-such-host.invalid");
    let (_, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(
        sentence,
        "the signer's host name \"no-such-host.invalid\" cannot be resolved"
    );
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_told_from_a_broken_signer() {
    let mut stage = Stage::healthy().await;
    let plain = TcpListener::bind("localhost:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = plain.accept().await {
            let answer = b"HTTP/1.0 400 Bad Request\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut socket, answer)
                .await
                .ok();
        }
    });
    stage.set("trust_service", "port", port.to_string());
    let (_, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(
        sentence,
        format!("what listens at localhost:{port} does not speak TLS")
    );
}

#[tokio::test]
async fn a_web_server_in_the_signers_place_is_not_taken_for_a_signer_that_refuses() {
    let mut stage = Stage::healthy().await;
    let web = stage.start_web_server().await;
    stage.set("trust_service", "port", web.to_string());
    let (_, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(
        sentence,
        format!("what listens at localhost:{web} speaks TLS, but no gRPC")
    );
    assert_eq!(
        cure,
        "correct trust_service.hostname and trust_service.port"
    );
}

#[tokio::test]
async fn files_of_the_signer_connection_that_are_missing_are_named() {
    let mut stage = Stage::healthy().await;
    stage.set("trust_service", "tls_ca_file", "/nowhere/ca.crt");
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Certificates);
    assert!(sentence.contains("/nowhere/ca.crt"), "{sentence}");
}

#[tokio::test]
async fn a_database_that_is_none_is_told() {
    let mut stage = Stage::healthy().await;
    let text = "certainly no database ".repeat(100);
    stage.set("storage", "db_url", stage.file("text.db", &text));
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Database);
    assert!(sentence.contains("is not an SQLite database"), "{sentence}");
    assert!(cure.contains("storage.db_url"), "{cure}");
}

#[tokio::test]
async fn a_database_that_is_down_is_told_without_its_password() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = vacant.local_addr().unwrap().port();
    drop(vacant);
    let postgres = format!("postgres://notary:hunter2@127.0.0.1:{port}/notary?sslmode=disable");
    let mysql = format!("notary:hunter2@tcp(127.0.0.1:{port})/notary?parseTime=True");
    for (backend, url) in [("postgres", postgres), ("mysql", mysql)] {
        let mut stage = Stage::healthy().await;
        stage.set("storage", "backend", backend);
        stage.set("storage", "db_url", url);
        let report = examined(&stage).await;
        let (check, sentence, cure) = only_wrong(&report);
        assert_eq!(check, Check::Database);
        assert!(
            sentence.contains(&port.to_string()) && sentence.contains("does not answer"),
            "{sentence}"
        );
        assert_eq!(cure, "start the database, or correct storage.db_url");
        assert!(!report.to_json().contains("hunter2"));
    }
}

#[tokio::test]
async fn tables_that_are_not_there_yet_are_made_at_the_start_and_not_by_the_check_up() {
    let mut stage = Stage::healthy().await;
    stage.set("storage", "db_url", stage.file("empty.db", ""));
    for _ in 0..2 {
        let report = examined(&stage).await;
        assert!(report.is_well(), "{report}");
        let warnings = told(&report, Verdict::Warning);
        assert!(
            warnings.iter().any(|(_, text, _)| text.starts_with(
                "the tables of the database are not those of this version: it remains to "
            )),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_database_that_was_never_made_is_a_warning_and_stays_unmade() {
    let mut stage = Stage::healthy().await;
    let file = stage.path("fresh.db");
    stage.set("storage", "db_url", file.to_str().unwrap());
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    let warnings = told(&report, Verdict::Warning);
    assert!(
        warnings
            .iter()
            .any(|(_, text, _)| text.ends_with("fresh.db does not exist yet")),
        "{report}"
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn a_clock_behind_the_newest_change_is_told() {
    let stage = Stage::healthy().await;
    let store = store(&stage).await;
    stage::publish(&store, "a", clock() + Duration::hours(3)).await;
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Clock);
    assert_eq!(
        sentence,
        "this machine's clock is wrong: it says 2026-11-22, but the newest change in the database was stored 3 hours later"
    );
    assert!(cure.contains("NTP"), "{cure}");
}

/// The signer of `stage`, as a running server has it.
fn running(stage: &Stage) -> RemoteSigner {
    let service = stage.config().trust_service;
    let TrustService::Remote {
        hostname,
        port,
        key_algorithm,
        ca,
        client,
    } = service.clone()
    else {
        panic!("a remote signer");
    };
    let pair = client
        .as_ref()
        .map(|(cert, key)| (cert.as_path(), key.as_path()));
    let config = RemoteSignerConfig {
        hostname,
        port,
        key_algorithm,
        tls: ClientTls::load(ca.as_deref(), pair).unwrap(),
        deadline: DEADLINE,
    };
    let diagnosis = signer_diagnosis(service, clock);
    RemoteSigner::new(config).unwrap().diagnosed_by(diagnosis)
}

#[tokio::test]
async fn a_running_server_says_of_its_signer_what_the_check_up_says() {
    let mut stage = Stage::healthy().await;
    running(&stage).check().await.unwrap();

    let stranger = Authority::named("Another CA");
    let ca = stage.file("other.crt", &stranger.pem);
    let ours = stage.file("ca.crt", &stage.authority.pem);
    stage.set("trust_service", "tls_ca_file", ca);
    let text = running(&stage).check().await.unwrap_err().to_string();
    assert!(
        text.contains("which is not in trust_service.tls_ca_file"),
        "{text}"
    );
    assert!(
        text.contains("; put the certificate of the authority"),
        "{text}"
    );

    stage.set("trust_service", "tls_ca_file", ours);
    stage
        .start_signer(Leaf::for_use(&[ServerAuth]), Some(&stranger))
        .await;
    let text = running(&stage).check().await.unwrap_err().to_string();
    assert!(
        text.contains("the signer refuses the certificate that this server shows it"),
        "{text}"
    );

    stage.set("trust_service", "port", "1");
    let text = running(&stage).check().await.unwrap_err().to_string();
    assert!(text.contains("nothing listens at localhost:1"), "{text}");
    assert!(text.contains("; start notary-signer"), "{text}");
}
