//! Putting stored keys under another passphrase, while signers go on working with them.

use futures_util::{StreamExt, stream};
use tuf::PrivateKey;

use crate::{
    custody::encrypted::findings::Proven,
    error::KeyError,
    keys::Keys,
    keystore::{KeyId, ListedKey, Resealed, StoredKey},
    trial::AT_ONCE,
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

/// Puts all keys under `alias`: an interrupted run leaves each key either under the old alias or
/// under the new, and can be started again. A key that does not open is told to `progress` and
/// left as it is. Keys made meanwhile, under whatever alias, are among those that are moved.
pub async fn rotate_all(
    keys: &Keys,
    alias: &str,
    mut progress: impl FnMut(&Rotated, Option<KeyError>),
) -> Result<Rotated, KeyError> {
    // Found out before the first key instead of at each of them.
    keys.prove(alias).await?;
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
    if listed.alias == alias {
        return Ok(false);
    }
    let found = match KeyId::parse(&listed.id) {
        Some(id) => keys.store().find(&id).await?,
        None => None,
    };
    match found {
        Some(stored) => move_key(keys, stored, alias).await,
        None => Ok(false),
    }
}

/// Encrypts `stored` anew under `alias`; answers whether it had to be and was.
async fn move_key(keys: &Keys, stored: StoredKey, alias: &str) -> Result<bool, KeyError> {
    if stored.alias == alias {
        return Ok(false);
    }
    let key = keys.vault().open(stored.clone()).await?;
    loop {
        let proven = keys.prove(alias).await?;
        match reseal(keys, &stored, &key, &proven).await? {
            Resealed::Done => {
                keys.vault().proofs().confirm(&proven, &stored.id);
                return Ok(true);
            }
            Resealed::Stale => return Ok(false),
            // Somebody else changed which keys are under the alias: the passphrase has to be tried on those.
            Resealed::Baseless => keys.vault().proofs().forget_witness(alias),
        }
    }
}

/// Encrypts `key`, which is `stored`, with a `proven` passphrase.
async fn reseal(
    keys: &Keys,
    stored: &StoredKey,
    key: &PrivateKey,
    proven: &Proven,
) -> Result<Resealed, KeyError> {
    let envelope = keys.vault().seal(proven, key.to_stored()).await?;
    // The old envelope is given up only for one that opens.
    let sealed = StoredKey {
        alias: proven.alias().to_owned(),
        envelope: envelope.clone().into_bytes(),
        ..stored.clone()
    };
    let vault = keys.vault();
    vault.open_with(sealed, proven.passphrase()).await?;
    let (alias, basis) = (proven.alias(), proven.basis());
    Ok(keys
        .store()
        .reseal(stored, alias, &envelope, basis, keys.now())
        .await?)
}
