//! Keys: their names, their certificates, and what they sign and verify.

mod bundle;
mod certificate;
mod material;
mod name;
mod private;
mod public;
mod signature;

pub(crate) use bundle::Bundle;
pub(crate) use certificate::Certificate;
pub(crate) use material::Material;
pub use name::{KeyId, KeyType, Method};
pub use private::{KeyAlgorithm, PrivateKey, SigningError, StoredKeyError};
pub use public::PublicKey;
pub use signature::Signature;
