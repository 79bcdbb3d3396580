//! How far the changefeed has been read, with the ids that may still appear below.

use std::{collections::BTreeSet, ops::Bound};

use crate::store::Change;

/// How many ids above a gap make a position [full](Position::is_full).
const MOST_KNOWN: usize = 2_000;

/// The feed is not the one that was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// A place in the feed.
#[derive(Debug)]
pub(super) struct Position {
    /// Everything up to this id was read, or will never appear.
    floor: i64,
    /// Ids above the floor that were read. Some below the highest of them are missing: they may
    /// still appear, or are lost.
    known: BTreeSet<i64>,
    /// The last line that was read; it shows whether the feed is still the same.
    last: Option<Change>,
}

impl Position {
    /// Behind `settled`, up to which no change will still appear.
    pub(super) fn behind(settled: i64) -> Self {
        Self {
            floor: settled,
            known: BTreeSet::new(),
            last: None,
        }
    }

    /// The id to ask for changes from: the first one that is missing, or else the last one that was
    /// read.
    pub(super) fn next(&self) -> i64 {
        if self.has_gaps() {
            self.floor + 1
        } else {
            self.floor
        }
    }

    /// Whether ids are missing that may still appear.
    pub(super) fn has_gaps(&self) -> bool {
        !self.known.is_empty()
    }

    /// Whether so many ids above a gap were read that no more are to be read for now: each poll asks
    /// for all of them again. Reading goes on once most of them are `settled`.
    pub(super) fn is_full(&self, settled: Option<i64>) -> bool {
        let above = |settled| {
            let above = (Bound::Excluded(settled), Bound::Unbounded);
            self.known.range(above).count()
        };
        self.known.len() > MOST_KNOWN
            && settled.is_none_or(|settled| above(settled) > MOST_KNOWN / 2)
    }

    /// Whether `first`, the first line from [`highest`](Self::highest) on, shows that the feed is
    /// still the same.
    pub(super) fn is_same(&self, first: Option<&Change>) -> bool {
        let highest = self.highest();
        match &self.last {
            _ if highest <= 0 => true,
            Some(last) => first == Some(last),
            None => first.is_some_and(|first| first.id == highest),
        }
    }

    /// Goes on to the end of `lines`, which are all there are from [`next`](Self::next) on; returns
    /// those that were not read before. No line up to `settled` appeared after `lines` were asked
    /// for.
    pub(super) fn advance(
        &mut self,
        lines: Vec<Change>,
        settled: Option<i64>,
    ) -> Result<Vec<Change>, Lost> {
        let highest = self.highest();
        if !self.is_same(lines.iter().find(|line| line.id >= highest)) {
            return Err(Lost);
        }
        self.last = lines.last().cloned().or(self.last.take());
        let mut news = lines;
        news.retain(|line| line.id > self.floor && self.known.insert(line.id));
        if let Some(settled) = settled {
            self.floor = self.floor.max(settled.min(self.highest()));
        }
        self.known = self.known.split_off(&(self.floor + 1));
        while self.known.remove(&(self.floor + 1)) {
            self.floor += 1;
        }
        Ok(news)
    }

    /// The highest id that was read.
    pub(super) fn highest(&self) -> i64 {
        self.known.last().copied().unwrap_or(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn line(id: i64) -> Change {
        Change {
            id,
            created_at: OffsetDateTime::UNIX_EPOCH,
            gun: format!("gun{id}"),
            version: 1,
            sha256: String::new(),
            category: "update".to_owned(),
        }
    }

    fn lines(ids: impl IntoIterator<Item = i64>) -> Vec<Change> {
        ids.into_iter().map(line).collect()
    }

    fn advance(
        position: &mut Position,
        ids: impl IntoIterator<Item = i64>,
        settled: Option<i64>,
    ) -> Result<Vec<i64>, Lost> {
        let news = position.advance(lines(ids), settled)?;
        Ok(news.into_iter().map(|line| line.id).collect())
    }

    #[test]
    fn lines_are_news_once_in_whatever_order_they_appear() {
        let mut position = Position::behind(0);
        assert_eq!(position.next(), 0);
        assert_eq!(advance(&mut position, [2, 4], None), Ok(vec![2, 4]));
        assert_eq!(position.next(), 1);
        assert_eq!(advance(&mut position, [1, 2, 4, 5], None), Ok(vec![1, 5]));
        assert_eq!(position.next(), 3);
        assert_eq!(advance(&mut position, [3, 4, 5], None), Ok(vec![3]));
        assert!(!position.has_gaps());
        assert_eq!(position.next(), 5);
        assert_eq!(advance(&mut position, [5], None), Ok(vec![]));
    }

    #[test]
    fn ids_are_asked_for_until_it_is_proven_that_they_are_lost() {
        let mut position = Position::behind(10);
        assert_eq!(advance(&mut position, [10, 13, 15], None), Ok(vec![13, 15]));
        assert_eq!(advance(&mut position, [13, 15], Some(13)), Ok(vec![]));
        assert_eq!(position.next(), 14);
        // What is proven elsewhere to be settled counts only as far as it was seen here.
        assert_eq!(advance(&mut position, [15], Some(99)), Ok(vec![]));
        assert_eq!(position.next(), 15);
        assert_eq!(advance(&mut position, [15, 16], None), Ok(vec![16]));
    }

    #[test]
    fn a_feed_that_lost_its_end_or_has_another_is_not_the_same() {
        let mut position = Position::behind(10);
        assert_eq!(advance(&mut position, [9], None), Err(Lost));
        assert_eq!(advance(&mut position, [10, 11], None), Ok(vec![11]));
        assert_eq!(advance(&mut position, [], None), Err(Lost));
        assert_eq!(advance(&mut position, [12], None), Err(Lost));
        let mut other = lines([11]);
        other[0].sha256.push('0');
        assert_eq!(position.advance(other, None), Err(Lost));
        assert_eq!(advance(&mut position, [11], None), Ok(vec![]));
    }

    #[test]
    fn a_full_position_waits_until_most_of_it_is_settled() {
        let mut position = Position::behind(0);
        // As a Galera cluster of three gives them out.
        let most = i64::try_from(MOST_KNOWN).unwrap();
        let ids = |count: i64| (0..count).map(|n| 3 * n + 2);
        assert!(advance(&mut position, ids(most), None).is_ok());
        assert!(!position.is_full(None));
        assert_eq!(
            advance(&mut position, ids(most + 1), None),
            Ok(vec![3 * most + 2])
        );
        assert!(position.is_full(None));
        assert!(position.is_full(Some(2)));
        let half = 3 * (most / 2) + 2;
        assert!(!position.is_full(Some(half)));
        assert_eq!(
            advance(&mut position, ids(most + 1), Some(half)),
            Ok(vec![])
        );
        assert!(!position.is_full(None));
        assert!(position.has_gaps());
    }

    #[test]
    fn the_first_line_from_the_highest_on_shows_whether_the_feed_is_the_same() {
        let mut position = Position::behind(10);
        assert!(position.is_same(Some(&line(10))));
        assert!(!position.is_same(Some(&line(11))));
        assert!(advance(&mut position, [10, 12], None).is_ok());
        assert!(position.is_same(Some(&line(12))));
        assert!(!position.is_same(None));
        let mut other = line(12);
        other.sha256.push('0');
        assert!(!position.is_same(Some(&other)));
    }
}
