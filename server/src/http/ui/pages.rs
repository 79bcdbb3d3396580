//! The pages: what the overview answers, in templates.

mod audit;
mod repository;
mod tag;

use askama::Template;
pub(super) use audit::audit;
use axum::response::Response;
use http::StatusCode;
use insight::{Due, KeySummary, Listed, Question, who};
use inventory::{Filter, Freshness, NextExpiry, Owner, Sort, Summary};
pub(super) use repository::repository;
pub(super) use tag::tag;
use time::Duration;

use super::{
    Frame,
    failure::Failure,
    html,
    query::Query,
    text::{self, Badge, When, visible},
    visit::Visit,
};

/// How many rows a page has.
const ROWS: u32 = 50;

/// A choice of a list.
struct Choice {
    value: String,
    text: String,
    is_chosen: bool,
}

/// Choices of days; `any` is the text of the one that says nothing.
fn choices(days: &[i64], chosen: Option<i64>, any: Option<&str>) -> Vec<Choice> {
    let any = any.map(|text| Choice {
        value: String::new(),
        text: text.to_owned(),
        is_chosen: chosen.is_none(),
    });
    let days = days.iter().map(|&days| Choice {
        value: days.to_string(),
        text: match days {
            365 => "1 year".to_owned(),
            1_095 => "3 years".to_owned(),
            days => format!("{days} days"),
        },
        is_chosen: chosen == Some(days),
    });
    any.into_iter().chain(days).collect()
}

/// A page of the list of a link: the first, and the next one if there is more.
struct Paging {
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

impl Paging {
    fn new(path: &str, query: &Query, next: Option<&str>) -> Self {
        let others = query.others();
        let next = next.map(|next| {
            let all = others.iter().copied().chain([("after", next)]);
            text::link(path, all)
        });
        Self {
            first: text::link(path, others),
            next,
            is_later_page: query.text("after").is_some(),
        }
    }
}

/// When something of a repository expires first.
struct First {
    role: String,
    when: When,
}

impl First {
    fn new(next: &NextExpiry, visit: &Visit<'_>) -> Self {
        Self {
            role: visible(&next.role),
            when: When::expiry(Owner::of(&next.role), next.expires, visit.now),
        }
    }
}

/// A role that is due.
struct DueRow {
    gun: String,
    link: String,
    role: String,
    expires: When,
    who: &'static str,
    cure: String,
}

impl DueRow {
    fn new(due: &Due, visit: &Visit<'_>) -> Self {
        let expiry = &due.expiry;
        Self {
            gun: visible(&expiry.gun),
            link: text::repository(&expiry.gun),
            role: visible(&expiry.role),
            expires: When::expiry(expiry.owner, expiry.expires, visit.now),
            who: who(expiry.owner),
            cure: visible(&due.cure),
        }
    }
}

/// A repository that needs attention.
struct Unhealthy {
    badge: Badge,
    gun: String,
    link: String,
    hint: String,
}

#[derive(Template)]
#[template(path = "ui/start.html")]
struct Start {
    frame: Frame,
    lead: String,
    limits: Vec<(String, String)>,
    all: String,
    whole: String,
    warning: String,
    broken: String,
    unhealthy: Vec<Unhealthy>,
    has_more_unhealthy: bool,
    due: Vec<DueRow>,
    has_more_due: bool,
    freshness: String,
}

/// What is wrong, and what is due.
pub(super) async fn start(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    Query::read(query, &[])?;
    let status = visit.app.overview.status(&visit.sight, visit.now).await?;
    let counts = status.counts;
    let or_more = if counts.is_complete { "" } else { "+" };
    let figure = |count: u64| format!("{count}{or_more}");
    let health = &visit.app.health;
    let limits = if visit.is_administrator {
        let all = health.failing().into_iter().chain(health.limitations());
        all.map(|(name, why)| (name.to_owned(), visible(&why)))
            .collect()
    } else {
        Vec::new()
    };
    let unhealthy: Vec<_> = status.unhealthy.rows.iter().map(Unhealthy::from).collect();
    let due: Vec<_> = status
        .due
        .rows
        .iter()
        .map(|due| DueRow::new(due, visit))
        .collect();
    let page = Start {
        frame: visit.frame("/ui/"),
        lead: lead(counts.all(), counts.warning + counts.broken, &status.due),
        limits,
        all: if counts.all() == 0 {
            "0".to_owned()
        } else {
            figure(counts.all())
        },
        whole: counts.whole.to_string(),
        warning: counts.warning.to_string(),
        broken: counts.broken.to_string(),
        has_more_unhealthy: status.unhealthy.next.is_some(),
        unhealthy,
        has_more_due: status.due.next.is_some(),
        due,
        freshness: match status.freshness {
            Freshness::Current => "The inventory says what the files say.".to_owned(),
            Freshness::Since(Some(at)) => format!(
                "The inventory is behind: it does not know what was published since {}.",
                at.to_offset(time::UtcOffset::UTC)
                    .replace_nanosecond(0)
                    .unwrap_or(at)
            ),
            Freshness::Since(None) => "The inventory was never filled.".to_owned(),
        },
    };
    Ok(html(StatusCode::OK, &page))
}

/// All in a sentence.
fn lead(all: u64, unhealthy: u64, due: &Listed<Due>) -> String {
    if all == 0 {
        return "There is nothing yet that you may see.".to_owned();
    }
    let health = match (unhealthy, all) {
        (0, 1) => "The one repository is well".to_owned(),
        (0, all) => format!("All {all} repositories are well"),
        (1, all) => format!("1 of {all} needs attention"),
        (some, all) => format!("{some} of {all} need attention"),
    };
    let more = if due.next.is_some() { "more than " } else { "" };
    match due.rows.len() {
        0 if due.next.is_none() => format!("{health}, and nothing is due within 90 days."),
        1 => format!("{health}; {more}1 role is due within 90 days."),
        some => format!("{health}; {more}{some} roles are due within 90 days."),
    }
}

impl From<&Summary> for Unhealthy {
    fn from(row: &Summary) -> Self {
        Self {
            badge: row.health.into(),
            gun: visible(&row.gun),
            link: text::repository(&row.gun),
            hint: match row.health {
                inventory::Health::Broken => "clients cannot follow it",
                _ => "clients follow it, and there is something to see to",
            }
            .to_owned(),
        }
    }
}

/// What was searched for.
struct Search<'q> {
    prefix: &'q str,
    tag: &'q str,
    digest: &'q str,
    signer: &'q str,
    is_unhealthy: bool,
    is_any: bool,
}

