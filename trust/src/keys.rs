//! The keys that vouch for a repository's snapshot and timestamp: the current one, or a new one
//! from the signer.

use std::time::Instant;

use tuf::{Gun, PublicKey, Role};

use crate::{
    Repositories,
    events::{Attempt, Failure, Key, Requester, What},
    repository::{self, ReadError},
    signer::{MAX_ASKED, PATIENCE, SignerError},
};

/// Why the current key of a role cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The root cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored root is not what it should be.
    #[error("{0}")]
    Damaged(tuf::Damaged),
    /// The root names more keys than the signer is asked about. It may hold one of the others,
    /// which a new key must not replace.
    #[error(
        "the stored root of {gun} names more than {MAX_ASKED} {role} keys, and the signer holds none \
         of the first {MAX_ASKED}; publish a root that names fewer"
    )]
    TooMany {
        /// The repository.
        gun: Gun,
        /// The role.
        role: Role,
    },
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// What a key is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The root that will name it is the first, or names none that the signer holds.
    First,
    /// The root that will name it names another one now.
    Rotation,
}

/// The current key for `role`: of those that root lists, the first that the signer holds; `None` if
/// there is none.
///
/// The signer's word that it does not hold a key is the only reason to pass it over: an outage must
/// not make a client exchange the key of a healthy repository.
pub async fn find_current(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
) -> Result<Option<PublicKey>, KeyError> {
    let Some(root) = repository::root(repositories, gun).await? else {
        return Ok(None);
    };
    let listed = tuf::role_keys(&root, role).map_err(KeyError::Damaged)?;
    let began = Instant::now();
    let more = listed.len() > MAX_ASKED;
    for key in listed.into_iter().take(MAX_ASKED) {
        if began.elapsed() > PATIENCE {
            return Err(SignerError::Unavailable(format!(
                "asking for the {role} keys took longer than {} seconds",
                PATIENCE.as_secs()
            ))
            .into());
        }
        match repositories.signer.public_key(key.id()).await {
            Ok(key) => return Ok(Some(key)),
            Err(SignerError::KeyNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if more {
        return Err(KeyError::TooMany {
            gun: gun.clone(),
            role: role.clone(),
        });
    }
    Ok(None)
}

/// Has the signer make a key for `role` that has not signed yet. It becomes current with a root
/// that names it.
pub async fn create(
    repositories: &Repositories,
    gun: &Gun,
    role: &Role,
    requester: &Requester,
    occasion: Occasion,
) -> Result<PublicKey, SignerError> {
    let made = repositories.signer.create_key(gun, role).await;
    let what = match (&made, occasion) {
        (Ok(key), Occasion::First) => What::KeyCreated(Key { role, id: key.id() }),
        (Ok(key), Occasion::Rotation) => What::KeyRotated(Key { role, id: key.id() }),
        (Err(error), occasion) => What::Refused {
            attempt: match occasion {
                Occasion::First => Attempt::CreateKey(role),
                Occasion::Rotation => Attempt::RotateKey(role),
            },
            failure: Failure::Signer(error),
        },
    };
    repositories.events.tell(gun, requester, what);
    made
}
