//! Encrypts and decrypts private keys, and believes nothing that a row says about its key.

use std::{num::NonZeroU32, sync::Arc, thread, time::Instant};

use daemon::secret::Reference;
use tokio::sync::Semaphore;
use tuf::{PrivateKey, SigningError, StoredKeyError};
use zeroize::Zeroizing;

use super::{
    super::CustodyError,
    derived::DerivedKeys,
    envelope::{self, EnvelopeError},
    passphrases::{Passphrase, PassphraseError, Passphrases},
};
use crate::{keystore::StoredKey, metrics};

/// Encrypts and decrypts private keys. Deriving keys from passphrases is slow on purpose: it runs
/// on threads of its own, no more at once than the machine has cores.
pub(super) struct Cipher {
    passphrases: Arc<Passphrases>,
    derived: Arc<DerivedKeys>,
    cores: Arc<Semaphore>,
    rounds: NonZeroU32,
}

/// Why an encrypted key does not open, or a new one cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
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
    /// The passphrase may not encrypt: there are keys under its alias that it does not open.
    #[error(
        "nothing is encrypted with the present passphrase of alias {alias} ({source_name}), \
         because it does not open key {id} of that alias: put the previous passphrase back; a new \
         passphrase needs an alias of its own, to which `notary-signer key rotate-passphrase` \
         moves keys"
    )]
    Unproven {
        /// The alias.
        alias: String,
        /// The variable or file that the passphrase is from.
        source_name: String,
        /// A key that it does not open.
        id: String,
    },
    /// The passphrase may not encrypt: it is a reference to one, which anyone who sees the
    /// manifest can read.
    #[error(
        "the passphrase of alias {alias} ({source_name}) encrypts nothing, because {reference}. If \
         keys are encrypted with the reference already, give the real passphrase an alias of its \
         own, to which `notary-signer key rotate-passphrase` moves them"
    )]
    Unresolved {
        /// The alias.
        alias: String,
        /// The variable or file that it is from.
        source_name: String,
        /// What it begins with, and what resolves it.
        reference: Reference,
    },
    /// The alias would mark the row as one of another custody.
    #[error(
        "{0} cannot be the alias of a passphrase: aliases that begin with `custody:` mark keys \
             that are kept elsewhere"
    )]
    Reserved(String),
    /// The envelope is malformed, or was altered.
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
    /// The key is whole, but another than its id says.
    #[error("key {id} does not match its id (computed {found})")]
    OtherKey {
        /// What the row says.
        id: String,
        /// What the key says.
        found: String,
    },
    /// A new key cannot be encrypted.
    #[error("a key cannot be encrypted: {0}")]
    Seal(EnvelopeError),
    /// The key could not be made, or could not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl From<RowError> for CustodyError {
    fn from(error: RowError) -> Self {
        match error {
            // It is a matter of the passphrase, not of the request.
            RowError::Unproven { .. } | RowError::Unresolved { .. } => {
                Self::Unavailable(Box::new(error))
            }
            _ => Self::Broken(Box::new(error)),
        }
    }
}

impl Cipher {
    /// Encrypts with `rounds` rounds of PBKDF2.
    pub(super) fn new(passphrases: Arc<Passphrases>, rounds: NonZeroU32) -> Self {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        Self {
            passphrases,
            derived: Arc::default(),
            cores: Arc::new(Semaphore::new(cores)),
            rounds,
        }
    }

    /// How often a key was derived from a passphrase.
    pub(super) fn derivations(&self) -> u64 {
        self.derived.runs()
    }

    /// The passphrase that `alias` has at this moment. Getting it may take the time of a command.
    pub(super) async fn passphrase(&self, alias: &str) -> Result<Arc<Passphrase>, RowError> {
        let (keyring, alias) = (self.keyring(), alias.to_owned());
        self.slowly(move || Ok(keyring.present(&alias)?)).await
    }

    /// Wipes what was derived for aliases other than `listed`.
    pub(super) fn forget_unlisted(&self, listed: &[String]) {
        self.derived.forget_unlisted(listed);
    }

    /// What an operator should hear about the passphrase of `alias`.
    pub(super) async fn advice(&self, alias: &str) -> Vec<String> {
        let (passphrases, alias) = (Arc::clone(&self.passphrases), alias.to_owned());
        self.slowly(move || passphrases.warnings(&alias)).await
    }

    /// Decrypts `stored` with the present passphrase of its alias, or else with the one `before`
    /// that, and checks that it is the key that its row names.
    pub(super) async fn open(
        &self,
        stored: StoredKey,
        before: Option<Arc<Passphrase>>,
    ) -> Result<PrivateKey, RowError> {
        let keyring = self.keyring();
        self.open_timed(move || {
            let present = keyring.present(&stored.alias)?;
            let opened = keyring.open(&stored, &present);
            match (&opened, before) {
                (Err(RowError::WrongPassphrase { .. }), Some(before))
                    if !before.is_same(&present) =>
                {
                    keyring.open(&stored, &before)
                }
                _ => opened,
            }
        })
        .await
    }