/// A repository among others.
struct RepositoryRow {
    gun: String,
    link: String,
    badge: Badge,
    next: Option<First>,
    tags: u64,
    signers: u64,
    bytes: String,
    published: When,
}

impl RepositoryRow {
    fn new(row: &Summary, visit: &Visit<'_>) -> Self {
        Self {
            gun: visible(&row.gun),
            link: text::repository(&row.gun),
            badge: row.health.into(),
            next: row.next.as_ref().map(|next| First::new(next, visit)),
            tags: row.tags,
            signers: row.signers,
            bytes: text::bytes(row.bytes),
            published: When::past(row.published_at, visit.now),
        }
    }
}

#[derive(Template)]
#[template(path = "ui/repositories.html")]
struct Repositories<'q> {
    frame: Frame,
    asked: Search<'q>,
    expires: Vec<Choice>,
    rows: Vec<RepositoryRow>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// How far ahead the search looks, in days.
const EXPIRES: [i64; 5] = [7, 30, 90, 365, 1_095];

/// The repositories that match.
pub(super) async fn repositories(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let known = [
        "prefix",
        "tag",
        "digest",
        "signer",
        "expires",
        "unhealthy",
        "after",
    ];
    let query = Query::read(query, &known)?;
    let expires = query.days("expires", &EXPIRES)?;
    let is_unhealthy = match query.text("unhealthy") {
        None => false,
        Some("yes") => true,
        Some(_) => return Err(Failure::BadQuery("unhealthy takes yes alone.".to_owned())),
    };
    let text = |name: &str| query.text(name).map(|text| text.trim().to_owned());
    let hex = |name: &str| text(name).map(|text| text.to_ascii_lowercase());
    let filter = Filter {
        prefix: text("prefix").unwrap_or_default(),
        signer: hex("signer"),
        tag: text("tag"),
        digest: hex("digest").map(|digest| {
            if digest.contains(':') {
                digest
            } else {
                format!("sha256:{digest}")
            }
        }),
        expires_before: expires.map(|days| visit.now + Duration::days(days)),
        is_unhealthy,
    };
    let picks = [&filter.signer, &filter.tag, &filter.digest];
    let sort = match expires {
        Some(_) if picks.iter().all(|pick| pick.is_none()) => Sort::Expires,
        _ => Sort::Name,
    };
    let question = Question { filter, sort };
    let overview = &visit.app.overview;
    let found = overview
        .repositories(&visit.sight, &question, query.text("after"), ROWS)
        .await?;
    let asked = Search {
        prefix: query.text("prefix").unwrap_or_default(),
        tag: query.text("tag").unwrap_or_default(),
        digest: query.text("digest").unwrap_or_default(),
        signer: query.text("signer").unwrap_or_default(),
        is_unhealthy,
        is_any: !query.others().is_empty(),
    };
    let paging = Paging::new("/ui/repositories", &query, found.next.as_deref());
    let page = Repositories {
        frame: visit.frame("/ui/repositories"),
        asked,
        expires: choices(&EXPIRES, expires, Some("at any time")),
        rows: found
            .rows
            .iter()
            .map(|row| RepositoryRow::new(row, visit))
            .collect(),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}

/// A key among others.
struct KeyRow {
    link: String,
    short: String,
    algorithm: String,
    holder: Option<String>,
    roles: String,
    repositories: u64,
    expires: Option<When>,
}

impl KeyRow {
    fn new(key: &KeySummary, visit: &Visit<'_>) -> Self {
        let mut roles: Vec<_> = key.roles.iter().map(|role| visible(role)).collect();
        if key.has_more_roles {
            roles.push("…".to_owned());
        }
        Self {
            link: text::key(&key.key_id),
            short: text::short(&key.key_id),
            algorithm: visible(&key.algorithm),
            holder: key.certificate.as_deref().map(visible),
            roles: roles.join(", "),
            repositories: key.repositories,
            expires: key
                .expires
                .map(|at| When::expiry(Owner::Publisher, at, visit.now)),
        }
    }
}

#[derive(Template)]
#[template(path = "ui/signers.html")]
struct Signers {
    frame: Frame,
    rows: Vec<KeyRow>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// All keys.
pub(super) async fn signers(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let query = Query::read(query, &["after"])?;
    let overview = &visit.app.overview;
    let found = overview
        .signers(&visit.sight, query.text("after"), ROWS)
        .await?;
    let paging = Paging::new("/ui/signers", &query, found.next.as_deref());
    let page = Signers {
        frame: visit.frame("/ui/signers"),
        rows: found
            .rows
            .iter()
            .map(|key| KeyRow::new(key, visit))
            .collect(),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What a key may sign.
struct Signs {
    gun: String,
    link: String,
    role: String,
}

#[derive(Template)]
#[template(path = "ui/key.html")]
struct KeyPage {
    frame: Frame,
    key_id: String,
    short: String,
    algorithm: String,
    holder: Option<String>,
    expires: Option<When>,
    signs: Vec<Signs>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// What one key may sign.
pub(super) async fn key(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let query = Query::read(query, &["id", "after"])?;
    let id = query.need("id")?.trim().to_ascii_lowercase();
    let overview = &visit.app.overview;
    let found = overview
        .key(&visit.sight, &id, query.text("after"), ROWS)
        .await?;
    let found = found.ok_or(Failure::NotFound("key"))?;
    let paging = Paging::new("/ui/key", &query, found.signs.next.as_deref());
    let signs = found.signs.rows.iter().map(|(gun, role)| Signs {
        gun: visible(gun),
        link: text::repository(gun),
        role: visible(role),
    });
    let page = KeyPage {
        frame: visit.frame("/ui/signers"),
        key_id: visible(&found.key_id),
        short: text::short(&found.key_id),
        algorithm: visible(&found.algorithm),
        holder: found.certificate.as_deref().map(visible),
        expires: found
            .expires
            .map(|at| When::expiry(Owner::Publisher, at, visit.now)),
        signs: signs.collect(),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What expires in one month.
struct Month {
    id: String,
    title: String,
    due: Vec<DueRow>,
}

#[derive(Template)]
#[template(path = "ui/expiry.html")]
struct ExpiryPage {
    frame: Frame,
    within: Vec<Choice>,
    months: Vec<Month>,
    /// Where programs for calendars find the same, if the API is served.
    calendar: Option<String>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// How far ahead the calendar looks, in days.
const WITHIN: [i64; 4] = [30, 90, 365, 1_095];

/// What expires, by month.
pub(super) async fn expiry(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let query = Query::read(query, &["within", "after"])?;
    let days = query.days("within", &WITHIN)?.unwrap_or(90);
    let overview = &visit.app.overview;
    let found = overview
        .expiring(
            &visit.sight,
            visit.now,
            Duration::days(days),
            query.text("after"),
            ROWS,
        )
        .await?;
    let mut months: Vec<Month> = Vec::new();
    for due in &found.rows {
        let at = due.expiry.expires.to_offset(time::UtcOffset::UTC);
        let id = format!("m{}-{}", at.year(), u8::from(at.month()));
        if months.last().is_none_or(|month| month.id != id) {
            months.push(Month {
                id,
                title: format!("{} {}", at.month(), at.year()),
                due: Vec::new(),
            });
        }
        if let Some(month) = months.last_mut() {
            month.due.push(DueRow::new(due, visit));
        }
    }
    let paging = Paging::new("/ui/expiry", &query, found.next.as_deref());
    let page = ExpiryPage {
        frame: visit.frame("/ui/expiry"),
        within: choices(&WITHIN, Some(days), None),
        months,
        calendar: visit
            .app
            .has_v1
            .then(|| format!("/api/v1/expiry.ics?within={days}d")),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}
