//! Staying, to renew certificates in time.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Preparation, PrepareError};

/// A day's work would do, but hours in which a machine sleeps do not count.
const HOUR: Duration = Duration::from_hours(1);

impl Preparation {
    /// Makes everything, and then looks again every hour, and at each SIGHUP, until SIGTERM or SIGINT.
    /// `say` is told what was done, and what could not be done after the first time.
    ///
    /// # Errors
    ///
    /// If not everything can be made the first time.
    pub async fn watch(
        &self,
        now: fn() -> OffsetDateTime,
        say: impl Fn(&str),
    ) -> Result<(), PrepareError> {
        // Listened to from the beginning: as a container's first process, nothing else ends this one.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        self.make(now())?.iter().for_each(|news| say(news));
        say("everything is there; certificates are looked at every hour");
        let mut hours = interval_at(Instant::now() + HOUR, HOUR);
        hours.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = hours.tick() => {}
                _ = hang_up.recv() => {}
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            }
            match self.make(now()) {
                Ok(news) => news.iter().for_each(|news| say(news)),
                Err(error) => say(&format!("not everything could be renewed: {error}")),
            }
        }
    }
}
