//! The service: creates, describes, uses and deletes keys. Knows neither gRPC nor SQL, nor where
//! private keys live.

pub mod cache;
mod pending;
pub mod sequel;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use time::OffsetDateTime;
use tuf::PublicKey;

use self::{
    cache::{CacheLimits, KeyCache, OpenKey},
    pending::{HandedOut, PendingLimit},
    sequel::Sequel,
};
use crate::{
    custody::{Created, CustodyError, Report, registry::Custodies},
    keystore::{KeyId, KeyStore, Origin, Purpose, StoreError, StoredKey, algorithm_name},
    metrics,
};

/// How many keys may wait for their first signature, unless the operator says otherwise.
pub const MAX_PENDING: u32 = 10_000;

/// Bytes from which on the second of two contents is written, and its checksums are computed, off
/// the threads that serve requests.
const LARGE: usize = 64 * 1024;

/// The keys, and all that is done with them.
pub struct Keys {
    store: Arc<dyn KeyStore>,
    custodies: Custodies,
    cache: KeyCache,
    clock: fn() -> OffsetDateTime,
    /// Signatures by keys already known as used, to be written down together.
    uses: Mutex<BTreeMap<KeyId, OffsetDateTime>>,
    handed_out: HandedOut,
    pending_limit: PendingLimit,
}

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error("there is no such key")]
    NotFound,
    /// The database is away; later the same request may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The custody of the key cannot open it or sign with it, or that of new keys cannot make one.
    #[error(transparent)]
    Custody(CustodyError),
    /// No other key may be made before some have signed.
    #[error(
        "{0} keys wait for their first signature, and no more may (storage.max_pending_keys): many \
         repositories were begun and not published"
    )]
    TooManyPending(u32),
}

impl From<CustodyError> for KeyError {
    fn from(error: CustodyError) -> Self {
        match error {
            CustodyError::Store(error) => Self::Store(error),
            error => Self::Custody(error),
        }
    }
}

/// A signature and the key that made it.
pub struct Signed {
    /// The key.
    pub key: PublicKey,
    /// What it signed.
    pub content: Bytes,
    /// The signature.
    pub signature: Vec<u8>,
}

/// What callers may know about a key.
pub struct Described {
    /// Its public half.
    pub key: PublicKey,
    /// The role that it was made for.
    pub role: String,
}

impl Keys {
    /// Serves the keys of `store`, which live in `custodies`.
    pub fn new(
        store: Arc<dyn KeyStore>,
        custodies: Custodies,
        limits: CacheLimits,
        clock: fn() -> OffsetDateTime,
    ) -> Self {
        Self {
            store,
            custodies,
            cache: KeyCache::new(limits),
            clock,
            uses: Mutex::default(),
            handed_out: HandedOut::default(),
            pending_limit: PendingLimit::new(MAX_PENDING),
        }
    }

    /// The same, with at most so many pending keys; any number if that is 0.
    #[must_use]
    pub fn with_max_pending(self, most: u32) -> Self {
        Self {
            pending_limit: PendingLimit::new(most),
            ..self
        }
    }

    /// The store behind.
    #[must_use]
    pub fn store(&self) -> &dyn KeyStore {
        &*self.store
    }

    /// Where the private keys live.
    #[must_use]
    pub fn custodies(&self) -> &Custodies {
        &self.custodies
    }

    /// The keys that are ready to sign.
    #[must_use]
    pub fn cache(&self) -> &KeyCache {
        &self.cache
    }

    /// Tries every custody on some of its keys.
    pub async fn check(&self) -> Result<Report, StoreError> {
        self.custodies.check(self.store()).await
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

    /// Looks for a pending key once, under the lock under which it would be made: where the table
    /// has no index for it, that reads every key.
    async fn find_or_create(&self, purpose: &Purpose) -> Result<PublicKey, KeyError> {
        match self.try_create(purpose).await {
            Err(KeyError::Store(error)) => Err(error.into()),
            // A pending key can be handed out without making one.
            Err(error) => self.store.pending(purpose).await?.ok_or(error),
            created => created,
        }
    }

    async fn try_create(&self, purpose: &Purpose) -> Result<PublicKey, KeyError> {
        if !self.pending_limit.allows_another(self.store()).await? {
            return Err(KeyError::TooManyPending(self.pending_limit.most()));
        }
        let custody = self.custodies.for_new_keys();
        let removals = self.cache.removals();
        let created = custody.create(purpose, self.store(), self.now()).await?;
        let key = match created {
            Created::Before(key) => return Ok(key),
            Created::Now(key) => key,
        };
        self.pending_limit.count_new().await;
        metrics::key_created(algorithm_name(purpose.algorithm));
        let public = key.public().clone();
        // Most new keys sign soon: this one need not be read and opened for that.
        let open = Arc::new(OpenKey::new(key, purpose.role.clone(), false));
        let id = KeyId::from(public.id());
        self.cache.insert_new(id, open, Instant::now(), removals);
        Ok(public)
    }

    /// Describes the key called `id`, having made sure that it can sign.
    pub async fn describe(&self, id: &KeyId) -> Result<Described, KeyError> {
        let open = self.load(id).await?;
        Ok(Described {
            key: open.key.public().clone(),
            role: open.role.clone(),
        })
    }

    /// The purposes of the keys called `ids`. Those that are not there are left out.
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
        let open = self.load_to_sign(id, start).await?;
        let signed = self.make_one((id, &open), content).await;
        note_outcome(&open, signed.is_ok(), start);
        signed
    }

