//! What clients meet in a stored repository.

use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tuf::{ClientOutcome, FileRequest, Gun, MetadataFormat, Role, WalkError, walk};

use crate::{
    attempts::ATTEMPTS,
    memory::SnapshotLine,
    repository::LARGE_SNAPSHOT,
    store::{Head, StoreError, TrustStore},
};

/// The walk over what the store holds. Where others changed the repository during the walk, what it
/// found wrong may only be half of a change: it is walked again then.
pub async fn walk_stored(
    store: Arc<dyn TrustStore>,
    line: &SnapshotLine,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<Result<ClientOutcome, WalkError>, StoreError> {
    let mut head = store.head(gun).await?;
    for _ in 1..ATTEMPTS {
        let walked = walk_once(store.clone(), line, format(head.as_ref()), gun, now).await?;
        let newest = store.head(gun).await?;
        if walked.is_ok() || newest == head {
            return Ok(walked);
        }
        head = newest;
    }
    walk_once(store, line, format(head.as_ref()), gun, now).await
}

/// The format of the repository whose newest timestamp is `head`.
fn format(head: Option<&Head>) -> MetadataFormat {
    head.map_or_else(MetadataFormat::default, |head| head.format)
}

async fn walk_once(
    store: Arc<dyn TrustStore>,
    line: &SnapshotLine,
    format: MetadataFormat,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<Result<ClientOutcome, WalkError>, StoreError> {
    look(store, line, gun, move |gun, files| {
        walk(format, gun, files, now)
    })
    .await
}

/// Hands what the store holds of `gun` to `see`, which asks for one file after the other, off the
/// async threads. Where that is a large snapshot, it waits for its turn in `line`, and keeps it to
/// the end.
///
/// # Errors
///
/// If the store failed for one of the files; to `see`, that one was missing.
pub async fn look<T: Send + 'static>(
    store: Arc<dyn TrustStore>,
    line: &SnapshotLine,
    gun: &Gun,
    see: impl FnOnce(&Gun, &dyn Fn(&Role, FileRequest) -> Option<Bytes>) -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (runtime, line, gun) = (Handle::current(), line.clone(), gun.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let failure = std::cell::RefCell::new(None);
        let turn = std::cell::RefCell::new(None);
        let files = |role: &Role, wanted| {
            let found = runtime.block_on(read(store.as_ref(), &gun, role, wanted));
            let found = found.unwrap_or_else(|error| {
                failure.borrow_mut().get_or_insert(error);
                None
            });
            let is_large = found
                .as_ref()
                .is_some_and(|bytes| *role == Role::Snapshot && bytes.len() >= LARGE_SNAPSHOT);
            if is_large {
                turn.borrow_mut()
                    .get_or_insert_with(|| runtime.block_on(line.turn()));
            }
            found
        };
        let seen = see(&gun, &files);
        failure.into_inner().map_or(Ok(seen), Err)
    });
    looking.await.expect("looking at files does not panic")
}

async fn read(
    store: &dyn TrustStore,
    gun: &Gun,
    role: &Role,
    wanted: FileRequest,
) -> Result<Option<Bytes>, StoreError> {
    let found = match wanted {
        FileRequest::Newest if *role == Role::Timestamp => match store.head(gun).await? {
            Some(head) => store.by_checksum(gun, role, &head.sha256).await?,
            None => None,
        },
        FileRequest::Newest => store.before_version(gun, role, i64::MAX).await?,
        FileRequest::Version(version) => match i32::try_from(version) {
            Ok(version) => store.by_version(gun, role, version).await?,
            Err(_) => None,
        },
        FileRequest::Sha256(sha256) => store.by_checksum(gun, role, &sha256).await?,
    };
    Ok(found.map(|file| file.bytes))
}
