//! Making tokens.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use secrecy::SecretString;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{chain::certificate_key, public_key::PublicKey};
use crate::Access;

/// Claims that [`Claims`] has fields for; `other` must leave them alone.
const REGISTERED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access"];

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `iss`: who makes it.
    pub issuer: String,
    /// `sub`: the user that it names; empty for an anonymous caller.
    pub subject: String,
    /// `aud`: the service it is for.
    pub audience: String,
    /// `access`: what it grants; `None` leaves the claim out.
    pub access: Option<Vec<Access>>,
    /// `iat` and `nbf`.
    pub issued_at: OffsetDateTime,
    /// `exp`.
    pub expires: OffsetDateTime,
    /// `jti`: its own number.
    pub id: String,
    /// Further claims, by name.
    pub other: Vec<(String, String)>,
}

/// A P-256 key with the certificates that vouch for it.
pub struct Mint {
    key: EcdsaKeyPair,
    key_id: String,
    chain: Vec<Vec<u8>>,
    /// The same for every token, encoded.
    header: String,
}

/// A key that cannot sign, or claims that cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// Not PKCS#8 of a P-256 key.
    #[error("the key for tokens is not a P-256 key in PKCS#8")]
    Key,
    /// No certificate, or one that cannot be read.
    #[error("the key for tokens has no certificate")]
    NoCertificate,
    /// A certificate for another key.
    #[error("the first certificate is not that of the key for tokens")]
    OtherKey,
    /// A further claim that is already there.
    #[error("the claim `{0}` is there twice")]
    ClaimTwice(String),
    /// The system has no random numbers.
    #[error("there are no random numbers to sign with")]
    Random,
}

impl Mint {
    /// A mint with this key (PKCS#8, DER, P-256) and its certificate chain (DER, leaf first, the
    /// root left out).
    ///
    /// # Errors
    ///
    /// [`MintError`] if the key cannot be used, or is not that of the leaf.
    pub fn new(pkcs8: &[u8], chain: Vec<Vec<u8>>) -> Result<Self, MintError> {
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            pkcs8,
            &SystemRandom::new(),
        )
        .map_err(|_| MintError::Key)?;
        let leaf = chain.first().ok_or(MintError::NoCertificate)?;
        let public = certificate_key(leaf).map_err(|_| MintError::NoCertificate)?;
        if public != PublicKey::P256(key.public_key().as_ref().into()) {
            return Err(MintError::OtherKey);
        }
        let key_id = public.libtrust_id();
        let header = header(&key_id, &chain);
        Ok(Self {
            key,
            key_id,
            chain,
            header,
        })
    }

    /// A token with these claims: ES256, with `typ: JWT`, `kid` (libtrust form) and `x5c` in its
    /// header.
    ///
    /// # Errors
    ///
    /// [`MintError`] if the random number generator fails, or `other` has a claim twice or one that
    /// has a field of its own.
    pub fn sign(&self, claims: &Claims) -> Result<SecretString, MintError> {
        claims.check_names()?;
        let json = serde_json::to_vec(claims).expect("claims are strings, numbers and lists");
        let signed = [self.header.as_str(), &URL_SAFE_NO_PAD.encode(json)].join(".");
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| MintError::Random)?;
        let signature = Zeroizing::new(URL_SAFE_NO_PAD.encode(signature));
        Ok([signed.as_str(), signature.as_str()].join(".").into())
    }

    /// The certificate chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The libtrust key id of the key, `kid` of its tokens.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mint").field(&self.key_id).finish()
    }
}

fn header(key_id: &str, chain: &[Vec<u8>]) -> String {
    let x5c: Vec<_> = chain.iter().map(|der| STANDARD.encode(der)).collect();
    let header = json!({ "typ": "JWT", "alg": "ES256", "kid": key_id, "x5c": x5c });
    URL_SAFE_NO_PAD.encode(header.to_string())
}

impl Claims {
    /// A reader takes one of two members of the same name, and which one is uncertain.
    fn check_names(&self) -> Result<(), MintError> {
        let names: Vec<&str> = self.other.iter().map(|(name, _)| name.as_str()).collect();
        match names
            .iter()
            .enumerate()
            .find(|(at, name)| REGISTERED.contains(name) || names[..*at].contains(name))
        {
            Some((_, name)) => Err(MintError::ClaimTwice((*name).to_owned())),
            None => Ok(()),
        }
    }
}

/// The claims in an order that never changes.
impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", &self.issuer)?;
        map.serialize_entry("sub", &self.subject)?;
        map.serialize_entry("aud", &self.audience)?;
        map.serialize_entry("exp", &self.expires.unix_timestamp())?;
        map.serialize_entry("nbf", &self.issued_at.unix_timestamp())?;
        map.serialize_entry("iat", &self.issued_at.unix_timestamp())?;
        map.serialize_entry("jti", &self.id)?;
        if let Some(access) = &self.access {
            map.serialize_entry("access", access)?;
        }
        for (name, value) in &self.other {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
