//! The page of one repository.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use insight::{Version, quote};
use inventory::{Health, Owner, ProblemDetail, RoleDetail, Signer, Tag};
use time::OffsetDateTime;

use super::{First, Paging, ROWS};
use crate::http::ui::{
    Frame,
    failure::Failure,
    html,
    query::Query,
    text::{self, Badge, Meter, When, visible},
    visit::Visit,
};

/// How many versions are told.
const VERSIONS: u32 = 20;

/// How many keys of a role are told.
const MOST_KEYS: usize = 50;

/// How deep roles are indented.
const DEEPEST: usize = 4;

struct Problem {
    badge: Badge,
    role: Option<String>,
    text: String,
    cure: String,
}

impl From<&ProblemDetail> for Problem {
    fn from(problem: &ProblemDetail) -> Self {
        Self {
            badge: problem.health.into(),
            role: problem.role.as_deref().map(visible),
            text: visible(&problem.text),
            cure: visible(&problem.cure),
        }
    }
}

/// A key of a role.
struct KeyOfRole {
    link: String,
    short: String,
    holder: Option<String>,
    has_signed: bool,
}

struct Expires {
    bar: Meter,
    when: When,
}

/// A role, and whose keys count for it.
struct Role {
    depth: usize,
    name: String,
    parent: Option<String>,
    note: Option<&'static str>,
    paths: String,
    version: i64,
    threshold: String,
    keys: Vec<KeyOfRole>,
    expires: Option<Expires>,
}

impl Role {
    fn new(role: &RoleDetail, holders: &BTreeMap<&str, Option<&str>>, visit: &Visit<'_>) -> Self {
        let keys = role.keys.iter().take(MOST_KEYS).map(|id| KeyOfRole {
            link: text::key(id),
            short: text::short(id),
            holder: holders.get(id.as_str()).copied().flatten().map(visible),
            has_signed: role.signed_by.contains(id),
        });
        let more = role.keys.len().saturating_sub(MOST_KEYS);
        let more = if more == 0 {
            String::new()
        } else {
            format!(", {more} of them not listed")
        };
        let parent = match role.role.rsplit_once('/') {
            Some((parent, _)) => Some(parent),
            None if role.role == "root" => None,
            None => Some("root"),
        };
        let (owner, now) = (Owner::of(&role.role), visit.now);
        let expires = role
            .expires
            .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
            .map(|at| Expires {
                bar: Meter::new(owner, &role.role, at, now),
                when: When::expiry(owner, at, now),
            });
        let depth = match parent {
            None => 0,
            Some(_) => role.role.split('/').count(),
        };
        Self {
            depth: depth.min(DEEPEST),
            name: visible(&role.role),
            parent: parent.map(visible),
            note: match (role.is_believed, role.is_skipped) {
                (_, true) => Some("Clients pass over it"),
                (false, false) => Some("Not verified"),
                (true, false) => None,
            },
            paths: list_paths(&role.paths),
            version: role.version,
            threshold: format!(
                "{} of {} must sign{more}",
                role.threshold,
                text::count(role.keys.len() as u64, "key", "keys")
            ),
            keys: keys.collect(),
            expires,
        }
    }
}

