//! Deleting a repository.

use time::OffsetDateTime;
use tuf::Gun;

use crate::{
    Repositories,
    events::{Attempt, Failure, Requester, What},
    store::StoreError,
};

/// Removes all trust data of exactly this GUN; removing what is not there succeeds.
pub async fn delete(
    repositories: &Repositories,
    gun: &Gun,
    requester: &Requester,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let deleted = repositories.remove(gun, now).await;
    let what = match &deleted {
        Ok(existed) => What::Deleted { existed: *existed },
        Err(error) => What::Refused {
            attempt: Attempt::Delete,
            failure: Failure::Store(error),
        },
    };
    repositories.events.tell(gun, requester, what);
    deleted.map(drop)
}
