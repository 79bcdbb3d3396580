//! What expires, who has to act, and by which command.

use inventory::{Expiry, ExpiryCursor, Owner, Tables};
use time::{Duration, OffsetDateTime};

use super::{
    BATCH, Listed, MOST_LOOKED_AT, MOST_ROWS, Overview, OverviewError, STATEMENT, Sight, Turn,
    cursor::Manner,
};
use crate::calendar::{self, Deadline};

/// How many entries a calendar has at most.
const MOST_ENTRIES: usize = 1_000;

/// A role that has to be renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What expires.
    pub expiry: Expiry,
    /// What to do about it, with the command to type.
    pub cure: String,
}

impl From<Expiry> for Due {
    fn from(expiry: Expiry) -> Self {
        Self {
            cure: cure(&expiry),
            expiry,
        }
    }
}

/// Before which time something of this owner counts as due. What a server renews is due only if it
/// should have been renewed already.
#[must_use]
pub fn deadline(owner: Owner, now: OffsetDateTime, within: Duration) -> OffsetDateTime {
    now + owner
        .overdue()
        .map_or(within, |overdue| overdue.min(within))
}

/// Who renews what has this owner, in words.
#[must_use]
pub fn who(owner: Owner) -> &'static str {
    match owner {
        Owner::Server => "server",
        Owner::Publisher => "publisher",
        Owner::Either => "server or publisher",
    }
}

/// What to do about it, with the command to type.
fn cure(expiry: &Expiry) -> String {
    let (gun, role) = (quote(&expiry.gun), quote(&expiry.role));
    match (expiry.owner, expiry.role.as_str()) {
        (Owner::Server, _) => {
            "start the server; if it runs, its log says why it cannot renew".to_owned()
        }
        (Owner::Either, _) => format!(
            "start the server, which renews it if it has the key; else: notary publish {gun}"
        ),
        (Owner::Publisher, "root") => format!("notary key rotate {gun} targets"),
        (Owner::Publisher, _) => format!("notary witness {gun} {role} -p"),
    }
}

/// `name` as one word of a shell, whatever is in it.
#[must_use]
pub fn quote(name: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '-' | '_' | ':' | '@')
    };
    let is_option = name.starts_with('-');
    if !name.is_empty() && !is_option && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

/// The calendar of what is due, dated by `changed`: the same files make the same calendar.
#[must_use]
pub fn calendar(due: &[Due], changed: impl Fn(&Expiry) -> OffsetDateTime) -> String {
    let advice: Vec<String> = due
        .iter()
        .map(|due| format!("{}: {}", who(due.expiry.owner), due.cure))
        .collect();
    calendar::render(
        due.iter()
            .zip(&advice)
            .map(|(Due { expiry, .. }, advice)| Deadline {
                gun: &expiry.gun,
                role: &expiry.role,
                version: expiry.version,
                expires: expiry.expires,
                changed: changed(expiry),
                advice,
            }),
    )
}

impl Overview {
    /// A page of what `sight` shows of the roles that expire within a time and have to be renewed,
    /// the first ones first.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn expiring(
        &self,
        sight: &Sight,
        now: OffsetDateTime,
        within: Duration,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Listed<Due>, OverviewError> {
        let turn = self.turn().await?;
        let about = "expiring";
        let at = turn.open(about, after).await?;
        let limit = limit.clamp(1, MOST_ROWS) as usize;
        let (rows, next) = turn.find_due(sight, now, within, at, limit).await?;
        Ok(Listed {
            rows,
            next: turn.seal(about, next).await?,
        })
    }

