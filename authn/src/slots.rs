//! Slots for passwords that are checked or wait for it: a number in all, few for each network, and
//! some that are reserved for users who logged in recently. So one guesser does not keep others
//! out, and many guessers do not keep out known users.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration as StdDuration,
};

use moka::sync::{Cache, CacheBuilder};
use time::{Duration, OffsetDateTime};

use crate::throttle::network;

/// How many slots there are for everyone, for each core.
const FOR_ALL: usize = 64;

/// How many more there are, for each core, for users who logged in recently.
const FOR_KNOWN: usize = 24;

/// How many of them strangers from one network have at most.
const OF_NETWORK: usize = 8;

/// How long a user is known after a login.
const KNOWN_FOR: Duration = Duration::HOUR;

/// How many users are known at most.
const MOST_KNOWN: u64 = 10_000;

/// The slots, and the users who logged in recently.
#[derive(Clone)]
pub(crate) struct Slots {
    cores: usize,
    taken: Arc<Mutex<Taken>>,
    /// When the password of a user from a network was right; not which.
    known: Cache<(String, IpAddr), OffsetDateTime>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_strangers: HashMap<IpAddr, usize>,
}

/// A slot, which is given back on drop.
pub(crate) struct Slot {
    taken: Arc<Mutex<Taken>>,
    /// The network of a stranger; `None` for a known user.
    network: Option<IpAddr>,
}

impl Slots {
    /// Slots for this many cores.
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores,
            taken: Arc::default(),
            known: CacheBuilder::new(MOST_KNOWN)
                .time_to_live(StdDuration::from_hours(1))
                .build(),
        }
    }

    /// A slot for a caller who claims to be `user`, if one is free for them.
    pub(crate) fn take(&self, user: &str, address: IpAddr, now: OffsetDateTime) -> Option<Slot> {
        let network = network(address);
        let network = (!self.is_known(user, network, now)).then_some(network);
        let mut taken = lock(&self.taken);
        let is_free = match &network {
            None => taken.all < (FOR_ALL + FOR_KNOWN) * self.cores,
            Some(network) => {
                taken.all < FOR_ALL * self.cores && taken.of_strangers(network) < OF_NETWORK
            }
        };
        if !is_free {
            return None;
        }
        taken.all += 1;
        if let Some(network) = network {
            *taken.by_strangers.entry(network).or_default() += 1;
        }
        Some(Slot {
            taken: self.taken.clone(),
            network,
        })
    }

    /// Notes that `user` logged in from `address`.
    pub(crate) fn remember(&self, user: &str, address: IpAddr, now: OffsetDateTime) {
        self.known.insert((user.to_owned(), network(address)), now);
    }

    fn is_known(&self, user: &str, network: IpAddr, now: OffsetDateTime) -> bool {
        let at = self.known.get(&(user.to_owned(), network));
        at.is_some_and(|at| (at..at + KNOWN_FOR).contains(&now))
    }
}

impl Taken {
    fn of_strangers(&self, network: &IpAddr) -> usize {
        self.by_strangers.get(network).copied().unwrap_or_default()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(network) = self.network {
            match taken.of_strangers(&network) {
                0 | 1 => taken.by_strangers.remove(&network),
                more => taken.by_strangers.insert(network, more - 1),
            };
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    /// The slots of strangers who take all they can, eight from each network.
    fn crowd(slots: &Slots) -> Vec<Slot> {
        let takers = (1000..1000 + 5000).map(|number| number / 8);
        takers
            .filter_map(|number| slots.take("stranger", address(number), NOW))
            .collect()
    }

    #[test]
    fn a_network_has_eight_slots_and_the_others_have_theirs() {
        let slots = Slots::new(1);
        let take = |number| slots.take("alice", address(number), NOW);
        let mut taken: Vec<_> = (0..100).filter_map(|_| take(1)).collect();
        assert_eq!(taken.len(), 8);
        assert!(take(2).is_some());
        taken.pop();
        assert!(take(1).is_some(), "what was given back is there again");
        drop(taken);
        assert!(lock(&slots.taken).by_strangers.is_empty());
        assert_eq!(lock(&slots.taken).all, 0);
    }

    #[test]
    fn it_takes_eight_networks_a_core_to_use_up_the_slots_for_strangers() {
        let slots = Slots::new(1);
        assert_eq!(crowd(&slots).len(), 8 * 8);
        assert_eq!(crowd(&Slots::new(3)).len(), 3 * 8 * 8);
    }

    #[test]
    fn a_user_who_logged_in_within_the_hour_finds_a_slot_among_strangers() {
        let slots = Slots::new(1);
        slots.remember("alice", address(1), NOW);
        let _crowd = crowd(&slots);
        let take = |user, number, minutes| {
            let now = NOW + Duration::minutes(minutes);
            slots.take(user, address(number), now).is_some()
        };
        assert!(take("alice", 1, 59));
        assert!(!take("alice", 1, 60), "too long ago");
        assert!(!take("alice", 2, 0), "from elsewhere");
        assert!(!take("bob", 1, 0), "another user");
    }

    #[test]
    fn a_known_user_is_not_kept_out_by_neighbours() {
        let slots = Slots::new(1);
        slots.remember("alice", address(1), NOW);
        let take = |user| slots.take(user, address(1), NOW);
        let neighbours: Vec<_> = (0..100).filter_map(|_| take("stranger")).collect();
        let known: Vec<_> = (0..100).filter_map(|_| take("alice")).collect();
        assert_eq!((neighbours.len(), known.len()), (8, 64 + 24 - 8));
    }
}
