//! From a line of the changefeed to events, by comparing the files that it is about with those
//! before: they stay stored as long as their repository.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use trust::{
    clients,
    memory::SnapshotLine,
    store::{Change, StoreError, TrustStore},
};
use tuf::{
    Difference, FileRequest, Gun, MetadataFormat, MovedTag, Named, Role, Signer, SnapshotView,
    StoredFile, Tag, TimestampView,
};

use crate::event::{self, Event, Kind};

/// What a line says, in the order in which receivers are told. None, if a server only renewed what
/// was about to expire.
///
/// Files of a repository that was deleted since are gone: then it is not known what the line
/// changed, and the event says so.
pub(crate) async fn events_of(
    store: &Arc<dyn TrustStore>,
    turns: &SnapshotLine,
    gun: &Gun,
    line: &Change,
) -> Result<Vec<Event>, StoreError> {
    if line.is_deletion() {
        return Ok(vec![event(line, Kind::Deleted, json!({}))]);
    }
    let comparison = compare(store, turns, gun, line).await?;
    Ok(tell(line, comparison))
}

fn event(line: &Change, kind: Kind, data: Value) -> Event {
    let (id, version) = (line.id.to_string(), line.version.to_string());
    Event {
        id: event::id(&[kind.name(), &id, &line.gun, &version, &line.sha256]),
        kind,
        gun: line.gun.clone(),
        time: line.created_at,
        data,
    }
}

/// What the files of a line say beside those before.
#[derive(Default)]
struct Comparison {
    /// Whether there were none before.
    is_first: bool,
    /// Whether any file of a publisher is another one.
    is_publish: bool,
    /// What is different about root.
    root: Difference,
    /// What is different about targets and delegations.
    targets: Difference,
}

/// `None` if files are missing, or not to be read.
async fn compare(
    store: &Arc<dyn TrustStore>,
    turns: &SnapshotLine,
    gun: &Gun,
    line: &Change,
) -> Result<Option<Comparison>, StoreError> {
    let Some(sha256) = hex::decode(&line.sha256)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
    else {
        return Ok(None);
    };
    let Some(head) = store.head(gun).await? else {
        return Ok(None);
    };
    let Some(new) = store.by_checksum(gun, &Role::Timestamp, &sha256).await? else {
        return Ok(None);
    };
    let before = store.before_version(gun, &Role::Timestamp, line.version);
    let old = before.await?.map(|stored| stored.bytes);
    let format = head.format;
    let compared = clients::look(Arc::clone(store), turns, gun, move |_, files| {
        compare_files(format, &new.bytes, old.as_ref(), files)
    });
    let compared = compared.await?;
    // A deletion in between makes everything look new, or missing.
    let is_there = store.holds(gun, &Role::Timestamp, &sha256).await?;
    Ok(compared.filter(|_| is_there))
}

fn compare_files(
    format: MetadataFormat,
    new: &Bytes,
    old: Option<&Bytes>,
    files: &dyn Fn(&Role, FileRequest) -> Option<Bytes>,
) -> Option<Comparison> {
    let snapshot = |timestamp: &Bytes| {
        let sha256 = TimestampView::parse(format, timestamp).ok()?;
        let bytes = files(&Role::Snapshot, FileRequest::Sha256(sha256.snapshot_sha256))?;
        SnapshotView::parse(format, &bytes).ok()
    };
    let new = snapshot(new)?;
    let old = match old {
        None => None,
        Some(old) => Some(snapshot(old)?),
    };
    let mut comparison = Comparison {
        is_first: old.is_none(),
        is_publish: old.is_none(),
        ..Comparison::default()
    };
    for name in new.listed.names() {
        let (Ok(role), Some(sha256)) = (Role::parse(name), new.listed.sha256(name)) else {
            continue;
        };
        if matches!(role, Role::Snapshot | Role::Timestamp) {
            continue;
        }
        let before = old.as_ref().and_then(|old| old.listed.sha256(name));
        if before == Some(sha256) {
            continue;
        }
        comparison.is_publish = true;
        let difference = if role == Role::Root {
            &mut comparison.root
        } else {
            &mut comparison.targets
        };
        let read = |sha256| {
            let bytes = files(&role, FileRequest::Sha256(sha256))?;
            Some(StoredFile::new(format, role.clone(), bytes))
        };
        let old = before.map(read);
        match (read(sha256), &old) {
            (Some(new), None) => difference.add(None, &new),
            (Some(new), Some(Some(old))) => difference.add(Some(old), &new),
            _ => difference.unreadable.push(role.clone()),
        }
    }
    Some(comparison)
}

fn tell(line: &Change, comparison: Option<Comparison>) -> Vec<Event> {
    let Some(comparison) = comparison else {
        let data = json!({
            "version": line.version,
            "sha256": line.sha256,
            "complete": false,
        });
        return vec![event(line, Kind::Published, data)];
    };
    if !comparison.is_publish {
        return Vec::new();
    }
    let Comparison { root, targets, .. } = &comparison;
    let unreadable = root.unreadable.iter().chain(&targets.unreadable);
    let unreadable: Vec<_> = unreadable.take(tuf::MOST_NAMED).map(Role::as_str).collect();
    let data = json!({
        "version": line.version,
        "sha256": line.sha256,
        "complete": unreadable.is_empty(),
        "first": comparison.is_first,
        "tags": {
            "added": list(&targets.added, tag),
            "added_count": targets.added.count,
            "moved": list(&targets.moved, moved_tag),
            "moved_count": targets.moved.count,
            "removed": list(&targets.removed, tag),
            "removed_count": targets.removed.count,
        },
        "unreadable_roles": unreadable,
    });
    let mut events = vec![event(line, Kind::Published, data)];
    if comparison.is_first {
        return events;
    }
    for (kind, difference) in [(Kind::KeyRotated, root), (Kind::SignersChanged, targets)] {
        let (added, removed) = (&difference.signers_added, &difference.signers_removed);
        if added.count + removed.count == 0 {
            continue;
        }
        let data = json!({
            "version": line.version,
            "added": list(added, signer),
            "added_count": added.count,
            "removed": list(removed, signer),
            "removed_count": removed.count,
        });
        events.push(event(line, kind, data));
    }
    events
}

fn list<T>(named: &Named<T>, show: impl Fn(&T) -> Value) -> Vec<Value> {
    named.first.iter().map(show).collect()
}

fn tag(Tag { role, name, digest }: &Tag) -> Value {
    json!({"role": role.as_str(), "name": name, "digest": digest.to_string()})
}

fn moved_tag(tag: &MovedTag) -> Value {
    json!({
        "role": tag.role.as_str(),
        "name": tag.name,
        "from": tag.from.to_string(),
        "to": tag.to.to_string(),
    })
}

fn signer(Signer { role, key_id }: &Signer) -> Value {
    json!({"role": role, "key_id": key_id.as_str()})
}
