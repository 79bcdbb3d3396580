//! Delivering the events of one repository, one after the other, until one is not taken.

use std::time::Duration;

use trust::store::{Change, Page, StoreError};
use tuf::Gun;

use crate::{
    backoff,
    event::Event,
    expiry, feed,
    meters::{self, Ending},
    tables::{Deadline, Delay, Item, Key},
    webhook::{Turn, Webhook, milliseconds, random},
};

/// How many lines of a repository that fell behind are read at once.
const BACKLOG: u32 = 50;

/// When to try again after the database failed, in milliseconds.
const DATABASE_PAUSE: i64 = 5_000;

/// How long a delivery may last beyond the end of the program.
const GRACE: Duration = Duration::from_secs(2);

/// How many failures in a row are worth a line in the log.
const WORTH_A_WARNING: u32 = 5;

/// Longer ones are cut.
const LONGEST_ERROR: usize = 300;

/// What is to be delivered of one repository.
pub(crate) struct Job {
    pub(crate) gun: Gun,
    /// What is known of earlier attempts.
    pub(crate) delay: Option<Delay>,
    pub(crate) work: Work,
}

/// What a [`Job`] is about.
pub(crate) enum Work {
    /// New lines of the feed.
    Lines(Vec<Change>),
    /// The lines from this one on, after some of its events, up to a position.
    Backlog { line: i64, part: u32, until: i64 },
    /// The expiry of a role.
    Expiry(Deadline),
}

/// What came of a [`Job`].
pub(crate) struct Outcome {
    pub(crate) key: Key,
    /// What is left; `None` if all is delivered.
    pub(crate) delay: Option<Delay>,
    /// Whether the receiver took anything.
    pub(crate) is_delivered: bool,
}

/// How far a job has come.
struct Run<'w> {
    webhook: &'w Webhook,
    turn: &'w Turn,
    gun: Gun,
    tries: u32,
    failing: i64,
    is_delivered: bool,
}

/// Why a job ended early: what to know of it for the next attempt.
struct Stop {
    due: i64,
    is_parked: bool,
    error: String,
}

impl Webhook {
    /// Works on `job` as long as `turn` allows.
    pub(crate) async fn deliver(&self, job: Job, turn: &Turn) -> Outcome {
        let role = match &job.work {
            Work::Lines(_) | Work::Backlog { .. } => String::new(),
            Work::Expiry(deadline) => deadline.role.clone(),
        };
        let key = (job.gun.as_str().to_owned(), role);
        let (tries, failing) = match &job.delay {
            Some(delay) => (delay.tries, delay.failing),
            None => (0, 0),
        };
        let mut run = Run {
            webhook: self,
            turn,
            gun: job.gun,
            tries,
            failing,
            is_delivered: false,
        };
        let delay = match job.work {
            Work::Lines(lines) => run.lines(lines, 0).await,
            Work::Backlog { line, part, until } => run.backlog(line, part, until, job.delay).await,
            Work::Expiry(deadline) => run.expiry(deadline, job.delay).await,
        };
        Outcome {
            key,
            delay,
            is_delivered: run.is_delivered,
        }
    }
}

