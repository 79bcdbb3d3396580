//! `trust_service.type: remote`: a signer in another process, over gRPC and mutual TLS.
//!
//! The connection is made at the first call and again whenever it is lost. Every call has a
//! deadline: without one, a signer that accepts and never answers would hold requests for ever. A
//! connection on which a deadline passes is given up, and the next call makes another: the signer's
//! machine may have vanished without closing it. HTTP/2 pings would find that out too, but a Notary
//! 0.7 signer hangs up on clients that send them. Nothing it answers is taken on trust: key ids are
//! computed here, and signatures verified before anything is stored (see [`tuf::Draft::seal`]).

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use daemon::tls::{ClientTls, SignerConnector, connector};
use futures_util::future::BoxFuture;
use proto::{
    CreateKeyRequest, GetKeyInfoResponse, KEY_MANAGEMENT_HEALTH, KeyInfo, SIGNER_HEALTH,
    SignatureRequest,
    extension::{
        Filling, GetOriginsRequest, MAX_ORIGINS, Piece as WirePiece, SealBothRequest,
        key_origin_client::KeyOriginClient, piece::Kind, sealing_client::SealingClient,
    },
    key_management_client::KeyManagementClient,
    signer_client::SignerClient,
};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tuf::{Gun, KeyId, KeyType, Pair, Piece, PublicKey, Role};

use super::{Origin, REQUEST_ID, Signer, SignerError};

/// What keeps this server from its signer, in a sentence with a cure; nothing if that is not known.
pub type Diagnosis = Arc<dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// How long a diagnosis holds, and how long it may take: all requests that fail meanwhile share it.
const DIAGNOSIS_HOLDS: Duration = Duration::from_secs(10);
const DIAGNOSIS_TAKES: Duration = Duration::from_secs(3);

/// How long a key or a signature may take, connecting included.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How long a signer that could not make both signatures by one call is not asked again: it may be
/// replaced by a later program at any time.
const LACK_HOLDS: Duration = Duration::from_mins(5);

/// Where the signer is, and what keys it is asked for.
#[derive(Clone)]
pub struct RemoteSignerConfig {
    /// Host name or address; the signer's certificate must name it.
    pub hostname: String,
    /// Port; 7899 by convention.
    pub port: u16,
    /// `ecdsa` or `ed25519`.
    pub key_algorithm: String,
    /// The CA of the signer's certificate, and the certificate this server shows it.
    pub tls: ClientTls,
    /// How long a call may take, connecting included; [`DEADLINE`] but for tests.
    pub deadline: Duration,
}

/// A signer over the network; clones share the connection.
#[derive(Clone)]
pub struct RemoteSigner {
    line: Arc<Line>,
    key_algorithm: String,
    deadline: Duration,
    /// Whether it was said that this signer cannot tell which repositories its keys are for.
    told: Arc<AtomicBool>,
    /// When, and on which connection, it could not make both signatures by one call.
    lack: Arc<Mutex<Option<(Instant, u64)>>>,
    diagnosis: Option<Diagnosis>,
    diagnosed: Arc<tokio::sync::Mutex<Option<Diagnosed>>>,
}

/// What a diagnosis found.
struct Diagnosed {
    at: Instant,
    text: Option<String>,
}

/// The way to the signer, and the connection that calls take.
struct Line {
    endpoint: Endpoint,
    connector: SignerConnector,
    current: Mutex<Numbered>,
}

/// A connection, and how many there were before it.
#[derive(Clone)]
struct Numbered {
    number: u64,
    channel: Channel,
}

impl Line {
    /// A line that connects with the first call.
    fn new(endpoint: Endpoint, connector: SignerConnector) -> Self {
        let current = Mutex::new(Numbered {
            number: 0,
            channel: endpoint.connect_with_connector_lazy(connector.clone()),
        });
        Self {
            endpoint,
            connector,
            current,
        }
    }

    /// The connection for the next call.
    fn current(&self) -> Numbered {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets later calls take another connection than this one. Calls that are still on it may end
    /// there.
    fn give_up(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            let connector = self.connector.clone();
            *current = Numbered {
                number: number + 1,
                channel: self.endpoint.connect_with_connector_lazy(connector),
            };
        }
    }
}

impl RemoteSigner {
    /// Prepares the client; the first call connects.
    ///
    /// # Errors
    ///
    /// If host and port do not make an address.
    pub fn new(config: RemoteSignerConfig) -> Result<Self, tonic::transport::Error> {
        let RemoteSignerConfig {
            hostname,
            port,
            key_algorithm,
            tls,
            deadline,
        } = config;
        // "http" although it is TLS: that is the connector's business.
        let authority = if hostname.contains(':') {
            format!("http://[{hostname}]:{port}")
        } else {
            format!("http://{hostname}:{port}")
        };
        let endpoint = Endpoint::from_shared(authority)?;
        let line = Line::new(endpoint, connector(tls, hostname, port));
        Ok(Self {
            line: Arc::new(line),
            key_algorithm,
            deadline,
            told: Arc::default(),
            lack: Arc::default(),
            diagnosis: None,
            diagnosed: Arc::default(),
        })
    }

