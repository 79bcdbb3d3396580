//! `trust_service.type: remote`: a signer in another process, over gRPC and mutual TLS.
//!
//! The connection is made at the first call and again whenever it is lost. Every call has a deadline:
//! without one, a signer that accepts and never answers would hold requests for ever. Nothing it
//! answers is taken on trust: key ids are computed here, and signatures verified before anything is
//! stored (see [`tuf::Draft::seal`]).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use daemon::tls::{ClientTls, connector};
use proto::{
    CreateKeyRequest, KEY_MANAGEMENT_HEALTH, KeyInfo, SIGNER_HEALTH, SignatureRequest,
    key_management_client::KeyManagementClient, signer_client::SignerClient,
};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tuf::{Gun, KeyId, KeyType, PublicKey, Role};

use super::{Signer, SignerError};
use crate::http::REQUEST_ID;

/// How long a key or a signature may take, connecting included.
pub const DEADLINE: Duration = Duration::from_secs(10);

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
    keys: KeyManagementClient<Channel>,
    signatures: SignerClient<Channel>,
    health: HealthClient<Channel>,
    key_algorithm: String,
    deadline: Duration,
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
        let channel = Endpoint::from_shared(authority)?
            .connect_with_connector_lazy(connector(tls, hostname, port));
        Ok(Self {
            keys: KeyManagementClient::new(channel.clone()),
            signatures: SignerClient::new(channel.clone()),
            health: HealthClient::new(channel),
            key_algorithm,
            deadline,
        })
    }
}

impl RemoteSigner {
    /// Waits for an answer no longer than the deadline, and sorts failures by what they mean here.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, SignerError> {
        match tokio::time::timeout(self.deadline, call).await {
            Err(_) => Err(SignerError::Unavailable(format!(
                "no answer within {:?}",
                self.deadline
            ))),
            Ok(answer) => answer
                .map(tonic::Response::into_inner)
                .map_err(|status| failure(&status)),
        }
    }
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

/// A status with the chain of what caused it: "transport error" alone helps nobody.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
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
fn checked(info: Option<KeyInfo>, public: &Bytes) -> Result<PublicKey, SignerError> {
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
        let made = self
            .answer(self.keys.clone().create_key(request(CreateKeyRequest {
                algorithm: self.key_algorithm.clone(),
                gun: gun.as_str().to_owned(),
                role: role.as_str().to_owned(),
            })))
            .await?;
        checked(made.key_info, &made.public_key)
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        let asked = proto::KeyId {
            id: id.as_str().to_owned(),
        };
        let found = self
            .answer(self.keys.clone().get_key_info(request(asked)))
            .await?;
        let key = checked(found.key_info, &found.public_key)?;
        if key.id() != id {
            return Err(SignerError::BadAnswer(format!("key {} for {id}", key.id())));
        }
        Ok(key)
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let asked = SignatureRequest {
            key_id: Some(proto::KeyId {
                id: key.id().as_str().to_owned(),
            }),
            content: Bytes::copy_from_slice(message),
        };
        let signature = self
            .answer(self.signatures.clone().sign(request(asked)))
            .await?;
        Ok(signature.content.into())
    }

    async fn check(&self) -> Result<(), SignerError> {
        for service in [KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH] {
            let asked = Request::new(HealthCheckRequest {
                service: service.to_owned(),
            });
            let status = self
                .answer(self.health.clone().check(asked))
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
