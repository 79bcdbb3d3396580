//! Protobuf to domain and back; decides nothing.
//!
//! Status codes are those of Notary 0.7, whose server treats all alike, with three corrections that
//! a careful caller can act on: `INVALID_ARGUMENT` for what can name no key, `UNAVAILABLE` while
//! the database or a custody is away or the passphrase of new keys does not match, and `INTERNAL`
//! for a stored key that does not open. Only `NOT_FOUND` says that a key does not exist.

pub mod clients;
mod sealing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use database::Fault;
use proto::{
    Algorithm, CreateKeyRequest, GetKeyInfoResponse, KeyId as WireKeyId, KeyInfo, MAX_REQUEST,
    PublicKey as WirePublicKey, Signature, SignatureRequest, Void,
    extension::{
        GetOriginsRequest, GetOriginsResponse, MAX_ORIGINS, Origin as WireOrigin,
        key_origin_server::{KeyOrigin, KeyOriginServer},
        sealing_server::SealingServer,
    },
    key_management_server::{KeyManagement, KeyManagementServer},
    signer_server::{Signer, SignerServer},
};
use ring::digest::{SHA256, digest};
use tonic::{Code, Request, Response, Status, service::interceptor::InterceptedService};
use tracing::{Instrument, Span};
use tuf::{KeyAlgorithm, PublicKey};

use self::clients::Clients;
use crate::{
    custody::CustodyError,
    health::HealthService,
    keys::{KeyError, Keys},
    keystore::{KeyId, Origin, Purpose, algorithm_name},
};

/// The longest GUN and role that Notary's columns hold, in characters.
const LONGEST_NAME: usize = 255;
/// The longest request id that is taken over into the log.
const LONGEST_REQUEST_ID: usize = 128;
/// How long a request may take before the signer gives up on it.
const DEADLINE: Duration = Duration::from_secs(30);

/// Everything that is served: keys, signatures (to `clients` only) and health.
pub fn router(keys: &Arc<Keys>, clients: Clients, health: HealthService) -> axum::Router {
    let service = Service {
        keys: Arc::clone(keys),
    };
    let management =
        KeyManagementServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    let origins = KeyOriginServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    let sealing = SealingServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    let signer = SignerServer::new(service).max_decoding_message_size(MAX_REQUEST);
    tonic::service::Routes::new(health)
        .add_service(InterceptedService::new(management, clients.clone()))
        .add_service(InterceptedService::new(origins, clients.clone()))
        .add_service(InterceptedService::new(sealing, clients.clone()))
        .add_service(InterceptedService::new(signer, clients))
        .into_axum_router()
        .layer(axum::middleware::map_response(resource_exhausted))
}

/// A request that is too large is `RESOURCE_EXHAUSTED` everywhere but in tonic, which calls it
/// `OUT_OF_RANGE`; nothing else here answers that.
async fn resource_exhausted(mut response: axum::response::Response) -> axum::response::Response {
    let status = response.headers_mut().get_mut("grpc-status");
    if let Some(status) =
        status.filter(|status| Code::from_bytes(status.as_bytes()) == Code::OutOfRange)
    {
        *status = http::HeaderValue::from(Code::ResourceExhausted as i32);
    }
    response
}

/// All gRPC services but health.
#[derive(Clone)]
struct Service {
    keys: Arc<Keys>,
}

#[tonic::async_trait]
impl KeyManagement for Service {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<WirePublicKey>, Status> {
        let span = span("CreateKey", &request);
        let request = request.into_inner();
        span.record("gun", request.gun.as_str())
            .record("role", request.role.as_str());
        in_time(self.create(request)).instrument(span).await
    }

    async fn get_key_info(
        &self,
        request: Request<WireKeyId>,
    ) -> Result<Response<GetKeyInfoResponse>, Status> {
        let span = span("GetKeyInfo", &request);
        in_time(self.describe(request.into_inner()))
            .instrument(span)
            .await
    }

    async fn delete_key(&self, request: Request<WireKeyId>) -> Result<Response<Void>, Status> {
        let span = span("DeleteKey", &request);
        in_time(self.delete(request.into_inner()))
            .instrument(span)
            .await
    }
}

