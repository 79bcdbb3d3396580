//! The ids of requests.

use std::{cell::RefCell, sync::Arc};

use http::HeaderMap;
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::{Builder, fmt::Hyphenated};

/// The longest request id taken from a client; longer ones are replaced.
const LONGEST: usize = 128;

/// How many ids are made of the random bytes that the system is asked for at once.
const AT_ONCE: usize = 64;

/// The size of an id, in bytes.
const SIZE: usize = 16;

/// Random bytes that were not used yet. Ids are no secrets, so they may wait in memory.
struct Supply {
    bytes: [u8; SIZE * AT_ONCE],
    used: usize,
}

thread_local! {
    static SUPPLY: RefCell<Supply> = const {
        RefCell::new(Supply { bytes: [0; SIZE * AT_ONCE], used: SIZE * AT_ONCE })
    };
}

impl Supply {
    fn next(&mut self) -> [u8; SIZE] {
        if self.used == self.bytes.len() {
            SystemRandom::new()
                .fill(&mut self.bytes)
                .expect("the system has random bytes for every program");
            self.used = 0;
        }
        let mut id = [0; SIZE];
        id.copy_from_slice(&self.bytes[self.used..][..SIZE]);
        self.used += SIZE;
        id
    }
}

/// The id the client or a proxy gave the request, if it is one that is safe to log; else a new one.
pub(super) fn of(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get("x-request-id").map(|id| id.to_str());
    match given {
        Some(Ok(id)) if is_safe(id) => id.into(),
        _ => new(),
    }
}

fn is_safe(id: &str) -> bool {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(is_fine)
}

/// A random UUID.
fn new() -> Arc<str> {
    let bytes = SUPPLY.with_borrow_mut(Supply::next);
    let id = Builder::from_random_bytes(bytes).into_uuid();
    let mut text = [0; Hyphenated::LENGTH];
    let text: &str = id.hyphenated().encode_lower(&mut text);
    text.into()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use uuid::{Uuid, Variant};

    use super::*;

    #[test]
    fn ids_are_random_uuids_and_none_comes_twice() {
        let some = || (0..3 * AT_ONCE).map(|_| new()).collect::<Vec<_>>();
        let elsewhere = thread::spawn(some);
        let mut ids = some();
        ids.extend(elsewhere.join().unwrap());
        for id in &ids {
            let uuid = Uuid::parse_str(id).unwrap();
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), Variant::RFC4122);
            assert_eq!(uuid.to_string(), **id);
        }
        let different: HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
