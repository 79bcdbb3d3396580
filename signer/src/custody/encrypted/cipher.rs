//! Between stored keys and usable ones: finds the passphrase, encrypts and decrypts, and believes
//! nothing that a row says about its key.

use std::{num::NonZeroU32, sync::Arc, thread, time::Instant};

use daemon::secret::Reference;
use tokio::sync::Semaphore;
use tuf::{PrivateKey, StoredKeyError};
use zeroize::Zeroizing;

use crate::{
    custody::encrypted::envelope::{self, EnvelopeError},
    custody::encrypted::findings::{Proofs, Proven},
    custody::encrypted::passphrases::{Passphrase, PassphraseError, Passphrases},
    keystore::StoredKey,
    metrics,
};

/// Encrypts and decrypts private keys. Deriving keys from passphrases is slow on purpose: it runs
/// on threads of its own, no more at once than the machine has cores.
#[derive(Clone)]
pub struct Vault {
    passphrases: Arc<Passphrases>,
    proofs: Arc<Proofs>,
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
    /// The passphrase may not encrypt: there are keys under its alias, and it is not theirs.
    #[error(
        "nothing is encrypted with the present passphrase of alias {alias} ({source_name}), for it does \
         not open key {id} of that alias: put the one back with which that was encrypted; another \
         passphrase needs an alias of its own, to which `notary-signer key rotate-passphrase` moves keys"
    )]
    Unproven {
        /// The alias.
        alias: String,
        /// The variable or file that the passphrase is from.
        source_name: String,
        /// A key that it does not open.
        id: String,
    },
    /// The passphrase may not encrypt: it is a reference to one, which anyone who sees the manifest can read.
    #[error(
        "the passphrase of alias {alias} ({source_name}) encrypts nothing, for {reference}. If keys are \
         encrypted with the reference already, give the passphrase itself an alias of its own, to which \
         `notary-signer key rotate-passphrase` moves them"
    )]
    Unresolved {
        /// The alias.
        alias: String,
        /// The variable or file that it is from.
        source_name: String,
        /// What it begins with, and what resolves it.
        reference: Reference,
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
            proofs: Arc::default(),
            cores: Arc::new(Semaphore::new(cores)),
            rounds,
        }
    }

    /// Where the passphrases come from.
    #[must_use]
    pub fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    /// What was found out about the passphrases.
    pub(crate) fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// The passphrase that `alias` has at this moment. Getting it may take the time of a command.
    pub async fn passphrase(&self, alias: &str) -> Result<Arc<Passphrase>, VaultError> {
        let (passphrases, alias) = (Arc::clone(&self.passphrases), alias.to_owned());
        self.slowly(move || Ok(Arc::new(passphrases.get(&alias)?)))
            .await
    }

    /// Decrypts `stored`, and checks that it is the key it says it is. Where the passphrase of its alias
    /// was changed meanwhile and does not open it, the one is taken that opened keys before.
    pub async fn open(&self, stored: StoredKey) -> Result<PrivateKey, VaultError> {
        let (passphrases, proofs) = (Arc::clone(&self.passphrases), Arc::clone(&self.proofs));
        self.timed(move || {
            let present = passphrases.get(&stored.alias)?;
            let opened = open(&stored, &present, &passphrases);
            let before = proofs.last(&stored.alias);
            match (&opened, before) {
                (Err(VaultError::WrongPassphrase { .. }), Some(before))
                    if !before.is_same(&present) =>
                {
                    open(&stored, &before, &passphrases)
                }
                _ => opened,
            }
        })
        .await
    }

    /// Decrypts `stored` with `passphrase` and no other, and checks that it is the key it says it is.
    pub async fn open_with(
        &self,
        stored: StoredKey,
        passphrase: &Arc<Passphrase>,
    ) -> Result<PrivateKey, VaultError> {
        let (passphrases, passphrase) = (Arc::clone(&self.passphrases), Arc::clone(passphrase));
        self.timed(move || open(&stored, &passphrase, &passphrases))
            .await
    }

    /// Encrypts `key` with a passphrase that is known to be the right one for its alias.
    pub async fn seal(
        &self,
        proven: &Proven,
        key: Zeroizing<Vec<u8>>,
    ) -> Result<String, VaultError> {
        let (passphrase, rounds) = (Arc::clone(proven.passphrase()), self.rounds);
        self.slowly(move || {
            envelope::seal(&key, passphrase.octets(), rounds).map_err(VaultError::Seal)
        })
        .await
    }

    /// Why the present passphrase of `alias` may not encrypt: it does not open key `id`.
    pub(crate) fn unproven(&self, alias: &str, id: String) -> VaultError {
        VaultError::Unproven {
            alias: alias.to_owned(),
            source_name: self.passphrases.source(alias),
            id,
        }
    }

    /// Fails if `passphrase` is a reference to one, so that it must encrypt nothing.
    pub(crate) fn check_resolved(
        &self,
        alias: &str,
        passphrase: &Passphrase,
    ) -> Result<(), VaultError> {
        match passphrase.reference() {
            None => Ok(()),
            Some(reference) => Err(VaultError::Unresolved {
                alias: alias.to_owned(),
                source_name: self.passphrases.source(alias),
                reference,
            }),
        }
    }

    /// Opens a key off the threads that serve requests, and notes how long that took.
    async fn timed(
        &self,
        open: impl FnOnce() -> Result<PrivateKey, VaultError> + Send + 'static,
    ) -> Result<PrivateKey, VaultError> {
        let start = Instant::now();
        let opened = self.slowly(open).await;
        metrics::key_opened(start.elapsed());
        opened
    }

    /// Runs `work` off the threads that serve requests.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.expect("the semaphore is never closed");
        // The work goes on when the caller hangs up, and holds its place until it ends.
        let placed = move || {
            let _core = core;
            work()
        };
        tokio::task::spawn_blocking(placed)
            .await
            .expect("decrypting does not panic")
    }
}

/// Opens `stored` with `passphrase`; `passphrases` only know where that is from.
fn open(
    stored: &StoredKey,
    passphrase: &Passphrase,
    passphrases: &Passphrases,
) -> Result<PrivateKey, VaultError> {
    let id = || stored.id.clone();
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