#[tonic::async_trait]
impl Signer for Service {
    async fn sign(
        &self,
        request: Request<SignatureRequest>,
    ) -> Result<Response<Signature>, Status> {
        let span = span("Sign", &request);
        in_time(self.make_signature(request.into_inner()))
            .instrument(span)
            .await
    }
}

#[tonic::async_trait]
impl KeyOrigin for Service {
    async fn get_origins(
        &self,
        request: Request<GetOriginsRequest>,
    ) -> Result<Response<GetOriginsResponse>, Status> {
        let span = span("GetOrigins", &request);
        in_time(self.trace(request.into_inner()))
            .instrument(span)
            .await
    }
}

impl Service {
    async fn trace(
        &self,
        request: GetOriginsRequest,
    ) -> Result<Response<GetOriginsResponse>, Status> {
        if request.key_ids.len() > MAX_ORIGINS {
            let message = format!("more than {MAX_ORIGINS} keys");
            return Err(Status::invalid_argument(message));
        }
        let ids = request.key_ids.into_iter();
        let ids: Result<Vec<KeyId>, Status> =
            ids.map(|id| key_id(Some(WireKeyId { id }))).collect();
        let origins = self.keys.origins(&ids?).await.map_err(|error| {
            tracing::error!("GetOrigins: {error}");
            let failed = "the origins of keys cannot be read".to_owned();
            status(&error, String::new(), failed)
        })?;
        let wire = |(id, origin): (KeyId, Origin)| WireOrigin {
            key_id: id.as_str().to_owned(),
            gun: origin.gun,
            role: origin.role,
        };
        let origins = origins.into_iter().map(wire).collect();
        Ok(Response::new(GetOriginsResponse { origins }))
    }

    async fn create(&self, request: CreateKeyRequest) -> Result<Response<WirePublicKey>, Status> {
        let purpose = purpose(request)?;
        let key = self.keys.create(purpose).await.map_err(|error| {
            tracing::error!("CreateKey: failed to create key: {error}");
            if let KeyError::Custody(CustodyError::Unavailable(_)) = error {
                return Status::unavailable("new keys cannot be encrypted at the moment");
            }
            status(&error, String::new(), "Key creation failed".to_owned())
        })?;
        tracing::info!("CreateKey: Created KeyID {}", key.id());
        let public_key = Bytes::copy_from_slice(key.public_bytes());
        Ok(Response::new(WirePublicKey {
            key_info: Some(key_info(&key)),
            public_key,
        }))
    }

    async fn describe(&self, id: WireKeyId) -> Result<Response<GetKeyInfoResponse>, Status> {
        let id = key_id(Some(id))?;
        let described = self.keys.describe(&id).await.map_err(|error| {
            tracing::error!("GetKeyInfo: key {id}: {error}");
            status(
                &error,
                format!("key {id} not found"),
                format!("key {id} cannot be used"),
            )
        })?;
        tracing::debug!("GetKeyInfo: Returning PublicKey for KeyID {id}");
        Ok(Response::new(GetKeyInfoResponse {
            key_info: Some(key_info(&described.key)),
            public_key: Bytes::copy_from_slice(described.key.public_bytes()),
            role: described.role,
        }))
    }

    async fn delete(&self, id: WireKeyId) -> Result<Response<Void>, Status> {
        let id = key_id(Some(id))?;
        let deleted = self.keys.delete(&id).await.map_err(|error| {
            tracing::error!("DeleteKey: key {id}: {error}");
            status(
                &error,
                String::new(),
                format!("Key deletion for KeyID {id} failed"),
            )
        })?;
        tracing::info!(deleted, "DeleteKey: KeyID {id}");
        Ok(Response::new(Void {}))
    }

    async fn make_signature(
        &self,
        request: SignatureRequest,
    ) -> Result<Response<Signature>, Status> {
        let id = key_id(request.key_id)?;
        let signed = self.keys.sign(&id, request.content).await;
        let signed = signed.map_err(|error| {
            tracing::error!("Sign: key {id}: {error}");
            sign_status(&error, &id)
        })?;
        note_signature("Sign", &id, &signed.content);
        let method = signed.key.signature_method().as_str().to_owned();
        Ok(Response::new(Signature {
            key_info: Some(key_info(&signed.key)),
            algorithm: Some(Algorithm { algorithm: method }),
            content: signed.signature.into(),
        }))
    }
}

