//! A configuration with certificates, a database and a signer, all of them well until a test
//! changes one.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use async_trait::async_trait;
use daemon::{Limits, ServerTls, listener};
use fixtures::{Part, Publisher, clock};
use proto::{
    Algorithm, CreateKeyRequest, GetKeyInfoResponse, KEY_MANAGEMENT_HEALTH, KeyId as WireKeyId,
    KeyInfo, SIGNER_HEALTH, Signature, SignatureRequest, Void,
    extension::{
        GetOriginsRequest, GetOriginsResponse, Origin,
        key_origin_server::{KeyOrigin, KeyOriginServer},
    },
    key_management_server::{KeyManagement, KeyManagementServer},
    signer_server::{Signer, SignerServer},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use server::config::{self, Config};
use sqlx::Sqlite;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use trust::store::{MIGRATIONS, SqlStore, TrustStore as _};
use tuf::{File, Gun, KeyType, MetadataFormat, PublicKey, Role};

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

/// A certificate to be issued.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) names: &'static [&'static str],
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) usages: &'static [ExtendedKeyUsagePurpose],
}

/// A certificate and its key, both PEM.
pub(super) struct Issued {
    pub(super) pem: String,
    pub(super) key: String,
}

impl Leaf {
    /// For localhost, valid for years.
    pub(super) fn for_use(usages: &'static [ExtendedKeyUsagePurpose]) -> Self {
        Self {
            names: &["localhost"],
            not_before: clock() - Duration::days(5000),
            not_after: clock() + Duration::days(5000),
            usages,
        }
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

impl Authority {
    pub(super) fn named(name: &str) -> Self {
        Self::until(name, clock() + Duration::days(5000))
    }

    /// An authority that ends.
    pub(super) fn until(name: &str, not_after: OffsetDateTime) -> Self {
        let mut params = CertificateParams::default();
        params.not_after = not_after;
        params.distinguished_name = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(super) fn issue(&self, leaf: &Leaf) -> Issued {
        let names = leaf.names.iter().map(|&name| name.to_owned());
        let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        params.distinguished_name = called("a leaf");
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = leaf.usages.to_vec();
        (params.not_before, params.not_after) = (leaf.not_before, leaf.not_after);
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued {
            pem,
            key: key.serialize_pem(),
        }
    }
}

/// A signer that holds some keys, signs nothing, and counts what it is asked to make.
#[derive(Default)]
struct Holder {
    keys: Vec<PublicKey>,
    made_for: String,
    made: Arc<AtomicUsize>,
}

#[async_trait]
impl KeyOrigin for Holder {
    async fn get_origins(
        &self,
        request: Request<GetOriginsRequest>,
    ) -> Result<Response<GetOriginsResponse>, Status> {
        let is_held = |id: &String| self.keys.iter().any(|key| key.id().as_str() == id);
        let ids = request.into_inner().key_ids.into_iter();
        let origins = ids.filter(is_held).map(|key_id| Origin {
            key_id,
            gun: self.made_for.clone(),
            role: String::new(),
        });
        Ok(Response::new(GetOriginsResponse {
            origins: origins.collect(),
        }))
    }
}

#[async_trait]
impl KeyManagement for Holder {
    async fn create_key(
        &self,
        _: Request<CreateKeyRequest>,
    ) -> Result<Response<proto::PublicKey>, Status> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Err(Status::unimplemented("no check-up makes keys"))
    }

    async fn get_key_info(
        &self,
        request: Request<WireKeyId>,
    ) -> Result<Response<GetKeyInfoResponse>, Status> {
        let id = request.into_inner().id;
        let key = self.keys.iter().find(|key| key.id().as_str() == id);
        let key = key.ok_or_else(|| Status::not_found("key not found"))?;
        Ok(Response::new(GetKeyInfoResponse {
            key_info: Some(KeyInfo {
                key_id: Some(WireKeyId { id }),
                algorithm: Some(Algorithm {
                    algorithm: key.key_type().as_str().to_owned(),
                }),
            }),
            public_key: key.public_bytes().to_vec().into(),
            role: "timestamp".into(),
        }))
    }

    async fn delete_key(&self, _: Request<WireKeyId>) -> Result<Response<Void>, Status> {
        Err(Status::unimplemented("no check-up deletes keys"))
    }
}

#[async_trait]
impl Signer for Holder {
    async fn sign(&self, _: Request<SignatureRequest>) -> Result<Response<Signature>, Status> {
        Err(Status::unimplemented("no check-up signs"))
    }
}

/// Everything that a server needs, in one folder.
pub(super) struct Stage {
    pub(super) authority: Authority,
    /// Whether a signer that is started from now on says that it can sign.
    pub(super) is_serving: bool,
    /// The keys that a signer holds that is started from now on.
    pub(super) keys: Vec<PublicKey>,
    /// The repository that these keys were made for, as far as that signer knows.
    pub(super) made_for: String,
    json: Value,
    folder: TempDir,
    made: Arc<AtomicUsize>,
    shutdown: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Stage {
    /// One authority for everybody, a database with its tables, and a signer that serves.
    pub(super) async fn healthy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::named("The CA");
        let mut stage = Self {
            authority,
            is_serving: true,
            keys: Vec::new(),
            made_for: String::new(),
            json: json!({
                "server": {"http_addr": "127.0.0.1:4443"},
                "trust_service": {"type": "remote", "hostname": "localhost", "port": "1", "key_algorithm": "ecdsa"},
                "storage": {"backend": "sqlite3", "db_url": folder.path().join("server.db")},
            }),
            folder,
            made: Arc::default(),
            shutdown: CancellationToken::new(),
        };
        stage.show_clients(Leaf::for_use(&[ServerAuth]));
        stage.show_signer(Leaf::for_use(&[ClientAuth]));
        let ca = stage.file("ca.crt", &stage.authority.pem);
        stage.set("trust_service", "tls_ca_file", ca);
        stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
        let pool = pool(&stage).await;
        database::migrate(&pool, &MIGRATIONS).await.unwrap();
        pool.close().await;
        stage
    }

    /// How many keys the signers were asked to make.
    pub(super) fn keys_made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// The configuration as it stands.
    pub(super) fn config(&self) -> Config {
        let settings = config::load(&self.configuration_file(), []).unwrap();
        Config::read(&settings).unwrap()
    }

    /// The configuration as it stands, in a file.
    pub(super) fn configuration_file(&self) -> PathBuf {
        PathBuf::from(self.file("server.json", &self.json.to_string()))
    }

    pub(super) fn set(&mut self, section: &str, key: &str, value: impl Into<Value>) {
        self.json[section][key] = value.into();
    }

    pub(super) fn unset(&mut self, section: &str, key: &str) {
        self.json[section].as_object_mut().unwrap().remove(key);
    }

    /// A path in the folder of the test.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Gives the server the certificate that clients see.
    pub(super) fn show_clients(&mut self, leaf: Leaf) {
        let issued = self.authority.issue(&leaf);
        let cert = self.file("server.crt", &issued.pem);
        let key = self.file("server.key", &issued.key);
        self.set("server", "tls_cert_file", cert);
        self.set("server", "tls_key_file", key);
    }

    /// Gives the server the certificate that the signer sees.
    pub(super) fn show_signer(&mut self, leaf: Leaf) {
        let issued = self.authority.issue(&leaf);
        let cert = self.file("client.crt", &issued.pem);
        let key = self.file("client.key", &issued.key);
        self.set("trust_service", "tls_client_cert", cert);
        self.set("trust_service", "tls_client_key", key);
    }

    /// Starts a server that speaks TLS, and in it nothing but HTTP/1.1; its port.
    pub(super) async fn start_web_server(&self) -> u16 {
        let issued = self.authority.issue(&Leaf::for_use(&[ServerAuth]));
        let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let socket = listener::bind("localhost:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                drop(acceptor.accept(stream).await);
            }
        });
        port
    }