    /// The first thousand of what expires within a time, of what `sight` shows, for programs that
    /// read iCalendar.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn calendar(
        &self,
        sight: &Sight,
        now: OffsetDateTime,
        within: Duration,
    ) -> Result<String, OverviewError> {
        let turn = self.turn().await?;
        let (mut due, mut at) = (Vec::new(), None);
        while due.len() < MOST_ENTRIES {
            let wanted = MOST_ENTRIES - due.len();
            let (rows, next) = turn.find_due(sight, now, within, at, wanted).await?;
            due.extend(rows);
            let Some((next, _)) = next else { break };
            at = Some(next);
        }
        let mut changed = std::collections::HashMap::new();
        for Due { expiry, .. } in &due {
            if !changed.contains_key(&expiry.gun) {
                let row = turn
                    .settle(turn.tables.repository(&expiry.gun).await)
                    .await?;
                let when = row.map_or(expiry.expires, |row| row.published_at);
                changed.insert(expiry.gun.clone(), when);
            }
        }
        Ok(calendar(&due, |expiry| changed[&expiry.gun]))
    }
}

/// What one owner has to renew, read piece by piece.
struct Stream {
    owner: Owner,
    before: OffsetDateTime,
    /// The last first.
    rows: Vec<Expiry>,
    at: Option<ExpiryCursor>,
    is_at_end: bool,
}

impl Stream {
    async fn fill(&mut self, tables: &dyn Tables) -> Result<u32, trust::store::StoreError> {
        if self.is_at_end || !self.rows.is_empty() {
            return Ok(0);
        }
        let (owner, before) = (self.owner, self.before);
        let page = tables
            .expiring(owner, before, self.at.as_ref(), BATCH)
            .await?;
        let count = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        self.rows = page.rows;
        self.rows.reverse();
        self.is_at_end = page.next.is_none();
        self.at = page.next.or_else(|| self.at.take());
        Ok(count.max(STATEMENT))
    }
}

impl Turn<'_> {
    /// At most `limit` of what is due, and where the rest begins.
    pub(super) async fn find_due(
        &self,
        sight: &Sight,
        now: OffsetDateTime,
        within: Duration,
        mut at: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<(Vec<Due>, Option<(ExpiryCursor, Manner)>), OverviewError> {
        let mut streams = Owner::ALL.map(|owner| Stream {
            owner,
            before: deadline(owner, now, within),
            rows: Vec::new(),
            at: at.clone(),
            is_at_end: false,
        });
        let mut due: Vec<Due> = Vec::new();
        let mut looked_at = 0;
        loop {
            for stream in &mut streams {
                let filled = stream.fill(self.tables).await;
                looked_at += self.settle(filled).await?;
            }
            let first = streams
                .iter_mut()
                .filter(|stream| !stream.rows.is_empty())
                .min_by(|one, other| order(one.rows.last()).cmp(&order(other.rows.last())));
            let Some(expiry) = first.and_then(|stream| stream.rows.pop()) else {
                return Ok((due, None));
            };
            let place = ExpiryCursor::behind(&expiry);
            if sight.sees(&expiry.gun) {
                if due.len() == limit {
                    let last = due.last().map(|due| ExpiryCursor::behind(&due.expiry));
                    return Ok((due, last.map(|last| (last, Manner::Same))));
                }
                due.push(expiry.into());
            }
            at = Some(place);
            if looked_at > MOST_LOOKED_AT {
                return Ok((due, at.map(|at| (at, Manner::Unlike))));
            }
        }
    }
}

fn order(expiry: Option<&Expiry>) -> Option<(OffsetDateTime, &[u8], &[u8])> {
    expiry.map(|expiry| {
        (
            expiry.expires,
            expiry.gun.as_bytes(),
            expiry.role.as_bytes(),
        )
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_a_server_renews_is_due_only_when_it_is_late() {
        let now = datetime!(2026-01-01 00:00 UTC);
        let within = Duration::days(90);
        let days = |owner| (deadline(owner, now, within) - now).whole_days();
        assert_eq!(days(Owner::Publisher), 90);
        assert_eq!(days(Owner::Server), 4);
        assert_eq!(days(Owner::Either), 4);
    }

    #[test]
    fn a_command_takes_a_name_as_one_word() {
        assert_eq!(quote("ex.com/app"), "ex.com/app");
        assert_eq!(quote("a'; rm -rf ~"), r"'a'\''; rm -rf ~'");
        assert_eq!(quote("-x"), "'-x'");
    }
}