/// The beginnings of names that a delegation is limited to; empty for those that have none, or all.
fn list_paths(paths: &[String]) -> String {
    const MOST: usize = 5;
    if paths.iter().any(String::is_empty) {
        return String::new();
    }
    let mut shown: Vec<_> = paths.iter().take(MOST).map(|path| visible(path)).collect();
    if paths.len() > MOST {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

struct TagRow {
    name: String,
    past: String,
    digest: String,
    link: String,
    role: String,
    length: String,
}

impl TagRow {
    fn new(gun: &str, tag: &Tag) -> Self {
        Self {
            past: text::link("/ui/tag", [("gun", gun), ("tag", tag.name.as_str())]),
            name: visible(&tag.name),
            digest: visible(&tag.digest),
            link: text::link("/ui/repositories", [("digest", tag.digest.as_str())]),
            role: visible(&tag.role),
            length: text::bytes(tag.length.try_into().unwrap_or_default()),
        }
    }
}

struct VersionRow {
    when: When,
    title: String,
    sum: Option<String>,
    is_deletion: bool,
}

impl VersionRow {
    fn new(version: &Version, visit: &Visit<'_>) -> Self {
        Self {
            when: When::past(version.at, visit.now),
            title: match version.version {
                Some(number) => format!("version {number}"),
                None => "deleted".to_owned(),
            },
            sum: version
                .version
                .map(|_| text::short(&version.sha256))
                .filter(|sum| !sum.is_empty()),
            is_deletion: version.version.is_none(),
        }
    }
}

struct Command {
    title: &'static str,
    text: String,
}

/// What people do about a repository, and the command for each.
fn commands(gun: &str, site: &str) -> Vec<Command> {
    let name = quote(gun);
    let site = quote(if site.is_empty() {
        "https://HOST"
    } else {
        site
    });
    let notary = format!("notary -s {site} -d ~/.docker/trust");
    [
        (
            "See what clients see",
            format!("docker trust inspect --pretty {name}"),
        ),
        ("List tags", format!("{notary} list {name}")),
        ("Sign a tag", format!("docker trust sign {name}:TAG")),
        (
            "Take the signature of a tag back",
            format!("docker trust revoke {name}:TAG"),
        ),
        (
            "Let someone else sign",
            format!("docker trust signer add --key THEIR-KEY.pem THEIR-NAME {name}"),
        ),
        (
            "Stop letting them sign",
            format!("docker trust signer remove THEIR-NAME {name}"),
        ),
        (
            "Renew targets before they expire",
            format!("{notary} witness {name} targets -p"),
        ),
        (
            "Replace the key of targets, as after it was stolen",
            format!("{notary} key rotate {name} targets"),
        ),
        (
            "Let the server keep the snapshot key",
            format!("{notary} key rotate {name} snapshot -r"),
        ),
        (
            "Look for faults, on the server",
            format!("notary-server -config FILE doctor gun {name}"),
        ),
        (
            "Delete all trust data",
            format!("{notary} delete {name} --remote"),
        ),
    ]
    .into_iter()
    .map(|(title, text)| Command {
        title,
        text: visible_command(&text),
    })
    .collect()
}

/// A command as text that can be typed: what a name hides shows up, and then no longer works, which
/// is better than a command that is not what it looks like.
pub(super) fn visible_command(text: &str) -> String {
    daemon::logging::Plain(text).to_string()
}

#[derive(Template)]
#[template(path = "ui/repository.html")]
struct RepositoryPage {
    frame: Frame,
    gun: String,
    badge: Badge,
    lead: String,
    problems: Vec<Problem>,
    version: i64,
    published: When,
    computed: When,
    next_expiry: Option<First>,
    tag_count: u64,
    bytes: String,
    format: String,
    roles: Vec<Role>,
    tags: Vec<TagRow>,
    versions: Vec<VersionRow>,
    commands: Vec<Command>,
    first: String,
    next: Option<String>,
    is_later_page: bool,
}

/// One repository.
pub(in super::super) async fn repository(
    visit: &Visit<'_>,
    query: &str,
) -> Result<Response, Failure> {
    let query = Query::read(query, &["gun", "after"])?;
    let gun = query.need("gun")?;
    let not_found = Failure::NotFound("repository");
    let (overview, sight) = (&visit.app.overview, &visit.sight);
    let found = overview.repository(sight, gun).await?;
    let tags = overview.tags(sight, gun, query.text("after"), ROWS).await?;
    let (Some(found), Some(tags)) = (found, tags) else {
        return Err(not_found);
    };
    let versions = overview.versions(sight, gun, VERSIONS).await?;
    let row = &found.row;
    let paging = Paging::new("/ui/repository", &query, tags.next.as_deref());
    let holders = found.signers.iter().map(holder).collect();
    let site = visit.origin.site(visit.app.public_url.as_deref());
    let page = RepositoryPage {
        frame: visit.frame("/ui/repositories"),
        gun: visible(gun),
        badge: row.health.into(),
        lead: match row.health {
            Health::Whole => "Clients can read and follow it.",
            Health::Warning => "Clients can follow it, and there is something to see to.",
            Health::Broken => "A client cannot read or follow it.",
        }
        .to_owned(),
        problems: row.detail.problems.iter().map(Problem::from).collect(),
        version: row.version,
        published: When::past(row.published_at, visit.now),
        computed: When::past(row.computed_at, visit.now),
        next_expiry: row.next.as_ref().map(|next| First::new(next, visit)),
        tag_count: row.tags,
        bytes: text::bytes(row.bytes),
        format: visible(&row.format),
        roles: row
            .detail
            .roles
            .iter()
            .map(|role| Role::new(role, &holders, visit))
            .collect(),
        tags: tags.rows.iter().map(|tag| TagRow::new(gun, tag)).collect(),
        versions: versions
            .iter()
            .map(|one| VersionRow::new(one, visit))
            .collect(),
        commands: commands(gun, &site),
        first: paging.first,
        next: paging.next,
        is_later_page: paging.is_later_page,
    };
    Ok(html(StatusCode::OK, &page))
}

/// Whose key it is.
fn holder(signer: &Signer) -> (&str, Option<&str>) {
    (&signer.key_id, signer.certificate.as_deref())
}
