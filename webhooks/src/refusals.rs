//! Refusals, which are in no feed: told to receivers as well as it goes, by the server that
//! refused.
//!
//! Only callers that are known are told of, a few in a second, from memory, and after some attempts
//! they are dropped. So no caller can use them to fill a database or to keep a receiver busy.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use time::OffsetDateTime;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use trust::Clock;

use crate::{
    backoff,
    event::{Event, Kind},
    meters::{self, Ending},
    receiver::Receiver,
    webhook::random,
};

/// The most that is told in a second.
const MOST_A_SECOND: u32 = 10;

/// How many may wait for one receiver.
const WAITING: usize = 100;

/// How often each is tried.
const TRIES: u32 = 3;

/// Something that a caller who is known tried in vain.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'r> {
    /// The repository; empty if it is about none.
    pub gun: &'r str,
    /// What was tried: `publish`, `delete`, `pull`, ….
    pub action: &'r str,
    /// Who tried.
    pub user: &'r str,
    /// From where.
    pub address: &'r str,
    /// Why it was refused.
    pub reason: &'r str,
    /// The id of the request, by which the logs find it.
    pub request_id: &'r str,
}

/// Takes note of refusals; never waits.
#[derive(Clone)]
pub struct Refusals(Arc<Inner>);

struct Inner {
    queues: Vec<(Arc<Receiver>, mpsc::Sender<Event>)>,
    /// The second, and how many were told in it.
    told: Mutex<(i64, u32)>,
    clock: Clock,
}

/// What sends refusals.
pub struct RefusalSender {
    queues: Vec<(Arc<Receiver>, mpsc::Receiver<Event>)>,
    clock: Clock,
}

/// The two ends of the queues to those of `receivers` that want refusals.
#[must_use]
pub fn refusals(receivers: &[Arc<Receiver>], clock: &Clock) -> (Refusals, RefusalSender) {
    let (mut senders, mut queues) = (Vec::new(), Vec::new());
    for receiver in receivers {
        if receiver.wants(Kind::Refused) {
            let (sender, queue) = mpsc::channel(WAITING);
            senders.push((Arc::clone(receiver), sender));
            queues.push((Arc::clone(receiver), queue));
        }
    }
    let inner = Inner {
        queues: senders,
        told: Mutex::default(),
        clock: Arc::clone(clock),
    };
    let sender = RefusalSender {
        queues,
        clock: Arc::clone(clock),
    };
    (Refusals(Arc::new(inner)), sender)
}

impl Refusals {
    /// Tells receivers of `refusal`, unless there were too many.
    pub fn tell(&self, refusal: &Refusal<'_>) {
        let mut receivers = self.0.queues.iter();
        if !receivers.any(|(receiver, _)| receiver.hears_of(refusal.gun)) {
            return;
        }
        let now = (self.0.clock)();
        let is_within_rate = self.count(now);
        let event = is_within_rate.then(|| event(refusal, now));
        for (receiver, queue) in &self.0.queues {
            if !receiver.hears_of(refusal.gun) {
                continue;
            }
            let is_queued = event
                .as_ref()
                .is_some_and(|event| queue.try_send(event.clone()).is_ok());
            if !is_queued {
                meters::count(receiver.name(), Ending::Dropped);
            }
        }
    }

    /// Whether another one may be told in this second.
    fn count(&self, now: OffsetDateTime) -> bool {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0 != now.unix_timestamp() {
            *told = (now.unix_timestamp(), 0);
        }
        told.1 = told.1.saturating_add(1);
        told.1 <= MOST_A_SECOND
    }
}

fn event(refusal: &Refusal<'_>, now: OffsetDateTime) -> Event {
    Event {
        id: format!("{:032x}", u128::from(random()) << 64 | u128::from(random())),
        kind: Kind::Refused,
        gun: refusal.gun.to_owned(),
        time: now,
        data: json!({
            "action": refusal.action,
            "user": refusal.user,
            "address": refusal.address,
            "reason": refusal.reason,
            "request_id": refusal.request_id,
        }),
    }
}

impl RefusalSender {
    /// Sends what is told until `shutdown`; what waits then is dropped.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (receiver, mut queue) in self.queues {
            let clock = Arc::clone(&self.clock);
            tasks.spawn(shutdown.clone().run_until_cancelled_owned(async move {
                while let Some(event) = queue.recv().await {
                    send(&receiver, &event, &clock).await;
                }
            }));
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn send(receiver: &Receiver, event: &Event, clock: &Clock) {
    for tries in 1..=TRIES {
        match receiver.deliver(event, clock()).await {
            Ok(()) => return meters::count(receiver.name(), Ending::Delivered),
            Err(error) => {
                meters::count(receiver.name(), Ending::Failed);
                tracing::debug!(webhook = receiver.name(), %error, "cannot tell of a refusal");
            }
        }
        if tries < TRIES {
            tokio::time::sleep(backoff::wait(tries, random())).await;
        }
    }
    meters::count(receiver.name(), Ending::Dropped);
}
