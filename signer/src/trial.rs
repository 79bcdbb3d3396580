//! Trying whether every key opens: those in the database, and those in a backup.

use std::io;

use archive::{ArchiveError, Incoming, Progress, ReadRow as _, Reader};
use futures_util::{StreamExt as _, stream};

use crate::{
    custody::{CustodyError, registry::Custodies},
    keys::Keys,
    keystore::{ArchivedKey, KeyId, ListedKey, StoreError, StoredKey},
};

/// How many rows are read at a time.
const PAGE: u16 = 200;
/// How many keys are under way at once: their rows are fetched while others are decrypted.
pub(crate) const AT_ONCE: usize = 8;

/// What was found in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many keys open and are what their rows say.
    pub usable: usize,
    /// How many do not.
    pub unusable: usize,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No caller can name it.
    #[error("its id is not one: 64 hex digits are expected")]
    MalformedId,
    /// It does not open, or is not the key that its row names.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens every key, and tells each to `progress` with what is wrong with it. Fails only if the
/// database does.
pub async fn check_all(
    keys: &Keys,
    mut progress: impl FnMut(&ListedKey, Option<Unusable>),
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
                Ok(true) => checked.usable += 1,
                // Deleted meanwhile.
                Ok(false) => {}
                Err(Unusable::Store(error)) => return Err(error),
                Err(error) => {
                    checked.unusable += 1;
                    progress(&listed, Some(error));
                    continue;
                }
            }
            progress(&listed, None);
        }
    }
}

/// Whether `listed` is still there; an error if it does not open.
async fn try_key(keys: &Keys, listed: &ListedKey) -> Result<bool, Unusable> {
    let id = KeyId::parse(&listed.id).ok_or(Unusable::MalformedId)?;
    let Some(stored) = keys.store().find(&id).await? else {
        return Ok(false);
    };
    keys.custodies().open(stored).await?;
    Ok(true)
}

/// What became of the keys in a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How many open, and are what their rows say.
    pub open: usize,
    /// How many are deleted: their rows only keep the ids taken.
    pub deleted: usize,
    /// How many are not in the backup: they never leave the device that their rows name.
    pub elsewhere: usize,
    /// Why the others do not open, a sentence each.
    pub faults: Vec<String>,
}

/// Reads an archive of keys to its end, and opens each key that `custodies` can restore from it.
///
/// # Errors
///
/// If the archive is not whole, or not one of keys.
pub async fn try_keys<R: io::Read + Send + 'static>(
    custodies: &Custodies,
    reader: Reader<R>,
    size: Option<u64>,
) -> Result<Tried, ArchiveError> {
    reader.expect(ArchivedKey::KIND)?;
    let (mut rows, reading) = archive::stream(reader, Progress::new("verifying", "keys", size));
    let mut outcomes = stream::poll_fn(|context| rows.poll_recv(context))
        .map(|incoming| outcome(custodies, incoming))
        .buffered(AT_ONCE);
    let mut tried = Tried::default();
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Outcome::Open => tried.open += 1,
            Outcome::Deleted => tried.deleted += 1,
            Outcome::Elsewhere => tried.elsewhere += 1,
            Outcome::Fault(fault) => tried.faults.push(fault),
            Outcome::End => {}
        }
    }
    drop(outcomes);
    reading.outcome().await?;
    Ok(tried)
}

enum Outcome {
    Open,
    Deleted,
    Elsewhere,
    Fault(String),
    End,
}

async fn outcome(custodies: &Custodies, incoming: Incoming<ArchivedKey>) -> Outcome {
    let Incoming::Row(key) = incoming else {
        return Outcome::End;
    };
    let key = *key;
    if key.deleted_at.is_some() {
        return Outcome::Deleted;
    }
    let name = format!("{} of {}", key.role.escape_debug(), key.gun.escape_debug());
    match try_stored(custodies, stored_key(key)).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Fault(format!("{error} (for the {name})")),
    }
}

fn stored_key(key: ArchivedKey) -> StoredKey {
    StoredKey {
        id: key.key_id,
        algorithm: key.algorithm,
        alias: key.passphrase_alias,
        public: key.public,
        private: key.private,
        gun: key.gun,
        role: key.role,
        used: key.last_used.is_some(),
    }
}

async fn try_stored(custodies: &Custodies, key: StoredKey) -> Result<Outcome, CustodyError> {
    let custody = custodies.of(&key)?;
    if !custody.is_restored_from_rows() {
        return Ok(Outcome::Elsewhere);
    }
    custody.open(key).await?;
    Ok(Outcome::Open)
}
