//! Whether a passphrase may encrypt: only one that opens what is stored under its alias.
//!
//! A passphrase can change under a running signer, be it in a file that is replaced or in the start of
//! another signer. Opening keys with a wrong one fails and harms nothing; encrypting with it would make keys
//! that nobody can open once the right one is back. So nothing is encrypted but with a [`Proven`]
//! passphrase, the very octets that were tried on a stored key.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    envelope::EnvelopeError,
    keys::{KeyError, Keys},
    keystore::{Basis, KeyStore, StoreError, StoredKey},
    passphrases::Passphrase,
    vault::{Vault, VaultError},
};

/// How many of the oldest and of the newest keys of an alias are tried before its passphrase is
/// called wrong: a single damaged row must not look like that, nor must keys of before the
/// passphrase was changed in place.
const TRIES: u16 = 3;
/// How many are looked at if those are so damaged that they say nothing about any passphrase.
const MANY: u16 = 500;
/// How many are tried in any case: the oldest and the newest, so that it is noticed if the two differ.
const ALWAYS: usize = 2;
/// How long a passphrase that was refused is not tried again: every request for a key would do so otherwise.
const PAUSE: Duration = Duration::from_secs(10);

/// A passphrase that keys may be encrypted with under its alias; only [`prove`] makes one. It has no `Debug`.
pub struct Proven {
    alias: String,
    passphrase: Arc<Passphrase>,
    basis: Basis,
}

impl Proven {
    /// The alias.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// What must still hold when the key is stored.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The octets that were proven, whatever the alias's file says by now.
    pub(crate) fn passphrase(&self) -> &Arc<Passphrase> {
        &self.passphrase
    }
}

