//! How much memory uploads may take: all of them together, and those of one caller.
//!
//! A body takes up room as it arrives, and more when it is complete: for the pass that checks its
//! text, and then for as many values as that pass found in it. Room is given out so that no caller
//! can keep all of it: each has a share of every kind of room, and the beginnings of bodies have
//! room of their own, which is all that an ordinary publish needs.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use access::{Caller, Identity};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How many bodies of the largest size may be in memory at once.
const LARGEST_BODIES: u32 = 2;

/// How much of each body, in KiB, comes out of the room for beginnings.
const BEGINNING: u32 = 256;

/// How many beginnings there is room for.
const BEGINNINGS: u32 = 64;

/// The part of the room for beginnings, and for checking them, that one caller may take: one in so
/// many.
const CALLERS: u32 = 4;

/// What the work on a body takes at most beyond the body itself, in multiples of its size.
const WORK_FACTOR: u32 = 3;

/// What small files may take beyond twice their size, in KiB: they may have more values than large
/// ones for each byte.
const DENSE: u32 = 1280;

/// How long an upload waits for others to make room.
const ROOM_TIME: Duration = Duration::from_secs(10);

/// How much memory uploads may take.
pub struct UploadLimits {
    /// The largest one, in bytes.
    pub upload_bytes: u64,
    /// What the files of one may ask for.
    pub files: tuf::Limits,
    /// How long a body may take to get going; from then on it has to come at a least speed.
    pub slow_start: Duration,
    bodies: Room,
    work: Room,
    /// What one caller's bodies may take beyond their beginnings, in KiB.
    share: u32,
    shares: Mutex<HashMap<Payer, Weak<Share>>>,
    /// How long an upload waits for others to make room.
    patience: Duration,
}

/// Whose share an upload is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Payer {
    /// A caller that is known.
    Named(String),
    /// An anonymous caller, by address or network.
    Network(IpAddr),
}

impl Payer {
    /// Who pays for a request of `caller` that came from `network`.
    pub(crate) fn of(caller: &Caller, network: IpAddr) -> Self {
        match &caller.identity {
            Identity::User(name) => Self::Named(format!("user {name}")),
            Identity::Administrator(name) => Self::Named(format!("administrator {name}")),
            Identity::Certificate(names) => Self::Named(format!("certificate {names:?}")),
            Identity::Outside(token) if !token.subject.is_empty() => {
                Self::Named(format!("token {:?} {:?}", token.issuer, token.subject))
            }
            Identity::Outside(_) | Identity::Anonymous => Self::Network(network),
        }
    }
}

/// Memory to be given out, in KiB: what everybody needs a little of apart from what few need much
/// of.
struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// What one caller may take at once, in KiB.
struct Share {
    bodies: Room,
    /// For the work on bodies that are no longer than a beginning.
    work: Arc<Semaphore>,
}

impl Share {
    fn new(large: u32) -> Self {
        let small = BEGINNING * BEGINNINGS / CALLERS;
        Self {
            bodies: Room::new(small, large),
            work: Arc::new(Semaphore::new(small as usize)),
        }
    }
}

impl Room {
    fn new(small: u32, large: u32) -> Self {
        Self {
            small: Arc::new(Semaphore::new(small as usize)),
            large: Arc::new(Semaphore::new(large as usize)),
        }
    }
}

impl UploadLimits {
    /// Uploads of at most `upload_bytes`, whose files may ask for as much as `files` say.
    #[must_use]
    pub fn new(upload_bytes: u64, files: tuf::Limits) -> Self {
        let largest = kibibytes(upload_bytes);
        let large = largest.saturating_mul(LARGEST_BODIES);
        let small = BEGINNING * BEGINNINGS;
        Self {
            upload_bytes,
            files,
            slow_start: Duration::from_secs(10),
            bodies: Room::new(small, large),
            work: Room::new(small, most_work(largest.max(BEGINNING + 1))),
            // A body of the largest size always fits into one share.
            share: (large / 2).max(largest),
            shares: Mutex::default(),
            patience: ROOM_TIME,
        }
    }

    /// The space of an upload of which nothing has come yet.
    pub(crate) fn no_space(&self, payer: Payer) -> UploadSpace<'_> {
        UploadSpace {
            limits: self,
            share: self.share_of(payer),
            held: Vec::new(),
            kibibytes: 0,
        }
    }

    async fn acquire(&self, room: &Arc<Semaphore>, kibibytes: u32) -> Option<OwnedSemaphorePermit> {
        let permit = room.clone().acquire_many_owned(kibibytes);
        timeout(self.patience, permit).await.ok()?.ok()
    }

    fn share_of(&self, payer: Payer) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&payer).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::new(self.share));
        shares.insert(payer, Arc::downgrade(&share));
        share
    }
}

/// The memory that one body occupies while it arrives; given back when dropped.
pub(crate) struct UploadSpace<'l> {
    limits: &'l UploadLimits,
    share: Arc<Share>,
    held: Vec<OwnedSemaphorePermit>,
    kibibytes: u32,
}

