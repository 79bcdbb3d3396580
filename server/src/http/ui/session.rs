//! Sessions: cookies that say who signed in, and that only this server, or one beside it, can make.
//!
//! Any replica has to know a session that another one began, or a browser behind a balancer would
//! be asked for its password again and again. So a session is kept in its cookie alone, under an
//! HMAC. The key is made of a secret in the database and of what is in the password file of that
//! user: who reads the database alone, or the password file alone, can make no session, a session
//! ends when the password changes, and nothing has to be stored, cleaned up or bounded. What the
//! user may see is decided at each request.
//!
//! What cannot be done without memory is to end a session that was copied from a browser before the
//! user signed out. The server where they signed out remembers that; others learn it never, and
//! there such a copy is good for twelve hours at most.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use access::Identity;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use time::OffsetDateTime;

/// How long a session lives without a request, in seconds.
pub(super) const IDLE: i64 = 60 * 60;

/// How long it lives at most, in seconds.
pub(super) const LONGEST: i64 = 12 * 60 * 60;

/// How old a cookie is before the next answer brings a newer one, in seconds.
const RENEWED_AFTER: i64 = 5 * 60;

/// How far the clocks of two replicas may be apart, in seconds.
const SKEW: i64 = 60;

/// How many sessions that ended early are remembered.
const MOST_ENDED: usize = 10_000;

/// The longest name of a user that a session is for, in bytes.
pub(super) const LONGEST_NAME: usize = 512;

/// The first byte of a session.
const EDITION: u8 = 1;

const HEAD: usize = 2 + 8 + 8 + ID;
const ID: usize = 32;
const MAC: usize = 32;

/// A user who signed in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    /// Who.
    pub(super) identity: Identity,
    /// When, in seconds since 1970.
    begun: i64,
    /// When the cookie was made.
    seen: i64,
    id: [u8; ID],
}

/// What a cookie says, before it is believed.
pub(super) struct Claimed {
    session: Session,
    payload: Vec<u8>,
    mac: Vec<u8>,
}

impl Session {
    /// A new session.
    ///
    /// `None` if the random number generator fails, or for callers who have no password.
    pub(super) fn begin(identity: &Identity, now: OffsetDateTime) -> Option<Self> {
        kind(identity)?;
        Some(Self {
            identity: identity.clone(),
            begun: now.unix_timestamp(),
            seen: now.unix_timestamp(),
            id: random()?,
        })
    }

    /// The value of its cookie.
    pub(super) fn seal(&self, key: &hmac::Key, binding: &[u8; 32]) -> Option<String> {
        let mut text = self.payload()?;
        let mac = hmac::sign(&bind(key, binding), &text);
        text.extend_from_slice(mac.as_ref());
        Some(BASE64_URL_SAFE_NO_PAD.encode(text))
    }

    /// The same, seen now; `None` if its cookie is new enough.
    pub(super) fn renew(&self, now: OffsetDateTime) -> Option<Self> {
        let now = now.unix_timestamp();
        (now - self.seen >= RENEWED_AFTER).then(|| Self {
            seen: now,
            ..self.clone()
        })
    }

    /// What a form has to bring to end it: other sites cannot know it.
    pub(super) fn sign_out_token(&self, key: &hmac::Key, binding: &[u8; 32]) -> String {
        let text = [b"sign out".as_slice(), &self.id].concat();
        hex::encode(hmac::sign(&bind(key, binding), &text))
    }

    /// Whether `token` is the one of [`Session::sign_out_token`].
    pub(super) fn is_sign_out_token(
        &self,
        token: &str,
        key: &hmac::Key,
        binding: &[u8; 32],
    ) -> bool {
        let text = [b"sign out".as_slice(), &self.id].concat();
        let Ok(token) = hex::decode(token) else {
            return false;
        };
        hmac::verify(&bind(key, binding), &text, &token).is_ok()
    }

    fn payload(&self) -> Option<Vec<u8>> {
        let mut text = vec![EDITION, kind(&self.identity)?];
        text.extend_from_slice(&self.begun.to_be_bytes());
        text.extend_from_slice(&self.seen.to_be_bytes());
        text.extend_from_slice(&self.id);
        text.extend_from_slice(self.identity.name().as_bytes());
        Some(text)
    }
}

