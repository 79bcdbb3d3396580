//! Putting stored keys under another passphrase, while signers go on working with them.

use futures_util::{StreamExt, stream};

use crate::{
    custody::custody_name,
    keys::{KeyError, Keys},
    keystore::{KeyId, ListedKey, StoredKey},
    trial::AT_ONCE,
};

/// How many rows are read at a time.
const PAGE: u16 = 200;

/// What became of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Now under the new alias.
    pub moved: usize,
    /// Under the new alias already, or changed by another program meanwhile.
    pub untouched: usize,
    /// Left as they were because they do not open.
    pub failed: usize,
}

/// Puts the key called `id` under `alias`.
pub async fn rotate_one(keys: &Keys, id: &KeyId, alias: &str) -> Result<Rotated, KeyError> {
    let stored = keys.store().find(id).await?.ok_or(KeyError::NotFound)?;
    let mut rotated = Rotated::default();
    if reseal(keys, stored, alias).await? {
        rotated.moved = 1;
    } else {
        rotated.untouched = 1;
    }
    Ok(rotated)
}

/// Puts all keys under `alias`: an interrupted run leaves each key either under the old alias or
/// under the new, and can be started again. A key that does not open is told to `progress` and
/// left as it is. Keys made meanwhile, under whatever alias, are among those that are moved.
pub async fn rotate_all(
    keys: &Keys,
    alias: &str,
    mut progress: impl FnMut(&Rotated, Option<KeyError>),
) -> Result<Rotated, KeyError> {
    // Found out before the first key instead of at each of them.
    keys.custodies()
        .encrypted()
        .prove(keys.store(), alias)
        .await?;
    let mut rotated = Rotated::default();
    let mut after = 0;
    loop {
        let page = keys.store().list(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(rotated);
        };
        after = last.row;
        let mut moves = stream::iter(page)
            .map(async |listed| rotate_listed(keys, &listed, alias).await)
            .buffered(AT_ONCE);
        while let Some(moved) = moves.next().await {
            let problem = note(&mut rotated, moved)?;
            progress(&rotated, problem);
        }
    }
}

/// Counts one key of many; answers why it was left, if the database is not to blame.
fn note(
    rotated: &mut Rotated,
    moved: Result<bool, KeyError>,
) -> Result<Option<KeyError>, KeyError> {
    match moved {
        Ok(true) => rotated.moved += 1,
        Ok(false) => rotated.untouched += 1,
        Err(error @ KeyError::Store(_)) => return Err(error),
        Err(error) => {
            rotated.failed += 1;
            return Ok(Some(error));
        }
    }
    Ok(None)
}

/// Rotates one key of many; answers whether it had to be and was.
async fn rotate_listed(keys: &Keys, listed: &ListedKey, alias: &str) -> Result<bool, KeyError> {
    // Keys that live elsewhere have no passphrase.
    if listed.alias == alias || custody_name(&listed.alias).is_some() {
        return Ok(false);
    }
    let found = match KeyId::parse(&listed.id) {
        Some(id) => keys.store().find(&id).await?,
        None => None,
    };
    match found {
        Some(stored) => reseal(keys, stored, alias).await,
        None => Ok(false),
    }
}

/// Encrypts `stored` under the passphrase of `alias`; answers whether it had to be and was.
async fn reseal(keys: &Keys, stored: StoredKey, alias: &str) -> Result<bool, KeyError> {
    let encrypted = keys.custodies().encrypted();
    let resealed = encrypted.reseal(keys.store(), stored, alias, keys.now());
    Ok(resealed.await?)
}