impl UploadSpace<'_> {
    /// Makes room for `bytes` in all; `None` if others do not give way in time.
    pub(crate) async fn grow(&mut self, bytes: u64) -> Option<()> {
        let wanted = kibibytes(bytes);
        let more = wanted.saturating_sub(self.kibibytes);
        if more == 0 {
            return Some(());
        }
        let small = wanted.min(BEGINNING).saturating_sub(self.kibibytes);
        let (limits, share) = (self.limits, self.share.clone());
        if small > 0 {
            self.take(&share.bodies.small, small).await?;
            self.take(&limits.bodies.small, small).await?;
        }
        if more > small {
            self.take(&share.bodies.large, more - small).await?;
            self.take(&limits.bodies.large, more - small).await?;
        }
        self.kibibytes = wanted;
        Some(())
    }

    /// The body is complete.
    pub(crate) fn complete(self) -> Held {
        Held {
            share: self.share,
            kibibytes: self.kibibytes,
            _body: self.held,
            work: Vec::new(),
        }
    }

    async fn take(&mut self, room: &Arc<Semaphore>, kibibytes: u32) -> Option<()> {
        let permit = self.limits.acquire(room, kibibytes).await?;
        self.keep(permit);
        Some(())
    }

    /// Adds to what is held: to another permit of the same kind, if there is one.
    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        let alike = self
            .held
            .iter_mut()
            .find(|held| Arc::ptr_eq(held.semaphore(), permit.semaphore()));
        match alike {
            Some(held) => held.merge(permit),
            None => self.held.push(permit),
        }
    }
}

/// The memory of one body and of the work on it; given back when dropped. It has to be kept until
/// that work has ended, whether or not the client waits for it.
pub(crate) struct Held {
    /// As long as any of it is held, a caller has no second share.
    share: Arc<Share>,
    /// The size of the body.
    kibibytes: u32,
    _body: Vec<OwnedSemaphorePermit>,
    work: Vec<OwnedSemaphorePermit>,
}

impl Held {
    /// Room for work that takes `bytes` beside the body, in the place of what there was for other
    /// work; `None` if others do not give way in time, or if `hung_up` says that no client waits for
    /// the answer any more. Room that there is already is kept, so nothing is waited for again. If
    /// it takes more, what there was goes first: of two that each kept a part, neither could go on.
    pub(crate) async fn room_to_work(
        &mut self,
        limits: &UploadLimits,
        bytes: u64,
        hung_up: &CancellationToken,
    ) -> Option<()> {
        let wanted = kibibytes(bytes).min(most_work(self.kibibytes));
        if self.shrink_to(wanted) {
            return Some(());
        }
        self.work.clear();
        hung_up
            .run_until_cancelled(self.wait_for_room(limits, wanted))
            .await?
    }

    /// Gives back what there is beyond `wanted`; false if there is less.
    fn shrink_to(&mut self, wanted: u32) -> bool {
        let wanted = wanted as usize;
        let is_enough = |held: &OwnedSemaphorePermit| held.num_permits() >= wanted;
        if self.work.is_empty() || !self.work.iter().all(is_enough) {
            return false;
        }
        for held in &mut self.work {
            drop(held.split(held.num_permits() - wanted));
        }
        true
    }

    async fn wait_for_room(&mut self, limits: &UploadLimits, wanted: u32) -> Option<()> {
        if self.kibibytes <= BEGINNING {
            let permit = limits.acquire(&self.share.work, wanted).await?;
            self.work.push(permit);
            self.work
                .push(limits.acquire(&limits.work.small, wanted).await?);
        } else {
            self.work
                .push(limits.acquire(&limits.work.large, wanted).await?);
        }
        Some(())
    }
}

/// What the work on a body takes at most, in KiB.
fn most_work(body: u32) -> u32 {
    let dense = body.saturating_mul(WORK_FACTOR - 1).saturating_add(DENSE);
    body.saturating_mul(WORK_FACTOR).max(dense)
}