impl Claimed {
    /// Reads the value of a cookie.
    pub(super) fn read(cookie: &str) -> Option<Self> {
        if cookie.len() > 2 * (HEAD + MAC + LONGEST_NAME) {
            return None;
        }
        let text = BASE64_URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (payload, mac) = text.split_at_checked(text.len().checked_sub(MAC)?)?;
        let (head, name) = payload.split_at_checked(HEAD)?;
        let name = str::from_utf8(name).ok()?.to_owned();
        let identity = match head[..2] {
            [EDITION, 0] => Identity::User(name),
            [EDITION, 1] => Identity::Administrator(name),
            _ => return None,
        };
        let session = Session {
            identity,
            begun: i64::from_be_bytes(head[2..10].try_into().ok()?),
            seen: i64::from_be_bytes(head[10..18].try_into().ok()?),
            id: head[18..].try_into().ok()?,
        };
        Some(Self {
            session,
            payload: payload.to_vec(),
            mac: mac.to_vec(),
        })
    }

    /// Whose session it says it is.
    pub(super) fn identity(&self) -> &Identity {
        &self.session.identity
    }

    /// The session, if it is sealed, has not run out, and was not ended.
    pub(super) fn verify(
        self,
        key: &hmac::Key,
        binding: &[u8; 32],
        ended: &Ended,
        now: OffsetDateTime,
    ) -> Option<Session> {
        hmac::verify(&bind(key, binding), &self.payload, &self.mac).ok()?;
        let Session {
            begun, seen, id, ..
        } = self.session;
        let now = now.unix_timestamp();
        let is_alive = seen >= begun
            && seen <= now + SKEW
            && now - seen < IDLE
            && now - begun < LONGEST
            && !ended.contains(&id);
        is_alive.then_some(self.session)
    }
}

/// The key of one user's sessions.
fn bind(key: &hmac::Key, binding: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(key, binding).as_ref())
}

fn kind(identity: &Identity) -> Option<u8> {
    let kind = match identity {
        Identity::User(_) => 0,
        Identity::Administrator(_) => 1,
        Identity::Anonymous | Identity::Certificate(_) | Identity::Outside(_) => return None,
    };
    (identity.name().len() <= LONGEST_NAME).then_some(kind)
}

/// Random bytes.
pub(super) fn random() -> Option<[u8; ID]> {
    let mut bytes = [0; ID];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Sessions that were ended here before their time.
#[derive(Debug, Default)]
pub(super) struct Ended(Mutex<HashMap<[u8; ID], i64>>);

impl Ended {
    /// Remembers that `session` ended, for as long as it might have lived. There is a bound: if too
    /// many end, those are forgotten that would have ended first.
    pub(super) fn add(&self, session: &Session, now: OffsetDateTime) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= MOST_ENDED {
            let now = now.unix_timestamp();
            ended.retain(|_, until| *until > now);
            if ended.len() >= MOST_ENDED
                && let Some(first) = ended.iter().min_by_key(|(_, until)| **until)
            {
                let first = *first.0;
                ended.remove(&first);
            }
        }
        ended.insert(session.id, session.begun + LONGEST + SKEW);
    }

    fn contains(&self, id: &[u8; ID]) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.contains_key(id)
    }
}

/// A cookie of these pages. It is for this host alone, and no script reads it.
#[derive(Clone, Copy)]
pub(super) struct Cookie {
    /// Its name over plain HTTP, which is for this machine alone.
    plain: &'static str,
    /// Its name over TLS: with this prefix, browsers take it from no other host, and no other path.
    secure: &'static str,
}

/// Who signed in. Links from other sites do carry it, so that they work; forms do not.
pub(super) const SESSION: Cookie = Cookie {
    plain: "countersign-session",
    secure: "__Host-countersign-session",
};

/// What the form for signing in has to bring as well.
pub(super) const FORM: Cookie = Cookie {
    plain: "countersign-form",
    secure: "__Host-countersign-form",
};

