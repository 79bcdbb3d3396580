//! Private keys in rows of the database, encrypted under passphrases, as Notary 0.7 keeps them.
//!
//! A row names the alias of its passphrase. `passphrases` finds it, `cipher` opens and seals
//! `envelope`s with it, and nothing is sealed before `evidence` from stored keys says that it
//! is the alias's own. `findings` remembers that evidence, and `derived` the keys that passphrases
//! give; `aliases` is the regular check.

mod aliases;
mod cipher;
mod derived;
pub mod envelope;
mod evidence;
mod findings;
pub mod passphrases;

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tuf::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use self::{
    cipher::Cipher,
    envelope::{ENCRYPTION, KEY_WRAPPING},
    evidence::Evidence,
    findings::Findings,
    passphrases::{Passphrase, Passphrases},
};
pub use self::{cipher::RowError, findings::Proven};
use super::{Created, Custody, CustodyError, Report, SigningKey, custody_name};
use crate::keystore::{Holding, KeyStore, NewKey, Purpose, Resealed, StoreError, StoredKey};

/// The name of this custody. Its rows are not marked with it: they are as Notary's.
pub const NAME: &str = "encrypted rows";

/// How long a list of aliases is kept where finding them reads every key.
const ALIASES_KEPT: Duration = Duration::from_hours(1);

/// Bytes of content from which on signing leaves the threads that serve requests.
const LARGE: usize = 64 * 1024;

/// Keys that are encrypted under passphrases.
pub struct EncryptedRows {
    cipher: Cipher,
    findings: Findings,
    default_alias: String,
    /// The aliases in use, as they were last read.
    aliases: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
}

impl EncryptedRows {
    /// Encrypts new keys under `default_alias`, with `rounds` rounds of PBKDF2.
    #[must_use]
    pub fn new(passphrases: Passphrases, default_alias: String, rounds: NonZeroU32) -> Self {
        Self {
            cipher: Cipher::new(Arc::new(passphrases), rounds),
            findings: Findings::default(),
            default_alias,
            aliases: tokio::sync::Mutex::default(),
        }
    }

    /// The alias of new keys.
    #[must_use]
    pub fn default_alias(&self) -> &str {
        &self.default_alias
    }

    /// Proves the passphrase that `alias` has at this moment, by keys in `rows`; see `evidence`.
    pub async fn prove(&self, rows: &dyn KeyStore, alias: &str) -> Result<Proven, CustodyError> {
        if custody_name(alias).is_some() {
            return Err(RowError::Reserved(alias.to_owned()).into());
        }
        evidence::prove(rows, &self.cipher, &self.findings, alias).await
    }

    /// Encrypts `private` with a `proven` passphrase.
    pub async fn seal(
        &self,
        proven: &Proven,
        private: Zeroizing<Vec<u8>>,
    ) -> Result<String, CustodyError> {
        let sealed = self
            .cipher
            .seal(proven.alias(), proven.passphrase(), private);
        Ok(sealed.await?)
    }

    /// How often a key was derived from a passphrase, which is what makes keys slow to open.
    #[must_use]
    pub fn derivations(&self) -> u64 {
        self.cipher.derivations()
    }

    /// Puts `stored`, a key of this custody, under the passphrase of `alias`; answers whether it
    /// had to be and was.
    pub async fn reseal(
        &self,
        rows: &dyn KeyStore,
        stored: StoredKey,
        alias: &str,
        now: OffsetDateTime,
    ) -> Result<bool, CustodyError> {
        if stored.alias == alias {
            return Ok(false);
        }
        let key = self.decrypt(stored.clone()).await?;
        loop {
            let proven = self.prove(rows, alias).await?;
            let holding = self.hold(&proven, &key).await?;
            // The old envelope is given up only for one that opens.
            let resealed = StoredKey {
                alias: alias.to_owned(),
                private: holding.private.clone(),
                ..stored.clone()
            };
            self.cipher.open_with(resealed, proven.passphrase()).await?;
            match rows.reseal(&stored, &holding, now).await? {
                Resealed::Done => {
                    self.findings.confirm(&proven, &stored.id);
                    return Ok(true);
                }
                Resealed::Stale => return Ok(false),
                // The keys under the alias have changed: try the passphrase on those.
                Resealed::PreconditionFailed => self.findings.forget_sample_key(alias),
            }
        }
    }

