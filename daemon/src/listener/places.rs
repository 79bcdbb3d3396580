//! Places for connections, and who gets the last of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::Limits;

/// How often it is logged that an address has too many connections.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The places of a listener.
#[derive(Debug)]
pub(super) struct Places {
    limits: Arc<Limits>,
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    crowded: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Taken {
    by_network: HashMap<IpAddr, usize>,
    warned: Option<Instant>,
}

/// A place for a connection that is still to come.
pub(super) struct Reserved(OwnedSemaphorePermit);

/// The place of a connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limits.connections)),
            limits,
            taken: Mutex::default(),
            crowded: watch::Sender::new(false),
        })
    }

    /// Waits for a place.
    pub(super) async fn reserve(&self) -> Reserved {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        Reserved(permit.expect("the semaphore is never closed"))
    }

    /// Gives the place to a connection from `address`; `None` if places are scarce and that address
    /// has more than enough of them.
    ///
    /// An address may stand for many clients (NAT, proxies, a container's port mapping), so nothing
    /// is refused while there are places for all, and known proxies are never counted.
    pub(super) fn give(self: &Arc<Self>, place: Reserved, address: IpAddr) -> Option<Place> {
        let network = network(address);
        let is_proxy = self.limits.is_trusted_proxy(address);
        let mut taken = self.lock();
        let own = taken.by_network.get(&network).copied().unwrap_or_default();
        let most = self.limits.connections_per_address;
        if self.is_crowded() && own >= most && !is_proxy {
            let is_due = |last: Instant| last.elapsed() >= WARN_EVERY;
            if taken.warned.is_none_or(is_due) {
                taken.warned = Some(Instant::now());
                tracing::warn!(
                    %address,
                    connections = own,
                    "refused connections of an address that has too many of the few places: \
                     if it is a proxy, name it in server.trusted_proxies"
                );
            }
            return None;
        }
        *taken.by_network.entry(network).or_default() += 1;
        drop(taken);
        self.tell();
        Some(Place {
            places: Arc::clone(self),
            network,
            permit: Some(place.0),
        })
    }

    /// Tells whether places are scarce.
    pub(super) fn watch_crowding(&self) -> watch::Receiver<bool> {
        self.crowded.subscribe()
    }

    /// Whether more than four of five places are taken.
    fn is_crowded(&self) -> bool {
        self.taken_places().saturating_mul(5) > self.limits.connections.saturating_mul(4)
    }

    fn taken_places(&self) -> usize {
        let free = self.free.available_permits();
        self.limits.connections.saturating_sub(free)
    }

    /// Tells all connections if places have become scarce, or are no longer. Each of them wakes up
    /// for that, so it must not happen with every connection that comes or goes at the border:
    /// places are scarce until three of ten are free again.
    fn tell(&self) {
        self.crowded.send_if_modified(|crowded| {
            let now = if *crowded {
                self.taken_places().saturating_mul(10) > self.limits.connections.saturating_mul(7)
            } else {
                self.is_crowded()
            };
            let is_new = *crowded != now;
            *crowded = now;
            is_new
        });
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.by_network.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                taken.by_network.remove(&self.network);
            }
        }
        drop(taken);
        self.permit = None;
        self.places.tell();
    }
}

/// Whom connections are counted for: an IPv6 address stands for its /64, which is what one client
/// gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(prefix).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn places(proxies: &[&str]) -> Arc<Places> {
        Places::new(Arc::new(Limits {
            connections: 10,
            connections_per_address: 5,
            trusted_proxies: proxies.iter().map(|net| net.parse().unwrap()).collect(),
            ..Limits::default()
        }))
    }

    async fn take(places: &Arc<Places>, address: IpAddr) -> Option<Place> {
        places.give(places.reserve().await, address)
    }

    #[tokio::test]
    async fn an_address_may_have_most_places_but_not_the_last_ones() {
        let places = places(&[]);
        let mut held = Vec::new();
        for number in 1..=8 {
            held.push(take(&places, ONE).await);
            assert!(held.iter().all(Option::is_some), "{number}");
        }
        assert!(take(&places, ONE).await.is_none());
        held.push(take(&places, OTHER).await);
        held.push(take(&places, OTHER).await);
        assert!(held.iter().all(Option::is_some));
        assert!(*places.watch_crowding().borrow());
        held.clear();
        assert!(!*places.watch_crowding().borrow());
        assert!(take(&places, ONE).await.is_some());
    }

    #[tokio::test]
    async fn connections_are_not_woken_each_time_that_one_comes_or_goes_at_the_border() {
        let places = places(&["192.0.2.0/24"]);
        let mut crowded = places.watch_crowding();
        let mut held = Vec::new();
        for _ in 0..9 {
            held.push(take(&places, ONE).await.unwrap());
        }
        assert!(*crowded.borrow_and_update());
        for _ in 0..5 {
            held.pop();
            held.push(take(&places, ONE).await.unwrap());
        }
        assert!(!crowded.has_changed().unwrap());
        held.truncate(7);
        assert!(crowded.has_changed().unwrap());
        assert!(!*crowded.borrow_and_update());
        held.push(take(&places, ONE).await.unwrap());
        assert!(!crowded.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_known_proxy_may_have_all_places() {
        let places = places(&["192.0.2.0/24"]);
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(take(&places, ONE).await.unwrap());
        }
    }

    #[test]
    fn an_ipv6_address_is_its_network_and_a_mapped_one_is_ipv4() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