impl Cookie {
    fn name(self, is_secure: bool) -> &'static str {
        if is_secure { self.secure } else { self.plain }
    }

    /// Its value, if there is exactly one.
    pub(super) fn find(self, headers: &HeaderMap, is_secure: bool) -> Option<&str> {
        let name = self.name(is_secure);
        let lines = headers.get_all(header::COOKIE).iter();
        let mut values = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }

    /// What sets it to `value`, which is base64 or hex, for so many seconds.
    pub(super) fn set(self, value: &str, is_secure: bool, seconds: i64) -> Option<HeaderValue> {
        let name = self.name(is_secure);
        let secure = if is_secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).ok()
    }

    /// What makes a browser forget it.
    pub(super) fn clear(self, is_secure: bool) -> Option<HeaderValue> {
        self.set("", is_secure, 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, b"of the database")
    }

    fn alice() -> Session {
        Session::begin(&Identity::User("alice".to_owned()), NOW).unwrap()
    }

    fn open(cookie: &str, binding: &[u8; 32], at: OffsetDateTime) -> Option<Session> {
        Claimed::read(cookie)?.verify(&key(), binding, &Ended::default(), at)
    }

    #[test]
    fn a_session_lives_while_it_is_used_and_not_for_ever() {
        let mut session = alice();
        let cookie = session.seal(&key(), &[7; 32]).unwrap();
        assert_eq!(open(&cookie, &[7; 32], NOW), Some(session.clone()));
        let almost = NOW + Duration::minutes(59);
        assert!(open(&cookie, &[7; 32], almost).is_some());
        assert!(open(&cookie, &[7; 32], NOW + Duration::HOUR).is_none());
        assert!(session.renew(NOW + Duration::minutes(4)).is_none());
        let mut at = NOW;
        let mut pages = 0;
        loop {
            at += Duration::minutes(50);
            let cookie = session.seal(&key(), &[7; 32]).unwrap();
            let Some(found) = open(&cookie, &[7; 32], at) else {
                break;
            };
            session = found.renew(at).unwrap();
            pages += 1;
        }
        assert_eq!(pages, 14, "twelve hours of a page each fifty minutes");
    }

    #[test]
    fn a_session_dies_with_the_password_and_with_the_database() {
        let cookie = alice().seal(&key(), &[7; 32]).unwrap();
        assert!(open(&cookie, &[8; 32], NOW).is_none());
        let other = hmac::Key::new(hmac::HMAC_SHA256, b"of another one");
        let claimed = Claimed::read(&cookie).unwrap();
        assert!(
            claimed
                .verify(&other, &[7; 32], &Ended::default(), NOW)
                .is_none()
        );
        assert!(open(&cookie, &[7; 32], NOW - Duration::hours(2)).is_none());
    }

    #[test]
    fn a_session_that_was_ended_is_not_taken_again() {
        let (session, ended) = (alice(), Ended::default());
        let cookie = session.seal(&key(), &[7; 32]).unwrap();
        let verify = || {
            let claimed = Claimed::read(&cookie).unwrap();
            claimed.verify(&key(), &[7; 32], &ended, NOW)
        };
        assert!(verify().is_some());
        ended.add(&session, NOW);
        assert!(verify().is_none());
        for _ in 0..MOST_ENDED {
            ended.add(&alice(), NOW);
        }
        assert_eq!(ended.0.lock().unwrap().len(), MOST_ENDED);
    }

    #[test]
    fn only_callers_with_a_password_have_sessions() {
        let certificate = Identity::Certificate(vec!["robot".to_owned()]);
        for identity in [Identity::Anonymous, certificate] {
            assert_eq!(Session::begin(&identity, NOW), None);
        }
        let long = Identity::User("a".repeat(LONGEST_NAME + 1));
        assert_eq!(Session::begin(&long, NOW), None);
    }

    #[test]
    fn of_two_cookies_with_one_name_none_counts() {
        let mut headers = HeaderMap::new();
        let mut read = |value: &'static str| {
            headers.insert(header::COOKIE, HeaderValue::from_static(value));
            SESSION.find(&headers, true).map(str::to_owned)
        };
        assert_eq!(
            read("a=b; __Host-countersign-session=x").as_deref(),
            Some("x")
        );
        assert_eq!(
            read("__Host-countersign-session=x; __Host-countersign-session=y"),
            None
        );
        assert_eq!(read("countersign-session=x"), None);
    }

    proptest! {
        #[test]
        fn no_byte_of_a_cookie_can_be_changed(at in 0_usize..88, by in 1_u8..255) {
            let cookie = alice().seal(&key(), &[7; 32]).unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&cookie).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= by;
            let changed = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(open(&changed, &[7; 32], NOW).is_none());
        }

        #[test]
        fn no_cookie_panics(cookie in "[A-Za-z0-9_=-]{0,300}") {
            prop_assert!(open(&cookie, &[7; 32], NOW).is_none());
        }
    }
}
