//! The keys this server signs snapshots and timestamps with: held elsewhere, used through a trait.

mod local;
mod origin;
mod remote;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
pub use local::LocalSigner;
pub(crate) use origin::{NewKeyError, check_new_keys};
pub use remote::{DEADLINE, Diagnosis, RemoteSigner, RemoteSignerConfig};
use tuf::{Draft, File, Gun, KeyId, Pair, PublicKey, Role};

tokio::task_local! {
    /// The id of the request that is being answered; calls to the signer carry it.
    pub static REQUEST_ID: Arc<str>;
}

/// Why a signer gave no key or no signature.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignerError {
    /// The signer holds no such key.
    #[error("the signer does not hold key {0}")]
    KeyNotFound(String),
    /// It cannot be reached, or not in time.
    #[error("the signer is unavailable: {0}")]
    Unavailable(String),
    /// It makes no more keys before some of those that it made have signed.
    #[error("the signer makes no more keys for now: {0} (its setting storage.max_pending_keys)")]
    Full(String),
    /// It was reached and said no.
    #[error("the signer refused: {0}")]
    Refused(String),
    /// It answered something that cannot be right: an unusable key, a signature that does not
    /// verify.
    #[error("the signer gave a wrong answer: {0}")]
    BadAnswer(String),
}

/// What a key was made for, as far as the signer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The key's id.
    pub id: String,
    /// The repository; empty if the signer does not know.
    pub gun: String,
    /// The role; empty if the signer does not know.
    pub role: String,
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

    /// What the keys among `ids` that this signer holds were made for; the others are left out.
    async fn origins(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError>;

    /// A signature of `message` by a key this signer holds.
    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// The signatures of a snapshot and of its timestamp by one call; `None` if this signer makes
    /// one at a time.
    async fn sign_both(&self, _pair: &Pair) -> Result<Option<[Vec<u8>; 2]>, SignerError> {
        Ok(None)
    }

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

/// How many of a role's keys the signer is asked about. A new root may name no more; an older one
/// that names thousands must not keep a signer busy for minutes.
pub const MAX_ASKED: usize = 100;

/// How long the calls for one role may take together.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Has `draft` signed by as many of its keys as it takes.
///
/// A key that the signer does not hold is passed over, for another that root names may do.
///
/// # Errors
///
/// [`SealError::KeysMissing`] if the signer holds too few of the first [`MAX_ASKED`] keys.
pub async fn seal(signer: &Arc<dyn Signer>, draft: Draft) -> Result<File, SealError> {
    let needed = draft.threshold() as usize;
    let role = draft.role().clone();
    if needed > MAX_ASKED {
        return Err(SealError::KeysMissing(role));
    }
    let mut signatures = Vec::new();
    let began = Instant::now();
    for key in draft.keys().iter().take(MAX_ASKED) {
        if signatures.len() == needed {
            break;
        }
        if began.elapsed() > PATIENCE {
            return Err(SignerError::Unavailable(format!(
                "the signatures of the {role} took longer than {} seconds",
                PATIENCE.as_secs()
            ))
            .into());
        }
        let started = Instant::now();
        let outcome = signer.sign(key, draft.message()).await;
        observe(role.as_str(), started.elapsed(), &outcome);
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

/// Has `snapshot` signed, and the draft that `timestamp` makes of its file: by one call if the
/// signer can, and each by itself otherwise.
///
/// # Errors
///
/// Those of [`seal`].
pub async fn seal_both(
    signer: &Arc<dyn Signer>,
    snapshot: Draft,
    timestamp: impl Fn(&File) -> Draft + Send + Sync,
) -> Result<[File; 2], SealError> {
    if let Some(files) = seal_by_one_call(signer, &snapshot, &timestamp).await? {
        return Ok(files);
    }
    let snapshot = seal(signer, snapshot).await?;
    let timestamp = seal(signer, timestamp(&snapshot)).await?;
    Ok([snapshot, timestamp])
}

/// Both files, made here from the signatures; `None` if they have to be asked for one by one.
async fn seal_by_one_call(
    signer: &Arc<dyn Signer>,
    snapshot: &Draft,
    timestamp: &(impl Fn(&File) -> Draft + Send + Sync),
) -> Result<Option<[File; 2]>, SealError> {
    let Some(pair) = Pair::plan(snapshot, timestamp) else {
        return Ok(None);
    };
    let started = Instant::now();
    let outcome = match signer.sign_both(&pair).await {
        Ok(None) => return Ok(None),
        Ok(Some(signatures)) => Ok(signatures),
        Err(error) => Err(error),
    };
    observe(BOTH, started.elapsed(), &outcome);
    let [first, second] = match outcome {
        // Which of the keys, and whether another one would do, shows when each is asked for.
        Err(SignerError::KeyNotFound(_)) => return Ok(None),
        outcome => outcome?,
    };
    let wrong = |error: tuf::SealError| SignerError::BadAnswer(error.to_string());
    let snapshot = snapshot.clone().seal(vec![(pair.snapshot_key, first)]);
    let snapshot = snapshot.map_err(wrong)?;
    let timestamp = timestamp(&snapshot).seal(vec![(pair.timestamp_key, second)]);
    let timestamp = timestamp.map_err(wrong)?;
    Ok(Some([snapshot, timestamp]))
}

/// What the metric calls a call that signs for both roles.
const BOTH: &str = "both";

fn observe<T>(role: &str, took: Duration, outcome: &Result<T, SignerError>) {
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(SignerError::KeyNotFound(_)) => "key_not_found",
        Err(SignerError::Unavailable(_)) => "unavailable",
        Err(_) => "failed",
    };
    metrics::histogram!(
        "notary_server_signer_request_duration_seconds",
        "role" => role.to_owned(), "outcome" => outcome,
    )
    .record(took.as_secs_f64());
}