    /// The same, asking `diagnosis` for the reason of failures to connect, of which the TLS library
    /// says little that helps an operator.
    #[must_use]
    pub fn diagnosed_by(self, diagnosis: Diagnosis) -> Self {
        Self {
            diagnosis: Some(diagnosis),
            ..self
        }
    }
}

impl RemoteSigner {
    /// Makes a call on the current connection, and waits for its answer no longer than the
    /// deadline. If that passes, the connection is given up.
    async fn call<T, F>(&self, call: impl FnOnce(Channel) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let Numbered { number, channel } = self.line.current();
        match tokio::time::timeout(self.deadline, call(channel)).await {
            Err(_) => {
                self.line.give_up(number);
                let text = format!("no answer within {:?}", self.deadline);
                Err(Status::deadline_exceeded(text))
            }
            Ok(answer) => answer.map(tonic::Response::into_inner),
        }
    }

    /// Like [`call`](Self::call), with failures sorted by what they mean here.
    async fn answer<T, F>(&self, call: impl FnOnce(Channel) -> F) -> Result<T, SignerError>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        match self.call(call).await {
            Ok(answer) => Ok(answer),
            Err(status) => Err(self.explain(&status).await),
        }
    }

    /// What a failure means here, in words that help if it was a failure to connect.
    async fn explain(&self, status: &Status) -> SignerError {
        let error = failure(status);
        let is_ours = std::error::Error::source(status).is_some();
        match (&error, is_ours) {
            (SignerError::Unavailable(_), true) => match self.diagnose().await {
                Some(text) => SignerError::Unavailable(text),
                None => error,
            },
            _ => error,
        }
    }

    async fn diagnose(&self) -> Option<String> {
        let diagnosis = self.diagnosis.as_ref()?;
        let mut last = self.diagnosed.lock().await;
        if let Some(last) = &*last
            && last.at.elapsed() < DIAGNOSIS_HOLDS
        {
            return last.text.clone();
        }
        let text = tokio::time::timeout(DIAGNOSIS_TAKES, diagnosis()).await;
        let text = text.ok().flatten();
        *last = Some(Diagnosed {
            at: Instant::now(),
            text: text.clone(),
        });
        text
    }

    /// What the signer tells of a key that it holds.
    async fn info(&self, id: &KeyId) -> Result<(PublicKey, GetKeyInfoResponse), SignerError> {
        let asked = proto::KeyId {
            id: id.as_str().to_owned(),
        };
        let found = self
            .answer(async |channel| {
                let mut keys = KeyManagementClient::new(channel);
                keys.get_key_info(request(asked)).await
            })
            .await?;
        let key = check_key(found.key_info.clone(), &found.public_key)?;
        if key.id() != id {
            return Err(SignerError::BadAnswer(format!("key {} for {id}", key.id())));
        }
        Ok((key, found))
    }

    /// Whether the signer at the end of connection `number` is known to make one signature at a
    /// time.
    fn lacks_both(&self, number: u64) -> bool {
        let is_fresh = |(at, on): (Instant, u64)| on == number && at.elapsed() < LACK_HOLDS;
        self.lack().is_some_and(is_fresh)
    }

    fn lack(&self) -> MutexGuard<'_, Option<(Instant, u64)>> {
        self.lack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a signer of Notary 0.7 knows: the roles alone.
    async fn roles(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "this signer cannot tell which repository a key was made for, so a new root may name \
                 the timestamp or snapshot key of another repository; Countersign's notary-signer can"
            );
        }
        let mut origins = Vec::new();
        for id in ids {
            match self.info(id).await {
                Ok((_, info)) => origins.push(Origin {
                    id: id.as_str().to_owned(),
                    gun: String::new(),
                    role: info.role,
                }),
                Err(SignerError::KeyNotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(origins)
    }
}

/// The request for both signatures of `pair`.
fn both(pair: &Pair) -> SealBothRequest {
    let pieces = |pieces: &[Piece]| pieces.iter().map(wire_piece).collect();
    SealBothRequest {
        first_key_id: pair.snapshot_key.as_str().to_owned(),
        first_content: Bytes::copy_from_slice(&pair.snapshot),
        first_file: pieces(&pair.file),
        second_key_id: pair.timestamp_key.as_str().to_owned(),
        second_content: pieces(&pair.timestamp),
    }
}

fn wire_piece(piece: &Piece) -> WirePiece {
    let filling = |filling: Filling| Kind::Filling(filling.into());
    let kind = match piece {
        Piece::Text(text) => Kind::Text(Bytes::copy_from_slice(text)),
        Piece::Snapshot => filling(Filling::Content),
        Piece::Signature => filling(Filling::Signature),
        Piece::Sha256 => filling(Filling::Sha256),
        Piece::Sha512 => filling(Filling::Sha512),
    };
    WirePiece { kind: Some(kind) }
}

fn failure(status: &Status) -> SignerError {
    match status.code() {
        Code::NotFound => SignerError::KeyNotFound(status.message().to_owned()),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
            SignerError::Unavailable(causes(status))
        }
        // A status that the signer sent has no cause on this side; one that tonic made up for a
        // broken connection does, whatever its code.
        _ if std::error::Error::source(status).is_some() => {
            SignerError::Unavailable(causes(status))
        }
        code => SignerError::Refused(format!("{code:?}: {}", causes(status))),
    }
}

