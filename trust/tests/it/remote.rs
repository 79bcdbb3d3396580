//! The client of the signer: what it asks, and that it believes nothing it is answered.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use daemon::{ClientTls, Limits, ServerTls, listener};
use proto::{
    Algorithm, CreateKeyRequest, GetKeyInfoResponse, KEY_MANAGEMENT_HEALTH, KeyId as WireKeyId,
    KeyInfo, SIGNER_HEALTH, Signature, SignatureRequest, Void,
    extension::{
        GetOriginsRequest, GetOriginsResponse, MAX_ORIGINS, Origin as WireOrigin, SealBothRequest,
        SealBothResponse,
        key_origin_server::{KeyOrigin, KeyOriginServer},
        sealing_server::{Sealing, SealingServer},
    },
    key_management_server::{KeyManagement, KeyManagementServer},
    signer_server::{Signer as WireSigner, SignerServer},
};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use trust::signer::{Origin, REQUEST_ID, RemoteSigner, RemoteSignerConfig, Signer, SignerError};
use tuf::{Gun, KeyAlgorithm, Pair, Piece, PrivateKey, PublicKey, Role};

/// How a scripted signer answers, whatever it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Honest,
    /// Has only the services of Notary 0.7.
    Notary,
    KnowsOtherPieces,
    EmptyKey,
    KeyUnderAnotherId,
    UnknownAlgorithm,
    NotFound,
    Away,
    Broken,
    Full,
    Hangs,
}

struct Scripted {
    script: Script,
    key: PrivateKey,
    request_ids: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn key<T>(&self, request: &Request<T>) -> Result<(KeyInfo, Vec<u8>), Status> {
        let id = request.metadata().get("x-request-id");
        let id = id.map_or("", |id| id.to_str().unwrap()).to_owned();
        self.request_ids.lock().unwrap().push(id);
        let public = self.key.public();
        let mut id = public.id().to_string();
        let mut algorithm = public.key_type().as_str().to_owned();
        let mut bytes = public.public_bytes().to_vec();
        match self.script {
            Script::Honest | Script::Notary | Script::KnowsOtherPieces => {}
            Script::EmptyKey => (algorithm, bytes) = (String::new(), Vec::new()),
            Script::KeyUnderAnotherId => id = "ab".repeat(32),
            Script::UnknownAlgorithm => "rot13".clone_into(&mut algorithm),
            Script::NotFound => return Err(Status::not_found("key not found")),
            Script::Away => return Err(Status::unavailable("the database is away")),
            Script::Broken => return Err(Status::internal("broken")),
            Script::Full => return Err(Status::resource_exhausted("too many keys wait")),
            Script::Hangs => std::future::pending().await,
        }
        let info = KeyInfo {
            key_id: Some(WireKeyId { id }),
            algorithm: Some(Algorithm { algorithm }),
        };
        Ok((info, bytes))
    }
}

#[async_trait]
impl KeyManagement for Scripted {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<proto::PublicKey>, Status> {
        let (info, bytes) = self.key(&request).await?;
        Ok(Response::new(proto::PublicKey {
            key_info: Some(info),
            public_key: bytes.into(),
        }))
    }

    async fn get_key_info(
        &self,
        request: Request<WireKeyId>,
    ) -> Result<Response<GetKeyInfoResponse>, Status> {
        let (info, bytes) = self.key(&request).await?;
        Ok(Response::new(GetKeyInfoResponse {
            key_info: Some(info),
            public_key: bytes.into(),
            role: "timestamp".into(),
        }))
    }

    async fn delete_key(&self, _: Request<WireKeyId>) -> Result<Response<Void>, Status> {
        Err(Status::unimplemented("no server deletes keys"))
    }
}

#[async_trait]
impl WireSigner for Scripted {
    async fn sign(
        &self,
        request: Request<SignatureRequest>,
    ) -> Result<Response<Signature>, Status> {
        let (info, _) = self.key(&request).await?;
        let content = self.key.sign(&request.into_inner().content).unwrap();
        Ok(Response::new(Signature {
            key_info: Some(info),
            algorithm: None,
            content: content.into(),
        }))
    }
}

