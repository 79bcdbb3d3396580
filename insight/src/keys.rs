//! Who signs: keys over all repositories, and what one key may sign.

use std::collections::BTreeSet;

use inventory::{Signature, SignatureCursor};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Listed, MOST_ROWS, Overview, OverviewError, STATEMENT, Sight, Turn, cursor::Manner};

/// How many rows are read with one statement.
const BATCH: u32 = 1_000;

/// How many rows are looked at for one page: they are short.
const MOST_LOOKED_AT: u32 = 20_000;

/// How many roles of a key are named.
const MOST_ROLES: usize = 20;

/// A key, and how much it may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySummary {
    /// The id of the key.
    pub key_id: String,
    /// The kind of key.
    pub algorithm: String,
    /// Whom its certificate names; `None` for a bare key.
    pub certificate: Option<String>,
    /// The last second of its certificate.
    #[serde(with = "time::serde::timestamp::option")]
    pub expires: Option<OffsetDateTime>,
    /// The names of roles that it may sign for, in some repository: the first ones that were found.
    pub roles: BTreeSet<String>,
    /// Whether there are more.
    pub has_more_roles: bool,
    /// In how many repositories.
    pub repositories: u64,
}

/// A key, and a part of what it may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRoles {
    /// The id of the key.
    pub key_id: String,
    /// The kind of key.
    pub algorithm: String,
    /// Whom its certificate names; `None` for a bare key.
    pub certificate: Option<String>,
    /// The last second of its certificate.
    pub expires: Option<OffsetDateTime>,
    /// Repository and role.
    pub signs: Listed<(String, String)>,
}

/// Where a page of keys ended: maybe within a key.
#[derive(Serialize, Deserialize)]
struct Place {
    at: SignatureCursor,
    /// What was counted of that key, and the repository that was counted last.
    begun: Option<(KeySummary, String)>,
}

impl Overview {
    /// A page of all keys that may sign for something that `sight` shows, by id.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn signers(
        &self,
        sight: &Sight,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Listed<KeySummary>, OverviewError> {
        let turn = self.turn().await?;
        let about = "signers";
        let place = turn.open(about, after).await?;
        let limit = limit.clamp(1, MOST_ROWS) as usize;
        let (rows, next) = turn.count_keys(sight, place, limit).await?;
        Ok(Listed {
            rows,
            next: turn.seal(about, next).await?,
        })
    }

    /// What a key may sign, of what `sight` shows: a page of it. `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn key(
        &self,
        sight: &Sight,
        key_id: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<KeyRoles>, OverviewError> {
        let turn = self.turn().await?;
        let about = format!("key {key_id:?}");
        let at = turn.open(&about, after).await?;
        let limit = limit.clamp(1, MOST_ROWS) as usize;
        let (found, next) = turn.find_roles(sight, key_id, at, limit).await?;
        let Some(first) = found.first() else {
            return Ok(None);
        };
        Ok(Some(KeyRoles {
            key_id: key_id.to_owned(),
            algorithm: first.algorithm.clone(),
            certificate: first.certificate.clone(),
            expires: first.expires,
            signs: Listed {
                next: turn.seal(&about, next).await?,
                rows: found.into_iter().map(|one| (one.gun, one.role)).collect(),
            },
        }))
    }
}

impl KeySummary {
    fn of(signature: &Signature) -> Self {
        Self {
            key_id: signature.key_id.clone(),
            algorithm: signature.algorithm.clone(),
            certificate: signature.certificate.clone(),
            expires: signature.expires,
            roles: BTreeSet::new(),
            has_more_roles: false,
            repositories: 0,
        }
    }

    fn add(&mut self, signature: &Signature, is_another_repository: bool) {
        self.repositories += u64::from(is_another_repository);
        if self.roles.contains(&signature.role) {
            return;
        }
        if self.roles.len() < MOST_ROLES {
            self.roles.insert(signature.role.clone());
        } else {
            self.has_more_roles = true;
        }
    }
}

impl Turn<'_> {
    /// Counts what keys may sign, key by key.
    async fn count_keys(
        &self,
        sight: &Sight,
        place: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<KeySummary>, Option<(Place, Manner)>), OverviewError> {
        let (mut at, mut begun) = match place {
            Some(place) => (place.at, place.begun),
            None => Default::default(),
        };
        let mut keys: Vec<KeySummary> = Vec::new();
        // The last row that was counted for one of `keys`, or for what is begun.
        let mut counted = at.clone();
        let mut looked_at = 0;
        loop {
            let page = self.tables.signatures(&at, BATCH).await;
            let page = self.settle(page).await?;
            looked_at += u32::try_from(page.rows.len())
                .unwrap_or(u32::MAX)
                .max(STATEMENT);
            for signature in page.rows.iter().filter(|row| sight.sees(&row.gun)) {
                begun = match begun.take() {
                    Some((mut key, gun)) if key.key_id == signature.key_id => {
                        key.add(signature, gun != signature.gun);
                        Some((key, signature.gun.clone()))
                    }
                    other => {
                        keys.extend(other.map(|(key, _)| key));
                        if keys.len() == limit {
                            let place = Place {
                                at: counted,
                                begun: None,
                            };
                            return Ok((keys, Some((place, Manner::Same))));
                        }
                        let mut key = KeySummary::of(signature);
                        key.add(signature, true);
                        Some((key, signature.gun.clone()))
                    }
                };
                counted = SignatureCursor::behind(signature);
            }
            let Some(next) = page.next else {
                keys.extend(begun.map(|(key, _)| key));
                return Ok((keys, None));
            };
            at = next;
            if looked_at >= MOST_LOOKED_AT {
                return Ok((keys, Some((Place { at, begun }, Manner::Unlike))));
            }
        }
    }

    /// What a key may sign, at most `limit` rows. The first one is searched for to the end: whether
    /// a key is known must not depend on what its reader may not see.
    async fn find_roles(
        &self,
        sight: &Sight,
        key_id: &str,
        at: Option<SignatureCursor>,
        limit: usize,
    ) -> Result<(Vec<Signature>, Option<(SignatureCursor, Manner)>), OverviewError> {
        let mut at = at.unwrap_or_default();
        let mut found: Vec<Signature> = Vec::new();
        let mut looked_at = 0;
        for range in sight.ranges("") {
            if at.is_behind_all(&range) {
                continue;
            }
            loop {
                if looked_at >= MOST_LOOKED_AT && !found.is_empty() {
                    return Ok((found, Some((at, Manner::Unlike))));
                }
                let page = self.tables.signatures_of(key_id, &range, &at, BATCH).await;
                let page = self.settle(page).await?;
                looked_at += u32::try_from(page.rows.len())
                    .unwrap_or(u32::MAX)
                    .max(STATEMENT);
                for signature in page.rows.into_iter().filter(|row| sight.sees(&row.gun)) {
                    if found.len() == limit {
                        let last = found.last().map(SignatureCursor::behind);
                        return Ok((found, last.map(|last| (last, Manner::Same))));
                    }
                    found.push(signature);
                }
                let Some(next) = page.next else { break };
                at = next;
            }
            at = SignatureCursor::behind_all(&range);
        }
        Ok((found, None))
    }
}
