//! The versions of one repository, as the changefeed tells of them.

use inventory::{HistoryCursor, Page as Piece, Past};
use time::OffsetDateTime;
use trust::store::Page;
use tuf::Gun;

use super::{MOST_ROWS, Overview, OverviewError, Sight};

/// A publish, a renewal or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// When it was stored.
    pub at: OffsetDateTime,
    /// The version of the timestamp that it made; `None` for a deletion.
    pub version: Option<i64>,
    /// The SHA-256 of that timestamp in hex; empty for a deletion.
    pub sha256: String,
}

impl Overview {
    /// The last versions of a repository, the newest first; none if `sight` does not show it.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn versions(
        &self,
        sight: &Sight,
        gun: &str,
        limit: u32,
    ) -> Result<Vec<Version>, OverviewError> {
        let turn = self.turn().await?;
        let Ok(gun) = Gun::parse(gun) else {
            return Ok(Vec::new());
        };
        if !sight.sees(gun.as_str()) {
            return Ok(Vec::new());
        }
        let page = Page::Before {
            id: None,
            limit: limit.clamp(1, MOST_ROWS),
        };
        let changes = turn.inner.store.changes(Some(&gun), page).await?;
        Ok(changes
            .into_iter()
            .rev()
            .map(|change| Version {
                version: (!change.is_deletion()).then_some(change.version),
                at: change.created_at,
                sha256: change.sha256,
            })
            .collect())
    }

    /// The versions that moved `tag`, from `after` on: role by role, the newest first. Only so many
    /// versions are compared at once: a piece may be empty, and still name the next one. `None` if
    /// `sight` does not show the repository.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn history(
        &self,
        sight: &Sight,
        gun: &str,
        tag: &str,
        after: HistoryCursor,
    ) -> Result<Option<Piece<Past, HistoryCursor>>, OverviewError> {
        let turn = self.turn().await?;
        let Some(gun) = Gun::parse(gun).ok().filter(|gun| sight.sees(gun.as_str())) else {
            return Ok(None);
        };
        let past = inventory::history(&turn.inner.store, &gun, Some(tag), after).await?;
        Ok(Some(past))
    }
}
