//! Which of several servers delivers to a receiver.
//!
//! The holder shows that it lives every few seconds. Another server takes the lease once it has
//! seen the row unchanged for the whole length of the lease, by its own steady clock. A holder
//! begins no delivery that could last beyond the end of its lease, counted from before it last
//! showed that it lives. So two servers never deliver to one receiver at once, whatever their
//! clocks say.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use trust::store::StoreError;

use crate::tables::{Position, Row, Tables};

/// How long a lease lasts.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// After how long without a sign of life another server takes the lease.
    pub length: Duration,
    /// How much of that has to be left for a delivery to begin: longer than one may take.
    pub reserve: Duration,
}

/// What the holder knows.
pub(crate) struct Lease {
    pub(crate) fence: i64,
    term: Term,
    /// When it began to show that it lives, the last time that it succeeded.
    renewed: Mutex<Instant>,
}

impl Lease {
    pub(crate) fn new(fence: i64, term: Term, began: Instant) -> Self {
        Self {
            fence,
            term,
            renewed: Mutex::new(began),
        }
    }

    pub(crate) fn renew(&self, began: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }

    /// Whether a delivery that begins now ends before another server may take the lease.
    pub(crate) fn is_held(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.elapsed() + self.term.reserve < self.term.length
    }
}

/// A server that waits for the lease of a webhook.
pub(crate) struct Candidate<'t> {
    pub(crate) tables: &'t dyn Tables,
    pub(crate) name: &'t str,
    pub(crate) holder: &'t [u8],
    pub(crate) term: Term,
    /// The row as it was found, and since when it is so.
    seen: Option<(Row, Instant)>,
}

impl<'t> Candidate<'t> {
    pub(crate) fn new(tables: &'t dyn Tables, name: &'t str, holder: &'t [u8], term: Term) -> Self {
        Self {
            tables,
            name,
            holder,
            term,
            seen: None,
        }
    }

    /// Takes the lease, if it is free or its holder does not live any more. A webhook that is new
    /// begins at the position that `end` finds.
    pub(crate) async fn attempt(
        &mut self,
        end: impl AsyncFnOnce() -> Result<Position, StoreError>,
    ) -> Result<Option<Lease>, StoreError> {
        let began = Instant::now();
        let Some(row) = self.tables.find(self.name).await? else {
            let position = end().await?;
            let began = Instant::now();
            let is_new = self.tables.begin(self.name, self.holder, &position).await?;
            return Ok(is_new.then(|| Lease::new(1, self.term, began)));
        };
        let (fence, beat) = (row.fence, row.beat);
        let is_silent = match &self.seen {
            Some((seen, since)) if (seen.fence, seen.beat) == (fence, beat) => {
                since.elapsed() >= self.term.length
            }
            _ => {
                self.seen = Some((row.clone(), Instant::now()));
                false
            }
        };
        if !row.holder.is_empty() && !is_silent {
            return Ok(None);
        }
        let is_taken = self.tables.take(self.name, self.holder, &row).await?;
        Ok(is_taken.then(|| Lease::new(fence + 1, self.term, began)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_delivery_begins_that_could_outlast_the_lease() {
        let term = Term {
            length: Duration::from_secs(20),
            reserve: Duration::from_secs(11),
        };
        let now = Instant::now();
        assert!(Lease::new(1, term, now).is_held());
        let late = Lease::new(1, term, now.checked_sub(Duration::from_secs(9)).unwrap());
        assert!(!late.is_held());
        late.renew(now);
        assert!(late.is_held());
    }
}
