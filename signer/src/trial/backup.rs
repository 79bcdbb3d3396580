//! Trying whether the keys of a backup open.

use std::io;

use archive::{ArchiveError, Incoming, KeyRow, Kind, Progress, Reader, Row};
use futures_util::{StreamExt as _, stream};

use crate::{custody::encrypted::cipher::Vault, keystore::StoredKey, trial::AT_ONCE};

/// What became of the keys in a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How many open, and are what their rows say.
    pub open: usize,
    /// How many are deleted: their rows only keep the ids taken, and nobody uses them.
    pub deleted: usize,
    /// Why the others do not open, a sentence each.
    pub faults: Vec<String>,
}

/// Reads an archive of keys to its end, and opens each key with the passphrases of `vault`.
///
/// # Errors
///
/// If the archive is not whole, or not one of keys.
pub async fn try_keys<R: io::Read + Send + 'static>(
    vault: &Vault,
    reader: Reader<R>,
    size: Option<u64>,
) -> Result<Tried, ArchiveError> {
    reader.expect(Kind::Keys)?;
    let (mut rows, reading) = archive::stream(reader, Progress::new("verifying", "keys", size));
    let mut outcomes = stream::poll_fn(|context| rows.poll_recv(context))
        .map(|incoming| outcome(vault, incoming))
        .buffered(AT_ONCE);
    let mut tried = Tried::default();
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Outcome::Open => tried.open += 1,
            Outcome::Deleted => tried.deleted += 1,
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
    Fault(String),
    End,
}

async fn outcome(vault: &Vault, incoming: Incoming) -> Outcome {
    let Incoming::Row(row) = incoming else {
        return Outcome::End;
    };
    let key = match *row {
        Row::Key(key) => key,
        row => return Outcome::Fault(format!("row {} is no key", row.id())),
    };
    if key.deleted_at.is_some() {
        return Outcome::Deleted;
    }
    let name = format!("{} of {}", key.role.escape_debug(), key.gun.escape_debug());
    match vault.open(stored(key)).await {
        Ok(_) => Outcome::Open,
        Err(error) => Outcome::Fault(format!("{error} (for the {name})")),
    }
}

fn stored(key: KeyRow) -> StoredKey {
    StoredKey {
        id: key.key_id,
        algorithm: key.algorithm,
        alias: key.passphrase_alias,
        public: key.public,
        envelope: key.private,
        gun: key.gun,
        role: key.role,
        used: key.last_used.is_some(),
    }
}
