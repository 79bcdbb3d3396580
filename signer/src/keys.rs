//! The service: creates, describes, uses and deletes keys. Knows neither gRPC nor SQL.

pub mod cache;
mod pending;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use time::OffsetDateTime;
use tuf::{PrivateKey, PublicKey, SigningError};

use crate::{
    custody::encrypted::{cipher::Vault, evidence, findings::Proven},
    error::KeyError,
    keys::cache::{CacheLimits, KeyCache, OpenKey},
    keys::pending::{HandedOut, Room},
    keystore::{KeyId, KeyStore, NewKey, Origin, Purpose, StoreError, algorithm_name},
    metrics,
};

/// How many keys may wait for their first signature, unless the operator says otherwise.
pub const MAX_PENDING: u32 = 10_000;

/// How long the aliases hold that it took a look at every key to find.
const ALIASES_HOLD: Duration = Duration::from_hours(1);

/// Octets of content from which on signing leaves the threads that serve requests.
const LARGE: usize = 64 * 1024;

/// The keys, and all that is done with them.
pub struct Keys {
    store: Arc<dyn KeyStore>,
    vault: Vault,
    cache: KeyCache,
    default_alias: String,
    clock: fn() -> OffsetDateTime,
    /// Signatures by keys already known as used, to be written down together.
    uses: Mutex<BTreeMap<KeyId, OffsetDateTime>>,
    handed_out: HandedOut,
    room: Room,
    /// The aliases in use when they were last looked for.
    aliases: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
}

/// A signature and the key that made it.
pub struct Signed {
    /// The key.
    pub key: PublicKey,
    /// The signature.
    pub signature: Vec<u8>,
}

/// What may be told about a key.
pub struct Described {
    /// Its public half.
    pub key: PublicKey,
    /// The role that it was made for.
    pub role: String,
}

impl Keys {
    /// Serves the keys of `store`; new ones are encrypted under `default_alias`.
    pub fn new(
        store: Arc<dyn KeyStore>,
        vault: Vault,
        limits: CacheLimits,
        default_alias: String,
        clock: fn() -> OffsetDateTime,
    ) -> Self {
        let cache = KeyCache::new(limits);
        Self {
            store,
            vault,
            cache,
            default_alias,
            clock,
            uses: Mutex::default(),
            handed_out: HandedOut::default(),
            room: Room::for_keys(MAX_PENDING),
            aliases: tokio::sync::Mutex::default(),
        }
    }

    /// The same, with room for so many keys that never signed; without a bound if that is 0.
    #[must_use]
    pub fn with_max_pending(self, most: u32) -> Self {
        Self {
            room: Room::for_keys(most),
            ..self
        }
    }

    /// The aliases under which keys are encrypted. Where that means a look at every key, the answer may be
    /// an hour old.
    pub async fn aliases(&self) -> Result<Vec<String>, StoreError> {
        if self.store.is_indexed() {
            return self.store.aliases().await;
        }
        let mut known = self.aliases.lock().await;
        match &*known {
            Some((at, aliases)) if at.elapsed() < ALIASES_HOLD => Ok(aliases.clone()),
            _ => {
                let aliases = self.store.aliases().await?;
                *known = Some((Instant::now(), aliases.clone()));
                Ok(aliases)
            }
        }
    }

    /// The store behind.
    #[must_use]
    pub fn store(&self) -> &dyn KeyStore {
        &*self.store
    }

    /// The vault behind.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The alias of new keys.
    #[must_use]
    pub fn default_alias(&self) -> &str {
        &self.default_alias
    }

    /// The decrypted keys.
    #[must_use]
    pub fn cache(&self) -> &KeyCache {
        &self.cache
    }

    /// The pending key for `purpose`, made now if there is none. A key is pending until its first
    /// signature, so that asking again before publishing gives the same key.
    pub async fn create(&self, purpose: Purpose) -> Result<PublicKey, KeyError> {
        if let Some(id) = self.handed_out.find(&purpose) {
            if let Some(pending) = self.store.still_pending(&id, &purpose).await? {
                return Ok(pending);
            }
            self.handed_out.forget(&purpose);
        }
        let key = self.find_or_create(&purpose).await?;
        self.handed_out.remember(purpose, KeyId::from(key.id()));
        Ok(key)
    }

    /// Looks for a pending key once, in the turn in which it would be made: where the table has no index
    /// for it, that is a look at every key.
    async fn find_or_create(&self, purpose: &Purpose) -> Result<PublicKey, KeyError> {
        loop {
            let proven = match self.may_create().await {
                Ok(proven) => proven,
                Err(error @ KeyError::Store(_)) => return Err(error),
                // A key that is there needs neither room nor passphrase.
                Err(error) => return self.store.pending(purpose).await?.ok_or(error),
            };
            if let Some(pending) = self.try_create(purpose, &proven).await? {
                return Ok(pending);
            }
            // Somebody else changed which keys are under the alias: the passphrase has to be tried on those.
            self.vault.proofs().forget_witness(&self.default_alias);
        }
    }

    async fn may_create(&self) -> Result<Proven, KeyError> {
        self.room.check(self.store()).await?;
        self.prove(&self.default_alias).await
    }

    /// Proves the passphrase that `alias` has at this moment; see [`evidence::prove`].
    ///
    /// # Errors
    ///
    /// [`crate::custody::encrypted::cipher::VaultError::Unproven`] if it opens no key that is stored under `alias`.
    pub async fn prove(&self, alias: &str) -> Result<Proven, KeyError> {
        evidence::prove(self.store(), &self.vault, alias).await
    }

