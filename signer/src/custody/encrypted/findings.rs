//! What was found out about passphrases: which one may encrypt, and which one may not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::passphrases::Passphrase;
use crate::keystore::Precondition;

/// How long a rejected passphrase is not tried again: every request for a key would do so
/// otherwise.
const PAUSE: Duration = Duration::from_secs(10);

/// A passphrase that keys may be encrypted with under its alias. It has no `Debug`.
pub struct Proven {
    alias: String,
    passphrase: Arc<Passphrase>,
    precondition: Precondition,
}

impl Proven {
    /// For [`prove`](super::evidence::prove) alone.
    pub(super) fn new(
        alias: &str,
        passphrase: Arc<Passphrase>,
        precondition: Precondition,
    ) -> Self {
        Self {
            alias: alias.to_owned(),
            passphrase,
            precondition,
        }
    }

    /// The alias.
    pub(super) fn alias(&self) -> &str {
        &self.alias
    }

    /// What must still be so when the key is written.
    pub(super) fn precondition(&self) -> &Precondition {
        &self.precondition
    }

    /// The bytes that were proven, whatever the alias's file says by now.
    pub(super) fn passphrase(&self) -> &Arc<Passphrase> {
        &self.passphrase
    }
}

/// What was found out about passphrases, by alias.
#[derive(Default)]
pub(super) struct Findings {
    known: Mutex<HashMap<String, Known>>,
    /// Held while one finds out something.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    verified: Option<Verified>,
    rejected: Option<Rejected>,
}

/// A passphrase that opens keys.
struct Verified {
    passphrase: Arc<Passphrase>,
    /// One of them, unless it is gone from the alias.
    sample_key: Option<String>,
}

/// A passphrase that opens none.
struct Rejected {
    passphrase: Arc<Passphrase>,
    /// One that it does not open.
    key: String,
    at: Instant,
}

/// What is known of a passphrase without asking the database.
pub(super) enum Finding {
    /// It opens this key.
    Verified(String),
    /// It did not open this key, a moment ago.
    Rejected(String),
}

impl Findings {
    /// Waits until no other task finds out something.
    pub(super) async fn wait_for_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What is known of `passphrase` without asking the database.
    pub(super) fn recall(
        &self,
        alias: &str,
        passphrase: &Passphrase,
        now: Instant,
    ) -> Option<Finding> {
        let all = self.lock();
        let known = all.get(alias)?;
        let verified = known.verified.as_ref();
        let verified = verified.filter(|verified| verified.passphrase.is_same(passphrase));
        if let Some(sample_key) = verified.and_then(|verified| verified.sample_key.clone()) {
            return Some(Finding::Verified(sample_key));
        }
        let rejected = known.rejected.as_ref()?;
        let is_fresh = now.saturating_duration_since(rejected.at) < PAUSE;
        (is_fresh && rejected.passphrase.is_same(passphrase))
            .then(|| Finding::Rejected(rejected.key.clone()))
    }

    /// The passphrase of `alias` that opened keys when it was last tried, if one did.
    pub(super) fn last_verified(&self, alias: &str) -> Option<Arc<Passphrase>> {
        let all = self.lock();
        Some(Arc::clone(&all.get(alias)?.verified.as_ref()?.passphrase))
    }

    /// Key `id` was put under its alias with `proven`: if that was the first, it is the sample key
    /// from now on.
    pub(super) fn confirm(&self, proven: &Proven, id: &str) {
        if matches!(proven.precondition, Precondition::NoKeyUnderAliasBut(_)) {
            self.verify(&proven.alias, &proven.passphrase, id);
        }
    }

    /// The sample key is gone from `alias`: the next use needs another proof.
    pub(super) fn forget_sample_key(&self, alias: &str) {
        let mut all = self.lock();
        let known = all.get_mut(alias);
        if let Some(verified) = known.and_then(|known| known.verified.as_mut()) {
            verified.sample_key = None;
        }
    }

    /// `passphrase` opens key `sample_key`.
    pub(super) fn verify(&self, alias: &str, passphrase: &Arc<Passphrase>, sample_key: &str) {
        let verified = Some(Verified {
            passphrase: Arc::clone(passphrase),
            sample_key: Some(sample_key.to_owned()),
        });
        let rejected = None;
        self.lock()
            .insert(alias.to_owned(), Known { verified, rejected });
    }

    /// `passphrase` does not open `key`.
    pub(super) fn reject(&self, alias: &str, passphrase: &Arc<Passphrase>, key: &str, at: Instant) {
        let mut all = self.lock();
        let known = all.entry(alias.to_owned()).or_default();
        let verified = known.verified.as_mut();
        // It was right once, and is no longer: only the other ones that it may open are left.
        if let Some(verified) = verified.filter(|known| known.passphrase.is_same(passphrase)) {
            verified.sample_key = None;
        }
        known.rejected = Some(Rejected {
            passphrase: Arc::clone(passphrase),
            key: key.to_owned(),
            at,
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
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
    fn a_rejected_passphrase_is_tried_again_after_a_pause_and_another_at_once() {
        let (findings, now) = (Findings::default(), Instant::now());
        let (wrong, other) = (passphrase(), passphrase());
        findings.reject("a", &wrong, "key", now);
        let is_known = |passphrase, later| findings.recall("a", passphrase, now + later).is_some();
        assert!(is_known(&wrong, Duration::ZERO));
        assert!(is_known(&wrong, PAUSE / 2));
        assert!(!is_known(&wrong, PAUSE));
        assert!(!is_known(&other, Duration::ZERO));
        assert!(findings.recall("b", &wrong, now).is_none(), "another alias");
    }

    #[test]
    fn a_proof_lasts_as_long_as_its_key_and_the_passphrase_beyond() {
        let (findings, now) = (Findings::default(), Instant::now());
        let (right, wrong) = (passphrase(), passphrase());
        findings.verify("a", &right, "key");
        findings.reject("a", &wrong, "key", now);
        let opens = |findings: &Findings| {
            let finding = findings.recall("a", &right, now + 100 * PAUSE);
            matches!(finding, Some(Finding::Verified(id)) if id == "key")
        };
        assert!(opens(&findings), "a rejection of another does not matter");
        findings.forget_sample_key("a");
        assert!(!opens(&findings));
        assert!(
            findings
                .last_verified("a")
                .is_some_and(|last| last.is_same(&right))
        );
    }
}
