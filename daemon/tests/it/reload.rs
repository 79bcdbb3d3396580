//! Certificates that change under a running program.

use std::{fs, time::Duration};

use daemon::{ClientTls, ServerTls};
use rustls::version::TLS13;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::time::{sleep, timeout};

use crate::{
    certificates::{CLIENT, Certificate, Folder, SERVER, authority, leaf},
    client::{Daemon, Session, connect, get_over, short, trusting},
};

/// The certificate that `daemon` shows to a new client.
async fn shown(daemon: &Daemon) -> CertificateDer<'static> {
    let stream = connect(daemon.addr, trusting(None, &TLS13, true))
        .await
        .unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn der(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_server_takes_up_a_renewed_certificate_and_keeps_the_old_one_over_a_bad_file() {
    let folder = Folder::new();
    let (old, new) = (
        Certificate::self_signed(leaf(&[SERVER])),
        Certificate::self_signed(leaf(&[SERVER])),
    );
    let (cert, key) = folder.pair("server", &old);
    let tls = ServerTls::load(&cert, &key, None).unwrap();
    let daemon = Daemon::start(Some(tls.clone()), short()).await;
    let established = connect(daemon.addr, trusting(None, &TLS13, true))
        .await
        .unwrap();
    tls.reload_if_changed();
    assert_eq!(shown(&daemon).await, der(&old));

    for bad in ["nonsense", &new.pem] {
        folder.write("server.crt", bad);
        tls.reload_if_changed();
        assert_eq!(shown(&daemon).await, der(&old));
    }
    fs::remove_file(&cert).unwrap();
    tls.reload_if_changed();
    assert_eq!(shown(&daemon).await, der(&old));

    folder.pair("server", &new);
    tls.reload_if_changed();
    assert_eq!(shown(&daemon).await, der(&new));
    assert_eq!(get_over(established, true, "/").await.unwrap().body, "0");
}

#[tokio::test]
async fn a_client_takes_up_renewed_files_at_its_next_connection() {
    let folder = Folder::new();
    let (old, new) = (
        Certificate::self_signed(authority("old", None)),
        Certificate::self_signed(authority("new", None)),
    );
    let server = new.issue(leaf(&[SERVER]));
    let (cert, key) = folder.pair("server", &server);
    let clients = folder.write("clients.crt", &new.pem);
    let daemon = Daemon::start(
        Some(ServerTls::load(&cert, &key, Some(&clients)).unwrap()),
        short(),
    )
    .await;
    let ca = folder.write("ca.crt", &old.pem);
    let (own_cert, own_key) = folder.pair("own", &old.issue(leaf(&[CLIENT])));
    let tls = ClientTls::load(Some(&ca), Some((&own_cert, &own_key))).unwrap();
    assert!(connect(daemon.addr, tls.config()).await.is_err());

    folder.write("ca.crt", &new.pem);
    folder.pair("own", &new.issue(leaf(&[CLIENT])));
    let stream = connect(daemon.addr, tls.config()).await.unwrap();
    assert_eq!(get_over(stream, true, "/").await.unwrap().body, "1");

    folder.write("ca.crt", "nonsense");
    let stream = connect(daemon.addr, tls.config()).await.unwrap();
    assert_eq!(get_over(stream, true, "/").await.unwrap().body, "1");
}

/// Asks until the certificate of the client is no longer accepted. Answers how often it was.
async fn asked_until_refused(session: &mut Session) -> usize {
    let asked = async {
        for accepted in 0.. {
            match session.get().await {
                Ok(status) if status.is_success() => sleep(Duration::from_millis(50)).await,
                // Either the request came before the end of the connection, or after it.
                Ok(status) => {
                    assert_eq!(status, 401);
                    return accepted;
                }
                Err(_) => return accepted,
            }
        }
        unreachable!()
    };
    timeout(Duration::from_secs(20), asked).await.unwrap()
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_of_its_client() {
    let folder = Folder::new();
    let ca = Certificate::self_signed(authority("ca", None));
    let (cert, key) = folder.pair("server", &ca.issue(leaf(&[SERVER])));
    let clients = folder.write("clients.crt", &ca.pem);
    for (http2, load) in [
        (false, ServerTls::load as fn(&_, &_, Option<&_>) -> _),
        (true, ServerTls::load_asking),
    ] {
        let tls = load(&cert, &key, Some(&clients)).unwrap();
        let daemon = Daemon::start(Some(tls), short()).await;
        let mut short_lived = leaf(&[CLIENT]);
        short_lived.not_after = daemon::clock::now() + Duration::from_secs(3);
        let own = ca.issue(short_lived).identity(&[]);
        let stream = connect(daemon.addr, trusting(Some(own.clone()), &TLS13, http2));
        let mut session = Session::open(stream.await.unwrap(), http2).await.unwrap();
        assert!(asked_until_refused(&mut session).await > 1, "{http2}");
        assert!(session.get().await.is_err(), "the connection has ended");
        // And no other begins.
        let again = connect(daemon.addr, trusting(Some(own), &TLS13, http2)).await;
        if let Ok(stream) = again {
            assert!(get_over(stream, http2, "/").await.is_err());
        }
    }
}

#[tokio::test]
async fn a_connection_ends_when_the_authority_of_its_client_is_removed() {
    let folder = Folder::new();
    let ca = Certificate::self_signed(authority("ca", None));
    let other = Certificate::self_signed(authority("other", None));
    let (cert, key) = folder.pair("server", &ca.issue(leaf(&[SERVER])));
    let both = format!("{}{}", ca.pem, other.pem);
    for http2 in [false, true] {
        let clients = folder.write("clients.crt", &both);
        let tls = ServerTls::load(&cert, &key, Some(&clients)).unwrap();
        let daemon = Daemon::start(Some(tls.clone()), short()).await;
        let mut sessions = Vec::new();
        for authority in [&ca, &other] {
            let own = authority.issue(leaf(&[CLIENT])).identity(&[]);
            let stream = connect(daemon.addr, trusting(Some(own), &TLS13, http2));
            let mut session = Session::open(stream.await.unwrap(), http2).await.unwrap();
            assert_eq!(session.get().await.unwrap(), 200);
            sessions.push(session);
        }
        folder.write("clients.crt", &ca.pem);
        tls.reload_if_changed();
        assert_eq!(asked_until_refused(&mut sessions[1]).await, 0);
        assert_eq!(sessions[0].get().await.unwrap(), 200, "still listed");
    }
}
