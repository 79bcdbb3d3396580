//! Whether a passphrase may encrypt: only one that opens what is stored under its alias.
//!
//! A passphrase can change under a running signer, be it in a file that is replaced or in the start of
//! another signer. Opening keys with a wrong one fails and harms nothing; encrypting with it would make keys
//! that nobody can open once the right one is back. So nothing is encrypted but with a [`Proven`]
//! passphrase, the very octets that were tried on a stored key.

use std::{collections::HashSet, sync::Arc, time::Instant};

use crate::{
    custody::encrypted::cipher::{Vault, VaultError},
    custody::encrypted::envelope::EnvelopeError,
    custody::encrypted::findings::{Proven, Verdict},
    custody::encrypted::passphrases::Passphrase,
    error::KeyError,
    keystore::{Basis, KeyId, KeyStore, StoreError, StoredKey},
};

/// How many of the oldest and of the newest keys of an alias are tried before its passphrase is
/// called wrong: a single damaged row must not look like that, nor must keys of before the
/// passphrase was changed in place.
const TRIES: u16 = 3;
/// How many are looked at if those are so damaged that they say nothing about any passphrase.
const MANY: u16 = 500;
/// How many are tried in any case: the oldest and the newest, so that it is noticed if the two differ.
const ALWAYS: usize = 2;

/// Proves the passphrase that `alias` has at this moment. That costs nothing if it is the one that was
/// proven last; another one is tried on stored keys.
///
/// # Errors
///
/// [`VaultError::Unproven`] if it opens none of them, [`VaultError::Unresolved`] if it is a reference.
pub async fn prove(store: &dyn KeyStore, vault: &Vault, alias: &str) -> Result<Proven, KeyError> {
    let proofs = vault.proofs();
    let passphrase = vault.passphrase(alias).await?;
    vault.check_resolved(alias, &passphrase)?;
    let known = || proofs.look(alias, &passphrase, Instant::now());
    let mut verdict = known();
    let mut turn = None;
    if verdict.is_none() {
        // One after the other: who waited finds what was found out.
        turn = Some(proofs.turn().await);
        verdict = known();
    }
    let basis = if let Some(verdict) = verdict {
        verdict.basis()
    } else {
        judge(store, vault, alias, &passphrase).await?.basis()
    };
    drop(turn);
    let basis = basis.map_err(|id| vault.unproven(alias, id))?;
    Ok(Proven::new(alias, passphrase, basis))
}

/// What stored keys say about a passphrase.
pub(crate) enum Examined {
    /// It opens this one.
    Opens {
        /// The key's id.
        witness: String,
        /// What is wrong with one of the others that were tried.
        odd: Option<VaultError>,
    },
    /// It is another one.
    Shut {
        /// A key that it does not open.
        id: String,
        /// How that failed.
        error: VaultError,
    },
    /// Nothing: there are none, or all of them are damaged.
    Silent {
        /// Their ids.
        ids: Vec<String>,
        /// What is wrong with one of them.
        odd: Option<VaultError>,
    },
}

impl Examined {
    /// Why the passphrase may encrypt, or the key for which it may not.
    fn basis(self) -> Result<Basis, String> {
        match self {
            Self::Opens { witness, .. } => Ok(Basis::Opens(witness)),
            Self::Silent { ids, .. } => Ok(Basis::First { beside: ids }),
            Self::Shut { id, .. } => Err(id),
        }
    }
}