    /// Signs `content` with the key called `first`, and what `sequel` makes of that with the key
    /// called `second`. An error comes with the key that it is about. Neither signs unless both are
    /// there.
    pub async fn sign_both(
        &self,
        first: &KeyId,
        content: Bytes,
        second: &KeyId,
        sequel: Sequel,
    ) -> Result<[Signed; 2], (KeyId, KeyError)> {
        let start = Instant::now();
        let one = self.load_to_sign(first, start).await.map_err(of(first))?;
        let other = self.load_to_sign(second, start).await.map_err(of(second))?;
        let keys = [(first, &*one), (second, &*other)];
        let signed = self.make_both(keys, content, sequel).await;
        for open in [&one, &other] {
            note_outcome(open, signed.is_ok(), start);
        }
        signed
    }

    /// The key called `id`, for a signature that was asked for at `start`.
    async fn load_to_sign(&self, id: &KeyId, start: Instant) -> Result<Arc<OpenKey>, KeyError> {
        self.load(id).await.inspect_err(|_| {
            metrics::signature("unknown", "no_key", start.elapsed());
        })
    }

    async fn make_one(
        &self,
        (id, open): (&KeyId, &OpenKey),
        content: Bytes,
    ) -> Result<Signed, KeyError> {
        let signed = sign_with(open, content).await?;
        let noted = self.note_uses(&[(id, open)]).await;
        noted.map_err(|(_, error)| error)?;
        Ok(signed)
    }

    async fn make_both(
        &self,
        keys: [(&KeyId, &OpenKey); 2],
        content: Bytes,
        sequel: Sequel,
    ) -> Result<[Signed; 2], (KeyId, KeyError)> {
        let [(first, one), (second, other)] = keys;
        let signed = sign_with(one, content).await.map_err(of(first))?;
        let content = write_sequel(sequel, &signed).await;
        let next = sign_with(other, content).await.map_err(of(second))?;
        self.note_uses(&keys).await?;
        Ok([signed, next])
    }

    /// Deletes the key called `id`, from memory as well; answers whether there was one.
    pub async fn delete(&self, id: &KeyId) -> Result<bool, KeyError> {
        let _lock = self.cache.lock(id).await;
        self.cache.remove(id);
        let Some(stored) = self.store.find(id).await? else {
            return Ok(false);
        };
        let deleted = self.store.delete(id, self.now()).await?;
        if deleted {
            self.delete_outside(&stored).await;
        }
        Ok(deleted)
    }

    /// Removes what is left of a deleted key outside of its row. Callers are not told of a failure:
    /// the key is gone for them.
    async fn delete_outside(&self, stored: &StoredKey) {
        let deleted = match self.custodies.of(stored) {
            Ok(custody) => custody.delete(stored).await,
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            tracing::error!(
                key_id = stored.id,
                "deleted a key, but not what its custody keeps of it: {error}"
            );
        }
    }

    /// Writes down when keys last signed, and forgets those that were deleted meanwhile, by
    /// another signer for instance. What could not be written, because the database failed or the
    /// call was dropped, is written by the next call.
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

    /// Notes that these keys have signed: at once in the database if that was their first time.
    async fn note_uses(&self, used: &[(&KeyId, &OpenKey)]) -> Result<(), (KeyId, KeyError)> {
        let now = self.now();
        let mut first_uses = Vec::new();
        for (id, open) in used {
            if open.is_pending() {
                first_uses.push(((*id).clone(), now));
            } else {
                self.uses().insert((*id).clone(), now);
            }
        }
        let Some((first, _)) = first_uses.first() else {
            return Ok(());
        };
        let gone = self.store.mark_used(&first_uses).await;
        let gone = gone.map_err(|error| (first.clone(), error.into()))?;
        for id in &gone {
            self.cache.remove(id);
        }
        for (id, open) in used {
            if open.is_pending() && !gone.contains(id) {
                open.set_used();
                self.pending_limit.count_signed().await;
            }
        }
        match gone.into_iter().next() {
            Some(id) => Err((id, KeyError::NotFound)),
            None => Ok(()),
        }
    }

    async fn load(&self, id: &KeyId) -> Result<Arc<OpenKey>, KeyError> {
        if let Some(open) = self.cache.get(id, Instant::now()) {
            metrics::cache_lookup(true);
            return Ok(open);
        }
        let _lock = self.cache.lock(id).await;
        if let Some(open) = self.cache.get(id, Instant::now()) {
            metrics::cache_lookup(true);
            return Ok(open);
        }
        metrics::cache_lookup(false);
        let stored = self.store.find(id).await?.ok_or(KeyError::NotFound)?;
        let (role, used) = (stored.role.clone(), stored.used);
        let opened = self.custodies.open(stored).await;
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

/// An error that is about the key called `id`.
fn of(id: &KeyId) -> impl FnOnce(KeyError) -> (KeyId, KeyError) {
    let id = id.clone();
    move |error| (id, error)
}

async fn sign_with(open: &OpenKey, content: Bytes) -> Result<Signed, KeyError> {
    Ok(Signed {
        key: open.key.public().clone(),
        signature: open.key.sign(content.clone()).await?,
        content,
    })
}

/// A request for a signature of `open`, made at `start`, has ended.
fn note_outcome(open: &OpenKey, is_signed: bool, start: Instant) {
    let outcome = if is_signed { "signed" } else { "failed" };
    let algorithm = open.key.public().key_type().as_str();
    metrics::signature(algorithm, outcome, start.elapsed());
}

/// What is signed after `first`.
async fn write_sequel(sequel: Sequel, first: &Signed) -> Bytes {
    if sequel.size(first.content.len()) < LARGE {
        return sequel.write(&first.content, &first.signature);
    }
    let (content, signature) = (first.content.clone(), first.signature.clone());
    let writing = tokio::task::spawn_blocking(move || sequel.write(&content, &signature));
    writing.await.expect("writing does not panic")
}
