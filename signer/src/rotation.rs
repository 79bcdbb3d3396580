//! Putting stored keys under another passphrase.

use crate::{
    keys::{KeyError, Keys},
    keystore::{KeyId, StoredKey},
};

/// How many rows are read at a time.
const PAGE: u16 = 200;

/// What became of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Now under the new alias.
    pub moved: usize,
    /// Under the new alias already, or changed by somebody else meanwhile.
    pub untouched: usize,
    /// Left as they were because they do not open.
    pub failed: usize,
}

/// Puts the key called `id` under `alias`.
pub async fn rotate_one(keys: &Keys, id: &KeyId, alias: &str) -> Result<Rotated, KeyError> {
    let stored = keys.store().find(id).await?.ok_or(KeyError::NotFound)?;
    let mut rotated = Rotated::default();
    if move_key(keys, stored, alias).await? {
        rotated.moved = 1;
    } else {
        rotated.untouched = 1;
    }
    Ok(rotated)
}

/// Puts all keys under `alias`, one after the other: an interrupted run leaves each key either
/// under the old alias or under the new, and can be started again. A key that does not open is
/// told to `progress` and left as it is.
pub async fn rotate_all(
    keys: &Keys,
    alias: &str,
    mut progress: impl FnMut(&Rotated, Option<KeyError>),
) -> Result<Rotated, KeyError> {
    // Found out before the first key instead of at each of them.
    keys.vault()
        .passphrases()
        .get(alias)
        .map_err(crate::vault::VaultError::from)?;
    let mut rotated = Rotated::default();
    let mut after = 0;
    loop {
        let page = keys.store().list(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(rotated);
        };
        after = last.row;
        for listed in page {
            let problem = rotate_listed(keys, &listed.id, alias, &mut rotated).await?;
            progress(&rotated, problem);
        }
    }
}

/// Rotates one key of many; answers why it could not be, if the database is not to blame.
async fn rotate_listed(
    keys: &Keys,
    id: &str,
    alias: &str,
    rotated: &mut Rotated,
) -> Result<Option<KeyError>, KeyError> {
    let found = match KeyId::parse(id) {
        Some(id) => keys.store().find(&id).await?,
        None => None,
    };
    let Some(stored) = found else {
        rotated.untouched += 1;
        return Ok(None);
    };
    match move_key(keys, stored, alias).await {
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

/// Encrypts `stored` anew under `alias`; answers whether it had to be and was.
async fn move_key(keys: &Keys, stored: StoredKey, alias: &str) -> Result<bool, KeyError> {
    if stored.alias == alias {
        return Ok(false);
    }
    let key = keys.vault().open(stored.clone()).await?;
    let envelope = keys.vault().seal(alias, key.to_stored()).await?;
    Ok(keys
        .store()
        .reseal(&stored, alias, &envelope, keys.now())
        .await?)
}
