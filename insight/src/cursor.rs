//! Cursors: where the next page begins, in a form that tells nothing.
//!
//! A page may end at a repository that its reader may not see, so a cursor is sealed with
//! AES-256-GCM. The key comes from a secret that all servers on one database share: a page may be
//! asked of another replica than the one before. Cursors are padded, so their length says little,
//! and are good for one question only.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Serialize, de::DeserializeOwned};

use super::OverviewError;

/// Contents have a multiple of this many bytes.
const BLOCK: usize = 256;

/// How many bytes the name of a change has.
const NAME: usize = 16;

/// The longest cursor that is looked at.
const LONGEST: usize = 8 << 10;

/// What was given in the place of a cursor is none, or is one of another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a cursor that an answer to this question gave; begin without one")]
pub struct BadCursor;

/// How a cursor is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// One place has one cursor: for places that the reader may see.
    Same,
    /// Each cursor is another one: it does not even show whether something that is hidden has
    /// changed.
    Unlike,
}

/// What seals cursors.
pub(super) struct Seal {
    key: LessSafeKey,
    /// What the sessions of browsers are sealed with, beside what they are bound to.
    pub(super) sessions: hmac::Key,
    nonces: hmac::Key,
    names: hmac::Key,
    random: SystemRandom,
}

impl Seal {
    /// The seal of a secret.
    pub(super) fn new(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |name: &str| hmac::sign(&secret, name.as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, derive("cursors").as_ref());
        Self {
            key: LessSafeKey::new(key.expect("an HMAC with SHA-256 has the length of the key")),
            sessions: hmac::Key::new(hmac::HMAC_SHA256, derive("sessions").as_ref()),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, derive("nonces").as_ref()),
            names: hmac::Key::new(hmac::HMAC_SHA256, derive("names").as_ref()),
            random: SystemRandom::new(),
        }
    }

    /// A name for what `text` says, that tells nothing of it and is the same on all replicas.
    pub(super) fn name(&self, text: &str) -> String {
        let name = hmac::sign(&self.names, text.as_bytes());
        hex::encode(&name.as_ref()[..NAME])
    }

    /// A cursor for `place`, good for the question `about`.
    pub(super) fn seal(
        &self,
        about: &str,
        place: &impl Serialize,
        manner: Manner,
    ) -> Result<String, OverviewError> {
        let cannot = OverviewError::Internal;
        let mut text = serde_json::to_vec(place).map_err(|_| cannot("cannot write a cursor"))?;
        let padded = text.len().next_multiple_of(BLOCK);
        text.resize(padded, b' ');
        let mut nonce = [0; NONCE_LEN];
        match manner {
            // Two contents with one nonce meet as seldom as two HMACs do.
            Manner::Same => {
                let mut context = hmac::Context::with_key(&self.nonces);
                context.update(&(about.len() as u64).to_be_bytes());
                context.update(about.as_bytes());
                context.update(&text);
                nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
            }
            Manner::Unlike => self
                .random
                .fill(&mut nonce)
                .map_err(|_| cannot("the random number generator failed"))?,
        }
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.as_bytes()),
                &mut text,
            )
            .map_err(|_| cannot("cannot seal a cursor"))?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([&nonce, text.as_slice()].concat()))
    }

    /// The place that a cursor of the question `about` names.
    pub(super) fn open<C: DeserializeOwned>(
        &self,
        about: &str,
        cursor: &str,
    ) -> Result<C, BadCursor> {
        if cursor.len() > LONGEST {
            return Err(BadCursor);
        }
        let sealed = BASE64_URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| BadCursor)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(BadCursor)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BadCursor)?;
        let mut text = text.to_vec();
        let text = self
            .key
            .open_in_place(nonce, Aad::from(about.as_bytes()), &mut text)
            .map_err(|_| BadCursor)?;
        serde_json::from_slice(text).map_err(|_| BadCursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal::new(b"secret")
    }

    #[test]
    fn a_cursor_is_good_for_its_question_and_its_database_alone() {
        let cursor = seal().seal("one", &"place", Manner::Same).unwrap();
        assert_eq!(seal().open("one", &cursor), Ok("place".to_owned()));
        assert_eq!(seal().open::<String>("two", &cursor), Err(BadCursor));
        let other = Seal::new(b"other");
        assert_eq!(other.open::<String>("one", &cursor), Err(BadCursor));
    }

    #[test]
    fn a_cursor_shows_neither_the_place_nor_its_length() {
        let of = |place: &str| seal().seal("q", &place, Manner::Unlike).unwrap();
        let (short, long) = (of("a"), of(&"hidden".repeat(30)));
        assert_eq!(short.len(), long.len());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&long).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"hidden"));
        assert_ne!(of("a"), short);
        let same = || seal().seal("q", &"a", Manner::Same).unwrap();
        assert_eq!(same(), same());
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_cursor(text in any::<String>(), at in any::<prop::sample::Index>()) {
            prop_assert_eq!(seal().open::<String>("q", &text), Err(BadCursor));
            let mut sealed = seal().seal("q", &text, Manner::Same).unwrap().into_bytes();
            let at = at.index(sealed.len() - 1);
            sealed[at] = if sealed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(sealed).unwrap();
            prop_assert_eq!(seal().open::<String>("q", &changed), Err(BadCursor));
        }
    }
}
