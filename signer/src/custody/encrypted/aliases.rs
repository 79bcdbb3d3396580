//! Checks the passphrase of each alias on stored keys: at the start, and every minute from then on.

use std::sync::Arc;

use super::{
    super::{CustodyError, Report},
    EncryptedRows,
    cipher::RowError,
    evidence::{self, Evidence},
    passphrases::Passphrase,
};
use crate::keystore::{KeyStore, StoreError};

/// How an alias is doing.
enum State {
    /// Its passphrase opens keys.
    Verified,
    /// There are no keys to try its passphrase on.
    Inconclusive,
    /// Keys open and nothing is encrypted: its passphrase was changed while this signer ran, and
    /// the one before opens them; or it is a reference, with which they were encrypted by mistake.
    Changed(RowError),
    /// It has no passphrase, or one that opens no key.
    Rejected(RowError),
}

/// Tries the passphrase of every alias in use, and of the alias of new keys if there may be any,
/// on keys in `rows`. Those that open some are proven by it. What was derived for other aliases is
/// wiped.
pub(super) async fn check(
    custody: &EncryptedRows,
    rows: &dyn KeyStore,
    takes_new_keys: bool,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut aliases = custody.aliases(rows).await?;
    let default = custody.default_alias();
    if takes_new_keys && !aliases.iter().any(|alias| alias == default) {
        aliases.push(default.to_owned());
    }
    custody.cipher.forget_unlisted(&aliases);
    let (mut opens_any, mut rejected) = (false, Vec::new());
    for alias in aliases {
        let (state, warning) = check_alias(custody, rows, &alias).await?;
        report.keys.extend(warning.map(CustodyError::from));
        report.advice.extend(custody.cipher.advice(&alias).await);
        opens_any |= matches!(state, State::Verified | State::Changed(_));
        match state {
            State::Verified | State::Inconclusive => {}
            State::Changed(problem) => report.warnings.push(problem.into()),
            State::Rejected(problem) if takes_new_keys && alias == default => {
                report.faults.push(problem.into());
            }
            State::Rejected(problem) => rejected.push(problem.into()),
        }
    }
    if opens_any {
        report.warnings.extend(rejected);
    } else {
        report.faults.extend(rejected);
    }
    Ok(report)
}

/// How `alias` is doing, and what is wrong with one of its keys if others open.
async fn check_alias(
    custody: &EncryptedRows,
    rows: &dyn KeyStore,
    alias: &str,
) -> Result<(State, Option<RowError>), StoreError> {
    let EncryptedRows {
        cipher, findings, ..
    } = custody;
    let passphrase = match cipher.passphrase(alias).await {
        Ok(passphrase) => passphrase,
        Err(problem) => return Ok((State::Rejected(problem), None)),
    };
    if let Err(problem) = cipher.check_resolved(alias, &passphrase) {
        let evidence = evidence::examine(rows, cipher, alias, &passphrase).await?;
        let opens = matches!(evidence, Evidence::Verified { .. })
            || opens_with_last(custody, rows, alias, &passphrase).await?;
        let state = if opens {
            State::Changed
        } else {
            State::Rejected
        };
        return Ok((state(problem), None));
    }
    if !rows.is_indexed()
        && evidence::is_still_proven(rows, cipher, findings, alias, &passphrase).await?
    {
        return Ok((State::Verified, None));
    }
    Ok(match custody.examine(rows, alias, &passphrase).await? {
        Evidence::Verified { warning, .. } => (State::Verified, warning),
        Evidence::Inconclusive { warning, .. } => (State::Inconclusive, warning),
        Evidence::Rejected { key, error } => {
            if opens_with_last(custody, rows, alias, &passphrase).await? {
                (State::Changed(cipher.unproven(alias, key)), None)
            } else {
                (State::Rejected(error), None)
            }
        }
    })
}

/// Whether keys under `alias` open with the passphrase that it had before the present one.
async fn opens_with_last(
    custody: &EncryptedRows,
    rows: &dyn KeyStore,
    alias: &str,
    present: &Arc<Passphrase>,
) -> Result<bool, StoreError> {
    let Some(last) = custody.findings.last_verified(alias) else {
        return Ok(false);
    };
    if last.is_same(present) {
        return Ok(false);
    }
    let evidence = evidence::examine(rows, &custody.cipher, alias, &last).await?;
    Ok(matches!(evidence, Evidence::Verified { .. }))
}
