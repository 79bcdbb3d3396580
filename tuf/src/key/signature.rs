//! A signature as a file holds it.

use super::name::{KeyId, Method};

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key that is said to have signed.
    pub key_id: KeyId,
    /// How it was made.
    pub method: Method,
    /// The signature itself, in the form that `method` says.
    pub bytes: Vec<u8>,
}