/// Proves the passphrase that `alias` has at this moment. That costs nothing if it is the one that was
/// proven last; another one is tried on stored keys.
///
/// # Errors
///
/// [`VaultError::Unproven`] if it opens none of them.
pub async fn prove(keys: &Keys, alias: &str) -> Result<Proven, KeyError> {
    let (vault, proofs) = (keys.vault(), keys.vault().proofs());
    let passphrase = vault.passphrase(alias).await?;
    let known = || proofs.look(alias, &passphrase, Instant::now());
    let mut verdict = known();
    let mut turn = None;
    if verdict.is_none() {
        // One after the other: who waited finds what was found out.
        turn = Some(proofs.turn.lock().await);
        verdict = known();
    }
    let basis = if let Some(verdict) = verdict {
        verdict.basis()
    } else {
        judge(keys, alias, &passphrase).await?.basis()
    };
    drop(turn);
    let basis = basis.map_err(|id| vault.unproven(alias, id))?;
    Ok(Proven {
        alias: alias.to_owned(),
        passphrase,
        basis,
    })
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
    keys: &Keys,
    alias: &str,
    passphrase: &Arc<Passphrase>,
) -> Result<Examined, StoreError> {
    let (store, vault, proofs) = (keys.store(), keys.vault(), keys.vault().proofs());
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

/// What was found out about passphrases, by alias.
#[derive(Default)]
pub(crate) struct Proofs {
    known: Mutex<HashMap<String, Known>>,
    /// Who finds out something.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    proven: Option<Opens>,
    refused: Option<Refused>,
}

/// A passphrase that opens keys.
struct Opens {
    passphrase: Arc<Passphrase>,
    /// One of them, unless it is gone from the alias.
    witness: Option<String>,
}

/// A passphrase that opens none.
struct Refused {
    passphrase: Arc<Passphrase>,
    /// One that it does not open.
    id: String,
    at: Instant,
}

/// What is known of a passphrase without asking the database.
enum Verdict {
    /// It opens this key.
    Opens(String),
    /// It did not open this key, a moment ago.
    Shut(String),
}

impl Verdict {
    /// Why the passphrase may encrypt, or the key for which it may not.
    fn basis(self) -> Result<Basis, String> {
        match self {
            Self::Opens(id) => Ok(Basis::Opens(id)),
            Self::Shut(id) => Err(id),
        }
    }
}

impl Proofs {
    fn look(&self, alias: &str, passphrase: &Passphrase, now: Instant) -> Option<Verdict> {
        let all = self.known();
        let known = all.get(alias)?;
        let is_proven = |proven: &&Opens| proven.passphrase.is_same(passphrase);
        let proven = known.proven.as_ref().filter(is_proven);
        if let Some(witness) = proven.and_then(|proven| proven.witness.clone()) {
            return Some(Verdict::Opens(witness));
        }
        let refused = known.refused.as_ref()?;
        let is_fresh = now.saturating_duration_since(refused.at) < PAUSE;
        (is_fresh && refused.passphrase.is_same(passphrase))
            .then(|| Verdict::Shut(refused.id.clone()))
    }

    /// The passphrase of `alias` that opened keys when it was last tried, if one did.
    pub(crate) fn last(&self, alias: &str) -> Option<Arc<Passphrase>> {
        let all = self.known();
        Some(Arc::clone(&all.get(alias)?.proven.as_ref()?.passphrase))
    }

    /// A key was put under its alias with `proven`: what rested on nothing rests on that key now.
    pub(crate) fn confirm(&self, proven: &Proven, id: &str) {
        if matches!(proven.basis, Basis::First { .. }) {
            self.remember(&proven.alias, &proven.passphrase, id);
        }
    }

    /// The key on which the proof rested is gone from `alias`: the next use needs another proof.
    pub(crate) fn forget_witness(&self, alias: &str) {
        if let Some(proven) = self
            .known()
            .get_mut(alias)
            .and_then(|it| it.proven.as_mut())
        {
            proven.witness = None;
        }
    }

    fn remember(&self, alias: &str, passphrase: &Arc<Passphrase>, witness: &str) {
        let proven = Some(Opens {
            passphrase: Arc::clone(passphrase),
            witness: Some(witness.to_owned()),
        });
        let refused = None;
        self.known()
            .insert(alias.to_owned(), Known { proven, refused });
    }

    fn refuse(&self, alias: &str, passphrase: &Arc<Passphrase>, id: &str, at: Instant) {
        let mut all = self.known();
        let known = all.entry(alias.to_owned()).or_default();
        let proven = known.proven.as_mut();
        // It was right once, and is no longer: only the other ones that it may open are left.
        if let Some(proven) = proven.filter(|proven| proven.passphrase.is_same(passphrase)) {
            proven.witness = None;
        }
        known.refused = Some(Refused {
            passphrase: Arc::clone(passphrase),
            id: id.to_owned(),
            at,
        });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passphrases::Passphrases;

    fn passphrase() -> Arc<Passphrase> {
        let random = Passphrases::ephemeral("a").unwrap();
        Arc::new(random.get("a").unwrap())
    }

    #[test]
    fn a_refused_passphrase_is_tried_again_after_a_pause_and_another_at_once() {
        let (proofs, now) = (Proofs::default(), Instant::now());
        let (wrong, other) = (passphrase(), passphrase());
        proofs.refuse("a", &wrong, "key", now);
        let is_known = |passphrase, later| proofs.look("a", passphrase, now + later).is_some();
        assert!(is_known(&wrong, Duration::ZERO));
        assert!(is_known(&wrong, PAUSE / 2));
        assert!(!is_known(&wrong, PAUSE));
        assert!(!is_known(&other, Duration::ZERO));
        assert!(proofs.look("b", &wrong, now).is_none(), "another alias");
    }

    #[test]
    fn a_proof_lasts_as_long_as_its_key_and_the_passphrase_beyond() {
        let (proofs, now) = (Proofs::default(), Instant::now());
        let (right, wrong) = (passphrase(), passphrase());
        proofs.remember("a", &right, "key");
        proofs.refuse("a", &wrong, "key", now);
        let opens = |proofs: &Proofs| matches!(proofs.look("a", &right, now + 100 * PAUSE), Some(Verdict::Opens(id)) if id == "key");
        assert!(opens(&proofs), "a refusal of another does not matter");
        proofs.forget_witness("a");
        assert!(!opens(&proofs));
        assert!(proofs.last("a").is_some_and(|last| last.is_same(&right)));
    }
}
