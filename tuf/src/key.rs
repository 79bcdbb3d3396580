//! Public keys and what they are called.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use ring::digest::{SHA256, digest};

use crate::{
    Method,
    certificate::Certificate,
    encoding::{base64, json},
    signature::Material,
};

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

/// A key's id as it stands in metadata. Only [`PublicKey::id`] is known to be the hash it claims to
/// be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// A public key, as a root or a delegation names it.
///
/// Cloning is cheap; what the bytes hold is read at the first signature and remembered.
#[derive(Clone)]
pub struct PublicKey(Arc<Contents>);

struct Contents {
    key_type: KeyType,
    /// `None` where a file has no bytes at all, which makes another id than empty ones.
    public: Option<Vec<u8>>,
    id: KeyId,
    material: OnceLock<Option<Material>>,
    certificate: OnceLock<Option<Box<Certificate>>>,
}

impl PublicKey {
    /// A key of `public` bytes, in the encoding that its type asks for; nothing is checked yet.
    #[must_use]
    pub fn new(key_type: KeyType, public: Vec<u8>) -> Self {
        Self::from_file(key_type, Some(public))
    }

    /// A key as found in a file, where the bytes may be missing.
    pub(crate) fn from_file(key_type: KeyType, public: Option<Vec<u8>>) -> Self {
        let id = KeyId::of(&key_type, public.as_deref());
        Self(Arc::new(Contents {
            key_type,
            public,
            id,
            material: OnceLock::new(),
            certificate: OnceLock::new(),
        }))
    }

    /// The id computed from type and bytes: SHA-256 of the key's canonical JSON, in lower case hex.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }

    /// How the bytes are encoded.
    #[must_use]
    pub fn key_type(&self) -> &KeyType {
        &self.0.key_type
    }

    /// The bytes, in the encoding that the type asks for.
    #[must_use]
    pub fn public_bytes(&self) -> &[u8] {
        self.0.public.as_deref().unwrap_or_default()
    }

    /// The key as the key endpoints answer it: `public` stands first, unlike in the text hashed for
    /// the id.
    #[must_use]
    pub fn document(&self) -> String {
        let mut key_type = Vec::new();
        json::write_string(self.key_type().as_str(), &mut key_type);
        let key_type = String::from_utf8(key_type).expect("a JSON string is UTF-8");
        let public = quoted(self.0.public.as_deref());
        format!(r#"{{"keytype":{key_type},"keyval":{{"public":{public},"private":null}}}}"#)
    }

    /// How the private half of this key signs metadata.
    #[must_use]
    pub fn signature_method(&self) -> Method {
        match self.key_type() {
            KeyType::Ecdsa | KeyType::EcdsaX509 => Method::Ecdsa,
            KeyType::Ed25519 => Method::EdDsa,
            KeyType::Rsa | KeyType::RsaX509 => Method::RsaPss,
            KeyType::Other(name) => Method::Other(name.clone()),
        }
    }

    /// Whether the bytes can be read as what the type promises, so that signatures could verify.
    ///
    /// P-256 and P-384 points and Ed25519 keys are checked for their form only, not for being on
    /// the curve, and RSA keys not for their size: a signature by such a key does not verify.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.material().is_some()
    }

    /// What makes this key the same as another one: the public key that it verifies with, or its id
    /// if it cannot be read.
    pub(crate) fn identity(&self) -> Vec<u8> {
        self.material()
            .map_or_else(|| self.id().as_str().into(), Material::identity)
    }

    /// The certificate that the bytes begin with, read once; `None` if they are in any other form.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.0
            .certificate
            .get_or_init(|| Certificate::of_key(self.public_bytes()).map(Box::new))
            .as_deref()
    }

    /// The bytes as a key to verify with, read once.
    pub(crate) fn material(&self) -> Option<&Material> {
        self.0
            .material
            .get_or_init(|| Material::read(self.key_type(), self.public_bytes()))
            .as_ref()
    }
}

/// Two keys are the same if their ids are: the id covers type and bytes.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("type", &self.0.key_type)
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
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
    fn of(key_type: &KeyType, public: Option<&[u8]>) -> Self {
        let mut text = b"{\"keytype\":".to_vec();
        crate::encoding::canonical::write_string(key_type.as_str(), &mut text);
        text.extend_from_slice(b",\"keyval\":{\"private\":null,\"public\":");
        text.extend_from_slice(quoted(public).as_bytes());
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
fn quoted(public: Option<&[u8]>) -> String {
    public.map_or_else(
        || "null".to_owned(),
        |bytes| format!("\"{}\"", base64::encode(bytes)),
    )
}