    /// The aliases of encrypted keys. Where finding them reads every key, the answer may be an hour
    /// old.
    async fn aliases(&self, rows: &dyn KeyStore) -> Result<Vec<String>, StoreError> {
        if rows.is_indexed() {
            return unmarked_aliases(rows).await;
        }
        let mut known = self.aliases.lock().await;
        match &*known {
            Some((at, aliases)) if at.elapsed() < ALIASES_KEPT => Ok(aliases.clone()),
            _ => {
                let aliases = unmarked_aliases(rows).await?;
                *known = Some((Instant::now(), aliases.clone()));
                Ok(aliases)
            }
        }
    }

    /// Decrypts `stored`. Where the passphrase of its alias was changed meanwhile and does not
    /// open it, the one is taken that opened keys before.
    async fn decrypt(&self, stored: StoredKey) -> Result<PrivateKey, RowError> {
        let before = self.findings.last_verified(&stored.alias);
        self.cipher.open(stored, before).await
    }

    /// What a row holds of `key`, encrypted with a `proven` passphrase.
    async fn hold(&self, proven: &Proven, key: &PrivateKey) -> Result<Holding, CustodyError> {
        Ok(Holding {
            alias: proven.alias().to_owned(),
            encryption: ENCRYPTION,
            wrapping: KEY_WRAPPING,
            private: self.seal(proven, key.to_stored()).await?.into_bytes(),
            precondition: proven.precondition().clone(),
        })
    }

    /// [Examines](evidence::examine) the present passphrase of `alias` and remembers the outcome.
    async fn examine(
        &self,
        rows: &dyn KeyStore,
        alias: &str,
        passphrase: &Arc<Passphrase>,
    ) -> Result<Evidence, StoreError> {
        evidence::examine_present(rows, &self.cipher, &self.findings, alias, passphrase).await
    }
}

async fn unmarked_aliases(rows: &dyn KeyStore) -> Result<Vec<String>, StoreError> {
    let mut aliases = rows.aliases().await?;
    aliases.retain(|alias| custody_name(alias).is_none());
    Ok(aliases)
}

#[async_trait]
impl Custody for EncryptedRows {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn create(
        &self,
        purpose: &Purpose,
        rows: &dyn KeyStore,
        now: OffsetDateTime,
    ) -> Result<Created, CustodyError> {
        loop {
            let proven = self.prove(rows, &self.default_alias).await?;
            let key = PrivateKey::generate(purpose.algorithm).map_err(RowError::from)?;
            let new = NewKey {
                public: key.public().clone(),
                purpose: purpose.clone(),
                holding: self.hold(&proven, &key).await?,
            };
            let Some(pending) = rows.insert_pending(&new, now).await? else {
                // The keys under the alias have changed: try the passphrase on those.
                self.findings.forget_sample_key(&self.default_alias);
                continue;
            };
            if pending != new.public {
                return Ok(Created::Before(pending));
            }
            self.findings.confirm(&proven, new.public.id().as_str());
            return Ok(Created::Now(Arc::new(DecryptedKey(Arc::new(key)))));
        }
    }

    async fn open(&self, key: StoredKey) -> Result<Arc<dyn SigningKey>, CustodyError> {
        let key = self.decrypt(key).await?;
        Ok(Arc::new(DecryptedKey(Arc::new(key))))
    }

    /// All of the key is in its row.
    async fn delete(&self, _: &StoredKey) -> Result<(), CustodyError> {
        Ok(())
    }

    async fn check(&self, rows: &dyn KeyStore, takes_new_keys: bool) -> Result<Report, StoreError> {
        aliases::check(self, rows, takes_new_keys).await
    }

    async fn check_new_keys(&self, rows: &dyn KeyStore) -> Result<(), CustodyError> {
        self.prove(rows, &self.default_alias).await.map(|_| ())
    }

    fn is_restored_from_rows(&self) -> bool {
        true
    }
}

/// A key in memory, wiped when its last owner drops it.
struct DecryptedKey(Arc<PrivateKey>);

#[async_trait]
impl SigningKey for DecryptedKey {
    fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// What takes long is done on a thread of its own.
    async fn sign(&self, message: Bytes) -> Result<Vec<u8>, CustodyError> {
        let signed = if message.len() < LARGE {
            self.0.sign(&message)
        } else {
            let key = Arc::clone(&self.0);
            let signature = tokio::task::spawn_blocking(move || key.sign(&message));
            signature.await.expect("signing does not panic")
        };
        Ok(signed.map_err(RowError::from)?)
    }
}
