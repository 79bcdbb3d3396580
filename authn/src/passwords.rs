//! Users and passwords: checked off the async threads, few at a time, and remembered for a minute,
//! since a hash is made to be slow and docker sends the password with every request.
//!
//! A check passes four gates: what was verified within the minute is not checked again, and
//! requests with the same credentials share one check (both in one cache); the throttle counts the
//! attempt; a slot bounds how many wait; a core bounds how many run.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    thread,
    time::Duration as StdDuration,
};

use access::{Credentials, Identity, PasswordFile};
use moka::future::{Cache, CacheBuilder};
use ring::{hmac, rand::SystemRandom};
use secrecy::ExposeSecret as _;
use time::{Duration, OffsetDateTime};
use tokio::{runtime::Handle, sync::Semaphore};
use zeroize::Zeroizing;

use crate::{
    AuthenticationError, settings::PasswordSettings, slots::Slots, throttle::Throttle,
    token_service::administrator_fingerprint, watched::Watched,
};

/// How long a verified password is remembered.
const MEMORY: Duration = Duration::minutes(1);

/// How many passwords are remembered.
const MOST_REMEMBERED: u64 = 10_000;

/// The users, and the work of checking their passwords.
pub(crate) struct Passwords {
    known: Watched<Known>,
    administrator: Option<Arc<Administrator>>,
    pub(crate) throttle: Throttle,
    slots: Slots,
    /// One for each core.
    cores: Arc<Semaphore>,
}

/// A keyed digest of a user and a password, which tells nothing of either.
type Tag = [u8; 32];

/// The administrator, with what changes with the password, once that was computed: it is slow.
struct Administrator {
    credentials: Credentials,
    fingerprint: OnceLock<[u8; 32]>,
}

/// The users of one state of the password file. A changed file makes another one of these, so that
/// checks against an older state, finished or running, count no more.
struct Known {
    file: Option<PasswordFile>,
    administrator: Option<(String, Tag)>,
    /// Made for this process: tags mean nothing to another one.
    key: hmac::Key,
    /// Verified credentials. Checks in progress are in it as well: requests with the same
    /// credentials wait for one check. Wrong credentials are not remembered.
    verified: Cache<Tag, Verified>,
}

/// Whose credentials they are, and when they were checked.
#[derive(Clone)]
struct Verified {
    identity: Identity,
    at: OffsetDateTime,
}

