//! The keys this server signs snapshots and timestamps with: held elsewhere, used through a trait.

mod local;
mod remote;

use std::sync::Arc;

use async_trait::async_trait;
use tuf::{Draft, File, Gun, KeyId, PublicKey, Role};

pub use local::LocalSigner;
pub use remote::{DEADLINE, RemoteSigner, RemoteSignerConfig};

/// Why a signer gave no key or no signature.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignerError {
    /// The signer holds no such key.
    #[error("the signer does not hold key {0}")]
    KeyNotFound(String),
    /// It cannot be reached, or not in time.
    #[error("the signer is unavailable: {0}")]
    Unavailable(String),
    /// It was reached and said no.
    #[error("the signer refused: {0}")]
    Refused(String),
    /// It answered something that cannot be right: an unusable key, a signature that does not verify.
    #[error("the signer gave a wrong answer: {0}")]
    BadAnswer(String),
}

/// Makes keys and signatures for a repository's snapshot and timestamp.
#[async_trait]
pub trait Signer: Send + Sync + 'static {
    /// A key for `role` of `gun` that has not signed yet: the same one until it does, where the
    /// signer can remember it.
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError>;

    /// The public half of a key this signer holds.
    ///
    /// # Errors
    ///
    /// [`SignerError::KeyNotFound`] only if the signer answered and does not hold it.
    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError>;

    /// A signature of `message` by a key this signer holds.
    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Whether keys and signatures can be had right now.
    async fn check(&self) -> Result<(), SignerError>;
}

/// Why a draft could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The signer holds too few of the keys that root names for the role.
    #[error("the signer holds too few of the keys of {0}")]
    KeysMissing(Role),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Has `draft` signed by as many of its keys as it takes.
///
/// A key that the signer does not hold is passed over, for another that root names may do.
pub async fn seal(signer: &Arc<dyn Signer>, draft: Draft) -> Result<File, SealError> {
    let needed = draft.threshold() as usize;
    let role = draft.role().clone();
    let mut signatures = Vec::new();
    for key in draft.keys() {
        if signatures.len() == needed {
            break;
        }
        let started = std::time::Instant::now();
        let outcome = signer.sign(key, draft.message()).await;
        observe(&role, started.elapsed(), &outcome);
        match outcome {
            Ok(signature) => signatures.push((key.id().clone(), signature)),
            Err(SignerError::KeyNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if signatures.len() < needed {
        return Err(SealError::KeysMissing(role));
    }
    draft
        .seal(signatures)
        .map_err(|error| SignerError::BadAnswer(error.to_string()).into())
}

fn observe<T>(role: &Role, took: std::time::Duration, outcome: &Result<T, SignerError>) {
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(SignerError::KeyNotFound(_)) => "key_not_found",
        Err(SignerError::Unavailable(_)) => "unavailable",
        Err(_) => "failed",
    };
    metrics::histogram!(
        "notary_server_signer_request_duration_seconds",
        "role" => role.as_str().to_owned(), "outcome" => outcome,
    )
    .record(took.as_secs_f64());
}
