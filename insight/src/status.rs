//! How all repositories are, in a few lines: what is wrong, and what is due.

use inventory::{Filter, Freshness, Health, Sort, Summary, SummaryCursor};
use time::{Duration, OffsetDateTime};

use super::{BATCH, Due, Listed, Overview, OverviewError, Question, STATEMENT, Sight, Turn};

/// How many of each kind are named.
const MOST_NAMED: u32 = 10;

/// How far ahead is looked.
const AHEAD: Duration = Duration::days(90);

/// How many rows are counted one by one.
const MOST_COUNTED: u32 = 20_000;

/// How all repositories are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the tables say what the files say.
    pub freshness: Freshness,
    /// How many repositories there are.
    pub counts: Counts,
    /// The first repositories with problems or warnings. If there are more, `next` is for
    /// [`Overview::repositories`], asked for the unhealthy ones.
    pub unhealthy: Listed<Summary>,
    /// What expires first within 90 days. If there is more, `next` is for [`Overview::expiring`].
    pub due: Listed<Due>,
}

/// How many repositories there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that clients follow, and in which nothing is to be seen to.
    pub whole: u64,
    /// Those in which something is to be seen to.
    pub warning: u64,
    /// Those that clients cannot follow.
    pub broken: u64,
    /// Whether all were counted; otherwise there are more.
    pub is_complete: bool,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.whole + self.warning + self.broken
    }

    fn add(&mut self, health: Health, count: u64) {
        match health {
            Health::Whole => self.whole += count,
            Health::Warning => self.warning += count,
            Health::Broken => self.broken += count,
        }
    }
}

impl Overview {
    /// How the repositories are that `sight` shows.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn status(
        &self,
        sight: &Sight,
        now: OffsetDateTime,
    ) -> Result<Status, OverviewError> {
        let turn = self.turn().await?;
        let freshness = turn.settle(turn.inner.follower.freshness().await).await?;
        let counts = turn.count(sight).await?;
        let question = Question {
            filter: Filter {
                is_unhealthy: true,
                ..Filter::default()
            },
            sort: Sort::Name,
        };
        let (unhealthy, next) = turn.walk(sight, &question, None, MOST_NAMED).await?;
        let unhealthy = Listed {
            rows: unhealthy,
            next: turn.seal(&question.describe(), next).await?,
        };
        let (due, next) = turn
            .find_due(sight, now, AHEAD, None, MOST_NAMED as usize)
            .await?;
        let due = Listed {
            rows: due,
            next: turn.seal("expiring", next).await?,
        };
        Ok(Status {
            freshness,
            counts,
            unhealthy,
            due,
        })
    }
}

impl Turn<'_> {
    /// How many repositories `sight` shows.
    async fn count(&self, sight: &Sight) -> Result<Counts, OverviewError> {
        let mut counts = Counts {
            is_complete: true,
            ..Counts::default()
        };
        if sight.is_everything() {
            let found = self.settle(self.tables.count_by_health().await).await?;
            for (health, count) in found {
                counts.add(health, count);
            }
            return Ok(counts);
        }
        let mut looked_at = 0;
        for range in sight.ranges("") {
            let mut at: Option<SummaryCursor> = None;
            let filter = Filter {
                prefix: range,
                ..Filter::default()
            };
            loop {
                if looked_at >= MOST_COUNTED {
                    counts.is_complete = false;
                    return Ok(counts);
                }
                let batch = self
                    .tables
                    .summaries(&filter, Sort::Name, at.as_ref(), BATCH);
                let batch = self.settle(batch.await).await?;
                looked_at += batch.count.max(STATEMENT);
                for row in batch.rows.iter().filter(|row| sight.sees(&row.gun)) {
                    counts.add(row.health, 1);
                }
                let Some(next) = batch.next else { break };
                at = Some(next);
            }
        }
        Ok(counts)
    }
}