impl Run<'_> {
    /// Delivers all events of `lines`, but for the first ones of the first line.
    async fn lines(&mut self, lines: Vec<Change>, mut part: u32) -> Option<Delay> {
        for line in lines {
            let happened = line.created_at.unix_timestamp();
            if let Err(stop) = self.line(&line, &mut part).await {
                let line = line.id;
                return Some(self.delay(Item::Lines { line, part }, happened, stop));
            }
            part = 0;
        }
        None
    }

    async fn line(&mut self, line: &Change, part: &mut u32) -> Result<(), Stop> {
        if !self.turn.goes_on() {
            return Err(self.pause());
        }
        let events = self.events_of(line).await;
        let events = events.map_err(|error| self.database_failed(&error))?;
        for event in events.iter().skip(*part as usize) {
            if self.webhook.receiver.wants(event.kind) {
                self.send(event).await?;
            }
            *part += 1;
        }
        Ok(())
    }

    async fn events_of(&self, line: &Change) -> Result<Vec<Event>, StoreError> {
        let webhook = self.webhook;
        let permit = webhook.comparing.acquire().await;
        let events = feed::events_of(&webhook.store, &webhook.turns, &self.gun, line).await;
        drop(permit);
        events
    }

    async fn backlog(
        &mut self,
        line: i64,
        part: u32,
        until: i64,
        delay: Option<Delay>,
    ) -> Option<Delay> {
        let happened = delay.map_or(0, |delay| delay.happened);
        let page = Page::After {
            id: i32::try_from(line - 1).unwrap_or(i32::MAX),
            limit: BACKLOG,
        };
        let mut lines = match self.webhook.store.changes(Some(&self.gun), page).await {
            Ok(lines) => lines,
            Err(error) => {
                let stop = self.database_failed(&error);
                return Some(self.delay(Item::Lines { line, part }, happened, stop));
            }
        };
        let is_full = lines.len() == BACKLOG as usize;
        lines.retain(|line| line.id <= until);
        // After a restore, the first line may be another one, all of whose events are to be told.
        let first = lines.first().map(|line| line.id);
        let part = if first == Some(line) { part } else { 0 };
        let last = lines.last().map(|line| (line.id, line.created_at));
        let left = self.lines(lines, part).await;
        match (left, last) {
            (None, Some((last, at))) if is_full => {
                let item = Item::Lines {
                    line: last + 1,
                    part: 0,
                };
                let stop = self.pause();
                Some(self.delay(item, at.unix_timestamp(), stop))
            }
            (left, _) => left,
        }
    }

    async fn expiry(&mut self, deadline: Deadline, delay: Option<Delay>) -> Option<Delay> {
        let happened = delay.map_or(0, |delay| delay.happened);
        let event = expiry::event(self.gun.as_str(), &deadline, happened);
        let stop = if self.turn.goes_on() {
            self.send(&event).await.err()?
        } else {
            self.pause()
        };
        Some(self.delay(Item::Expiry(deadline), happened, stop))
    }

    async fn send(&mut self, event: &Event) -> Result<(), Stop> {
        if !self.turn.goes_on() {
            return Err(self.pause());
        }
        let receiver = &self.webhook.receiver;
        let delivery = receiver.deliver(event, (self.webhook.clock)());
        let shutdown = &self.turn.shutdown;
        let outcome = tokio::select! {
            outcome = delivery => outcome,
            // What is on its way may still arrive, and need not be sent again then.
            () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {
                return Err(self.pause());
            }
        };
        let Err(error) = outcome else {
            meters::count(receiver.name(), Ending::Delivered);
            (self.tries, self.failing, self.is_delivered) = (0, 0, true);
            return Ok(());
        };
        meters::count(receiver.name(), Ending::Failed);
        let mut error = error.to_string();
        error.truncate(error.floor_char_boundary(LONGEST_ERROR));
        Err(self.fail(error))
    }

    /// The receiver did not take it.
    fn fail(&mut self, error: String) -> Stop {
        let now = milliseconds((self.webhook.clock)());
        self.tries = self.tries.saturating_add(1);
        if self.failing == 0 {
            self.failing = now;
        }
        let wait = backoff::wait(self.tries, random());
        let patience = self.webhook.pace.patience;
        let is_parked = i128::from(now - self.failing) >= signed(patience.as_millis());
        let (webhook, gun) = (self.webhook.receiver.name(), self.gun.as_str());
        if is_parked {
            tracing::warn!(
                webhook,
                gun,
                error,
                "giving up delivering for this repository until `webhook retry`"
            );
        } else if self.tries == WORTH_A_WARNING {
            tracing::warn!(
                webhook,
                gun,
                error,
                "the receiver does not take an event; trying again"
            );
        } else {
            tracing::debug!(webhook, gun, error, "the receiver does not take an event");
        }
        Stop {
            due: now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
            is_parked,
            error,
        }
    }

    /// Goes on in the next round.
    fn pause(&self) -> Stop {
        Stop {
            due: milliseconds((self.webhook.clock)()),
            is_parked: false,
            error: String::new(),
        }
    }

    fn database_failed(&self, error: &StoreError) -> Stop {
        tracing::debug!(webhook = self.webhook.receiver.name(), %error, "cannot read an event");
        Stop {
            due: milliseconds((self.webhook.clock)()) + DATABASE_PAUSE,
            is_parked: false,
            error: "the database failed".to_owned(),
        }
    }

    fn delay(&self, item: Item, happened: i64, stop: Stop) -> Delay {
        Delay {
            gun: self.gun.as_str().to_owned(),
            item,
            happened,
            tries: self.tries,
            failing: self.failing,
            due: stop.due,
            is_parked: stop.is_parked,
            error: stop.error,
        }
    }
}

fn signed(milliseconds: u128) -> i128 {
    i128::try_from(milliseconds).unwrap_or(i128::MAX)
}