    /// Like `open`, with `passphrase` and no other.
    pub(super) async fn open_with(
        &self,
        stored: StoredKey,
        passphrase: &Arc<Passphrase>,
    ) -> Result<PrivateKey, RowError> {
        let (keyring, passphrase) = (self.keyring(), Arc::clone(passphrase));
        self.open_timed(move || keyring.open(&stored, &passphrase))
            .await
    }

    /// Encrypts `private` under `alias`. The caller has proven that the passphrase is the right
    /// one.
    pub(super) async fn seal(
        &self,
        alias: &str,
        passphrase: &Arc<Passphrase>,
        private: Zeroizing<Vec<u8>>,
    ) -> Result<String, RowError> {
        let known = self.derived.take_for_writing(alias, passphrase);
        let sealed = if let Some((derivation, key)) = known {
            envelope::seal_by(&private, &derivation, &key)
        } else {
            let (derived, rounds) = (Arc::clone(&self.derived), self.rounds);
            let (alias, passphrase) = (alias.to_owned(), Arc::clone(passphrase));
            self.slowly(move || {
                let (derivation, key) = derived.derive_for_writing(&alias, &passphrase, rounds)?;
                envelope::seal_by(&private, &derivation, &key)
            })
            .await
        };
        sealed.map_err(RowError::Seal)
    }

    fn keyring(&self) -> Keyring {
        Keyring {
            passphrases: Arc::clone(&self.passphrases),
            derived: Arc::clone(&self.derived),
        }
    }

    /// Why the present passphrase of `alias` may not encrypt: it does not open key `id`.
    pub(super) fn unproven(&self, alias: &str, id: String) -> RowError {
        RowError::Unproven {
            alias: alias.to_owned(),
            source_name: self.passphrases.source(alias),
            id,
        }
    }

    /// Fails if `passphrase` is a reference to one, so that it must encrypt nothing.
    pub(super) fn check_resolved(
        &self,
        alias: &str,
        passphrase: &Passphrase,
    ) -> Result<(), RowError> {
        match passphrase.reference() {
            None => Ok(()),
            Some(reference) => Err(RowError::Unresolved {
                alias: alias.to_owned(),
                source_name: self.passphrases.source(alias),
                reference,
            }),
        }
    }

    /// Opens a key off the threads that serve requests, and notes how long that took.
    async fn open_timed(
        &self,
        open: impl FnOnce() -> Result<PrivateKey, RowError> + Send + 'static,
    ) -> Result<PrivateKey, RowError> {
        let start = Instant::now();
        let opened = self.slowly(open).await;
        metrics::key_opened(start.elapsed());
        opened
    }

    /// Runs `work` off the threads that serve requests.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.expect("the semaphore is never closed");
        // The work goes on when the caller hangs up, and holds its core until it ends.
        let on_core = move || {
            let _core = core;
            work()
        };
        tokio::task::spawn_blocking(on_core)
            .await
            .expect("decrypting does not panic")
    }
}

/// What it takes to open a key, for the threads that do.
struct Keyring {
    passphrases: Arc<Passphrases>,
    derived: Arc<DerivedKeys>,
}

impl Keyring {
    /// The passphrase that `alias` has at this moment. If it cannot be had, nothing derived from the
    /// one before is kept.
    fn present(&self, alias: &str) -> Result<Arc<Passphrase>, PassphraseError> {
        let present = self.passphrases.get(alias);
        let present = Arc::new(present.inspect_err(|_| self.derived.forget(alias))?);
        self.derived.note_present(alias, &present);
        Ok(present)
    }

    /// Opens `stored` with `passphrase`, and checks that it is the key that its row names.
    fn open(&self, stored: &StoredKey, passphrase: &Passphrase) -> Result<PrivateKey, RowError> {
        let id = || stored.id.clone();
        let private = match self.decrypt(stored, passphrase) {
            Ok(private) => private,
            Err(EnvelopeError::WrongPassphrase) => {
                return Err(RowError::WrongPassphrase {
                    alias: stored.alias.clone(),
                    source_name: self.passphrases.source(&stored.alias),
                    id: id(),
                });
            }
            Err(error) => return Err(RowError::Envelope { id: id(), error }),
        };
        let key = PrivateKey::from_stored(&stored.algorithm, &private, &stored.public)
            .map_err(|error| RowError::Key { id: id(), error })?;
        if key.public().id().as_str() != stored.id {
            let found = key.public().id().to_string();
            return Err(RowError::OtherKey { id: id(), found });
        }
        Ok(key)
    }

    /// Opens the envelope of `stored`. A key that had to be derived is kept if it opens it.
    fn decrypt(
        &self,
        stored: &StoredKey,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let (derived, alias) = (&self.derived, &stored.alias);
        let mut new = None;
        let private = envelope::open_by(&stored.private, |derivation| {
            let known = derived.recall(alias, passphrase, derivation);
            known.unwrap_or_else(|| {
                let key = derived.derive(passphrase, derivation);
                new = Some((derivation.clone(), Arc::clone(&key)));
                key
            })
        })?;
        if let Some((derivation, key)) = new {
            derived.keep(alias, passphrase, derivation, key);
        }
        Ok(private)
    }
}
