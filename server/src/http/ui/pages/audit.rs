//! The newest lines of the audit log.

use askama::Template;
use audit_trail::{BadPlace, Line, Recent, Wanted};
use axum::response::Response;
use http::StatusCode;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Paging, ROWS};
use crate::http::{
    grant::{Audit, AuditAll},
    path::GunName,
    ui::{
        Frame,
        failure::Failure,
        html,
        query::Query,
        text::{self, When, visible},
        visit::Visit,
    },
};

/// How many details of a line are shown.
const MOST_DETAILS: usize = 20;

/// A line of the log.
struct Entry {
    when: Option<When>,
    time: String,
    who: String,
    event: String,
    outcome: String,
    is_refused: bool,
    gun: String,
    link: String,
    details: Vec<String>,
}

impl Entry {
    fn new(line: &Line, visit: &Visit<'_>) -> Self {
        let member = |name| visible(line.member(name));
        let at = OffsetDateTime::parse(line.member("time"), &Rfc3339).ok();
        let name = line.member("caller.name");
        let who = match (name, line.member("address")) {
            ("", "") => line.member("caller.kind").to_owned(),
            ("", address) => format!("{} at {address}", line.member("caller.kind")),
            (name, "") => name.to_owned(),
            (name, address) => format!("{name} at {address}"),
        };
        let reason = ["reason", "code", "roles", "key_id"];
        let reason = reason.map(|name| (name, line.member(name)));
        let plain = reason
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{name}: {text}"));
        let lists = [
            ("tags.added", "tag added"),
            ("tags.moved", "tag moved"),
            ("tags.removed", "tag removed"),
            ("signers.added", "signer added"),
            ("signers.removed", "signer removed"),
            ("signed_by", "signed by"),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(name, title)| line.list(name).map(move |text| format!("{title}: {text}")));
        let outcome = line.member("outcome");
        Self {
            when: at.map(|at| When::past(at, visit.now)),
            time: member("time"),
            who: visible(&who),
            event: member("event"),
            is_refused: matches!(outcome, "refused" | "failed"),
            outcome: visible(outcome),
            gun: member("gun"),
            link: text::repository(line.member("gun")),
            details: plain
                .chain(lists)
                .take(MOST_DETAILS)
                .map(|text| visible(&text))
                .collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "ui/audit.html")]
struct AuditPage<'q> {
    frame: Frame,
    asked: &'q str,
    has_file: bool,
    entries: Vec<Entry>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// The newest lines, about one repository or about all.
pub(in super::super) async fn audit(visit: &Visit<'_>, query: &str) -> Result<Response, Failure> {
    let query = Query::read(query, &["gun", "after"])?;
    let gun = query.text("gun");
    match gun {
        Some(gun) => visit.grant(Audit(GunName::new(gun)))?,
        None => visit.grant(AuditAll)?,
    }
    let wanted = Wanted {
        gun: gun.map(str::to_owned),
        since: None,
        limit: ROWS as usize,
    };
    let after = query.text("after").map(str::to_owned);
    let found = match visit.app.audit.read_recent(wanted, after).await {
        Ok(found) => found,
        Err(BadPlace::Busy) => return Err(Failure::Busy(BadPlace::Busy.to_string())),
        Err(BadPlace::Other) => return Err(Failure::BadQuery(BadPlace::Other.to_string())),
        Err(error) => return Err(Failure::Internal(error.to_string())),
    };
    let has_file = found.is_some();
    let (lines, next) = match found {
        Some(Recent { lines, next }) => (lines, next),
        None => (Vec::new(), None),
    };
    let paging = Paging::new("/ui/audit", &query, next.as_deref());
    let page = AuditPage {
        frame: visit.frame("/ui/audit"),
        asked: gun.unwrap_or_default(),
        has_file,
        entries: lines.iter().map(|line| Entry::new(line, visit)).collect(),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}
