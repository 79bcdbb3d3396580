//! What keys and their signatures are called.

use std::{fmt, sync::Arc};

use ring::digest::{SHA256, digest};

use crate::encoding::{base64, canonical};

/// How a key's public bytes are encoded, and so what can be done with them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `ecdsa`: a DER subject public key info, on P-256, P-384 or P-521.
    Ecdsa,
    /// `ecdsa-x509`: a PEM certificate for such a key, possibly followed by intermediates.
    EcdsaX509,
    /// `ed25519`: 32 bytes.
    Ed25519,
    /// `rsa`: a DER subject public key info (in PEM for [`Method::PyCrypto`]), 2048 to 8192 bits.
    Rsa,
    /// `rsa-x509`: a PEM certificate for such a key, possibly followed by intermediates.
    RsaX509,
    /// Any other name; such keys are kept and never verify.
    Other(String),
}

/// A key's id as it stands in metadata. Only [`PublicKey::id`](crate::PublicKey::id) is known to be
/// the hash it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// How a signature was made, as metadata spells it (lower-cased when read).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `ecdsa`: over SHA-256 on every curve, as r and s of the curve's width, one after the other.
    Ecdsa,
    /// `eddsa`: plain Ed25519.
    EdDsa,
    /// `rsapss`: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    RsaPss,
    /// `rsapkcs1v15`: RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1v15,
    /// `pycrypto-pkcs#1 pss`: as `rsapss`, by a key of type `rsa` whose public bytes are PEM.
    PyCrypto,
    /// Anything else, which never verifies.
    Other(String),
}

impl KeyType {
    /// The name in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::RsaX509 => "rsa-x509",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for KeyType {
    fn from(name: &str) -> Self {
        match name {
            "ecdsa" => Self::Ecdsa,
            "ecdsa-x509" => Self::EcdsaX509,
            "ed25519" => Self::Ed25519,
            "rsa" => Self::Rsa,
            "rsa-x509" => Self::RsaX509,
            _ => Self::Other(name.to_owned()),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl KeyId {
    /// The id as text; lower case hex wherever it was computed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Hashes `{"keytype":T,"keyval":{"private":null,"public":B}}`, where `private` is null
    /// whatever the file says.
    pub(super) fn of(key_type: &KeyType, public: Option<&[u8]>) -> Self {
        let mut text = b"{\"keytype\":".to_vec();
        canonical::write_string(key_type.as_str(), &mut text);
        text.extend_from_slice(b",\"keyval\":{\"private\":null,\"public\":");
        text.extend_from_slice(quote(public).as_bytes());
        text.extend_from_slice(b"}}");
        Self(hex::encode(digest(&SHA256, &text)).into())
    }
}

impl From<&str> for KeyId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Public bytes as a JSON value.
pub(super) fn quote(public: Option<&[u8]>) -> String {
    public.map_or_else(
        || "null".to_owned(),
        |bytes| format!("\"{}\"", base64::encode(bytes)),
    )
}

impl Method {
    /// The name in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::EdDsa => "eddsa",
            Self::RsaPss => "rsapss",
            Self::RsaPkcs1v15 => "rsapkcs1v15",
            Self::PyCrypto => "pycrypto-pkcs#1 pss",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match name {
            "ecdsa" => Self::Ecdsa,
            "eddsa" => Self::EdDsa,
            "rsapss" => Self::RsaPss,
            "rsapkcs1v15" => Self::RsaPkcs1v15,
            "pycrypto-pkcs#1 pss" => Self::PyCrypto,
            _ => Self::Other(name.to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
