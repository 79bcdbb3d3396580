//! What is agreed on in a handshake.

use std::fs;

use rcgen::{CertifiedKey as SelfSigned, generate_simple_self_signed};
use rustls::{
    ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, ServerConnection,
    client::ClientSessionMemoryCache, crypto::ring, version,
};
use rustls_pki_types::ServerName;
use tempfile::TempDir;

use super::*;

/// A server with a certificate of its own, and a client that believes it and prefers other suites.
struct Pair {
    server: Arc<ServerConfig>,
    client: ClientConfig,
}

impl Pair {
    fn new(manner: Manner, version: &'static rustls::SupportedProtocolVersion) -> Self {
        let folder = TempDir::new().unwrap();
        let SelfSigned { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (crt, key) = (folder.path().join("a.crt"), folder.path().join("a.key"));
        fs::write(&crt, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        let server = ServerTls::load_as(&crt, &key, None, manner)
            .unwrap()
            .config();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
        Self { server, client }
    }

    /// Both ends of a connection that was just made, and how many bytes the server sent.
    fn connect(&self) -> (ServerConnection, ClientConnection, usize) {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(self.client.clone()), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        let mut sent = 0;
        while client.wants_write() || server.wants_write() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            sent += wire.len();
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets().unwrap();
        }
        (server, client, sent)
    }
}

#[test]
fn aes_128_is_agreed_on_even_with_clients_that_would_rather_have_aes_256() {
    for version in [&version::TLS12, &version::TLS13] {
        let (server, ..) = Pair::new(Manner::default(), version).connect();
        let suite = server.negotiated_cipher_suite().unwrap().suite();
        assert!(has_aes_128(suite), "{suite:?}");
    }
    let all = ring::default_provider().cipher_suites.len();
    assert_eq!(
        provider().cipher_suites.len(),
        all,
        "older clients need the others"
    );
}

#[test]
fn sessions_are_resumed_if_they_may_be_and_cost_nothing_otherwise() {
    for version in [&version::TLS12, &version::TLS13] {
        let kept = Pair::new(Manner::default(), version);
        let (.., with_tickets) = kept.connect();
        let (server, ..) = kept.connect();
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Resumed));
        let manner = Manner {
            resumes: false,
            ..Manner::default()
        };
        let forgotten = Pair::new(manner, version);
        let (.., without) = forgotten.connect();
        let (server, ..) = forgotten.connect();
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        if server.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            assert!(without + 2 * 64 < with_tickets, "{without} {with_tickets}");
        }
    }
}
