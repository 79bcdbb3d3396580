//! Which clients are let in: what Notary's signer does with each kind of certificate.

use daemon::{ServerTls, TlsError};
use rustls::{
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::{
    certificates::{
        CLIENT, Certificate, Folder, SERVER, authority, expired, leaf, with_netscape_type,
    },
    client::{Daemon, connect, get_over, short, trusting},
};

/// Whether a client that shows `shown` is let in by a server whose file of clients holds `listed`.
///
/// Asked in both versions of TLS, which verify signatures differently.
async fn is_let_in(shown: Option<CertifiedKey>, listed: &[&Certificate]) -> bool {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    let listed: String = listed
        .iter()
        .map(|certificate| certificate.pem.as_str())
        .collect();
    let clients = folder.write("clients.crt", &listed);
    let tls = ServerTls::load(&cert, &key, Some(&clients)).unwrap();
    let daemon = Daemon::start(Some(tls), short()).await;
    let mut outcomes = Vec::new();
    for version in [&TLS12, &TLS13] {
        let outcome = async {
            let stream = connect(daemon.addr, trusting(shown.clone(), version, false)).await?;
            get_over(stream, false, "/").await
        };
        let outcome = outcome.await;
        if let (Ok(answer), Some(shown)) = (&outcome, &shown) {
            assert_eq!(
                answer.body,
                shown.cert.len().to_string(),
                "handlers see what was shown"
            );
        }
        outcomes.push(outcome.is_ok());
    }
    assert_eq!(outcomes[0], outcomes[1], "TLS 1.2 and 1.3 agree");
    outcomes[0]
}

#[tokio::test]
async fn a_certificate_of_a_listed_authority_for_clients_is_accepted() {
    let ca = Certificate::self_signed(authority("ca", None));
    for usages in [&[CLIENT][..], &[CLIENT, SERVER], &[]] {
        assert!(
            is_let_in(Some(ca.issue(leaf(usages)).identity(&[])), &[&ca]).await,
            "{usages:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_servers_only_is_refused() {
    let ca = Certificate::self_signed(authority("ca", None));
    assert!(!is_let_in(Some(ca.issue(leaf(&[SERVER])).identity(&[])), &[&ca]).await);
    let listed = Certificate::self_signed(leaf(&[SERVER]));
    assert!(!is_let_in(Some(listed.identity(&[])), &[&listed]).await);
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_listed_is_accepted() {
    let own = Certificate::self_signed(leaf(&[CLIENT]));
    assert!(is_let_in(Some(own.identity(&[])), &[&own]).await);
}

#[tokio::test]
async fn a_certificate_that_is_listed_without_its_issuer_is_accepted() {
    let ca = Certificate::self_signed(authority("ca", None));
    let own = ca.issue(leaf(&[CLIENT, SERVER]));
    assert!(is_let_in(Some(own.identity(&[])), &[&own]).await);
}

#[tokio::test]
async fn a_self_signed_authority_that_is_listed_is_accepted_as_a_client() {
    let own = Certificate::self_signed(authority("own", None));
    assert!(is_let_in(Some(own.identity(&[])), &[&own]).await);
}

#[tokio::test]
async fn a_listed_certificate_is_refused_for_an_unknown_extension_only_if_that_is_critical() {
    let critical = Certificate::self_signed(with_netscape_type(leaf(&[CLIENT]), true));
    assert!(!is_let_in(Some(critical.identity(&[])), &[&critical]).await);
    let harmless = Certificate::self_signed(with_netscape_type(leaf(&[CLIENT]), false));
    assert!(is_let_in(Some(harmless.identity(&[])), &[&harmless]).await);
}

#[tokio::test]
async fn a_client_without_certificate_or_with_one_of_a_stranger_is_refused() {
    let ca = Certificate::self_signed(authority("ca", None));
    let stranger = Certificate::self_signed(authority("ca", None));
    assert!(!is_let_in(None, &[&ca]).await);
    assert!(!is_let_in(Some(stranger.issue(leaf(&[CLIENT])).identity(&[])), &[&ca]).await);
    assert!(
        !is_let_in(
            Some(Certificate::self_signed(leaf(&[CLIENT])).identity(&[])),
            &[&ca]
        )
        .await
    );
}

#[tokio::test]
async fn a_file_of_leaf_and_intermediate_lets_in_every_leaf_of_that_intermediate() {
    let root = Certificate::self_signed(authority("root", Some(1)));
    let intermediate = root.issue(authority("intermediate", Some(0)));
    let server = intermediate.issue(leaf(&[CLIENT, SERVER]));
    let other = intermediate.issue(leaf(&[CLIENT]));
    let listed = [&server, &intermediate];
    assert!(is_let_in(Some(server.identity(&[&intermediate])), &listed).await);
    assert!(is_let_in(Some(other.identity(&[&intermediate])), &listed).await);
    assert!(is_let_in(Some(other.identity(&[])), &listed).await);
}

#[tokio::test]
async fn a_chain_to_a_listed_root_is_accepted_only_if_it_is_shown_whole() {
    let root = Certificate::self_signed(authority("root", Some(1)));
    let intermediate = root.issue(authority("intermediate", Some(0)));
    let own = intermediate.issue(leaf(&[CLIENT]));
    assert!(is_let_in(Some(own.identity(&[&intermediate])), &[&root]).await);
    assert!(!is_let_in(Some(own.identity(&[])), &[&root]).await);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_wherever_it_stands() {
    let ca = Certificate::self_signed(authority("ca", None));
    let own = ca.issue(expired(leaf(&[CLIENT])));
    assert!(!is_let_in(Some(own.identity(&[])), &[&ca]).await, "issued");
    assert!(!is_let_in(Some(own.identity(&[])), &[&own]).await, "listed");
    let old = Certificate::self_signed(expired(authority("old", None)));
    let own = old.issue(leaf(&[CLIENT]));
    assert!(
        !is_let_in(Some(own.identity(&[])), &[&old]).await,
        "its authority"
    );
}

#[tokio::test]
async fn a_listed_leaf_cannot_vouch_for_others() {
    let listed = Certificate::self_signed(leaf(&[CLIENT]));
    let forged = listed.issue(leaf(&[CLIENT]));
    assert!(!is_let_in(Some(forged.identity(&[])), &[&listed]).await);
    assert!(!is_let_in(Some(forged.identity(&[&listed])), &[&listed]).await);
}

#[tokio::test]
async fn an_authority_cannot_be_extended_beyond_its_path_length() {
    let ca = Certificate::self_signed(authority("ca", Some(0)));
    let below = ca.issue(authority("below", None));
    let own = below.issue(leaf(&[CLIENT]));
    assert!(!is_let_in(Some(own.identity(&[&below])), &[&ca]).await);
}

#[tokio::test]
async fn a_listed_certificate_may_be_of_x509_version_1() {
    let own = Certificate::self_signed(leaf(&[])).in_version_1();
    assert!(is_let_in(Some(own.identity(&[])), &[&own]).await);
}

#[tokio::test]
async fn a_client_with_a_listed_certificate_must_have_its_key() {
    let own = Certificate::self_signed(leaf(&[CLIENT]));
    let thief = Certificate::self_signed(leaf(&[CLIENT]));
    let mut stolen = own.identity(&[]);
    stolen.key = thief.identity(&[]).key;
    assert!(!is_let_in(Some(stolen), &[&own]).await);
}

#[tokio::test]
async fn a_server_that_only_asks_lets_clients_in_without_certificate_but_not_with_a_wrong_one() {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    let ca = Certificate::self_signed(authority("ca", None));
    let stranger = Certificate::self_signed(authority("ca", None));
    let clients = folder.write("clients.crt", &ca.pem);
    let tls = ServerTls::load_asking(&cert, &key, Some(&clients)).unwrap();
    let daemon = Daemon::start(Some(tls), short()).await;
    for version in [&TLS12, &TLS13] {
        let shown_to_handlers = async |shown: Option<CertifiedKey>| {
            let stream = connect(daemon.addr, trusting(shown, version, false)).await;
            let answer = get_over(stream.ok()?, false, "/").await.ok();
            answer.map(|answer| answer.body)
        };
        let own = ca.issue(leaf(&[CLIENT])).identity(&[]);
        let wrong = stranger.issue(leaf(&[CLIENT])).identity(&[]);
        assert_eq!(shown_to_handlers(None).await.as_deref(), Some("0"));
        assert_eq!(shown_to_handlers(Some(own)).await.as_deref(), Some("1"));
        assert_eq!(shown_to_handlers(Some(wrong)).await, None);
    }
}

#[test]
fn a_file_of_clients_without_a_usable_certificate_is_an_error() {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    for content in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let clients = folder.write("clients.crt", content);
        let error = ServerTls::load(&cert, &key, Some(&clients)).unwrap_err();
        assert!(matches!(error, TlsError::NoCertificates(_)), "{error}");
        assert!(error.to_string().contains("clients.crt"), "{error}");
    }
    let error = ServerTls::load(&cert, &key, Some(&folder.path("absent"))).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("could not read CA certificate \""),
        "{error}"
    );
}

#[tokio::test]
async fn foreign_blocks_in_the_file_of_clients_are_skipped() {
    let folder = Folder::new();
    let own = Certificate::self_signed(leaf(&[CLIENT, SERVER]));
    let (cert, key) = folder.pair("server", &own);
    let clients = folder.write(
        "clients.crt",
        &format!("{}\n# note\n{}", own.key_pem(), own.pem),
    );
    let daemon = Daemon::start(
        Some(ServerTls::load(&cert, &key, Some(&clients)).unwrap()),
        short(),
    )
    .await;
    let stream = connect(daemon.addr, trusting(Some(own.identity(&[])), &TLS13, true))
        .await
        .unwrap();
    assert_eq!(get_over(stream, true, "/").await.unwrap().body, "1");
}
