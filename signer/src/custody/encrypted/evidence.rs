//! Whether a passphrase may encrypt: only one that opens what is stored under its alias.
//!
//! A passphrase can change under a running signer: a file is replaced, or another signer is started
//! with another one. Opening keys with a wrong one fails and harms nothing; encrypting with
//! it would make keys that do not open once the right one is back. So nothing is encrypted but with
//! a [`Proven`] passphrase, the very bytes that were tried on a stored key.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{
    super::CustodyError,
    cipher::{Cipher, RowError},
    envelope::EnvelopeError,
    findings::{Finding, Findings, Proven},
    passphrases::Passphrase,
};
use crate::keystore::{KeyId, KeyStore, Precondition, StoreError, StoredKey};

/// How many of the oldest and of the newest keys of an alias are tried before its passphrase is
/// called wrong: one damaged row must not look like that, nor must keys that were encrypted before
/// the passphrase was changed in place.
const TRIES: u16 = 3;
/// How many are tried if those are so damaged that they say nothing about any passphrase.
const MANY: u16 = 500;
/// How many are tried in any case: the oldest and the newest, so that it is noticed if the two
/// differ.
const ALWAYS: usize = 2;

/// What stored keys say about a passphrase.
pub(super) enum Evidence {
    /// It opens keys.
    Verified {
        /// The id of one that it opens.
        sample_key: String,
        /// What is wrong with one of the others that were tried.
        warning: Option<RowError>,
    },
    /// It does not open keys.
    Rejected {
        /// The id of a key that it does not open.
        key: String,
        /// How that failed.
        error: RowError,
    },
    /// Nothing: there are no keys, or all of them are damaged.
    Inconclusive {
        /// The ids of the damaged ones.
        keys: Vec<String>,
        /// What is wrong with one of them.
        warning: Option<RowError>,
    },
}

impl Evidence {
    /// What makes the passphrase safe to encrypt with at the moment of writing, or the key for
    /// which it is not.
    fn into_precondition(self) -> Result<Precondition, String> {
        match self {
            Self::Verified { sample_key, .. } => Ok(Precondition::KeyUnderAlias(sample_key)),
            Self::Inconclusive { keys, .. } => Ok(Precondition::NoKeyUnderAliasBut(keys)),
            Self::Rejected { key, .. } => Err(key),
        }
    }
}

/// Proves the passphrase that `alias` has at this moment. That costs nothing if it is the one that
/// was proven last; another one is tried on keys in `rows`.
///
/// # Errors
///
/// [`RowError::Unproven`] if it opens none of them, [`RowError::Unresolved`] if it is a reference.
pub(super) async fn prove(
    rows: &dyn KeyStore,
    cipher: &Cipher,
    findings: &Findings,
    alias: &str,
) -> Result<Proven, CustodyError> {
    let passphrase = cipher.passphrase(alias).await?;
    cipher.check_resolved(alias, &passphrase)?;
    let known = || findings.recall(alias, &passphrase, Instant::now());
    let mut finding = known();
    let mut turn = None;
    if finding.is_none() {
        // One after the other: those that waited find what was found.
        turn = Some(findings.wait_for_turn().await);
        finding = known();
    }
    let precondition = match finding {
        Some(Finding::Verified(sample_key)) => Ok(Precondition::KeyUnderAlias(sample_key)),
        Some(Finding::Rejected(key)) => Err(key),
        None => {
            let evidence = examine_present(rows, cipher, findings, alias, &passphrase).await?;
            evidence.into_precondition()
        }
    };
    drop(turn);
    let precondition = precondition.map_err(|key| cipher.unproven(alias, key))?;
    Ok(Proven::new(alias, passphrase, precondition))
}

