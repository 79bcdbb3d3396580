//! Trying whether stored keys open with the passphrases at hand.

pub mod backup;

use futures_util::{StreamExt, stream};

use crate::{
    custody::encrypted::cipher::VaultError,
    keys::Keys,
    keystore::{KeyId, ListedKey, StoreError},
};

/// How many rows are read at a time.
const PAGE: u16 = 200;
/// How many keys are under way at once: their rows are fetched while others are decrypted.
pub(crate) const AT_ONCE: usize = 8;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys that open and are what their rows say.
    pub open: usize,
    /// Keys that do not.
    pub shut: usize,
}

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Shut {
    /// No caller can name it.
    #[error("its id is not one: 64 hex digits are expected")]
    Unnamable,
    /// It does not open, or is not the key that its row says.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens every key, and tells each to `progress` with what is wrong with it. Fails only if the
/// database does.
pub async fn check_all(
    keys: &Keys,
    mut progress: impl FnMut(&ListedKey, Option<Shut>),
) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    let mut after = 0;
    loop {
        let page = keys.store().list(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(checked);
        };
        after = last.row;
        let mut opened = stream::iter(page)
            .map(async |listed| (try_key(keys, &listed).await, listed))
            .buffered(AT_ONCE);
        while let Some((outcome, listed)) = opened.next().await {
            match outcome {
                Ok(true) => checked.open += 1,
                // Deleted meanwhile.
                Ok(false) => {}
                Err(Shut::Store(error)) => return Err(error),
                Err(error) => {
                    checked.shut += 1;
                    progress(&listed, Some(error));
                    continue;
                }
            }
            progress(&listed, None);
        }
    }
}

/// Whether `listed` is still there; an error if it does not open.
async fn try_key(keys: &Keys, listed: &ListedKey) -> Result<bool, Shut> {
    let id = KeyId::parse(&listed.id).ok_or(Shut::Unnamable)?;
    let Some(stored) = keys.store().find(&id).await? else {
        return Ok(false);
    };
    keys.vault().open(stored).await?;
    Ok(true)
}
