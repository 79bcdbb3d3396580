//! Why a request cannot be served.

use tuf::SigningError;

use crate::{custody::encrypted::cipher::VaultError, keystore::StoreError};

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error("there is no such key")]
    NotFound,
    /// The database is away; later the same request may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key is there and cannot be opened, or a new one cannot be put away.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No other key may be made before some have signed.
    #[error(
        "{0} keys wait for their first signature, and no more may (storage.max_pending_keys): many \
         repositories were begun and not published"
    )]
    TooManyPending(u32),
    /// The key could not sign, or not be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
}
