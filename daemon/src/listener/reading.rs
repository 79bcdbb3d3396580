//! One answer that waits to be read, as the connection and the others that wait see it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One answer being read.
#[derive(Debug)]
pub(super) struct Reading {
    /// When a part of it was last written to the connection, in milliseconds of `since`.
    moved: AtomicU64,
    since: Instant,
    /// Ends the request: the stream in HTTP/2, the connection in HTTP/1.1.
    cut: CancellationToken,
}

impl Reading {
    pub(super) fn new(cut: CancellationToken) -> Self {
        Self {
            moved: AtomicU64::new(0),
            since: Instant::now(),
            cut,
        }
    }

    pub(super) fn last_moved(&self) -> Instant {
        self.since + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    pub(super) fn note(&self) {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(passed, Ordering::Relaxed);
    }
}
