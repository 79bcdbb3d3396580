//! What the passphrases at hand are good for: the question at the start, and every minute from then on.

use std::sync::Arc;

use crate::{
    custody::encrypted::cipher::VaultError,
    custody::encrypted::evidence::{Examined, examine, judge, still_proven},
    custody::encrypted::passphrases::Passphrase,
    keys::Keys,
    keystore::StoreError,
};

/// What is wrong.
#[derive(Debug, Default)]
pub struct Survey {
    /// Why this signer is of no use: the alias of new keys has no passphrase, or another one than its keys;
    /// or no key under any alias opens.
    pub faults: Vec<VaultError>,
    /// Aliases, one problem each, that do not keep this signer from being of use: it serves the keys of the
    /// others, and, where a passphrase was changed while it ran, those of this one as well.
    pub aliases: Vec<VaultError>,
    /// Keys that do not open although nothing is wrong with the passphrase of their alias.
    pub keys: Vec<VaultError>,
}

/// How an alias is doing.
enum State {
    /// Its passphrase opens keys.
    Opens,
    /// Nothing is known against its passphrase, for want of keys.
    New,
    /// Keys open and nothing is encrypted: its passphrase was changed while this signer ran, and the one
    /// before opens them; or it is a reference, with which they were encrypted by mistake.
    Changed(VaultError),
    /// It has no passphrase, or one that opens no key.
    Shut(VaultError),
}

/// Tries the passphrase of every alias in use, and of the alias of new keys, on stored keys. Those that open
/// some are [proven](crate::custody::encrypted::evidence) by it. Fails if the database does.
pub async fn survey(keys: &Keys) -> Result<Survey, StoreError> {
    let mut survey = Survey::default();
    let mut aliases = keys.aliases().await?;
    if !aliases.iter().any(|alias| alias == keys.default_alias()) {
        aliases.push(keys.default_alias().to_owned());
    }
    let (mut opens_any, mut shut) = (false, Vec::new());
    for alias in aliases {
        let (state, odd) = look_at(keys, &alias).await?;
        survey.keys.extend(odd);
        opens_any |= matches!(state, State::Opens | State::Changed(_));
        match state {
            State::Opens | State::New => {}
            State::Changed(problem) => survey.aliases.push(problem),
            State::Shut(problem) if alias == keys.default_alias() => survey.faults.push(problem),
            State::Shut(problem) => shut.push(problem),
        }
    }
    if opens_any {
        survey.aliases.extend(shut);
    } else {
        survey.faults.extend(shut);
    }
    Ok(survey)
}

/// How `alias` is doing, and what is wrong with one of its keys if others open.
async fn look_at(keys: &Keys, alias: &str) -> Result<(State, Option<VaultError>), StoreError> {
    let passphrase = match keys.vault().passphrase(alias).await {
        Ok(passphrase) => passphrase,
        Err(problem) => return Ok((State::Shut(problem), None)),
    };
    let unresolved = keys.vault().check_resolved(alias, &passphrase).err();
    if let Some(problem) = unresolved {
        let examined = examine(keys.store(), keys.vault(), alias, &passphrase).await?;
        let opens = matches!(examined, Examined::Opens { .. })
            || still_opens(keys, alias, &passphrase).await?;
        let state = if opens { State::Changed } else { State::Shut };
        return Ok((state(problem), None));
    }
    if !keys.store().is_indexed()
        && still_proven(keys.store(), keys.vault(), alias, &passphrase).await?
    {
        return Ok((State::Opens, None));
    }
    Ok(
        match judge(keys.store(), keys.vault(), alias, &passphrase).await? {
            Examined::Opens { odd, .. } => (State::Opens, odd),
            Examined::Silent { odd, .. } => (State::New, odd),
            Examined::Shut { id, error } => {
                if still_opens(keys, alias, &passphrase).await? {
                    let problem = keys.vault().unproven(alias, id);
                    (State::Changed(problem), None)
                } else {
                    (State::Shut(error), None)
                }
            }
        },
    )
}

/// Whether keys under `alias` open with the passphrase that it had before the present one.
async fn still_opens(
    keys: &Keys,
    alias: &str,
    present: &Arc<Passphrase>,
) -> Result<bool, StoreError> {
    let Some(before) = keys.vault().proofs().last(alias) else {
        return Ok(false);
    };
    if before.is_same(present) {
        return Ok(false);
    }
    let examined = examine(keys.store(), keys.vault(), alias, &before).await?;
    Ok(matches!(examined, Examined::Opens { .. }))
}
