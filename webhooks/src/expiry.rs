//! What expires soon, found in the inventory, each once for a version and window.
//!
//! A role comes into a window at one point in time: so many days before it expires. A scan looks at
//! the time since the scan before, and so finds each of these points once, without remembering
//! anything but when it ended. After a pause in which a role came into several windows, only the
//! shortest is told.

use std::sync::Arc;

use inventory::{ExpiryCursor, Owner, Tables};
use time::{Duration, OffsetDateTime};
use trust::store::StoreError;

use crate::{
    event::{self, Event, Kind},
    tables::{Deadline, Delay, Item, Scans},
};

/// The windows of what publishers renew, in days before the expiry.
const WINDOWS: [u16; 4] = [1, 7, 30, 90];

/// How many rows are read at once.
const PAGE: u32 = 200;

/// Whose roles are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Publishers,
    Server,
}

impl Whose {
    fn owners(self) -> &'static [Owner] {
        match self {
            Self::Publishers => &[Owner::Publisher],
            Self::Server => &[Owner::Server, Owner::Either],
        }
    }

    fn last(self, scans: &mut Scans) -> &mut i64 {
        match self {
            Self::Publishers => &mut scans.publishers,
            Self::Server => &mut scans.server,
        }
    }
}

/// A scan that has begun.
pub(crate) struct Scan {
    whose: Whose,
    /// Where the scan before ended; 0 if there was none.
    from: i64,
    /// Where this one ends.
    until: i64,
    owner: usize,
    after: Option<ExpiryCursor>,
}

impl Scan {
    /// Looks at the time between the last scan and the moment up to which the inventory is complete.
    pub(crate) async fn begin(
        inventory: &Arc<dyn Tables>,
        whose: Whose,
        mut scans: Scans,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, StoreError> {
        let from = *whose.last(&mut scans);
        let Some(position) = inventory.position().await? else {
            return Ok(None);
        };
        let until = now.unix_timestamp().min(position.reached_at);
        Ok((until > from).then_some(Self {
            whose,
            from,
            until,
            owner: 0,
            after: None,
        }))
    }

    /// What a part of the rows says. `scans` says where the scan ends, once it has ended.
    pub(crate) async fn step(
        &mut self,
        inventory: &Arc<dyn Tables>,
        scans: &mut Scans,
    ) -> Result<(Vec<Delay>, bool), StoreError> {
        let Some(owner) = self.whose.owners().get(self.owner).copied() else {
            *self.whose.last(scans) = self.until;
            return Ok((Vec::new(), true));
        };
        let after = self.after.get_or_insert_with(|| {
            // What has expired before a first scan is old news.
            let first = if self.from == 0 {
                self.until
            } else {
                self.from
            };
            ExpiryCursor::starting_at(moment(first))
        });
        let longest = windows(owner).into_iter().map(|(lead, _)| lead).max();
        let before = moment(self.until + longest.unwrap_or(0) + 1);
        let page = inventory.expiring(owner, before, Some(after), PAGE);
        let page = page.await?;
        self.after = page.next;
        if self.after.is_none() {
            self.owner += 1;
        }
        let due = page.rows.into_iter().filter_map(|expiry| {
            let expires = expiry.expires.unix_timestamp();
            let (lead, days) = window(owner, self.from, self.until, expires)?;
            let deadline = Deadline {
                role: expiry.role,
                version: expiry.version,
                expires,
                days,
            };
            Some(Delay {
                gun: expiry.gun,
                item: Item::Expiry(deadline),
                happened: (expires - lead).max(self.from),
                tries: 0,
                failing: 0,
                due: 0,
                is_parked: false,
                error: String::new(),
            })
        });
        Ok((due.collect(), false))
    }
}

/// The windows of an owner, shortest first: seconds before the expiry, and how events call it.
fn windows(owner: Owner) -> Vec<(i64, u16)> {
    match owner.overdue() {
        Some(overdue) => vec![(overdue.whole_seconds(), 0)],
        None => WINDOWS
            .map(|days| (Duration::days(i64::from(days)).whole_seconds(), days))
            .to_vec(),
    }
}

/// The shortest window that was come into between `from`, exclusive, and `until`.
fn window(owner: Owner, from: i64, until: i64, expires: i64) -> Option<(i64, u16)> {
    windows(owner).into_iter().find(|(lead, _)| {
        let entered = expires - lead;
        (from == 0 || entered > from) && entered <= until
    })
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The event of a deadline.
pub(crate) fn event(gun: &str, deadline: &Deadline, happened: i64) -> Event {
    let kind = kind(deadline);
    let (version, expires) = (deadline.version.to_string(), deadline.expires.to_string());
    let days = deadline.days.to_string();
    let parts = [kind.name(), gun, &deadline.role, &version, &expires, &days];
    let mut data = serde_json::json!({
        "role": deadline.role,
        "version": deadline.version,
        "expires": show(deadline.expires),
    });
    if kind == Kind::ExpiryDue {
        data["days"] = deadline.days.into();
    }
    Event {
        id: event::id(&parts),
        kind,
        gun: gun.to_owned(),
        time: moment(happened),
        data,
    }
}

/// What the event of a deadline is called.
pub(crate) fn kind(deadline: &Deadline) -> Kind {
    if deadline.days == 0 {
        Kind::RenewalFailing
    } else {
        Kind::ExpiryDue
    }
}

fn show(seconds: i64) -> String {
    use time::format_description::well_known::Rfc3339;
    moment(seconds).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn each_window_is_come_into_once_and_of_several_the_shortest_counts() {
        let expires = 1_000 * DAY;
        let days = |from: i64, until: i64| {
            window(Owner::Publisher, from, until, expires).map(|(_, days)| days)
        };
        assert_eq!(days(1, 910 * DAY - 1), None);
        assert_eq!(days(1, 910 * DAY), Some(90));
        assert_eq!(days(910 * DAY, 911 * DAY), None);
        assert_eq!(days(911 * DAY, 970 * DAY), Some(30));
        assert_eq!(days(1, 980 * DAY), Some(30), "one jump");
        assert_eq!(days(0, 980 * DAY), Some(30), "the first scan");
        assert_eq!(days(970 * DAY, 2_000 * DAY), Some(1), "a long pause");
        assert_eq!(days(999 * DAY, 2_000 * DAY), None);
    }

    #[test]
    fn events_of_one_deadline_have_one_id_and_others_another() {
        let deadline = |days, version| Deadline {
            role: "targets".to_owned(),
            version,
            expires: 5,
            days,
        };
        let id = |deadline: Deadline| event("a", &deadline, 1).id;
        assert_eq!(id(deadline(30, 1)), id(deadline(30, 1)));
        assert_ne!(id(deadline(30, 1)), id(deadline(7, 1)));
        assert_ne!(id(deadline(30, 1)), id(deadline(30, 2)));
        assert_eq!(event("a", &deadline(0, 1), 1).kind, Kind::RenewalFailing);
    }
}
