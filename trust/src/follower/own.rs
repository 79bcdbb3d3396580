//! Which lines of the changefeed this process has written itself.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use crate::store::Change;

/// How many writes are remembered of which the feed has not told yet.
const MOST: usize = 20_000;

/// Writes that the feed is expected to tell of, each once: by GUN and checksum of the timestamp,
/// which is empty for a deletion. A timestamp is signed, so no other process writes the same one.
#[derive(Default)]
pub(super) struct OwnWrites {
    hasher: RandomState,
    /// The serial numbers of those that are still expected, by GUN and checksum.
    expected: HashMap<u64, VecDeque<u64>>,
    /// In their order, those that were taken meanwhile included. The serial number tells one that
    /// was taken from a later one of the same GUN and checksum.
    order: VecDeque<(u64, u64)>,
    /// The serial number of the next one.
    next: u64,
}

impl OwnWrites {
    /// Takes note of a write that is about to begin.
    pub(super) fn expect(&mut self, gun: &str, sha256: &str) {
        let key = self.hasher.hash_one((gun, sha256));
        let serial = self.next;
        self.next += 1;
        self.expected.entry(key).or_default().push_back(serial);
        self.order.push_back((key, serial));
        if self.order.len() > MOST
            && let Some((key, serial)) = self.order.pop_front()
            && self.expected.get(&key).and_then(VecDeque::front) == Some(&serial)
        {
            self.take_key(key);
        }
    }

    /// Takes back what came to nothing.
    pub(super) fn withdraw(&mut self, gun: &str, sha256: &str) {
        self.take_key(self.hasher.hash_one((gun, sha256)));
    }

    /// Whether `change` is one that was expected, and no longer is.
    pub(super) fn take(&mut self, change: &Change) -> bool {
        self.take_key(
            self.hasher
                .hash_one((change.gun.as_str(), change.sha256.as_str())),
        )
    }

    fn take_key(&mut self, key: u64) -> bool {
        let Some(serials) = self.expected.get_mut(&key) else {
            return false;
        };
        serials.pop_front();
        if serials.is_empty() {
            self.expected.remove(&key);
        }
        if self.expected.is_empty() {
            self.order.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn line(gun: &str, sha256: &str) -> Change {
        Change {
            id: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            gun: gun.to_owned(),
            version: 1,
            sha256: sha256.to_owned(),
            category: "update".to_owned(),
        }
    }

    #[test]
    fn each_write_is_told_once() {
        let mut own = OwnWrites::default();
        own.expect("a", "1");
        own.expect("a", "");
        own.expect("a", "");
        assert!(!own.take(&line("b", "1")));
        assert!(own.take(&line("a", "1")));
        assert!(!own.take(&line("a", "1")));
        assert!(own.take(&line("a", "")));
        own.withdraw("a", "");
        assert!(!own.take(&line("a", "")));
    }

    #[test]
    fn no_more_writes_are_remembered_than_there_is_room_for() {
        let mut own = OwnWrites::default();
        for n in 0..=MOST {
            own.expect("a", &n.to_string());
        }
        assert_eq!(own.expected.len(), MOST);
        assert!(!own.take(&line("a", "0")));
        assert!(own.take(&line("a", "1")));
    }

    #[test]
    fn a_write_that_was_taken_long_ago_takes_no_later_one_of_its_kind_along() {
        let mut own = OwnWrites::default();
        // The feed never tells of this one, so the order is kept.
        own.expect("lost", "1");
        own.expect("a", "");
        assert!(own.take(&line("a", "")));
        for n in 2..MOST {
            let sha256 = n.to_string();
            own.expect("b", &sha256);
            assert!(own.take(&line("b", &sha256)));
        }
        own.expect("a", "");
        own.expect("c", "1");
        assert!(own.take(&line("a", "")));
    }
}