    /// The pending key for `purpose`, be it new or not; nothing if there is none and the passphrase is not
    /// `proven` any more.
    async fn try_create(
        &self,
        purpose: &Purpose,
        proven: &Proven,
    ) -> Result<Option<PublicKey>, KeyError> {
        let key = PrivateKey::generate(purpose.algorithm)?;
        let new = NewKey {
            public: key.public().clone(),
            purpose: purpose.clone(),
            alias: proven.alias().to_owned(),
            envelope: self.vault.seal(proven, key.to_stored()).await?,
        };
        let stored = self
            .store
            .insert_pending(&new, proven.basis(), self.now())
            .await?;
        if stored.as_ref() == Some(&new.public) {
            self.vault
                .proofs()
                .confirm(proven, new.public.id().as_str());
            self.room.take().await;
            metrics::key_created(algorithm_name(purpose.algorithm));
        }
        Ok(stored)
    }

    /// Describes the key called `id`, having made sure that it can sign.
    pub async fn describe(&self, id: &KeyId) -> Result<Described, KeyError> {
        let open = self.load(id).await?;
        Ok(Described {
            key: open.key.public().clone(),
            role: open.role.clone(),
        })
    }

    /// What the keys called `ids` were made for. Those that are not there are left out.
    pub async fn origins(&self, ids: &[KeyId]) -> Result<Vec<(KeyId, Origin)>, KeyError> {
        let mut origins = Vec::new();
        for id in ids {
            if let Some(origin) = self.store.origin(id).await? {
                origins.push((id.clone(), origin));
            }
        }
        Ok(origins)
    }

    /// Signs `content` with the key called `id`.
    ///
    /// The first signature of a key is answered only when the database knows that the key is no
    /// longer pending: otherwise a rotation could hand out the old key as the new one.
    pub async fn sign(&self, id: &KeyId, content: Bytes) -> Result<Signed, KeyError> {
        let start = Instant::now();
        let open = self.load(id).await.inspect_err(|_| {
            metrics::signature("unknown", "no_key", start.elapsed());
        })?;
        let signed = self.sign_with(id, &open, content).await;
        let outcome = if signed.is_ok() { "signed" } else { "failed" };
        metrics::signature(
            open.key.public().key_type().as_str(),
            outcome,
            start.elapsed(),
        );
        signed
    }

    async fn sign_with(
        &self,
        id: &KeyId,
        open: &Arc<OpenKey>,
        content: Bytes,
    ) -> Result<Signed, KeyError> {
        let signature = make_signature(open, content).await?;
        self.note_use(id, open).await?;
        Ok(Signed {
            key: open.key.public().clone(),
            signature,
        })
    }

    /// Deletes the key called `id`, from memory as well; answers whether there was one.
    pub async fn delete(&self, id: &KeyId) -> Result<bool, KeyError> {
        let _turn = self.cache.turn(id).await;
        self.cache.remove(id);
        Ok(self.store.delete(id, self.now()).await?)
    }

    /// Writes down when keys last signed, and forgets those that were deleted meanwhile, by
    /// another signer for instance. What could not be written, because the database failed or the
    /// caller lost patience, is written by the next call.
    pub async fn write_uses(&self) -> Result<(), StoreError> {
        let uses: Vec<_> = self
            .uses()
            .iter()
            .map(|(id, at)| (id.clone(), *at))
            .collect();
        if uses.is_empty() {
            return Ok(());
        }
        for gone in self.store.mark_used(&uses).await? {
            self.cache.remove(&gone);
        }
        let mut waiting = self.uses();
        for (id, at) in uses {
            // Used again meanwhile: that is still to be written.
            if waiting.get(&id) == Some(&at) {
                waiting.remove(&id);
            }
        }
        Ok(())
    }

    /// The time by the clock that was handed in.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// Keeps the cache small; call it now and then.
    pub fn sweep(&self) {
        self.cache.sweep(Instant::now());
    }

    async fn note_use(&self, id: &KeyId, open: &OpenKey) -> Result<(), KeyError> {
        let now = self.now();
        if !open.is_pending() {
            self.uses().insert(id.clone(), now);
            return Ok(());
        }
        if self.store.mark_used(&[(id.clone(), now)]).await?.is_empty() {
            open.set_used();
            self.room.give_back().await;
            return Ok(());
        }
        self.cache.remove(id);
        Err(KeyError::NotFound)
    }

    async fn load(&self, id: &KeyId) -> Result<Arc<OpenKey>, KeyError> {
        if let Some(open) = self.cache.get(id, Instant::now()) {
            metrics::cache_lookup(true);
            return Ok(open);
        }
        let _turn = self.cache.turn(id).await;
        if let Some(open) = self.cache.get(id, Instant::now()) {
            metrics::cache_lookup(true);
            return Ok(open);
        }
        metrics::cache_lookup(false);
        let stored = self.store.find(id).await?.ok_or(KeyError::NotFound)?;
        let (role, used) = (stored.role.clone(), stored.used);
        let opened = self.vault.open(stored).await;
        let key = opened.inspect_err(|_| metrics::key_did_not_open())?;
        let open = Arc::new(OpenKey::new(key, role, used));
        self.cache
            .insert(id.clone(), Arc::clone(&open), Instant::now());
        Ok(open)
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<KeyId, OffsetDateTime>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signs; what takes long does so on a thread of its own.
async fn make_signature(open: &Arc<OpenKey>, content: Bytes) -> Result<Vec<u8>, SigningError> {
    if content.len() < LARGE {
        return open.key.sign(&content);
    }
    let open = Arc::clone(open);
    let signature = tokio::task::spawn_blocking(move || open.key.sign(&content));
    signature.await.expect("signing does not panic")
}
