//! Keys derived from passphrases: few, kept while their passphrase is that of its alias, and wiped
//! when they go.
//!
//! Deriving one takes milliseconds on purpose. What is written shares a salt, so that making keys,
//! and opening them after a restart, costs one derivation for thousands of rows and not one each.
//! ARCHITECTURE.md says why that is as safe.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    envelope::{Derivation, EnvelopeError, WrappingKey},
    passphrases::Passphrase,
};

/// How many derived keys are kept.
const MOST: usize = 64;
/// How many keys are written with one salt.
const KEYS_PER_SALT: u32 = 10_000;
/// The longest salt that is kept, in bytes: a row may hold any.
const LONGEST_SALT: usize = 64;

/// Derived keys in memory.
pub(super) struct DerivedKeys {
    limits: Limits,
    state: Mutex<State>,
    /// Held while a key for writing is derived: the others need the same one.
    turn_to_derive: Mutex<()>,
    runs: AtomicU64,
}

#[derive(Clone, Copy)]
struct Limits {
    most: usize,
    keys_per_salt: u32,
}

#[derive(Default)]
struct State {
    aliases: HashMap<String, OfAlias>,
    kept: HashMap<(String, Derivation), Kept>,
    /// Counts uses, to tell which was longest ago.
    uses: u64,
}

/// What belongs to the present passphrase of an alias.
struct OfAlias {
    passphrase: Arc<Passphrase>,
    /// What new rows are written with.
    writing: Option<Writing>,
}

struct Writing {
    derivation: Derivation,
    /// How many more rows.
    left: u32,
}

struct Kept {
    key: Arc<WrappingKey>,
    used: u64,
}

impl Default for DerivedKeys {
    fn default() -> Self {
        Self::with(Limits {
            most: MOST,
            keys_per_salt: KEYS_PER_SALT,
        })
    }
}

