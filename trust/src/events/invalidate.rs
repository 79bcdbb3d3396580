//! Forgets what a change made untrue.

use std::sync::Arc;

use super::{Attempt, Event, Failure, Subscriber, What};
use crate::{cache::MetadataCache, error::PublishError};

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
            // Where the connection was lost, it may have been done nevertheless.
            What::Deleted { .. }
            | What::Refused {
                attempt: Attempt::Delete,
                ..
            } => cache.forget(gun),
            What::RenewalFailed(_)
            | What::Refused {
                failure: Failure::Publish(PublishError::Store(_)),
                ..
            } => cache.doubt(gun),
            What::KeyCreated(_) | What::KeyRotated(_) | What::Refused { .. } => {}
        }
    }
}