/// [`examine`]s, and remembers what came of it. A passphrase does not take the place of one that still opens
/// keys, even if it opens some as well, left from an earlier change in place.
pub(crate) async fn judge(
    store: &dyn KeyStore,
    vault: &Vault,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<Examined, StoreError> {
    let proofs = vault.proofs();
    let mut examined = examine(store, vault, alias, passphrase).await?;
    let before = proofs.last(alias);
    let before = before.filter(|before| !before.is_same(passphrase));
    if let (Examined::Opens { .. }, Some(before)) = (&examined, before)
        && let Examined::Opens { witness: id, .. } = examine(store, vault, alias, &before).await?
    {
        let error = vault.unproven(alias, id.clone());
        examined = Examined::Shut { id, error };
    }
    match &examined {
        Examined::Opens { witness, .. } => proofs.remember(alias, passphrase, witness),
        Examined::Shut { id, .. } => proofs.refuse(alias, passphrase, id, Instant::now()),
        Examined::Silent { .. } => {}
    }
    Ok(examined)
}

/// Whether the key on which the proof of `passphrase` rests is there and still opens: a look at one key, where
/// looking for others may be one at all.
pub(crate) async fn still_proven(
    store: &dyn KeyStore,
    vault: &Vault,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<bool, StoreError> {
    let verdict = vault.proofs().look(alias, passphrase, Instant::now());
    let Some(Ok(Basis::Opens(witness))) = verdict.map(Verdict::basis) else {
        return Ok(false);
    };
    let Some(id) = KeyId::parse(&witness) else {
        return Ok(false);
    };
    match store.find(&id).await? {
        Some(key) if key.alias == alias => Ok(vault.open_with(key, passphrase).await.is_ok()),
        _ => Ok(false),
    }
}

/// Tries `passphrase` on some keys under `alias`. One that opens is enough: where keys were encrypted with
/// two passphrases already, it cannot be told which of them is right.
pub(crate) async fn examine(
    store: &dyn KeyStore,
    vault: &Vault,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<Examined, StoreError> {
    let mut limit = TRIES;
    loop {
        let some = store.under_alias(alias, limit).await?;
        let is_all = some.len() < 2 * usize::from(limit);
        let mut trial = Trial::default();
        for key in in_order_of_trial(some) {
            trial.on(vault, key, passphrase).await;
            if trial.is_over() {
                break;
            }
        }
        match trial.outcome(is_all || limit == MANY) {
            // Nothing speaks against the passphrase only if all were asked.
            Some(Examined::Silent { mut ids, odd }) if !is_all => {
                let id = ids.pop().unwrap_or_default();
                let error = odd.unwrap_or_else(|| vault.unproven(alias, id.clone()));
                return Ok(Examined::Shut { id, error });
            }
            Some(examined) => return Ok(examined),
            None => limit = MANY,
        }
    }
}

/// The oldest, the newest, and then the others, each once. `keys` are the oldest and, behind them, as many of
/// the newest.
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
    opens: Option<String>,
    shut: Option<(String, VaultError)>,
    damaged: Option<VaultError>,
    ids: Vec<String>,
}

impl Trial {
    async fn on(&mut self, vault: &Vault, key: StoredKey, passphrase: &Arc<Passphrase>) {
        let id = key.id.clone();
        self.tried += 1;
        self.ids.push(id.clone());
        match vault.open_with(key, passphrase).await {
            Ok(_) => _ = self.opens.get_or_insert(id),
            Err(error @ VaultError::WrongPassphrase { .. }) => {
                _ = self.shut.get_or_insert((id, error));
            }
            Err(error) => {
                if was_unlocked(&error) {
                    _ = self.opens.get_or_insert(id);
                }
                _ = self.damaged.get_or_insert(error);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.opens.is_some() && self.tried >= ALWAYS
    }

    /// What is shown by now; `None` if more keys have to be asked.
    fn outcome(self, is_end: bool) -> Option<Examined> {
        let Self {
            opens,
            shut,
            damaged,
            ids,
            ..
        } = self;
        match (opens, shut) {
            (Some(witness), shut) => {
                let odd = shut.map(|(_, error)| error).or(damaged);
                Some(Examined::Opens { witness, odd })
            }
            (None, Some((id, error))) => Some(Examined::Shut { id, error }),
            (None, None) if is_end => Some(Examined::Silent { ids, odd: damaged }),
            (None, None) => None,
        }
    }
}

/// Whether the passphrase was right, although the key is of no use.
fn was_unlocked(error: &VaultError) -> bool {
    match error {
        VaultError::Envelope { error, .. } => *error == EnvelopeError::Altered,
        VaultError::Key { .. } | VaultError::OtherKey { .. } => true,
        _ => false,
    }
}
