//! The holder of a token, and what binds the token to their password.

use std::num::NonZeroU32;

use access::{Credentials, Identity};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{hmac, pbkdf2};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

/// The claim that tells an administrator from a user of the same name.
const KIND: &str = "kind";
/// The claim that binds a token to a password.
const CREDENTIAL: &str = "cred";

/// A holder of tokens: anonymous, or a user whose password was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    identity: Identity,
    /// Changes with the password; `None` for the anonymous holder.
    credential: Option<String>,
}

/// A token's `kind` and `cred` that do not fit a `sub` as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revoked;

impl Holder {
    /// The holder of tokens that were issued without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            identity: Identity::Anonymous,
            credential: None,
        }
    }

    /// `identity`, bound to the password with this fingerprint; `None` for an identity without a
    /// password, since nothing would end its tokens.
    pub(super) fn new(identity: Identity, fingerprint: Option<[u8; 32]>) -> Option<Self> {
        match identity {
            Identity::Anonymous => Some(Self::anonymous()),
            Identity::User(ref name) | Identity::Administrator(ref name) if !name.is_empty() => {
                let credential = Some(binding(&fingerprint?));
                Some(Self {
                    identity,
                    credential,
                })
            }
            _ => None,
        }
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The claims for this holder, beside `sub`.
    pub(super) fn claims(&self) -> Vec<(String, String)> {
        let Some(credential) = &self.credential else {
            return Vec::new();
        };
        vec![
            (KIND.to_owned(), self.identity.kind().to_owned()),
            (CREDENTIAL.to_owned(), credential.clone()),
        ]
    }

    /// The holder of a verified token. `fingerprint` knows the current passwords.
    pub(super) fn of_token(
        subject: &str,
        claims: &Map<String, Value>,
        fingerprint: impl FnOnce(&Identity) -> Option<[u8; 32]>,
    ) -> Result<Self, Revoked> {
        let identity = match claims.get(KIND).map(Value::as_str) {
            None if subject.is_empty() => return Ok(Self::anonymous()),
            Some(Some("user")) => Identity::User(subject.to_owned()),
            Some(Some("administrator")) => Identity::Administrator(subject.to_owned()),
            _ => return Err(Revoked),
        };
        let fingerprint = fingerprint(&identity);
        let holder = Self::new(identity, fingerprint).ok_or(Revoked)?;
        // The claim is signed, and its holder can read it: timing reveals nothing.
        let is_same =
            holder.credential.as_deref() == claims.get(CREDENTIAL).and_then(Value::as_str);
        is_same.then_some(holder).ok_or(Revoked)
    }
}

fn binding(fingerprint: &[u8; 32]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, fingerprint);
    let tag = hmac::sign(&key, b"notary-server token");
    BASE64_URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
}

/// The fingerprint of the administrator, whose password is not hashed anywhere. Tokens show
/// something made of it: guessing the password from that has to be slow (the rounds are what OWASP
/// asks for).
pub(crate) fn administrator_fingerprint(administrator: &Credentials) -> [u8; 32] {
    const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("more than none");
    let salt = format!("notary-server administrator {}", administrator.user);
    let mut fingerprint = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        salt.as_bytes(),
        administrator.password.expose_secret().as_bytes(),
        &mut fingerprint,
    );
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(holder: &Holder) -> Map<String, Value> {
        let claims = holder.claims().into_iter();
        claims.map(|(name, value)| (name, value.into())).collect()
    }

    fn alice() -> Identity {
        Identity::User("alice".to_owned())
    }

    #[test]
    fn a_holder_is_recognized_while_the_password_is_the_same() {
        let holder = Holder::new(alice(), Some([1; 32])).unwrap();
        let again = |fingerprint| Holder::of_token("alice", &claims(&holder), |_| fingerprint);
        assert_eq!(again(Some([1; 32])), Ok(holder.clone()));
        assert_eq!(again(Some([2; 32])), Err(Revoked));
        assert_eq!(again(None), Err(Revoked));
    }

    #[test]
    fn a_token_without_its_claims_is_anonymous_and_never_a_user() {
        let none = Map::new();
        assert_eq!(
            Holder::of_token("alice", &none, |_| Some([1; 32])),
            Err(Revoked)
        );
        assert_eq!(
            Holder::of_token("", &none, |_| None),
            Ok(Holder::anonymous())
        );
        let mut claims = claims(&Holder::new(alice(), Some([1; 32])).unwrap());
        claims.remove(CREDENTIAL);
        assert_eq!(
            Holder::of_token("alice", &claims, |_| Some([1; 32])),
            Err(Revoked)
        );
        claims.insert(KIND.to_owned(), "god".into());
        assert_eq!(
            Holder::of_token("alice", &claims, |_| Some([1; 32])),
            Err(Revoked)
        );
    }

    #[test]
    fn a_user_named_as_the_administrator_stays_a_user() {
        let user = Holder::new(Identity::User("root".to_owned()), Some([1; 32])).unwrap();
        let again = Holder::of_token("root", &claims(&user), |_| Some([1; 32])).unwrap();
        assert_eq!(again.identity(), &Identity::User("root".to_owned()));
    }

    #[test]
    fn there_is_no_token_for_an_identity_without_a_password() {
        assert_eq!(Holder::new(alice(), None), None);
        let certificate = Identity::Certificate(vec!["a".to_owned()]);
        assert_eq!(Holder::new(certificate, Some([1; 32])), None);
    }
}
