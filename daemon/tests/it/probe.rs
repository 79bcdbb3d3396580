//! Asking a running program how it is.

use std::{path::PathBuf, sync::Arc, time::Duration};

use daemon::{
    Address, ClientTls, Limits, ServerTls,
    probe::{self, PATIENCE},
    tls::accepts_itself,
};
use tokio::net::TcpListener;

use crate::{
    certificates::{CLIENT, Certificate, Folder, SERVER, authority, expired, leaf},
    client::Daemon,
};

/// A listener with a certificate, files with that and with another one, and where it is.
struct Stage {
    address: Address,
    own: (PathBuf, PathBuf),
    other: (PathBuf, PathBuf),
    _folder: Folder,
}

impl Stage {
    /// Shows `certificate`, and lets in clients that `client_ca` vouches for, if there is one.
    async fn start(certificate: &Certificate, client_ca: Option<&Certificate>) -> Self {
        let folder = Folder::new();
        let own = folder.pair("own", certificate);
        let other = folder.pair("other", &Certificate::self_signed(leaf(&[SERVER])));
        let ca = client_ca.map(|ca| folder.write("ca.crt", &ca.pem));
        let tls = ServerTls::load(&own.0, &own.1, ca.as_deref()).unwrap();
        Self {
            address: listen(Some(tls)).await,
            own,
            other,
            _folder: folder,
        }
    }

    fn tls(&self, shown: Option<&(PathBuf, PathBuf)>) -> ClientTls {
        let shown = shown.map(|(cert, key)| (cert.as_path(), key.as_path()));
        ClientTls::pinned(&self.own.0, shown).unwrap()
    }
}

/// Where a program listens that answers `/`.
async fn listen(tls: Option<Arc<ServerTls>>) -> Address {
    let daemon = Daemon::start(tls, Limits::default()).await;
    daemon.addr.to_string().parse().unwrap()
}

/// A certificate for another host, of another time.
fn strange() -> Certificate {
    let mut params = expired(leaf(&[CLIENT]));
    params.subject_alt_names.clear();
    Certificate::self_signed(params)
}

#[tokio::test]
async fn a_page_is_asked_for_without_tls_and_with() {
    let plain = listen(None).await;
    assert_eq!(probe::page(&plain, "/", None).await, Ok(()));
    let stage = Stage::start(&strange(), None).await;
    assert_eq!(
        probe::page(&stage.address, "/", Some(stage.tls(None))).await,
        Ok(())
    );
    let missing = probe::page(&plain, "/missing", None).await.unwrap_err();
    assert!(
        missing.to_string().starts_with("it answers 404 Not Found"),
        "{missing}"
    );
}

#[tokio::test]
async fn a_program_that_shows_another_certificate_is_not_the_one_that_was_asked() {
    let stage = Stage::start(&strange(), None).await;
    let pinned = ClientTls::pinned(&stage.other.0, None).unwrap();
    let error = probe::page(&stage.address, "/", Some(pinned))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
    assert!(probe::glance(&stage.address, &stage.other.0).await.is_err());
}

#[tokio::test]
async fn a_listener_that_lets_in_its_own_certificate_is_asked_with_it() {
    let ca = Certificate::self_signed(authority("ca", None));
    let both = ca.issue(leaf(&[SERVER, CLIENT]));
    let stage = Stage::start(&both, Some(&ca)).await;
    let own = stage.tls(Some(&stage.own));
    assert_eq!(probe::page(&stage.address, "/", Some(own)).await, Ok(()));
    let nobody = stage.tls(None);
    assert!(
        probe::page(&stage.address, "/", Some(nobody))
            .await
            .is_err()
    );
}

#[test]
fn whether_a_listener_lets_in_its_own_certificate_is_seen_from_its_files() {
    let ca = Certificate::self_signed(authority("ca", None));
    let stranger = Certificate::self_signed(authority("stranger", None));
    let folder = Folder::new();
    let both = folder.pair("both", &ca.issue(leaf(&[SERVER, CLIENT])));
    let server = folder.pair("server", &ca.issue(leaf(&[SERVER])));
    let (ca, stranger) = (
        folder.write("ca", &ca.pem),
        folder.write("stranger", &stranger.pem),
    );
    for (pair, client_ca, expected) in [
        (&both, &ca, true),
        (&server, &ca, false),
        (&both, &stranger, false),
    ] {
        assert_eq!(
            accepts_itself(&pair.0, &pair.1, client_ca).unwrap(),
            expected
        );
    }
    assert!(accepts_itself(&both.0, &both.1, &folder.path("absent")).is_err());
}

#[tokio::test]
async fn a_glance_tells_who_listens_although_nobody_is_let_in() {
    let stranger = Certificate::self_signed(authority("stranger", None));
    let stage = Stage::start(&strange(), Some(&stranger)).await;
    assert_eq!(probe::glance(&stage.address, &stage.own.0).await, Ok(()));
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_not_well() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = deaf.local_addr().unwrap().to_string().parse().unwrap();
    let folder = Folder::new();
    let (cert, _) = folder.pair("own", &strange());
    for error in [
        probe::within(Duration::from_millis(50), probe::page(&address, "/", None)).await,
        probe::within(Duration::from_millis(50), probe::glance(&address, &cert)).await,
    ] {
        assert_eq!(error.unwrap_err().to_string(), "it did not answer");
    }
    drop(deaf);
    let error = probe::within(PATIENCE, probe::page(&address, "/", None))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
