//! The routes of the API, and their parameters: requests, the description for
//! machines and the documentation all come from here.

use insight::MOST_ROWS;
use time::Duration;

use super::RouteDoc;

/// How many rows a page has if the request does not say.
pub(super) const DEFAULT_LIMIT: u32 = 100;

/// How far is looked ahead if the request does not say.
pub(super) const AHEAD: Duration = Duration::days(90);

/// How long a request can wait for a change.
pub(super) const LONGEST_WAIT: u64 = 60;

/// Which route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Repositories,
    Repository,
    Tags,
    Signers,
    Key,
    Expiry,
    Calendar,
    Changes,
    Status,
    Audit,
    OpenApi,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Any text that is not empty.
    Text,
    /// The id of a key: 64 hexadecimal digits.
    KeyId,
    /// A digest, `sha256:` and 64 hexadecimal digits.
    Digest,
    /// A day, or a moment.
    Time,
    /// A number of days or weeks.
    Days,
    /// `true` or `false`.
    Flag,
    /// An order.
    Sort,
    /// The `next` of the page before.
    Cursor,
    /// A number of rows.
    Limit,
    /// A number of seconds.
    Wait,
}

/// A parameter of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) holds: Holds,
    /// Whether it has to be there.
    pub(super) is_required: bool,
    /// What it does.
    pub(super) text: &'static str,
}

/// A route.
pub(super) struct Row {
    /// Which.
    pub(super) name: Name,
    /// What the table of all routes says of it.
    pub(super) doc: RouteDoc,
    /// Its parameters.
    pub(super) parameters: &'static [Parameter],
    /// What is answered: the name of a schema, or a type of content.
    pub(super) answer: Form,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON of this schema.
    Json(&'static str),
    /// An object of JSON.
    Object,
    /// A calendar.
    Calendar,
}

impl Row {
    /// The path below the version of the API.
    pub(super) fn path(&self) -> &'static str {
        let path = self.doc.path;
        path.strip_prefix(super::BASE).unwrap_or(path)
    }

    /// What stands in the place of a name in braces, or nothing, if `path` is one of this route;
    /// `None` if not.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((begin, _)) = self.path().split_once('{') else {
            return (path == self.path()).then_some("");
        };
        let part = path.strip_prefix(begin)?;
        (!part.is_empty() && !part.contains('/')).then_some(part)
    }
}

const fn parameter(name: &'static str, holds: Holds, text: &'static str) -> Parameter {
    Parameter {
        name,
        holds,
        is_required: false,
        text,
    }
}

const GUN: Parameter = Parameter {
    name: "gun",
    holds: Holds::Text,
    is_required: true,
    text: "The name of a repository, such as `docker.io/library/alpine`.",
};
const AFTER: Parameter = parameter(
    "after",
    Holds::Cursor,
    "The `next` of the page before. It is good for the same question only.",
);
const LIMIT: Parameter = parameter("limit", Holds::Limit, "How many rows the page has at most.");
const WITHIN: Parameter = parameter(
    "within",
    Holds::Days,
    "How far to look ahead, such as `90d` or `12w`; 90 days if it is left out.",
);

/// A row, whose paths are below `/api/v1/`.
macro_rules! row {
    ($name:ident $path:literal $permission:literal $answer:expr, $parameters:expr, $($summary:literal)+) => {
        Row {
            name: Name::$name,
            doc: RouteDoc {
                method: "GET",
                path: concat!("/api/v1/", $path),
                permission: $permission,
                operation: None,
                codes: &[],
                summary: &[$($summary),+],
            },
            parameters: &$parameters,
            answer: $answer,
        }
    };
}

/// All routes.
pub(super) const TABLE: &[Row] = &[
    row!(Repositories "repositories" "see or pull" Form::Json("Repositories"), [
        parameter("prefix", Holds::Text, "The beginning of their names."),
        parameter("signer", Holds::KeyId, "A key that may sign for one of their roles."),
        parameter("tag", Holds::Text, "A tag that one of their roles lists."),
        parameter("digest", Holds::Digest, "What one of their tags is."),
        parameter(
            "expires_before", Holds::Time,
            "Something that people may have to renew expires before this day or moment.",
        ),
        parameter("unhealthy", Holds::Flag, "Only those with problems or warnings."),
        parameter(
            "sort", Holds::Sort,
            "Their order: by name; `expires`, what expires first first, which is the default beside \
             `expires_before`; `published`, the newest first. Beside `signer`, `tag` and `digest`, \
             only `name` is accepted.",
        ),
        AFTER,
        LIMIT,
    ], "A page of the repositories to which all of the parameters apply."),
    row!(Repository "repository" "see or pull" Form::Json("Repository"), [GUN],
        "One repository: its roles, who may sign for them, and what is wrong."),
    row!(Tags "tags" "see or pull" Form::Json("Tags"), [GUN, AFTER, LIMIT],
        "A page of the tags of a repository, by role and name."),
    row!(Signers "signers" "see or pull" Form::Json("Signers"), [AFTER, LIMIT],
        "A page of all keys that may sign, by id, with the number of their repositories."),
    row!(Key "keys/{id}" "see or pull" Form::Json("Key"), [AFTER, LIMIT],
        "What one key may sign: a page of repositories and roles."),
    row!(Expiry "expiry" "see or pull" Form::Json("Expiring"), [WITHIN, AFTER, LIMIT],
        "A page of what expires soon, the first first, who has to act, and by which command. What"
        "the server renews by itself is listed only if it should have been renewed already."),
    row!(Calendar "expiry.ics" "see or pull" Form::Calendar, [WITHIN],
        "The first thousand of the same as a calendar (iCalendar)."),
    row!(Changes "changes" "see or pull" Form::Json("Changes"), [
        parameter("wait", Holds::Wait, "How long to wait for a change if there is none, such as `30s`."),
        AFTER,
        LIMIT,
    ], "What was published and deleted, oldest first. It loses nothing: go on with `next`, also"
        "after an empty page."),
    row!(Status "status" "see or pull" Form::Json("Status"), [],
        "How the server is, how fresh the inventory is, how many repositories there are, what is"
        "wrong with them, and what is due."),
    row!(Audit "audit" "audit; without `gun`, on all GUNs" Form::Json("Audit"), [
        Parameter { is_required: false, text: "Only lines about this repository.", ..GUN },
        parameter("since", Holds::Time, "Only lines of this day or moment, and later ones."),
        AFTER,
        LIMIT,
    ], "Lines of the audit log, the newest first, as far as they are in its file. Anonymous callers"
        "never get them."),
    row!(OpenApi "openapi.json" "none" Form::Object, [],
        "The description of this API (OpenAPI 3.1)."),
];

/// The largest page, for the description.
pub(super) const MOST: u32 = MOST_ROWS;
