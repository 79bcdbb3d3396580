//! What tags meant before, and who moved them: computed from the versions that are stored,
//! whichever server took them.

use std::sync::Arc;

use time::OffsetDateTime;
use trust::store::{StoreError, StoredMetadata, TrustStore};
use tuf::{Gun, MetadataFormat, Role, TagChange, TagVersion};

use crate::Page;

/// How many versions are read for one page.
const VERSIONS: usize = 50;
/// How many tags of one version are named.
const MOST_NAMED: usize = 1_000;

/// Where a page of history ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    /// The role that comes next.
    pub role: Role,
    /// Only its versions below this one follow.
    pub below: i64,
}

impl Default for HistoryCursor {
    fn default() -> Self {
        Self {
            role: Role::Targets,
            below: i64::MAX,
        }
    }
}

/// A version of a role that changed tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it was stored.
    pub at: OffsetDateTime,
    /// Which role.
    pub role: String,
    /// Its version; `None` if it cannot be read. What was before that one is not told.
    pub version: Option<i64>,
    /// The ids of the keys that signed it.
    pub signed_by: Vec<String>,
    /// What became of tags, by name.
    pub changes: Vec<TagChange>,
    /// How many more it changed.
    pub unnamed: u64,
}

/// The versions that changed tags, or the tag `only`: role by role, the newest version first. A
/// page may be empty although more follow.
///
/// # Errors
///
/// If the database failed.
pub async fn history(
    store: &Arc<dyn TrustStore>,
    gun: &Gun,
    only: Option<&str>,
    after: HistoryCursor,
) -> Result<Page<Past, HistoryCursor>, StoreError> {
    let end = Page {
        rows: Vec::new(),
        next: None,
    };
    let Some(head) = store.head(gun).await? else {
        return Ok(end);
    };
    let HistoryCursor { role, mut below } = after;
    if !role.is_in_targets_tree() {
        return Ok(end);
    }
    let reader = Reader {
        store,
        gun,
        role: &role,
        format: head.format,
        only,
    };
    let mut rows = Vec::new();
    let mut newer = reader.below(below).await?;
    for _ in 0..VERSIONS {
        let Some((at, version)) = newer else {
            let next = next_role(store, gun, &role)
                .await?
                .map(|role| HistoryCursor {
                    role,
                    ..HistoryCursor::default()
                });
            return Ok(Page { rows, next });
        };
        let Some(version) = version.filter(|version| version.version() < below) else {
            rows.push(Past::unreadable(&role, at));
            newer = None;
            continue;
        };
        below = version.version();
        let older = reader.below(below).await?;
        let before = older.as_ref().and_then(|(_, before)| before.as_ref());
        let (named, unnamed) = name_changes(&version, before);
        // Beside one that cannot be read, everything would seem to be new.
        let is_known = older.as_ref().is_none_or(|(_, before)| before.is_some());
        if !named.is_empty() && is_known {
            let signed_by = version.signed_by().iter();
            rows.push(Past {
                at,
                role: role.as_str().to_owned(),
                version: Some(below),
                signed_by: signed_by.map(|id| id.as_str().to_owned()).collect(),
                changes: named,
                unnamed,
            });
        }
        newer = older;
    }
    // What was read last is read again.
    Ok(Page {
        rows,
        next: Some(HistoryCursor { role, below }),
    })
}

/// The first changes, and how many more there are.
fn name_changes(version: &TagVersion, before: Option<&TagVersion>) -> (Vec<TagChange>, u64) {
    let mut changes = version.changes_since(before);
    let named: Vec<_> = changes.by_ref().take(MOST_NAMED).collect();
    (named, changes.count() as u64)
}

/// The first role behind `role` that may list tags.
async fn next_role(
    store: &Arc<dyn TrustStore>,
    gun: &Gun,
    role: &Role,
) -> Result<Option<Role>, StoreError> {
    let mut next = store.role_after(gun, role).await?;
    while let Some(role) = &next
        && !role.is_in_targets_tree()
    {
        next = store.role_after(gun, role).await?;
    }
    Ok(next)
}

impl Past {
    fn unreadable(role: &Role, at: OffsetDateTime) -> Self {
        Self {
            at,
            role: role.as_str().to_owned(),
            version: None,
            signed_by: Vec::new(),
            changes: Vec::new(),
            unnamed: 0,
        }
    }
}

struct Reader<'r> {
    store: &'r Arc<dyn TrustStore>,
    gun: &'r Gun,
    role: &'r Role,
    format: MetadataFormat,
    only: Option<&'r str>,
}

impl Reader<'_> {
    /// The newest version below `below`, and when it was stored; in the place of one that cannot be
    /// read, there is none.
    async fn below(
        &self,
        below: i64,
    ) -> Result<Option<(OffsetDateTime, Option<TagVersion>)>, StoreError> {
        let found = self
            .store
            .before_version(self.gun, self.role, below)
            .await?;
        let Some(StoredMetadata { bytes, created_at }) = found else {
            return Ok(None);
        };
        let (format, role) = (self.format, self.role.clone());
        let only = self.only.map(ToOwned::to_owned);
        let read = move || TagVersion::read(format, &role, &bytes, only.as_deref());
        let version = tokio::task::spawn_blocking(read).await;
        let version = version.expect("reading a file does not panic");
        Ok(Some((created_at, version)))
    }
}
