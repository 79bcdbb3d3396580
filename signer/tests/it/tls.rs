//! Over the network: mutual TLS as operators set it up, and the end of a run.

use std::sync::Arc;

use daemon::{ClientTls, ServerTls};
use proto::{
    CreateKeyRequest, KeyId, SignatureRequest,
    extension::{SealBothRequest, sealing_client::SealingClient},
    key_management_client::KeyManagementClient,
    signer_client::SignerClient,
};
use signer::{grpc::clients::Clients, serve};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    pki::{ClientAuth, Identity, Pki, ServerAuth},
    support::{TestSigner, id_of},
};

/// A signer that listens.
struct Listening {
    port: u16,
    pki: Pki,
    shutdown: CancellationToken,
    done: JoinHandle<()>,
}

impl Listening {
    /// Listens, asking for a client certificate that `client_ca` (made with the PKI) lets in.
    async fn start(client_ca: impl FnOnce(&Pki) -> String, names: &[&str]) -> Self {
        let pki = Pki::new();
        let server = pki.issue("signer", &[ServerAuth, ClientAuth]);
        let accepted = pki.file("accepted.crt", &client_ca(&pki));
        let tls = ServerTls::load(&server.cert, &server.key, Some(&accepted)).unwrap();
        Self::serve(pki, tls, names).await
    }

    async fn serve(pki: Pki, tls: Arc<ServerTls>, names: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let clients = Clients::with_names(names.iter().map(|&name| name.to_owned()).collect());
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let done = tokio::spawn(async move {
            let signer = TestSigner::start().await;
            let (keys, health) = (Arc::clone(&signer.keys), signer.health.clone());
            serve::run(listener, tls, clients, keys, health, stop).await;
        });
        Self {
            port,
            pki,
            shutdown,
            done,
        }
    }

    /// A connection with this client certificate.
    fn channel(&self, client: Option<&Identity>) -> Channel {
        let ca = self.pki.file("ca.crt", &self.pki.ca_pem);
        let pair = client.map(|client| (client.cert.as_path(), client.key.as_path()));
        let tls = ClientTls::load(Some(&ca), pair).unwrap();
        let connector = daemon::tls::connector(tls, "localhost".to_owned(), self.port);
        Endpoint::from_static("http://signer").connect_with_connector_lazy(connector)
    }

    /// Creates a key and signs with it.
    async fn try_out(&self, client: Option<&Identity>) -> Result<usize, Status> {
        let channel = self.channel(client);
        let request = CreateKeyRequest {
            algorithm: "ecdsa".to_owned(),
            gun: "example.com/app".to_owned(),
            role: "timestamp".to_owned(),
        };
        let key = KeyManagementClient::new(channel.clone())
            .create_key(request)
            .await?;
        let key_id = Some(KeyId {
            id: id_of(key.get_ref()),
        });
        let request = SignatureRequest {
            key_id,
            content: "content".into(),
        };
        Ok(SignerClient::new(channel)
            .sign(request)
            .await?
            .get_ref()
            .content
            .len())
    }

    async fn assert_accepts(&self, client: &Identity) {
        assert_eq!(self.try_out(Some(client)).await.unwrap(), 64);
    }

    async fn assert_refuses(&self, client: Option<&Identity>) {
        let status = self.try_out(client).await.unwrap_err();
        assert_ne!(status.code(), Code::Ok);
        assert_ne!(
            status.code(),
            Code::PermissionDenied,
            "refused, but not by the handshake"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_the_ca_is_accepted_if_it_is_for_clients() {
    let signer = Listening::start(|pki| pki.ca_pem.clone(), &[]).await;
    signer
        .assert_accepts(&signer.pki.issue("both", &[ServerAuth, ClientAuth]))
        .await;
    signer
        .assert_accepts(&signer.pki.issue("client", &[ClientAuth]))
        .await;
    signer.assert_accepts(&signer.pki.issue("any", &[])).await;
    signer
        .assert_refuses(Some(&signer.pki.issue("server", &[ServerAuth])))
        .await;
}

#[tokio::test]
async fn no_certificate_and_one_of_another_issuer_are_refused() {
    let signer = Listening::start(|pki| pki.ca_pem.clone(), &[]).await;
    signer.assert_refuses(None).await;
    signer
        .assert_refuses(Some(&Pki::new().issue("stranger", &[ClientAuth])))
        .await;
    signer
        .assert_refuses(Some(&signer.pki.self_sign("own", false)))
        .await;
}

#[tokio::test]
async fn a_certificate_listed_itself_is_accepted_without_its_issuer() {
    let mut leaves = Vec::new();
    let list = |pki: &Pki| {
        leaves.push(pki.self_sign("plain", false));
        leaves.push(pki.self_sign("authority", true));
        leaves.push(pki.issue("leaf", &[ClientAuth]));
        leaves.iter().map(|leaf| leaf.pem.as_str()).collect()
    };
    let signer = Listening::start(list, &[]).await;
    for leaf in &leaves {
        signer.assert_accepts(leaf).await;
    }
    signer
        .assert_refuses(Some(&signer.pki.issue("other", &[ClientAuth])))
        .await;
}

#[tokio::test]
async fn a_listed_certificate_with_an_unknown_critical_extension_is_refused() {
    let mut odd = None;
    let list = |pki: &Pki| odd.insert(pki.with_critical_extension("odd")).pem.clone();
    let signer = Listening::start(list, &[]).await;
    signer.assert_refuses(odd.as_ref()).await;
}

#[tokio::test]
async fn a_file_with_leaf_and_issuer_accepts_every_leaf_of_the_issuer() {
    let signer = Listening::start(
        |pki| pki.issue("listed", &[ClientAuth]).pem + &pki.ca_pem,
        &[],
    )
    .await;
    signer
        .assert_accepts(&signer.pki.issue("another", &[ClientAuth]))
        .await;
}

#[tokio::test]
async fn with_names_listed_only_certificates_that_carry_one_may_use_keys() {
    let signer = Listening::start(|pki| pki.ca_pem.clone(), &["Server.example"]).await;
    signer
        .assert_accepts(&signer.pki.issue("server", &[ClientAuth]))
        .await;
    let other = signer.pki.issue("other", &[ClientAuth]);
    let status = signer.try_out(Some(&other)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let mut sealing = SealingClient::new(signer.channel(Some(&other)));
    let status = sealing.seal_both(SealBothRequest::default()).await;
    assert_eq!(status.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn without_a_client_ca_everybody_is_let_in() {
    let pki = Pki::new();
    let server = pki.issue("signer", &[ServerAuth]);
    let tls = ServerTls::load(&server.cert, &server.key, None).unwrap();
    let signer = Listening::serve(pki, tls, &[]).await;
    assert_eq!(signer.try_out(None).await.unwrap(), 64);
}

#[tokio::test]
async fn a_signer_that_is_told_to_stop_stops() {
    let signer = Listening::start(|pki| pki.ca_pem.clone(), &[]).await;
    signer
        .assert_accepts(&signer.pki.issue("client", &[ClientAuth]))
        .await;
    signer.shutdown.cancel();
    signer.done.await.unwrap();
}