#[async_trait]
impl KeyOrigin for Scripted {
    async fn get_origins(
        &self,
        request: Request<GetOriginsRequest>,
    ) -> Result<Response<GetOriginsResponse>, Status> {
        let (info, _) = self.key(&request).await?;
        let own = info.key_id.unwrap_or_default().id;
        let asked = request.into_inner().key_ids;
        assert!(asked.len() <= MAX_ORIGINS);
        let origins = asked
            .into_iter()
            .filter(|id| *id == own)
            .map(|key_id| WireOrigin {
                key_id,
                gun: "a".into(),
                role: "timestamp".into(),
            });
        Ok(Response::new(GetOriginsResponse {
            origins: origins.collect(),
        }))
    }
}

#[async_trait]
impl Sealing for Scripted {
    /// Signs what is asked, as far as it shows that it has arrived.
    async fn seal_both(
        &self,
        request: Request<SealBothRequest>,
    ) -> Result<Response<SealBothResponse>, Status> {
        self.key(&request).await?;
        let asked = request.into_inner();
        match self.script {
            // What a signer answers that does not have the service.
            Script::Notary => return Err(Status::unimplemented("unknown service")),
            Script::KnowsOtherPieces => {
                return Err(Status::invalid_argument("a piece of another kind"));
            }
            _ => {}
        }
        Ok(Response::new(SealBothResponse {
            first_signature: self.key.sign(&asked.first_content).unwrap().into(),
            second_signature: format!("{:?} {:?}", asked.first_file, asked.second_content).into(),
        }))
    }
}

