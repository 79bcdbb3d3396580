//! `trust_service.type: local`: keys in the memory of this process, for trying things out.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use tuf::{Gun, KeyAlgorithm, KeyId, PrivateKey, PublicKey, Role};

use super::{Signer, SignerError};

/// Ed25519 keys that are gone when the process ends, as Notary's local service has them; every
/// request makes a new one.
#[derive(Default)]
pub struct LocalSigner {
    keys: Mutex<HashMap<KeyId, PrivateKey>>,
}

impl LocalSigner {
    fn with_keys<T>(&self, act: impl FnOnce(&mut HashMap<KeyId, PrivateKey>) -> T) -> T {
        act(&mut self
            .keys
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[async_trait]
impl Signer for LocalSigner {
    async fn create_key(&self, _gun: &Gun, _role: &Role) -> Result<PublicKey, SignerError> {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519)
            .map_err(|error| SignerError::Refused(error.to_string()))?;
        let public = key.public().clone();
        self.with_keys(|keys| keys.insert(public.id().clone(), key));
        Ok(public)
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        self.with_keys(|keys| keys.get(id).map(|key| key.public().clone()))
            .ok_or_else(|| SignerError::KeyNotFound(id.to_string()))
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.with_keys(|keys| keys.get(key.id()).map(|key| key.sign(message)))
            .ok_or_else(|| SignerError::KeyNotFound(key.id().to_string()))?
            .map_err(|error| SignerError::Refused(error.to_string()))
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }
}
