//! Certificates that change under a running program.

use std::fs;

use daemon::{ClientTls, ServerTls};
use rustls::version::TLS13;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::{
    certificates::{CLIENT, Certificate, Folder, SERVER, authority, leaf},
    client::{Daemon, connect, get_over, short, trusting},
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
