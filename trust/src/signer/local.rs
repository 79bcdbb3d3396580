//! `trust_service.type: local`: keys in the memory of this process, for trying things out.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use tuf::{Gun, KeyAlgorithm, KeyId, PrivateKey, PublicKey, Role};

use super::{Origin, Signer, SignerError};

/// Ed25519 keys that are gone when the process ends, as Notary's local service has them; every
/// request makes a new one.
#[derive(Default)]
pub struct LocalSigner {
    keys: Mutex<HashMap<KeyId, Held>>,
}

/// A key, and what it was made for.
struct Held {
    key: PrivateKey,
    origin: Origin,
}

impl LocalSigner {
    fn with_keys<T>(&self, act: impl FnOnce(&mut HashMap<KeyId, Held>) -> T) -> T {
        act(&mut self
            .keys
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[async_trait]
impl Signer for LocalSigner {
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError> {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519)
            .map_err(|error| SignerError::Refused(error.to_string()))?;
        let public = key.public().clone();
        let origin = Origin {
            id: public.id().to_string(),
            gun: gun.to_string(),
            role: role.to_string(),
        };
        let held = Held { key, origin };
        self.with_keys(|keys| keys.insert(public.id().clone(), held));
        Ok(public)
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        self.with_keys(|keys| keys.get(id).map(|held| held.key.public().clone()))
            .ok_or_else(|| SignerError::KeyNotFound(id.to_string()))
    }

    async fn origins(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        Ok(self.with_keys(|keys| {
            let held = ids.iter().filter_map(|id| keys.get(id));
            held.map(|held| held.origin.clone()).collect()
        }))
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.with_keys(|keys| keys.get(key.id()).map(|held| held.key.sign(message)))
            .ok_or_else(|| SignerError::KeyNotFound(key.id().to_string()))?
            .map_err(|error| SignerError::Refused(error.to_string()))
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }
}