/// Says in the log what was signed, without showing it.
fn note_signature(call: &'static str, id: &KeyId, content: &[u8]) {
    if tracing::enabled!(tracing::Level::INFO) {
        let (digest, bytes) = (hex::encode(digest(&SHA256, content)), content.len());
        tracing::info!("{call}: Signed sha256:{digest} ({bytes} bytes) with KeyID {id}");
    }
}

/// Ends a request that hangs, so that callers without a deadline get an answer.
async fn in_time<T>(work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_| Err(Status::deadline_exceeded("the signer took too long")))
}

/// The purpose of a requested key, if this signer makes such keys.
fn purpose(request: CreateKeyRequest) -> Result<Purpose, Status> {
    let CreateKeyRequest {
        algorithm,
        gun,
        role,
    } = request;
    let known = [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519];
    let Some(algorithm) = known
        .into_iter()
        .find(|one| algorithm_name(*one) == algorithm)
    else {
        tracing::error!(
            "CreateKey: unsupported algorithm: {}",
            algorithm.escape_debug()
        );
        let message = format!("algorithm {algorithm} not supported for create key");
        return Err(Status::unknown(message));
    };
    for (what, name) in [("gun", &gun), ("role", &role)] {
        if name.chars().count() > LONGEST_NAME || name.contains('\0') {
            let message = format!("{what} is longer than {LONGEST_NAME} characters or holds a NUL");
            return Err(Status::invalid_argument(message));
        }
    }
    Ok(Purpose {
        algorithm,
        gun,
        role,
    })
}

fn key_id(id: Option<WireKeyId>) -> Result<KeyId, Status> {
    id.and_then(|id| KeyId::parse(&id.id))
        .ok_or_else(|| Status::invalid_argument("a key ID of 64 hex digits is required"))
}

fn key_info(key: &PublicKey) -> KeyInfo {
    KeyInfo {
        key_id: Some(WireKeyId {
            id: key.id().as_str().to_owned(),
        }),
        algorithm: Some(Algorithm {
            algorithm: key.key_type().as_str().to_owned(),
        }),
    }
}

/// The status for a signature that key `id` did not make.
fn sign_status(error: &KeyError, id: &KeyId) -> Status {
    let not_found = format!("signing key not found: {id}");
    status(error, not_found, format!("Signing failed for KeyID {id}"))
}

/// The status for `error`; the cause stays in the log.
fn status(error: &KeyError, not_found: String, failed: String) -> Status {
    match error {
        KeyError::NotFound => Status::not_found(not_found),
        KeyError::Store(error) if error.fault == Fault::Full => {
            Status::resource_exhausted("the key database is full")
        }
        // Trying again would not help: the name is one that no column there can hold.
        KeyError::Store(error) if error.fault == Fault::Unstorable => Status::internal(failed),
        KeyError::Store(_) => Status::unavailable("the key database is not available"),
        KeyError::Custody(CustodyError::Unavailable(_)) => {
            Status::unavailable("the key cannot be used at the moment")
        }
        KeyError::TooManyPending(_) => {
            Status::resource_exhausted("too many keys wait for their first signature")
        }
        KeyError::Custody(_) => Status::internal(failed),
    }
}

/// What every line about this request says: the call, and the caller's id for it.
fn span<T>(call: &'static str, request: &Request<T>) -> Span {
    let id = request
        .metadata()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok());
    let id = id.filter(|id| id.len() <= LONGEST_REQUEST_ID);
    let peer = request
        .extensions()
        .get::<daemon::Peer>()
        .map(|peer| peer.addr);
    tracing::info_span!(
        "call",
        grpc.method = call,
        request_id = id,
        peer = peer.map(tracing::field::display),
        gun = tracing::field::Empty,
        role = tracing::field::Empty,
    )
}
