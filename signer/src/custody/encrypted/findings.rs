//! What was found out about passphrases: which one may encrypt, and which one may not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{custody::encrypted::passphrases::Passphrase, keystore::Basis};

/// How long a passphrase that was refused is not tried again: every request for a key would do so otherwise.
const PAUSE: Duration = Duration::from_secs(10);

/// A passphrase that keys may be encrypted with under its alias. It has no `Debug`.
pub struct Proven {
    alias: String,
    passphrase: Arc<Passphrase>,
    basis: Basis,
}

impl Proven {
    /// For [`crate::custody::encrypted::evidence::prove`] alone.
    pub(crate) fn new(alias: &str, passphrase: Arc<Passphrase>, basis: Basis) -> Self {
        Self {
            alias: alias.to_owned(),
            passphrase,
            basis,
        }
    }

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
pub(crate) enum Verdict {
    /// It opens this key.
    Opens(String),
    /// It did not open this key, a moment ago.
    Shut(String),
}

impl Verdict {
    /// Why the passphrase may encrypt, or the key for which it may not.
    pub(crate) fn basis(self) -> Result<Basis, String> {
        match self {
            Self::Opens(id) => Ok(Basis::Opens(id)),
            Self::Shut(id) => Err(id),
        }
    }
}

impl Proofs {
    /// Waits until nobody else finds out something.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What is known of `passphrase` without asking the database.
    pub(crate) fn look(
        &self,
        alias: &str,
        passphrase: &Passphrase,
        now: Instant,
    ) -> Option<Verdict> {
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

    /// `passphrase` opens key `witness`.
    pub(crate) fn remember(&self, alias: &str, passphrase: &Arc<Passphrase>, witness: &str) {
        let proven = Some(Opens {
            passphrase: Arc::clone(passphrase),
            witness: Some(witness.to_owned()),
        });
        let refused = None;
        self.known()
            .insert(alias.to_owned(), Known { proven, refused });
    }

    /// `passphrase` does not open key `id`.
    pub(crate) fn refuse(&self, alias: &str, passphrase: &Arc<Passphrase>, id: &str, at: Instant) {
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
    use crate::custody::encrypted::passphrases::Passphrases;

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
