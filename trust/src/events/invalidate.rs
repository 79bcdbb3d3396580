//! Forgets what a deletion made untrue.

use std::sync::Arc;

use super::{Event, Subscriber, What};
use crate::cache::MetadataCache;

/// Keeps the memory of this process in step with the store.
pub(crate) struct Invalidation(pub(crate) Arc<MetadataCache>);

impl Subscriber for Invalidation {
    fn notice(&self, event: &Event<'_>) {
        if let What::Deleted { .. } = event.what {
            self.0.forget(event.gun);
        }
    }
}
