//! Users and passwords: checked away from the async threads, few at a time, and remembered for a
//! minute, since a hash is made to be slow and docker sends the password with every request.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration as StdDuration,
};

use access::{Credentials, Identity, PasswordFile};
use moka::sync::{Cache, CacheBuilder};
use ring::{hmac, rand::SystemRandom};
use secrecy::ExposeSecret as _;
use time::{Duration, OffsetDateTime};
use tokio::sync::{OnceCell, Semaphore};
use zeroize::Zeroizing;

use crate::settings;
use crate::{AuthenticationError, slots::Slots, throttle::Throttle, watched::Watched};

/// How long a password that was right is taken for right.
const MEMORY: Duration = Duration::minutes(1);

/// How many passwords are remembered.
const MOST_REMEMBERED: u64 = 10_000;

/// The users, and the work of telling whether somebody is one of them.
pub(crate) struct Passwords {
    known: Watched<Known>,
    pub(crate) throttle: Throttle,
    slots: Slots,
    /// One for each core.
    cores: Arc<Semaphore>,
}

/// A user and a password, so that nothing can be learned of either.
type Tag = [u8; 32];

/// What is known at a time. With another password file comes another one of these, and so what was
/// remembered of an older file, or is being checked against it, counts no more.
struct Known {
    file: Option<PasswordFile>,
    administrator: Option<(String, Tag)>,
    /// Made for this process: tags mean nothing to another one.
    key: hmac::Key,
    /// Who was proven to be whom, and when.
    remembered: Cache<Tag, (Identity, OffsetDateTime)>,
    /// What is being checked, so that the requests of one command, which come all at once, have their
    /// password checked once.
    under_way: Mutex<HashMap<Tag, Verdict>>,
}

/// Who somebody was proven to be; `None`: nobody.
type Verdict = Arc<OnceCell<Option<Identity>>>;

impl Passwords {
    /// Reads the password file, if there is one.
    pub(crate) fn load(settings: &settings::PasswordSettings) -> anyhow::Result<Self> {
        let administrator = settings.administrator.clone();
        let known = match &settings.file {
            None => Watched::unchanging(Known::new(None, administrator.as_ref())),
            Some(path) => Watched::load("password file", path.clone(), move |content| {
                let text = str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
                let file = PasswordFile::parse(text).map_err(|error| error.to_string())?;
                Ok(Known::new(Some(file), administrator.as_ref()))
            })?,
        };
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self {
            known,
            throttle: Throttle::default(),
            slots: Slots::new(cores),
            cores: Arc::new(Semaphore::new(cores)),
        })
    }

    /// Takes up the password file if it changed.
    pub(crate) fn poll(&self) {
        self.known.poll();
    }

    /// Something that changes with the user's password; `None` without such a user.
    pub(crate) fn fingerprint(&self, user: &str) -> Option<[u8; 32]> {
        self.known.current().file.as_ref()?.fingerprint(user)
    }

    /// Who has these credentials.
    pub(crate) async fn identify(
        &self,
        credentials: Credentials,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Identity, AuthenticationError> {
        let known = self.known.current();
        let tag = known.tag(&credentials);
        if let Some(identity) = known.recall(&tag, now) {
            return Ok(identity);
        }
        let user = credentials.user.clone();
        let turn = Turn::take(&known, tag);
        let verdict = turn
            .verdict
            .get_or_try_init(|| self.check(&known, tag, credentials, address, now))
            .await?;
        verdict
            .clone()
            .ok_or(AuthenticationError::WrongPassword(user))
    }

    /// Does the work. Whoever asked may be gone before it is done: it is counted and remembered all
    /// the same.
    async fn check(
        &self,
        known: &Arc<Known>,
        tag: Tag,
        credentials: Credentials,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Option<Identity>, AuthenticationError> {
        let attempt = self
            .throttle
            .begin(&credentials.user, address, now)
            .map_err(|wait| {
                let reason = "too many have failed";
                self.throttle
                    .log_failure(&credentials.user, address, reason, now);
                AuthenticationError::TooManyFailures(wait)
            })?;
        let slot = self.slots.take(&credentials.user, address, now);
        let slot = slot.ok_or(AuthenticationError::Busy)?;
        let core = self.cores.clone().acquire_owned().await;
        let core = core.map_err(|_| AuthenticationError::Busy)?;
        let known = known.clone();
        let (throttle, slots) = (self.throttle.clone(), self.slots.clone());
        let work = tokio::task::spawn_blocking(move || {
            let identity = known.verify(&credentials);
            if let Some(identity) = &identity {
                known.remember(tag, identity, now);
                slots.remember(&credentials.user, address, now);
            } else {
                attempt.failed();
                throttle.log_failure(&credentials.user, address, "wrong user or password", now);
            }
            drop((slot, core));
            identity
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "checking a password failed");
            AuthenticationError::Busy
        })
    }
}

impl Known {
    fn new(file: Option<PasswordFile>, administrator: Option<&Credentials>) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the operating system has random numbers");
        let administrator =
            administrator.map(|known| (known.user.clone(), tag(&key, &message(known))));
        Self {
            file,
            administrator,
            key,
            remembered: CacheBuilder::new(MOST_REMEMBERED)
                .time_to_live(StdDuration::from_mins(1))
                .build(),
            under_way: Mutex::default(),
        }
    }

    fn tag(&self, credentials: &Credentials) -> Tag {
        tag(&self.key, &message(credentials))
    }

    fn recall(&self, tag: &Tag, now: OffsetDateTime) -> Option<Identity> {
        let (identity, at) = self.remembered.get(tag)?;
        (at..at + MEMORY).contains(&now).then_some(identity)
    }

    fn remember(&self, tag: Tag, identity: &Identity, now: OffsetDateTime) {
        self.remembered.insert(tag, (identity.clone(), now));
    }

    /// Slow, for a user that is not there as for one that is.
    fn verify(&self, credentials: &Credentials) -> Option<Identity> {
        if let Some((name, tag)) = &self.administrator
            && hmac::verify(&self.key, &message(credentials), tag).is_ok()
        {
            return Some(Identity::Administrator(name.clone()));
        }
        let is_right = self.file.as_ref()?.verify(credentials);
        is_right.then(|| Identity::User(credentials.user.clone()))
    }
}

/// User and password so that no two pairs poll the same.
fn message(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let (user, password) = (&credentials.user, credentials.password.expose_secret());
    let mut message = Zeroizing::new(Vec::with_capacity(8 + user.len() + password.len()));
    message.extend_from_slice(&(user.len() as u64).to_be_bytes());
    message.extend_from_slice(user.as_bytes());
    message.extend_from_slice(password.as_bytes());
    message
}

fn tag(key: &hmac::Key, message: &[u8]) -> Tag {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(key, message).as_ref());
    tag
}

/// One of those who wait for the same verdict.
struct Turn<'k> {
    known: &'k Known,
    tag: Tag,
    verdict: Verdict,
}

impl<'k> Turn<'k> {
    fn take(known: &'k Known, tag: Tag) -> Self {
        let mut under_way = known.lock_under_way();
        let verdict = under_way.entry(tag).or_default().clone();
        Self {
            known,
            tag,
            verdict,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.known.lock_under_way();
        // The map's and ours: nobody else waits.
        if Arc::strong_count(&self.verdict) <= 2 {
            under_way.remove(&self.tag);
        }
    }
}

impl Known {
    fn lock_under_way(&self) -> std::sync::MutexGuard<'_, HashMap<Tag, Verdict>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
