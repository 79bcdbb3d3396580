//! Which servers are believed by the client of the signer, and what files it takes.

use std::path::Path;

use axum::http::Uri;
use daemon::{ClientTls, ServerTls, tls::connector};
use tower::Service as _;

use crate::{
    certificates::{
        CLIENT, Certificate, Folder, SERVER, authority, expired, leaf, with_netscape_type,
    },
    client::{AnyError, Daemon, get_over, short},
};

/// What comes of asking a server that has `own` by the name `host`, with `listed` as CA file.
async fn ask(own: &Certificate, listed: &Certificate, host: &str) -> Result<String, AnyError> {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", own);
    let ca = folder.write("ca.crt", &listed.pem);
    let daemon = Daemon::start(Some(ServerTls::load(&cert, &key, None)?), short()).await;
    let tls = ClientTls::load(Some(&ca), None)?;
    let mut connector = connector(tls, host.to_owned(), daemon.addr.port());
    let io = connector.call(Uri::from_static("http://ignored")).await?;
    Ok(get_over(io.into_inner(), true, "/").await?.body)
}

#[tokio::test]
async fn a_server_certificate_of_a_listed_authority_is_believed_for_its_names() {
    let ca = Certificate::self_signed(authority("ca", None));
    let own = ca.issue(leaf(&[SERVER]));
    assert_eq!(ask(&own, &ca, "localhost").await.unwrap(), "0");
    assert_eq!(ask(&own, &ca, "127.0.0.1").await.unwrap(), "0");
}

#[tokio::test]
async fn a_self_signed_authority_that_is_listed_is_believed_as_a_server() {
    let mut params = authority("signer", None);
    params.subject_alt_names = leaf(&[]).subject_alt_names;
    let own = Certificate::self_signed(params);
    assert_eq!(ask(&own, &own, "localhost").await.unwrap(), "0");
}

#[tokio::test]
async fn a_listed_server_certificate_is_refused_for_another_name() {
    let mut params = leaf(&[SERVER]);
    params.subject_alt_names.truncate(1);
    let own = Certificate::self_signed(params);
    assert_eq!(ask(&own, &own, "localhost").await.unwrap(), "0");
    assert!(ask(&own, &own, "127.0.0.1").await.is_err());
}

#[tokio::test]
async fn a_server_certificate_that_is_expired_or_for_clients_or_strange_is_refused() {
    for params in [
        expired(leaf(&[SERVER])),
        leaf(&[CLIENT]),
        with_netscape_type(leaf(&[SERVER]), true),
    ] {
        let own = Certificate::self_signed(params);
        let error = ask(&own, &own, "localhost").await.unwrap_err();
        assert!(
            error.to_string().contains("invalid peer certificate"),
            "{error}"
        );
    }
    let own = Certificate::self_signed(leaf(&[SERVER]));
    let stranger = Certificate::self_signed(leaf(&[SERVER]));
    assert!(ask(&own, &stranger, "localhost").await.is_err());
}

#[tokio::test]
async fn a_listed_server_must_have_the_key_of_its_certificate_and_says_so_when_it_starts() {
    let folder = Folder::new();
    let own = Certificate::self_signed(leaf(&[SERVER]));
    let (cert, key) = folder.pair("server", &own);
    let other = folder.write(
        "other.key",
        &Certificate::self_signed(leaf(&[SERVER])).key_pem(),
    );
    let refused =
        |cert: &Path, key: &Path| ServerTls::load(cert, key, None).unwrap_err().to_string();
    let text = refused(&cert, &other);
    assert!(
        text.starts_with("Could not load X509 key pair (cert: \""),
        "{text}"
    );
    assert!(
        text.ends_with("the key does not belong to the (first) certificate"),
        "{text}"
    );
    let text = refused(&folder.path("absent.crt"), &key);
    assert!(
        text.contains("absent.crt: No such file or directory"),
        "{text}"
    );
    let text = refused(&key, &key);
    assert!(
        text.ends_with("the certificate file holds no PEM certificate"),
        "{text}"
    );
    let text = refused(&cert, &cert);
    assert!(
        text.ends_with("the key file holds no PEM private key"),
        "{text}"
    );
}

#[test]
fn an_encrypted_key_is_refused_with_words_that_say_so() {
    let folder = Folder::new();
    let (cert, _) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    for pem in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ] {
        let key = folder.write("encrypted.key", pem);
        let error = ServerTls::load(&cert, &key, None).unwrap_err().to_string();
        assert!(
            error.ends_with("Make sure the key is not encrypted."),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_connector_to_something_that_is_no_host_name_says_so() {
    let folder = Folder::new();
    let ca = folder.write(
        "ca.crt",
        &Certificate::self_signed(authority("ca", None)).pem,
    );
    let tls = ClientTls::load(Some(&ca), None).unwrap();
    let outcome = connector(tls, String::new(), 7899)
        .call(Uri::from_static("http://ignored"))
        .await;
    let error = outcome.err().unwrap().to_string();
    assert_eq!(error, "\"\" is not a host name");
}
