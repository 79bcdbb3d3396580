//! What a publish leaves in memory: the next one, and readers, need not ask for it.

use std::sync::Arc;

use time::OffsetDateTime;
use tuf::{File, Gun, Role, SnapshotView, TimestampView};

use crate::{
    Repositories,
    cache::{Ticket, View},
    repository::open_view,
    store::{Head, StoredMetadata},
};

/// The largest file of a publish that is remembered at once; larger ones when they are first read.
const REMEMBERED_AT_ONCE: usize = 256 << 10;

/// Remembers what this process has just stored on top of `base`. `ticket` is from before the
/// publish began.
pub(super) fn remember_published(
    repositories: &Repositories,
    ticket: Ticket,
    gun: &Gun,
    base: Option<&Head>,
    files: &[File],
    now: OffsetDateTime,
) {
    let mut kept = Vec::new();
    for file in files {
        if file.bytes().len() <= REMEMBERED_AT_ONCE {
            // The bytes of a file that was sent are a part of the whole upload.
            let stored = StoredMetadata {
                bytes: bytes::Bytes::copy_from_slice(file.bytes()),
                created_at: now,
            };
            let sha256 = file.checksums().sha256;
            let cache = &repositories.cache;
            cache.keep_file(ticket, gun, file.role(), sha256, &stored);
            kept.push((file, stored));
        }
    }
    match published_view(&kept) {
        Some(view) => repositories
            .cache
            .keep_published(ticket, gun, base, &Arc::new(view)),
        None => repositories.cache.doubt(gun),
    }
}

/// The view that the timestamp among `files` opens, if its snapshot is among them too.
fn published_view(files: &[(&File, StoredMetadata)]) -> Option<View> {
    let of = |wanted: Role| files.iter().find(|(file, _)| *file.role() == wanted);
    let (file, timestamp) = of(Role::Timestamp)?;
    let (_, snapshot) = of(Role::Snapshot)?;
    let head = Head {
        sha256: file.checksums().sha256,
        version: file.version(),
        format: file.format(),
    };
    let opened = TimestampView::parse(head.format, &timestamp.bytes).ok()?;
    let listed = SnapshotView::parse(head.format, &snapshot.bytes).ok()?;
    Some(open_view(head, timestamp.clone(), &opened, listed))
}
