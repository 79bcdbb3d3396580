//! Staying, to renew certificates in time.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{Preparation, PrepareError, Turn, authority, lock::Lock};

/// A day's work would do, but hours in which a machine sleeps do not count.
const HOUR: Duration = Duration::from_hours(1);
/// What has to be said again and again is said once a day.
const HOURS_OF_A_DAY: u32 = 24;

/// What ends a watch.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    async fn comes(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Preparation {
    /// Makes everything, and then looks again every hour, and at each SIGHUP, until SIGTERM or
    /// SIGINT.
    /// `say` is told what was done, what could not be done, and what has to be done by people.
    ///
    /// # Errors
    ///
    /// If at first not everything is there and valid, and cannot be made. What cannot be renewed
    /// while it is still valid is no reason to end: it is tried again.
    pub async fn watch(
        &self,
        now: fn() -> OffsetDateTime,
        say: impl Fn(&str),
    ) -> Result<(), PrepareError> {
        // Listened to from the beginning: as a container's first process, nothing else ends this
        // one.
        let mut end = End {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let mut hang_up = signal(SignalKind::hangup())?;
        let first = tokio::select! {
            turn = self.turn_awake(now, &say) => turn?,
            () = end.comes() => return Ok(()),
        };
        self.begin(first, now(), &say)?;
        let mut hours = interval_at(Instant::now() + HOUR, HOUR);
        hours.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut passed = 0;
        loop {
            let asked = tokio::select! {
                _ = hours.tick() => { passed += 1; false }
                _ = hang_up.recv() => true,
                () = end.comes() => return Ok(()),
            };
            let turn = tokio::select! {
                turn = self.turn_awake(now, &say) => turn,
                () = end.comes() => return Ok(()),
            };
            turn.unwrap_or_else(|error| Turn::of_failure(error.into()))
                .tell(&say);
            if asked || passed % HOURS_OF_A_DAY == 0 {
                authority::remind(self, now(), &say);
            }
        }
    }

    async fn turn_awake(
        &self,
        now: fn() -> OffsetDateTime,
        say: &dyn Fn(&str),
    ) -> Result<Turn, crate::files::FileError> {
        let _lock = Lock::wait_awake(&self.make_locked_folder()?, say).await?;
        Ok(self.turn(now()))
    }

    /// Says what came of the first turn, and whether there is anything to stay for.
    fn begin(
        &self,
        first: Turn,
        now: OffsetDateTime,
        say: &dyn Fn(&str),
    ) -> Result<(), PrepareError> {
        match self.check(now) {
            Ok(()) => first.tell(say),
            Err(lacking) => return Err(first.done(say).err().unwrap_or(lacking)),
        }
        say("everything is in place; certificates are checked every hour");
        authority::remind(self, now, say);
        Ok(())
    }
}
