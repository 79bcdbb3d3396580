//! Between stored keys and usable ones: finds the passphrase, encrypts and decrypts, and believes
//! nothing that a row says about its key.

use std::{num::NonZeroU32, sync::Arc, thread, time::Instant};

use tokio::sync::Semaphore;
use tuf::{PrivateKey, StoredKeyError};
use zeroize::Zeroizing;

use crate::{
    envelope::{self, EnvelopeError},
    keystore::StoredKey,
    metrics,
    passphrases::{PassphraseError, Passphrases},
};

/// Encrypts and decrypts private keys. Deriving keys from passphrases is slow on purpose: it runs
/// on threads of its own, no more at once than the machine has cores.
#[derive(Clone)]
pub struct Vault {
    passphrases: Arc<Passphrases>,
    cores: Arc<Semaphore>,
    rounds: NonZeroU32,
}

/// Why a key does not open, or cannot be put away.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The alias has no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The passphrase that was found does not fit.
    #[error("the passphrase of alias {alias} ({source_name}) does not open key {id}")]
    WrongPassphrase {
        /// The alias that the row names.
        alias: String,
        /// The variable or file that was used.
        source_name: String,
        /// The key.
        id: String,
    },
    /// The envelope is not in order.
    #[error("key {id}: {error}")]
    Envelope {
        /// The key.
        id: String,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// What was decrypted is not a key, or not the other half of the public key.
    #[error("key {id}: {error}")]
    Key {
        /// The key.
        id: String,
        /// What is wrong.
        error: StoredKeyError,
    },
    /// The key is in order, but another than its id says.
    #[error("key {id} is in truth key {found}")]
    OtherKey {
        /// What the row says.
        id: String,
        /// What the key says.
        found: String,
    },
    /// A new key cannot be encrypted.
    #[error("a key cannot be encrypted: {0}")]
    Seal(EnvelopeError),
}

impl Vault {
    /// A vault that encrypts with `rounds` rounds of PBKDF2.
    #[must_use]
    pub fn new(passphrases: Arc<Passphrases>, rounds: NonZeroU32) -> Self {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        Self {
            passphrases,
            cores: Arc::new(Semaphore::new(cores)),
            rounds,
        }
    }

    /// Where the passphrases come from.
    #[must_use]
    pub fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    /// Whether `alias` has a passphrase. Getting it may take the time of a command.
    pub async fn try_passphrase(&self, alias: &str) -> Result<(), VaultError> {
        let (passphrases, alias) = (Arc::clone(&self.passphrases), alias.to_owned());
        self.slowly(move || Ok(passphrases.get(&alias).map(drop)?))
            .await
    }

    /// Decrypts `stored`, and checks that it is the key it says it is.
    pub async fn open(&self, stored: StoredKey) -> Result<PrivateKey, VaultError> {
        let passphrases = Arc::clone(&self.passphrases);
        let start = Instant::now();
        let opened = self.slowly(move || open(&stored, &passphrases)).await;
        metrics::key_opened(start.elapsed());
        opened
    }

    /// Encrypts `key` under `alias`.
    pub async fn seal(&self, alias: &str, key: Zeroizing<Vec<u8>>) -> Result<String, VaultError> {
        let (passphrases, rounds) = (Arc::clone(&self.passphrases), self.rounds);
        let alias = alias.to_owned();
        self.slowly(move || {
            let passphrase = passphrases.get(&alias)?;
            envelope::seal(&key, passphrase.octets(), rounds).map_err(VaultError::Seal)
        })
        .await
    }

    /// Runs `work` off the threads that serve requests.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _core = self
            .cores
            .acquire()
            .await
            .expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work)
            .await
            .expect("decrypting does not panic")
    }
}

fn open(stored: &StoredKey, passphrases: &Passphrases) -> Result<PrivateKey, VaultError> {
    let id = || stored.id.clone();
    let passphrase = passphrases.get(&stored.alias)?;
    let private = match envelope::open(&stored.envelope, passphrase.octets()) {
        Ok(private) => private,
        Err(EnvelopeError::WrongPassphrase) => {
            let source_name = passphrases.source(&stored.alias);
            let alias = stored.alias.clone();
            return Err(VaultError::WrongPassphrase {
                alias,
                source_name,
                id: id(),
            });
        }
        Err(error) => return Err(VaultError::Envelope { id: id(), error }),
    };
    let key = PrivateKey::from_stored(&stored.algorithm, &private, &stored.public)
        .map_err(|error| VaultError::Key { id: id(), error })?;
    if key.public().id().as_str() != stored.id {
        let found = key.public().id().to_string();
        return Err(VaultError::OtherKey { id: id(), found });
    }
    Ok(key)
}