/// A scripted signer on a port of its own, and a client of it.
struct Stage {
    client: RemoteSigner,
    public: PublicKey,
    request_ids: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
    port: u16,
    folder: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Writes a self-signed certificate and its key; the certificate is its own authority.
fn certificate(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("a.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("a.key"), key.serialize_pem()).unwrap();
}

async fn stage(script: Script) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let (cert, key) = (folder.path().join("a.crt"), folder.path().join("a.key"));
    let tls = ServerTls::load(&cert, &key, Some(&cert)).unwrap();
    let socket = listener::bind("localhost:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let request_ids = Arc::new(Mutex::new(Vec::new()));
    let scripted = Arc::new(Scripted {
        script,
        key: PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap(),
        request_ids: request_ids.clone(),
    });
    let public = scripted.key.public().clone();
    let (health, health_service) = tonic_health::server::health_reporter();
    let status = match script {
        Script::Away => tonic_health::ServingStatus::NotServing,
        _ => tonic_health::ServingStatus::Serving,
    };
    health
        .set_service_status(KEY_MANAGEMENT_HEALTH, tonic_health::ServingStatus::Serving)
        .await;
    health.set_service_status(SIGNER_HEALTH, status).await;
    let mut app = Routes::new(KeyManagementServer::from_arc(scripted.clone()))
        .add_service(SignerServer::from_arc(scripted.clone()))
        .add_service(SealingServer::from_arc(scripted.clone()))
        .add_service(health_service);
    if script != Script::Notary {
        app = app.add_service(KeyOriginServer::from_arc(scripted));
    }
    let app = app.into_axum_router();
    let shutdown = CancellationToken::new();
    tokio::spawn(listener::serve(
        socket,
        Some(tls),
        app,
        Limits::default(),
        shutdown.clone(),
    ));
    Stage {
        client: client(folder.path(), port),
        public,
        request_ids,
        shutdown,
        port,
        folder,
    }
}

/// A client of the signer at `port`, with the certificate in `folder`.
fn client(folder: &Path, port: u16) -> RemoteSigner {
    let (cert, key) = (folder.join("a.crt"), folder.join("a.key"));
    RemoteSigner::new(RemoteSignerConfig {
        hostname: "localhost".into(),
        port,
        key_algorithm: "ed25519".into(),
        tls: ClientTls::load(Some(&cert), Some((&cert, &key))).unwrap(),
        deadline: Duration::from_secs(2),
    })
    .unwrap()
}

/// A network in front of a signer, which can lose its connections in silence.
struct Network {
    port: u16,
    losses: watch::Sender<u32>,
    connections: Arc<AtomicUsize>,
}

impl Network {
    async fn before(signer: u16) -> Self {
        let socket = listener::bind("localhost:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (losses, _) = watch::channel(0);
        let (lost, connections) = (losses.clone(), Arc::<AtomicUsize>::default());
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = socket.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut lost = lost.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("localhost", signer)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // Nothing is read any more, and nothing closed.
                        _ = lost.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            port,
            losses,
            connections,
        }
    }

    /// Loses every connection that there is; later ones are carried.
    fn lose_connections(&self) {
        self.losses.send_modify(|losses| *losses += 1);
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Stage {
    async fn create(&self) -> Result<PublicKey, SignerError> {
        self.client
            .create_key(&Gun::parse("a").unwrap(), &Role::Timestamp)
            .await
    }
}

#[tokio::test]
async fn an_honest_signer_makes_finds_and_uses_keys() {
    let stage = stage(Script::Honest).await;
    let key = stage.create().await.unwrap();
    assert_eq!(key, stage.public);
    assert_eq!(stage.client.public_key(key.id()).await.unwrap(), key);
    let signature = stage.client.sign(&key, b"message").await.unwrap();
    assert!(key.verifies(&key.signature_method(), b"message", &signature));
    stage.client.check().await.unwrap();
}

#[tokio::test]
async fn a_signer_tells_what_its_keys_were_made_for_as_far_as_it_knows() {
    let stranger = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    for (script, gun) in [(Script::Honest, "a"), (Script::Notary, "")] {
        let stage = stage(script).await;
        let id = stage.public.id().clone();
        let mut asked = vec![id.clone()];
        if script == Script::Honest {
            // In several requests, if they are many.
            asked.extend(vec![stranger.public().id().clone(); MAX_ORIGINS + 1]);
        }
        let origins = stage.client.origins(&asked).await.unwrap();
        let expected = Origin {
            id: id.to_string(),
            gun: gun.to_owned(),
            role: "timestamp".to_owned(),
        };
        assert_eq!(origins, [expected], "{script:?}");
    }
    for (script, is_away) in [(Script::Away, true), (Script::Broken, false)] {
        let stage = stage(script).await;
        let asked = [stage.public.id().clone()];
        let error = stage.client.origins(&asked).await.unwrap_err();
        let unavailable = matches!(error, SignerError::Unavailable(_));
        assert_eq!(unavailable, is_away, "{error:?}");
    }
}

/// A pair of texts that the scripted signer's key is to sign.
fn pair(key: &PublicKey, snapshot: &[u8]) -> Pair {
    Pair {
        snapshot_key: key.id().clone(),
        snapshot: snapshot.to_vec(),
        file: vec![Piece::Snapshot, Piece::Signature],
        timestamp_key: key.id().clone(),
        timestamp: vec![Piece::Text(b"text".to_vec()), Piece::Sha256, Piece::Sha512],
    }
}

#[tokio::test]
async fn both_signatures_are_asked_for_by_one_call() {
    let stage = stage(Script::Honest).await;
    let pair = pair(&stage.public, b"snapshot");
    let signed = stage.client.sign_both(&pair).await.unwrap();
    let [first, asked] = signed.unwrap();
    let method = stage.public.signature_method();
    assert!(stage.public.verifies(&method, b"snapshot", &first));
    let asked = String::from_utf8(asked).unwrap();
    let places: Vec<_> = ["Content", "Signature", "text", "Sha256", "Sha512"]
        .iter()
        .map(|piece| asked.find(piece))
        .collect();
    assert!(places.is_sorted() && places[0].is_some(), "{asked}");
    assert_eq!(stage.request_ids.lock().unwrap().len(), 1, "one call");
}

#[tokio::test]
async fn a_signer_that_signs_one_by_one_is_asked_for_both_once_for_each_connection() {
    let stage = stage(Script::Notary).await;
    let network = Network::before(stage.port).await;
    let client = client(stage.folder.path(), network.port);
    let pair = pair(&stage.public, b"snapshot");
    let calls = || stage.request_ids.lock().unwrap().len();
    for _ in 0..3 {
        assert_eq!(client.sign_both(&pair).await.unwrap(), None);
        client.sign(&stage.public, b"x").await.unwrap();
    }
    assert_eq!(calls(), 1 + 3);
    network.lose_connections();
    client.sign(&stage.public, b"lost").await.unwrap_err();
    // Behind another connection there may be another program.
    assert_eq!(client.sign_both(&pair).await.unwrap(), None);
    assert_eq!(client.sign_both(&pair).await.unwrap(), None);
    assert_eq!(calls(), 1 + 3 + 1);
}

#[tokio::test]
async fn what_a_signer_cannot_take_as_both_is_not_an_error() {
    let stage = stage(Script::KnowsOtherPieces).await;
    let signed = stage.client.sign_both(&pair(&stage.public, b"x")).await;
    assert_eq!(signed.unwrap(), None);
}

#[tokio::test]
async fn a_key_that_cannot_be_right_is_not_handed_on() {
    for script in [
        Script::EmptyKey,
        Script::KeyUnderAnotherId,
        Script::UnknownAlgorithm,
    ] {
        let stage = stage(script).await;
        let created = stage.create().await;
        assert!(
            matches!(created, Err(SignerError::BadAnswer(_))),
            "{script:?}: {created:?}"
        );
        let found = stage.client.public_key(stage.public.id()).await;
        assert!(
            matches!(found, Err(SignerError::BadAnswer(_))),
            "{script:?}: {found:?}"
        );
    }
}

#[tokio::test]
async fn another_key_than_the_one_asked_for_is_not_taken() {
    let stage = stage(Script::Honest).await;
    let other = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let found = stage.client.public_key(other.public().id()).await;
    assert!(matches!(found, Err(SignerError::BadAnswer(_))), "{found:?}");
}

#[tokio::test]
async fn only_not_found_means_not_found() {
    for (script, is_missing, is_away) in [
        (Script::NotFound, true, false),
        (Script::Away, false, true),
        (Script::Broken, false, false),
    ] {
        let stage = stage(script).await;
        let error = stage
            .client
            .public_key(stage.public.id())
            .await
            .unwrap_err();
        assert_eq!(
            matches!(error, SignerError::KeyNotFound(_)),
            is_missing,
            "{error:?}"
        );
        assert_eq!(
            matches!(error, SignerError::Unavailable(_)),
            is_away,
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_signer_that_never_answers_is_given_up() {
    let stage = stage(Script::Hangs).await;
    let started = Instant::now();
    let error = stage.client.sign(&stage.public, b"x").await.unwrap_err();
    assert!(matches!(error, SignerError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_signer_that_is_not_there_is_unavailable_and_found_again_when_it_is() {
    let stage = stage(Script::Honest).await;
    stage.create().await.unwrap();
    stage.shutdown.cancel();
    let gone = loop {
        match stage.create().await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(gone, SignerError::Unavailable(_)), "{gone:?}");
}

#[tokio::test]
async fn health_is_that_of_both_services() {
    let stage = stage(Script::Away).await;
    let error = stage.client.check().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signer is unavailable: Got the serving status of Signer: NOT_SERVING, want SERVING"
    );
}

#[tokio::test]
async fn the_id_of_a_request_travels_with_it() {
    let stage = stage(Script::Honest).await;
    let id = "from-the-client".into();
    REQUEST_ID.scope(id, stage.create()).await.unwrap();
    assert_eq!(
        stage.request_ids.lock().unwrap().as_slice(),
        ["from-the-client"]
    );
}

#[tokio::test]
async fn a_connection_that_vanishes_costs_one_deadline_and_later_calls_take_another() {
    let stage = stage(Script::Honest).await;
    let network = Network::before(stage.port).await;
    let client = client(stage.folder.path(), network.port);
    client.sign(&stage.public, b"x").await.unwrap();
    client.check().await.unwrap();
    assert_eq!(network.connections(), 1);

    network.lose_connections();
    let lost = (0..5).map(|_| client.sign(&stage.public, b"x"));
    for lost in futures_util::future::join_all(lost).await {
        let error = lost.unwrap_err();
        assert!(matches!(error, SignerError::Unavailable(_)), "{error:?}");
    }

    let started = Instant::now();
    let found = (0..5).map(|_| client.sign(&stage.public, b"x"));
    for found in futures_util::future::join_all(found).await {
        found.unwrap();
    }
    client.check().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(network.connections(), 2, "one new connection for all");
}

#[tokio::test]
async fn a_signer_that_makes_no_more_keys_says_so() {
    let stage = stage(Script::Full).await;
    let refused = stage.create().await;
    assert!(matches!(refused, Err(SignerError::Full(_))), "{refused:?}");
}
