//! What a tag named before, and who moved it.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use inventory::{HistoryCursor, Past};
use tuf::Role;

use crate::http::ui::{
    Frame,
    failure::Failure,
    html,
    query::Query,
    text::{self, When, visible},
    visit::Visit,
};

/// A key that signed a version.
struct SignedBy {
    link: String,
    short: String,
    holder: Option<String>,
}

/// A version that moved the tag.
struct Move {
    when: When,
    role: String,
    version: Option<i64>,
    from: Option<String>,
    to: Option<String>,
    keys: Vec<SignedBy>,
}

impl Move {
    fn new(past: &Past, holders: &BTreeMap<&str, Option<&str>>, visit: &Visit<'_>) -> Self {
        let change = past.changes.first();
        let keys = past.signed_by.iter().map(|id| SignedBy {
            link: text::key(id),
            short: text::short(id),
            holder: holders.get(id.as_str()).copied().flatten().map(visible),
        });
        Self {
            when: When::past(past.at, visit.now),
            role: visible(&past.role),
            version: past.version,
            from: change
                .and_then(|change| change.from)
                .map(|digest| digest.to_string()),
            to: change
                .and_then(|change| change.to)
                .map(|digest| digest.to_string()),
            keys: keys.collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "ui/tag.html")]
struct TagPage {
    frame: Frame,
    gun: String,
    back: String,
    tag: String,
    moves: Vec<Move>,
    command: String,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// What a tag named before.
pub(in super::super) async fn tag(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let query = Query::read(query, &["gun", "tag", "role", "below"])?;
    let (gun, tag) = (query.need("gun")?, query.need("tag")?);
    let after = read_place(&query)?;
    let is_later_page = query.text("role").is_some();
    let (overview, sight) = (&visit.app.overview, &visit.sight);
    let found = overview.repository(sight, gun).await?;
    let past = overview.history(sight, gun, tag, after).await?;
    let (Some(found), Some(past)) = (found, past) else {
        return Err(Failure::NotFound("repository"));
    };
    let signers = found.signers.iter();
    let holders = signers
        .map(|signer| (signer.key_id.as_str(), signer.certificate.as_deref()))
        .collect();
    let same = [("gun", gun), ("tag", tag)];
    let next = past.next.map(|next| {
        let below = next.below.to_string();
        let place = [("role", next.role.as_str()), ("below", below.as_str())];
        text::link("/ui/tag", same.into_iter().chain(place))
    });
    let page = TagPage {
        frame: visit.frame("/ui/repositories"),
        gun: visible(gun),
        back: text::repository(gun),
        tag: visible(tag),
        moves: past
            .rows
            .iter()
            .map(|past| Move::new(past, &holders, visit))
            .collect(),
        command: super::repository::visible_command(&format!(
            "notary-server -config FILE history {} {}",
            insight::quote(gun),
            insight::quote(tag)
        )),
        first: text::link("/ui/tag", same),
        next,
        is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}

/// Where the page begins.
fn read_place(query: &Query) -> Result<HistoryCursor, Failure> {
    let refuse = || Failure::BadQuery("role and below are no place in this history.".to_owned());
    match (query.text("role"), query.text("below")) {
        (None, None) => Ok(HistoryCursor::default()),
        (Some(role), Some(below)) => Ok(HistoryCursor {
            role: Role::parse(role).ok().ok_or_else(refuse)?,
            below: below.parse().ok().ok_or_else(refuse)?,
        }),
        _ => Err(refuse()),
    }
}