impl DerivedKeys {
    fn with(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            turn_to_derive: Mutex::default(),
            runs: AtomicU64::default(),
        }
    }

    /// How often a key was derived.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Takes note of the present passphrase of `alias`. If it is another one than before, all that
    /// was derived from that is wiped.
    pub(super) fn note_present(&self, alias: &str, passphrase: &Arc<Passphrase>) {
        let mut state = self.state();
        if state.has_present(alias, passphrase) {
            return;
        }
        state.kept.retain(|(of, _), _| of != alias);
        let of_alias = OfAlias {
            passphrase: Arc::clone(passphrase),
            writing: None,
        };
        state.aliases.insert(alias.to_owned(), of_alias);
    }

    /// Wipes all that belongs to the passphrase of `alias`, which cannot be had any more.
    pub(super) fn forget(&self, alias: &str) {
        self.state().retain(|of| of != alias);
    }

    /// Wipes all that belongs to aliases other than `listed`: no key is under those any more.
    pub(super) fn forget_unlisted(&self, listed: &[String]) {
        self.state()
            .retain(|of| listed.iter().any(|alias| alias == of));
    }

    /// The key that `derivation` gives, if it is kept.
    pub(super) fn recall(
        &self,
        alias: &str,
        passphrase: &Passphrase,
        derivation: &Derivation,
    ) -> Option<Arc<WrappingKey>> {
        let mut state = self.state();
        if !state.has_present(alias, passphrase) {
            return None;
        }
        state.find(alias, derivation)
    }

    /// Derives a key. Takes long.
    pub(super) fn derive(
        &self,
        passphrase: &Passphrase,
        derivation: &Derivation,
    ) -> Arc<WrappingKey> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        derivation.derive(passphrase.bytes())
    }

    /// Keeps a derived key that opened an envelope, unless the passphrase is not the present one of
    /// `alias`. The one that was longest unused makes room.
    pub(super) fn keep(
        &self,
        alias: &str,
        passphrase: &Passphrase,
        derivation: Derivation,
        key: Arc<WrappingKey>,
    ) {
        if derivation.salt_length() > LONGEST_SALT {
            return;
        }
        let mut state = self.state();
        if state.has_present(alias, passphrase) {
            state.keep(alias, derivation, key, self.limits.most);
        }
    }

    /// What the next row of `alias` is written with, if that takes no derivation.
    pub(super) fn take_for_writing(
        &self,
        alias: &str,
        passphrase: &Passphrase,
    ) -> Option<(Derivation, Arc<WrappingKey>)> {
        let mut state = self.state();
        let derivation = state.writing(alias, passphrase)?.derivation.clone();
        let key = state.find(alias, &derivation)?;
        state.writing(alias, passphrase)?.left -= 1;
        Some((derivation, key))
    }

    /// The same, deriving a key if it takes one. Takes long then.
    pub(super) fn derive_for_writing(
        &self,
        alias: &str,
        passphrase: &Passphrase,
        rounds: NonZeroU32,
    ) -> Result<(Derivation, Arc<WrappingKey>), EnvelopeError> {
        let turn = self.turn_to_derive.lock();
        let _turn = turn.unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.take_for_writing(alias, passphrase) {
            return Ok(found);
        }
        let pushed_out = self
            .state()
            .writing(alias, passphrase)
            .map(|writing| writing.derivation.clone());
        let derivation = match pushed_out {
            Some(derivation) => derivation,
            None => Derivation::generate(rounds)?,
        };
        let key = self.derive(passphrase, &derivation);
        let mut state = self.state();
        if state.has_present(alias, passphrase) {
            state.keep(
                alias,
                derivation.clone(),
                Arc::clone(&key),
                self.limits.most,
            );
            state.begin_writing(alias, derivation.clone(), self.limits.keys_per_salt);
        }
        Ok((derivation, key))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps what belongs to the aliases that `keeps` names.
    fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.aliases.retain(|alias, _| keeps(alias));
        self.kept.retain(|(alias, _), _| keeps(alias));
    }

    /// Whether `passphrase` is the present one of `alias`.
    fn has_present(&self, alias: &str, passphrase: &Passphrase) -> bool {
        let present = self.aliases.get(alias);
        present.is_some_and(|present| present.passphrase.is_same(passphrase))
    }

    fn find(&mut self, alias: &str, derivation: &Derivation) -> Option<Arc<WrappingKey>> {
        self.uses += 1;
        let kept = self.kept.get_mut(&(alias.to_owned(), derivation.clone()))?;
        kept.used = self.uses;
        Some(Arc::clone(&kept.key))
    }

    fn keep(&mut self, alias: &str, derivation: Derivation, key: Arc<WrappingKey>, most: usize) {
        let name = (alias.to_owned(), derivation);
        if self.kept.len() >= most && !self.kept.contains_key(&name) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.kept.remove(&oldest);
            }
        }
        self.uses += 1;
        let used = self.uses;
        self.kept.insert(name, Kept { key, used });
    }

    /// What rows of `alias` are written with, if there are more to be.
    fn writing(&mut self, alias: &str, passphrase: &Passphrase) -> Option<&mut Writing> {
        let of_alias = self.aliases.get_mut(alias)?;
        let writing = of_alias.writing.as_mut()?;
        (writing.left > 0 && of_alias.passphrase.is_same(passphrase)).then_some(writing)
    }

    /// One row is about to be written with `derivation`; so many rows share it.
    fn begin_writing(&mut self, alias: &str, derivation: Derivation, most: u32) {
        if let Some(of_alias) = self.aliases.get_mut(alias) {
            let writing = of_alias.writing.as_ref();
            let same = writing.filter(|writing| writing.derivation == derivation);
            let left = same.map_or(most, |writing| writing.left) - 1;
            of_alias.writing = Some(Writing { derivation, left });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::custody::encrypted::passphrases::Passphrases;

    const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

    fn passphrase() -> Arc<Passphrase> {
        let random = Passphrases::ephemeral("a").unwrap();
        Arc::new(random.get("a").unwrap())
    }

    fn derived(most: usize, keys_per_salt: u32) -> DerivedKeys {
        DerivedKeys::with(Limits {
            most,
            keys_per_salt,
        })
    }

    /// Derives a key as for a row that is opened; its last owner is `derived`.
    fn open(
        derived: &DerivedKeys,
        alias: &str,
        passphrase: &Passphrase,
    ) -> (Derivation, Weak<WrappingKey>) {
        let derivation = Derivation::generate(ROUNDS).unwrap();
        let key = derived.derive(passphrase, &derivation);
        let weak = Arc::downgrade(&key);
        derived.keep(alias, passphrase, derivation.clone(), key);
        (derivation, weak)
    }

    /// The derivation that the next row is written with.
    fn write(derived: &DerivedKeys, alias: &str, passphrase: &Passphrase) -> Derivation {
        let known = derived.take_for_writing(alias, passphrase);
        let (derivation, _) = known.unwrap_or_else(|| {
            derived
                .derive_for_writing(alias, passphrase, ROUNDS)
                .unwrap()
        });
        derivation
    }

    #[test]
    fn rows_share_a_salt_until_it_has_served_for_enough_of_them() {
        let (derived, passphrase) = (derived(64, 3), passphrase());
        derived.note_present("a", &passphrase);
        derived.note_present("b", &passphrase);
        let salts: Vec<_> = (0..7).map(|_| write(&derived, "a", &passphrase)).collect();
        assert!(salts[..3].iter().all(|salt| *salt == salts[0]));
        assert!(salts[3..6].iter().all(|salt| *salt == salts[3]));
        assert_ne!(salts[0], salts[3]);
        assert_ne!(salts[3], salts[6]);
        assert_eq!(derived.runs(), 3);
        assert_ne!(write(&derived, "b", &passphrase), salts[6], "another alias");
        let restarted = self::derived(64, 3);
        restarted.note_present("a", &passphrase);
        assert_ne!(write(&restarted, "a", &passphrase), salts[6]);
        assert_eq!((KEYS_PER_SALT, salts[0].salt_length()), (10_000, 16));
    }

    #[test]
    fn the_key_longest_unused_makes_room_and_is_wiped_at_once() {
        let (derived, passphrase) = (derived(3, 100), passphrase());
        derived.note_present("a", &passphrase);
        let (first, first_key) = open(&derived, "a", &passphrase);
        let (second, second_key) = open(&derived, "a", &passphrase);
        let writing = write(&derived, "a", &passphrase);
        assert!(derived.recall("a", &passphrase, &first).is_some());
        open(&derived, "a", &passphrase);
        assert!(second_key.upgrade().is_none(), "still in memory");
        assert!(derived.recall("a", &passphrase, &second).is_none());
        assert!(first_key.upgrade().is_some());
        assert_eq!(derived.state().kept.len(), 3);
        // What is written with goes on, though its key was pushed out meanwhile.
        for _ in 0..3 {
            open(&derived, "a", &passphrase);
        }
        assert_eq!(write(&derived, "a", &passphrase), writing);
        assert_eq!(derived.state().kept.len(), 3);
        assert_eq!(MOST, 64);
    }

    #[test]
    fn what_another_passphrase_gave_is_wiped_when_that_of_its_alias_changes() {
        let derived = derived(64, 100);
        let (old, new) = (passphrase(), passphrase());
        derived.note_present("a", &old);
        derived.note_present("b", &old);
        let (derivation, key) = open(&derived, "a", &old);
        let (_, of_other) = open(&derived, "b", &old);
        let salt = write(&derived, "a", &old);
        derived.note_present("a", &old);
        assert!(key.upgrade().is_some(), "it is the same one");
        derived.note_present("a", &new);
        assert!(key.upgrade().is_none(), "still in memory");
        assert!(of_other.upgrade().is_some(), "of another alias");
        assert_ne!(write(&derived, "a", &new), salt);
        // The one before opens keys for as long as it is remembered, and nothing of it is kept.
        assert!(derived.recall("a", &old, &derivation).is_none());
        let (_, again) = open(&derived, "a", &old);
        assert!(again.upgrade().is_none());
    }

    #[test]
    fn nothing_stays_of_an_alias_that_is_forgotten_or_not_listed_any_more() {
        type Forget = fn(&DerivedKeys);
        let by_name: Forget = |derived| derived.forget("a");
        let unlisted: Forget = |derived| derived.forget_unlisted(&["b".to_owned()]);
        for forget in [by_name, unlisted] {
            let derived = derived(64, 100);
            let (of_a, of_b) = (passphrase(), passphrase());
            derived.note_present("a", &of_a);
            derived.note_present("b", &of_b);
            let (_, key) = open(&derived, "a", &of_a);
            let (_, of_other) = open(&derived, "b", &of_b);
            let salt = write(&derived, "a", &of_a);
            let remembered = Arc::downgrade(&of_a);
            forget(&derived);
            assert!(key.upgrade().is_none(), "still in memory");
            assert!(of_other.upgrade().is_some(), "of another alias");
            assert_ne!(write(&derived, "a", &of_a), salt);
            drop(of_a);
            assert!(remembered.upgrade().is_none(), "the passphrase");
        }
    }

    #[test]
    fn only_salts_of_a_usual_length_are_kept() {
        let (derived, passphrase) = (derived(64, 100), passphrase());
        derived.note_present("a", &passphrase);
        let derivation = Derivation::with_salt(vec![1; LONGEST_SALT + 1], ROUNDS);
        let key = derived.derive(&passphrase, &derivation);
        derived.keep("a", &passphrase, derivation.clone(), key);
        assert!(derived.recall("a", &passphrase, &derivation).is_none());
    }
}
