//! Matching wildcards.

use std::collections::BTreeMap;

/// What a pattern says from its first wildcard on, as places between its pieces.
///
/// A name is followed along every way to match at once instead of trying one after the other, 64
/// places at a time. So no pattern costs more than its length times that of the name, divided by
/// 64, for any name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Automaton {
    /// The place behind all pieces.
    end: usize,
    /// The places in front of a byte, by that byte.
    bytes: BTreeMap<u8, Places>,
    /// The places in front of a `*`: any run of bytes but `/`, also none.
    stars: Places,
    /// The places in front of a `**`: any run of bytes, also none.
    double_stars: Places,
    /// Whether the last piece is a `**`, so that what comes there matches whatever follows.
    takes_any_rest: bool,
}

/// A set of places, 64 to a word.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places(Vec<u64>);

impl Automaton {
    /// Takes a text apart that has no more than two stars in a row.
    pub(super) fn new(text: &str) -> Self {
        let none = Places(vec![0; text.len() / 64 + 1]);
        let mut automaton = Self {
            end: 0,
            bytes: BTreeMap::new(),
            stars: none.clone(),
            double_stars: none.clone(),
            takes_any_rest: text.ends_with("**"),
        };
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            let (places, after) = match (first, after) {
                (b'*', [b'*', after @ ..]) => (&mut automaton.double_stars, after),
                (b'*', after) => (&mut automaton.stars, after),
                (byte, after) => {
                    let places = automaton.bytes.entry(*byte);
                    (places.or_insert_with(|| none.clone()), after)
                }
            };
            places.insert(automaton.end);
            automaton.end += 1;
            rest = after;
        }
        automaton
    }

    /// Whether the whole of `name` is what the pattern says.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let mut reached = Places(vec![0; self.stars.0.len()]);
        reached.insert(0);
        // A wildcard may stand for nothing: who is in front of it is also behind it.
        self.skip_wildcards(&mut reached);
        for &byte in name {
            if self.takes_any_rest && reached.contains(self.end) {
                return true;
            }
            if !self.step(&mut reached, byte) {
                return false;
            }
        }
        reached.contains(self.end)
    }

    /// Goes on over `byte`; whether there is any way to do so.
    fn step(&self, reached: &mut Places, byte: u8) -> bool {
        let here = self.bytes.get(&byte);
        let (mut carry, mut any) = (0, 0);
        for (at, word) in reached.0.iter_mut().enumerate() {
            #[cfg(test)]
            work::count();
            let moved = *word & here.map_or(0, |places| places.0[at]);
            let within = if byte == b'/' { 0 } else { self.stars.0[at] };
            *word = (*word & (within | self.double_stars.0[at])) | (moved << 1) | carry;
            carry = moved >> 63;
            any |= *word;
        }
        self.skip_wildcards(reached);
        any != 0
    }

    /// One place on is enough: no two wildcards stand side by side.
    fn skip_wildcards(&self, reached: &mut Places) {
        let mut carry = 0;
        for (at, word) in reached.0.iter_mut().enumerate() {
            let skipped = *word & (self.stars.0[at] | self.double_stars.0[at]);
            *word |= (skipped << 1) | carry;
            carry = skipped >> 63;
        }
    }
}

impl Places {
    fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn contains(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }
}

/// Counts what matching costs, for tests about just that.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local! {
        static WORDS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        WORDS.set(WORDS.get() + 1);
    }

    /// How many words were gone over while `what` was done.
    pub(crate) fn of(what: impl FnOnce()) -> usize {
        let before = WORDS.get();
        what();
        WORDS.get() - before
    }
}

#[cfg(test)]
mod tests {
    use super::{Automaton, work};

    /// The cost of matching a name of this many bytes that agrees to the end.
    fn cost(pattern: &str, name: &str) -> usize {
        let automaton = Automaton::new(pattern);
        work::of(|| {
            automaton.matches(name.as_bytes());
        })
    }

    #[test]
    fn a_name_costs_a_word_for_every_64_pieces_and_byte() {
        let name = "a".repeat(1000);
        assert_eq!(cost("**b", &name), 1000);
        assert_eq!(cost(&format!("{}b", "*a".repeat(90)), &name), 3 * 1000);
    }

    #[test]
    fn what_is_decided_is_not_read_to_its_end() {
        let name = "a".repeat(1000);
        assert_eq!(cost("*/b", &format!("/c{name}")), 2);
        assert_eq!(cost("*/**", &format!("a/{name}")), 2);
    }

    #[test]
    fn pieces_beyond_the_first_word_count_like_the_others() {
        for length in [62, 63, 64, 65, 127, 128, 129, 200] {
            let literal = "ab".repeat(length)[..length].to_owned();
            for (wildcard, run) in [("*", ""), ("*", "xy"), ("**", ""), ("**", "x/y")] {
                let automaton = Automaton::new(&format!("*{literal}{wildcard}{literal}"));
                let name = format!("z{literal}{run}{literal}");
                assert!(automaton.matches(name.as_bytes()), "{length} {wildcard}");
                let longer = format!("{name}c");
                assert!(!automaton.matches(longer.as_bytes()), "{length} {wildcard}");
            }
            let automaton = Automaton::new(&format!("*{literal}*{literal}"));
            let crossing = format!("{literal}/{literal}");
            assert!(!automaton.matches(crossing.as_bytes()), "{length}");
        }
    }
}