    /// Starts a signer with this certificate, in the place of the one before; it lets in whom
    /// `clients` vouch for.
    pub(super) async fn start_signer(&mut self, leaf: Leaf, clients: Option<&Authority>) {
        let issued = self.authority.issue(&leaf);
        let cert = self.file("signer.crt", &issued.pem);
        let key = self.file("signer.key", &issued.key);
        let clients = clients.unwrap_or(&self.authority);
        let clients = self.file("clients.crt", &clients.pem);
        let tls = ServerTls::load(cert.as_ref(), key.as_ref(), Some(clients.as_ref())).unwrap();
        let socket = listener::bind("localhost:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        self.set("trust_service", "port", port.to_string());
        let holder = Arc::new(Holder {
            keys: self.keys.clone(),
            made_for: self.made_for.clone(),
            made: self.made.clone(),
        });
        let (health, health_service) = tonic_health::server::health_reporter();
        let status = if self.is_serving {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        for name in [KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH] {
            health.set_service_status(name, status).await;
        }
        let app = Routes::new(KeyManagementServer::from_arc(holder.clone()))
            .add_service(KeyOriginServer::from_arc(holder.clone()))
            .add_service(SignerServer::from_arc(holder))
            .add_service(health_service)
            .into_axum_router();
        let shutdown = self.shutdown.clone();
        tokio::spawn(listener::serve(
            socket,
            Some(tls),
            app,
            Limits::default(),
            shutdown,
        ));
    }
}

async fn pool(stage: &Stage) -> database::Pool<sqlx::Sqlite> {
    let url = stage.json["storage"]["db_url"].as_str().unwrap();
    database::connect_sqlite(url).await.unwrap()
}

/// The database of a stage.
pub(super) async fn store(stage: &Stage) -> SqlStore<Sqlite> {
    SqlStore::new(pool(stage).await)
}

/// Stores files as they are.
pub(super) async fn keep(
    store: &SqlStore<Sqlite>,
    gun: &str,
    parts: Vec<Part>,
    at: OffsetDateTime,
) {
    let file = |(role, bytes): Part| {
        File::parse(
            MetadataFormat::NOTARY,
            Role::parse(&role).unwrap(),
            bytes.into(),
        )
    };
    let files: Vec<File> = parts.into_iter().map(|part| file(part).unwrap()).collect();
    let gun = Gun::parse(gun).unwrap();
    let base = store.head(&gun).await.unwrap();
    store
        .publish(&gun, base.as_ref(), &files, at)
        .await
        .unwrap();
}

/// Stores a whole repository.
pub(super) async fn publish(store: &SqlStore<Sqlite>, gun: &str, at: OffsetDateTime) -> Publisher {
    let mut publisher = Publisher::new(gun);
    let mut parts = publisher.first_publish();
    parts.extend(publisher.as_server());
    keep(store, gun, parts, at).await;
    publisher
}

/// The key that signs a role's document, as a signer holds it.
pub(super) fn key_of(publisher: &mut Publisher, role: &str) -> PublicKey {
    let key = publisher.document_mut(role).signers[0].public().clone();
    PublicKey::new(KeyType::from(key.keytype.as_str()), key.public)
}
