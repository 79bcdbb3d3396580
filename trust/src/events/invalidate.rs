//! Forgets what a change made untrue.

use std::sync::Arc;

use super::{Event, Subscriber, What};
use crate::cache::MetadataCache;

/// Keeps the memory of this process in step with the store.
pub(crate) struct Invalidation(pub(crate) Arc<MetadataCache>);

impl Subscriber for Invalidation {
    fn notice(&self, event: &Event<'_>) {
        let (cache, gun) = (&self.0, event.gun);
        match event.what {
            What::Published { files, .. } => match files.last() {
                Some(file) => {
                    cache.notice_timestamp(gun, file.version(), &file.checksums().sha256);
                }
                None => cache.doubt(gun),
            },
            What::Deleted { .. } => cache.forget(gun),
            // What failed changed nothing; if the database may have done it nevertheless, that was
            // noted where the database was asked.
            What::RenewalFailed(_)
            | What::KeyCreated(_)
            | What::KeyRotated(_)
            | What::Refused { .. } => {}
        }
    }
}