/// A status with the chain of what caused it: "transport error" alone does not help.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// A request that carries the id of the HTTP request it is made for.
fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let id = REQUEST_ID.try_with(|id| id.parse().ok()).ok().flatten();
    if let Some(id) = id {
        request.metadata_mut().insert("x-request-id", id);
    }
    request
}

/// Takes a key only if it is one we can use and it is the key its id says.
fn check_key(info: Option<KeyInfo>, public: &Bytes) -> Result<PublicKey, SignerError> {
    let info = info.ok_or_else(|| SignerError::BadAnswer("a key without its id".into()))?;
    let algorithm = info.algorithm.map(|a| a.algorithm).unwrap_or_default();
    let key = PublicKey::new(KeyType::from(algorithm.as_str()), public.to_vec());
    if !key.is_usable() {
        return Err(SignerError::BadAnswer(format!(
            "an unusable {algorithm:?} key"
        )));
    }
    let claimed = info.key_id.map(|id| id.id).unwrap_or_default();
    if key.id().as_str() != claimed {
        return Err(SignerError::BadAnswer(format!(
            "key {} under the id {claimed:?}",
            key.id()
        )));
    }
    Ok(key)
}

#[async_trait]
impl Signer for RemoteSigner {
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError> {
        let wanted = CreateKeyRequest {
            algorithm: self.key_algorithm.clone(),
            gun: gun.as_str().to_owned(),
            role: role.as_str().to_owned(),
        };
        let made = self
            .call(async |channel| {
                let mut keys = KeyManagementClient::new(channel);
                keys.create_key(request(wanted)).await
            })
            .await;
        match made {
            Ok(made) => check_key(made.key_info, &made.public_key),
            Err(status) if status.code() == Code::ResourceExhausted => {
                Err(SignerError::Full(status.message().to_owned()))
            }
            Err(status) => Err(self.explain(&status).await),
        }
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        self.info(id).await.map(|(key, _)| key)
    }

    async fn origins(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        let mut origins = Vec::new();
        for ids in ids.chunks(MAX_ORIGINS) {
            let asked = GetOriginsRequest {
                key_ids: ids.iter().map(|id| id.as_str().to_owned()).collect(),
            };
            let found = self
                .call(async |channel| {
                    let mut keys = KeyOriginClient::new(channel);
                    keys.get_origins(request(asked)).await
                })
                .await;
            match found {
                Ok(found) => origins.extend(found.origins.into_iter().map(|origin| Origin {
                    id: origin.key_id,
                    gun: origin.gun,
                    role: origin.role,
                })),
                Err(status) if status.code() == Code::Unimplemented => {
                    origins.extend(self.roles(ids).await?);
                }
                Err(status) => return Err(self.explain(&status).await),
            }
        }
        Ok(origins)
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let asked = SignatureRequest {
            key_id: Some(proto::KeyId {
                id: key.id().as_str().to_owned(),
            }),
            content: Bytes::copy_from_slice(message),
        };
        let signature = self
            .answer(async |channel| {
                let mut signatures = SignerClient::new(channel);
                signatures.sign(request(asked)).await
            })
            .await?;
        Ok(signature.content.into())
    }

    /// Asks again for what the signer lacked on an earlier connection, or some minutes ago.
    async fn sign_both(&self, pair: &Pair) -> Result<Option<[Vec<u8>; 2]>, SignerError> {
        let number = self.line.current().number;
        if self.lacks_both(number) {
            return Ok(None);
        }
        let asked = both(pair);
        let signed = self
            .call(async |channel| {
                let mut both = SealingClient::new(channel);
                both.seal_both(request(asked)).await
            })
            .await;
        match signed {
            Ok(signed) => Ok(Some([
                signed.first_signature.into(),
                signed.second_signature.into(),
            ])),
            Err(status) if status.code() == Code::Unimplemented => {
                *self.lack() = Some((Instant::now(), number));
                Ok(None)
            }
            // It knows the call in another form.
            Err(status) if status.code() == Code::InvalidArgument => Ok(None),
            Err(status) => Err(self.explain(&status).await),
        }
    }

    async fn check(&self) -> Result<(), SignerError> {
        for service in [KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH] {
            let asked = Request::new(HealthCheckRequest {
                service: service.to_owned(),
            });
            let status = self
                .answer(async |channel| HealthClient::new(channel).check(asked).await)
                .await?
                .status();
            if status != ServingStatus::Serving {
                let name = service.rsplit('.').next().unwrap_or(service);
                return Err(SignerError::Unavailable(format!(
                    "Got the serving status of {name}: {}, want SERVING",
                    status.as_str_name()
                )));
            }
        }
        Ok(())
    }
}