impl Passwords {
    /// Reads the password file, if there is one.
    pub(crate) fn load(settings: &PasswordSettings) -> anyhow::Result<Self> {
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
        let administrator = settings.administrator.clone();
        Ok(Self {
            known,
            administrator: administrator.map(|credentials| {
                Arc::new(Administrator {
                    credentials,
                    fingerprint: OnceLock::new(),
                })
            }),
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

    /// Something that changes with the password of a user or of the administrator, and is the same
    /// for all servers with the same files; `None` for others.
    pub(crate) async fn binding(&self, identity: &Identity) -> Option<[u8; 32]> {
        match identity {
            Identity::User(name) => self.fingerprint(name),
            Identity::Administrator(name) => {
                let known = self.administrator.clone()?;
                if known.credentials.user != *name {
                    return None;
                }
                if let Some(fingerprint) = known.fingerprint.get() {
                    return Some(*fingerprint);
                }
                let compute = move || {
                    let make = || administrator_fingerprint(&known.credentials);
                    *known.fingerprint.get_or_init(make)
                };
                tokio::task::spawn_blocking(compute).await.ok()
            }
            Identity::Anonymous | Identity::Certificate(_) | Identity::Outside(_) => None,
        }
    }

    /// Whose credentials these are.
    pub(crate) async fn identify(
        &self,
        credentials: Credentials,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Identity, AuthenticationError> {
        let known = self.known.current();
        let tag = known.tag(&credentials);
        if let Some(identity) = known.recall(&tag, now).await {
            return Ok(identity);
        }
        let check = || self.check(&known, tag, credentials.clone(), address, now);
        let verified = known.check_once(tag, check).await;
        verified.map(|verified| verified.identity)
    }

    /// Checks a password. The client may hang up before the check ends: it is counted and
    /// remembered all the same.
    async fn check(
        &self,
        known: &Arc<Known>,
        tag: Tag,
        credentials: Credentials,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Verified, AuthenticationError> {
        let attempt = self
            .throttle
            .begin(&credentials.user, address, now)
            .map_err(|wait| {
                let reason = "too many attempts failed";
                self.throttle
                    .log_failure(&credentials.user, address, reason, now);
                AuthenticationError::TooManyFailures(wait)
            })?;
        let slot = self.slots.take(&credentials.user, address, now);
        let slot = slot.ok_or(AuthenticationError::Busy)?;
        let core = self.cores.clone().acquire_owned().await;
        let core = core.map_err(|_| AuthenticationError::Busy)?;
        let (known, runtime) = (known.clone(), Handle::current());
        let (throttle, slots) = (self.throttle.clone(), self.slots.clone());
        let work = tokio::task::spawn_blocking(move || {
            let result = if let Some(identity) = known.verify(&credentials) {
                let verified = Verified { identity, at: now };
                runtime.block_on(known.verified.insert(tag, verified.clone()));
                slots.remember(&credentials.user, address, now);
                Ok(verified)
            } else {
                attempt.keep_counted();
                throttle.log_failure(&credentials.user, address, "wrong user or password", now);
                Err(AuthenticationError::WrongPassword(credentials.user))
            };
            drop((slot, core));
            result
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a password check panicked");
            Err(AuthenticationError::Busy)
        })
    }
}

impl Known {
    fn new(file: Option<PasswordFile>, administrator: Option<&Credentials>) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the system has random numbers");
        let administrator =
            administrator.map(|known| (known.user.clone(), tag(&key, &message(known))));
        Self {
            file,
            administrator,
            key,
            verified: CacheBuilder::new(MOST_REMEMBERED)
                .time_to_live(StdDuration::from_mins(1))
                .build(),
        }
    }

    fn tag(&self, credentials: &Credentials) -> Tag {
        tag(&self.key, &message(credentials))
    }

    /// Whose credentials were checked within the minute before `now`; an older check is forgotten.
    /// A check that ended meanwhile counts for a request that came a little before it, too.
    async fn recall(&self, tag: &Tag, now: OffsetDateTime) -> Option<Identity> {
        let Verified { identity, at } = self.verified.get(tag).await?;
        if (now - at).abs() < MEMORY {
            return Some(identity);
        }
        if now > at {
            self.verified.invalidate(tag).await;
        }
        None
    }

    /// Has `check` made, unless a check of the same credentials is under way: then this waits for
    /// its result. A refusal that says something of another caller's address, or of how busy the
    /// server was when that one came, counts for that caller alone.
    async fn check_once<C>(
        &self,
        tag: Tag,
        check: impl Fn() -> C,
    ) -> Result<Verified, AuthenticationError>
    where
        C: Future<Output = Result<Verified, AuthenticationError>>,
    {
        let mut is_own = false;
        let own = async {
            is_own = true;
            check().await
        };
        match self
            .verified
            .try_get_with(tag, own)
            .await
            .map_err(Arc::unwrap_or_clone)
        {
            Err(AuthenticationError::TooManyFailures(_) | AuthenticationError::Busy) if !is_own => {
                check().await
            }
            result => result,
        }
    }

    /// Slow, for an unknown user as for a known one.
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use tokio::sync::Notify;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 10:00 UTC);
    const TAG: Tag = [7; 32];

    fn alice(at: OffsetDateTime) -> Verified {
        Verified {
            identity: Identity::User("alice".to_owned()),
            at,
        }
    }

    /// What two requests with the same credentials are told, when the check of the first ends with
    /// `refusal` while the second waits for it.
    async fn refuse_first(
        refusal: AuthenticationError,
    ) -> [Result<Verified, AuthenticationError>; 2] {
        let (known, second_waits) = (Known::new(None, None), Notify::new());
        let first = known.check_once(TAG, || async {
            second_waits.notified().await;
            Err(refusal.clone())
        });
        let second = known.check_once(TAG, || async { Ok(alice(NOW)) });
        let release = async {
            tokio::task::yield_now().await;
            second_waits.notify_one();
        };
        let (first, second, ()) = tokio::join!(first, second, release);
        [first, second]
    }

    #[tokio::test]
    async fn a_refusal_for_one_callers_address_is_not_told_to_another() {
        for refusal in [
            AuthenticationError::TooManyFailures(StdDuration::from_secs(6)),
            AuthenticationError::Busy,
        ] {
            let [first, second] = refuse_first(refusal).await;
            assert!(first.is_err());
            assert!(second.is_ok());
        }
    }

    #[tokio::test]
    async fn a_wrong_password_is_checked_once_for_all_who_sent_it() {
        let wrong = AuthenticationError::WrongPassword("alice".to_owned());
        let [first, second] = refuse_first(wrong).await;
        assert!(first.is_err() && second.is_err());
    }

    #[tokio::test]
    async fn a_check_counts_for_a_request_that_came_a_moment_before_it_ended() {
        let known = Known::new(None, None);
        known.verified.insert(TAG, alice(NOW)).await;
        let before = NOW - Duration::milliseconds(5);
        assert!(known.recall(&TAG, before).await.is_some());
        assert!(known.recall(&TAG, NOW).await.is_some());
        assert!(known.recall(&TAG, NOW - MEMORY).await.is_none());
        assert!(known.recall(&TAG, NOW).await.is_some(), "not forgotten");
        assert!(known.recall(&TAG, NOW + MEMORY).await.is_none());
        assert!(known.recall(&TAG, NOW).await.is_none(), "forgotten");
    }
}