/// [Examines](examine) the present passphrase of `alias`, and remembers the outcome. It does not
/// take the place of one that still opens keys, even if it opens some as well, left from an earlier
/// change in place.
pub(super) async fn examine_present(
    rows: &dyn KeyStore,
    cipher: &Cipher,
    findings: &Findings,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<Evidence, StoreError> {
    let mut evidence = examine(rows, cipher, alias, passphrase).await?;
    let before = findings.last_verified(alias);
    let before = before.filter(|before| !before.is_same(passphrase));
    if let (Evidence::Verified { .. }, Some(before)) = (&evidence, before)
        && let Evidence::Verified { sample_key, .. } = examine(rows, cipher, alias, &before).await?
    {
        let error = cipher.unproven(alias, sample_key.clone());
        evidence = Evidence::Rejected {
            key: sample_key,
            error,
        };
    }
    match &evidence {
        Evidence::Verified { sample_key, .. } => findings.verify(alias, passphrase, sample_key),
        Evidence::Rejected { key, .. } => findings.reject(alias, passphrase, key, Instant::now()),
        Evidence::Inconclusive { .. } => {}
    }
    Ok(evidence)
}

/// Whether the sample key of a remembered proof is there and still opens. This reads one key, where
/// finding others may read the whole table.
pub(super) async fn is_still_proven(
    rows: &dyn KeyStore,
    cipher: &Cipher,
    findings: &Findings,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<bool, StoreError> {
    let finding = findings.recall(alias, passphrase, Instant::now());
    let Some(Finding::Verified(sample_key)) = finding else {
        return Ok(false);
    };
    let Some(id) = KeyId::parse(&sample_key) else {
        return Ok(false);
    };
    match rows.find(&id).await? {
        Some(key) if key.alias == alias => Ok(cipher.open_with(key, passphrase).await.is_ok()),
        _ => Ok(false),
    }
}

/// Tries `passphrase` on some keys under `alias`. One that opens is enough: where keys were
/// encrypted with two passphrases already, it cannot be told which of them is right.
pub(super) async fn examine(
    rows: &dyn KeyStore,
    cipher: &Cipher,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<Evidence, StoreError> {
    let mut limit = TRIES;
    loop {
        let some = rows.under_alias(alias, limit).await?;
        let is_all = some.len() < 2 * usize::from(limit);
        let mut trial = Trial::default();
        for key in in_order_of_trial(some) {
            trial.add(cipher, key, passphrase).await;
            if trial.is_over() {
                break;
            }
        }
        match trial.evidence(is_all || limit == MANY) {
            // Nothing speaks against the passphrase only if all were tried.
            Some(Evidence::Inconclusive { mut keys, warning }) if !is_all => {
                let key = keys.pop().unwrap_or_default();
                let error = warning.unwrap_or_else(|| cipher.unproven(alias, key.clone()));
                return Ok(Evidence::Rejected { key, error });
            }
            Some(evidence) => return Ok(evidence),
            None => limit = MANY,
        }
    }
}

/// The oldest, the newest, and then the others, each once. `keys` are the oldest and, behind them,
/// as many of the newest.
fn in_order_of_trial(mut keys: Vec<StoredKey>) -> Vec<StoredKey> {
    if keys.len() > ALWAYS {
        let newest = keys.len() / 2;
        keys.swap(1, newest);
    }
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(key.id.clone()));
    keys
}

/// What trying one passphrase on several keys has shown so far.
#[derive(Default)]
struct Trial {
    tried: usize,
    opened: Option<String>,
    rejected: Option<(String, RowError)>,
    damaged: Option<RowError>,
    keys: Vec<String>,
}

impl Trial {
    async fn add(&mut self, cipher: &Cipher, key: StoredKey, passphrase: &Arc<Passphrase>) {
        let id = key.id.clone();
        self.tried += 1;
        self.keys.push(id.clone());
        match cipher.open_with(key, passphrase).await {
            Ok(_) => _ = self.opened.get_or_insert(id),
            Err(error @ RowError::WrongPassphrase { .. }) => {
                _ = self.rejected.get_or_insert((id, error));
            }
            Err(error) => {
                if is_passphrase_right(&error) {
                    _ = self.opened.get_or_insert(id);
                }
                _ = self.damaged.get_or_insert(error);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.opened.is_some() && self.tried >= ALWAYS
    }

    /// What is shown by now; `None` if more keys have to be tried.
    fn evidence(self, is_end: bool) -> Option<Evidence> {
        match (self.opened, self.rejected) {
            (Some(sample_key), rejected) => Some(Evidence::Verified {
                sample_key,
                warning: rejected.map(|(_, error)| error).or(self.damaged),
            }),
            (None, Some((key, error))) => Some(Evidence::Rejected { key, error }),
            (None, None) if is_end => Some(Evidence::Inconclusive {
                keys: self.keys,
                warning: self.damaged,
            }),
            (None, None) => None,
        }
    }
}

/// Whether the passphrase was right, although the key cannot be used.
fn is_passphrase_right(error: &RowError) -> bool {
    match error {
        RowError::Envelope { error, .. } => *error == EnvelopeError::Altered,
        RowError::Key { .. } | RowError::OtherKey { .. } => true,
        _ => false,
    }
}