fn kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn limits() -> UploadLimits {
        UploadLimits {
            patience: Duration::from_millis(50),
            ..UploadLimits::new(32 * MIB, tuf::Limits::default())
        }
    }

    fn user(name: &str) -> Payer {
        Payer::Named(name.to_owned())
    }

    #[tokio::test]
    async fn one_caller_cannot_take_the_room_of_another() {
        let limits = limits();
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut space = limits.no_space(user("mallory"));
            if space.grow(32 * MIB).await.is_some() {
                held.push(space);
            }
        }
        assert_eq!(
            held.len(),
            1,
            "a share is half of the room, and some beginnings"
        );
        let mut other = limits.no_space(user("alice"));
        assert_eq!(other.grow(32 * MIB).await, Some(()));
    }

    #[tokio::test]
    async fn small_bodies_have_room_when_large_ones_fill_the_rest() {
        let limits = limits();
        let mut held = Vec::new();
        for number in 0..2 {
            let mut space = limits.no_space(user(&format!("mallory {number}")));
            space.grow(32 * MIB).await.expect("there is room for two");
            held.push(space);
        }
        let mut large = limits.no_space(user("bob"));
        assert_eq!(large.grow(4 * MIB).await, None);
        let mut small = limits.no_space(user("alice"));
        assert_eq!(small.grow(200 << 10).await, Some(()));
    }

    #[tokio::test]
    async fn one_caller_cannot_take_the_room_for_beginnings_either() {
        let limits = limits();
        let (mut held, mut checked) = (Vec::new(), Vec::new());
        for number in 0..BEGINNINGS {
            let mut space = limits.no_space(user("mallory"));
            if space.grow(256 << 10).await.is_none() {
                continue;
            }
            if number % 2 == 0 {
                held.push(space);
            } else {
                let mut complete = space.complete();
                let room = complete
                    .room_to_work(&limits, 3 * (256 << 10), &CancellationToken::new())
                    .await;
                checked.extend(room.map(|()| complete));
            }
        }
        assert!(held.len() + checked.len() <= (BEGINNINGS / CALLERS) as usize);
        let mut other = limits.no_space(user("alice"));
        assert_eq!(other.grow(256 << 10).await, Some(()));
        let mut complete = other.complete();
        assert_eq!(
            complete
                .room_to_work(&limits, 3 * (256 << 10), &CancellationToken::new())
                .await,
            Some(())
        );
    }

    #[tokio::test]
    async fn work_takes_what_was_counted_and_no_more() {
        let limits = limits();
        let mut held = Vec::new();
        for number in 0..2 {
            let mut space = limits.no_space(user(&format!("alice {number}")));
            space.grow(32 * MIB).await.expect("there is room for two");
            let mut complete = space.complete();
            let room = complete
                .room_to_work(&limits, 48 * MIB, &CancellationToken::new())
                .await;
            assert_eq!(room, Some(()), "both fit, for each takes half of the room");
            held.push(complete);
        }
        let more = held[0]
            .room_to_work(&limits, 96 * MIB, &CancellationToken::new())
            .await;
        assert_eq!(more, None, "the other has the half of it");
        held.pop();
        let most = held[0]
            .room_to_work(&limits, u64::MAX, &CancellationToken::new())
            .await;
        assert_eq!(
            most,
            Some(()),
            "no work takes more than its body's multiple"
        );
    }

    /// Two that wait for room, one behind the other, while a third has most of it.
    async fn queue(limits: &UploadLimits) -> [Held; 3] {
        let mut held = Vec::new();
        for name in ["alice", "bob", "carol"] {
            let mut space = limits.no_space(user(name));
            space.grow(MIB).await.expect("there is room");
            held.push(Held {
                kibibytes: kibibytes(32 * MIB),
                ..space.complete()
            });
        }
        held.try_into().ok().expect("there are three")
    }

    #[tokio::test]
    async fn who_hangs_up_while_waiting_leaves_the_queue() {
        let limits = UploadLimits {
            patience: Duration::from_hours(1),
            ..limits()
        };
        let stays = CancellationToken::new();
        let [mut first, mut second, mut third] = queue(&limits).await;
        first.room_to_work(&limits, 60 * MIB, &stays).await.unwrap();
        let hangs_up = CancellationToken::new();
        let (second, third, ()) = tokio::join!(
            second.room_to_work(&limits, 90 * MIB, &hangs_up),
            third.room_to_work(&limits, 10 * MIB, &stays),
            async { hangs_up.cancel() },
        );
        assert_eq!((second, third), (None, Some(())));
    }

    #[tokio::test]
    async fn work_that_takes_no_more_than_before_waits_for_nothing() {
        let limits = limits();
        let stays = CancellationToken::new();
        let [mut first, mut second, mut third] = queue(&limits).await;
        first.room_to_work(&limits, 60 * MIB, &stays).await.unwrap();
        let (second, less) = tokio::join!(
            second.room_to_work(&limits, 90 * MIB, &stays),
            first.room_to_work(&limits, 40 * MIB, &stays),
        );
        assert_eq!((second, less), (None, Some(())));
        let third = third.room_to_work(&limits, 50 * MIB, &stays).await;
        assert_eq!(third, Some(()), "what was no longer needed was given back");
    }

    #[tokio::test]
    async fn room_is_given_back() {
        let limits = limits();
        for _ in 0..20 {
            let mut space = limits.no_space(user("alice"));
            for mib in 1..=32 {
                space.grow(mib * MIB).await.expect("there is room");
            }
            let mut complete = space.complete();
            assert_eq!(
                complete
                    .room_to_work(&limits, 96 * MIB, &CancellationToken::new())
                    .await,
                Some(())
            );
        }
        assert_eq!(limits.shares.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_smallest_server_still_takes_an_upload() {
        let limits = UploadLimits::new(1000, tuf::Limits::default());
        let mut space = limits.no_space(Payer::Network([192, 0, 2, 1].into()));
        assert_eq!(space.grow(1000).await, Some(()));
        let mut complete = space.complete();
        let room = complete
            .room_to_work(&limits, u64::MAX, &CancellationToken::new())
            .await;
        assert_eq!(room, Some(()));
    }
}
