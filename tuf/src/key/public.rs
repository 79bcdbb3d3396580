//! Public keys.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    certificate::Certificate,
    material::Material,
    name::{KeyId, KeyType, Method, quote},
};
use crate::encoding::json;

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
        let public = quote(self.0.public.as_deref());
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

    /// Whether `signature` is this key's, made over `message` by `method`.
    #[must_use]
    pub fn verifies(&self, method: &Method, message: &[u8], signature: &[u8]) -> bool {
        self.material()
            .is_some_and(|material| material.verifies(method, message, signature))
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
