//! The API for operators, below `/api/v1/`: what is stored, who signs it, what expires, what
//! happened. It reads and never writes.
//!
//! `table` says which routes there are, `query` reads their parameters, `insight` answers
//! within what the caller may see, `view` is the form of the answers, and `problem` what is
//! answered otherwise (RFC 9457). `openapi` writes the description from the same table.

mod audit;
mod body;
mod changes;
mod openapi;
mod problem;
mod query;
mod table;
mod view;

use axum::{body::Body, response::Response};
use body::{Answered, Privacy};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts as Head};
use insight::{OverviewError, Question, Sight};
use inventory::{Filter, Freshness, Sort};
use problem::{Kind, Problem};
use query::Query;
use table::{Name, Row, TABLE};

use super::{
    add_data_headers,
    grant::{Auth, Granted, Overview as SeeSome},
    origin::Origin,
    path::RouteDoc,
    target::{LONGEST_TARGET, decode_percent},
    upload,
};
use crate::App;

/// What the API is below.
const BASE: &str = "/api/v1/";

/// What the table says of each route, for the reference of all routes.
pub(super) fn docs() -> impl Iterator<Item = &'static RouteDoc> {
    TABLE.iter().map(|row| &row.doc)
}

/// A request to a route, before its permission was decided.
struct Call<'r> {
    app: &'r App,
    auth: Auth<'r>,
    query: Query,
    /// What stands in the path in the place of a name in braces, if there is one.
    part: String,
}

/// Answers a request.
pub(super) async fn answer(app: &App, head: Head, body: Body, origin: &Origin) -> Response {
    let mut response = match call(app, &head, origin).await {
        Ok(answered) => answered.into_response(&head).await,
        Err(problem) => problem.into_response(),
    };
    if head.method == Method::HEAD {
        let length = http_body::Body::size_hint(response.body()).exact();
        let headers = response.headers_mut();
        if let Some(length) = length.filter(|_| !headers.contains_key(header::CONTENT_LENGTH)) {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::empty();
    }
    upload::discard(app, &head, body).await;
    add_data_headers(&mut response);
    response
}

async fn call(app: &App, head: &Head, origin: &Origin) -> Result<Answered, Problem> {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    if path.len() + query.len() > LONGEST_TARGET {
        let text = format!("the request target has more than {LONGEST_TARGET} bytes");
        return Err(Problem::new(Kind::TooLong, text));
    }
    let not_found = || Problem::new(Kind::NoSuchRoute, "there is nothing at this path");
    let rest = decode_percent(path).ok_or_else(not_found)?;
    let rest = rest.strip_prefix(BASE).ok_or_else(not_found)?;
    let mut found = TABLE.iter().filter_map(|row| Some((row, row.find(rest)?)));
    let (row, part) = found.next().ok_or_else(not_found)?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Problem::new(
            Kind::MethodNotAllowed,
            "the API only reads: GET and HEAD",
        ));
    }
    let call = Call {
        app,
        auth: Auth { app, head, origin },
        query: Query::read(row, query)?,
        part: part.to_owned(),
    };
    call.answer(row, &head.method).await
}

impl Call<'_> {
    async fn answer(&self, row: &Row, method: &Method) -> Result<Answered, Problem> {
        Ok(match row.name {
            Name::OpenApi => Answered::json(Privacy::Public, &openapi::document())?,
            Name::Repositories => self.repositories(&self.sight().await?).await?,
            Name::Repository => self.repository(&self.sight().await?).await?,
            Name::Tags => self.tags(&self.sight().await?).await?,
            Name::Signers => self.signers(&self.sight().await?).await?,
            Name::Key => self.key(&self.sight().await?).await?,
            Name::Expiry => self.expiry(&self.sight().await?).await?,
            Name::Calendar => self.calendar(&self.sight().await?).await?,
            Name::Status => self.status(&self.sight().await?).await?,
            Name::Changes => self.changes(*method == Method::HEAD).await?,
            Name::Audit => self.audit().await?,
        })
    }

    /// Decides whether the caller may see anything.
    async fn grant(&self) -> Result<Granted<SeeSome>, Problem> {
        Ok(self.auth.grant(SeeSome).await?)
    }

    /// Decides, and says what the caller may see.
    async fn sight(&self) -> Result<Sight, Problem> {
        Ok(self.grant().await?.sight(self.app))
    }

    fn after(&self) -> Option<&str> {
        self.query.text("after")
    }

    fn limit(&self) -> u32 {
        self.query.number("limit").unwrap_or(table::DEFAULT_LIMIT)
    }

    async fn repositories(&self, sight: &Sight) -> Result<Answered, Problem> {
        let query = &self.query;
        let text = |name| query.text(name).map(str::to_owned);
        let expires_before = query.time("expires_before");
        let sort = query.sort().unwrap_or(match expires_before {
            Some(_)
                if !["signer", "tag", "digest"]
                    .iter()
                    .any(|name| query.has(name)) =>
            {
                Sort::Expires
            }
            _ => Sort::Name,
        });
        let question = Question {
            filter: Filter {
                prefix: text("prefix").unwrap_or_default(),
                signer: text("signer"),
                tag: text("tag"),
                digest: text("digest"),
                expires_before,
                is_unhealthy: query.flag("unhealthy"),
            },
            sort,
        };
        let overview = &self.app.overview;
        let page = overview
            .repositories(sight, &question, self.after(), self.limit())
            .await?;
        show(&view::Repositories::from(page))
    }

    async fn repository(&self, sight: &Sight) -> Result<Answered, Problem> {
        let gun = self.query.text("gun").unwrap_or_default();
        let found = self.app.overview.repository(sight, gun).await?;
        show(&view::Repository::from(found.ok_or_else(no_repository)?))
    }

    async fn tags(&self, sight: &Sight) -> Result<Answered, Problem> {
        let gun = self.query.text("gun").unwrap_or_default();
        let overview = &self.app.overview;
        let found = overview
            .tags(sight, gun, self.after(), self.limit())
            .await?;
        show(&view::Tags::from(found.ok_or_else(no_repository)?))
    }

    async fn signers(&self, sight: &Sight) -> Result<Answered, Problem> {
        let overview = &self.app.overview;
        let page = overview.signers(sight, self.after(), self.limit()).await?;
        show(&view::Signers::from(page))
    }

    async fn key(&self, sight: &Sight) -> Result<Answered, Problem> {
        let id = self.part.to_ascii_lowercase();
        let overview = &self.app.overview;
        let found = overview.key(sight, &id, self.after(), self.limit()).await?;
        let none = || Problem::new(Kind::NotFound, "no key with this id signs anything here");
        show(&view::OneKey::from(found.ok_or_else(none)?))
    }

    async fn expiry(&self, sight: &Sight) -> Result<Answered, Problem> {
        let within = self.query.days("within").unwrap_or(table::AHEAD);
        let (overview, now) = (&self.app.overview, self.app.now());
        let page = overview
            .expiring(sight, now, within, self.after(), self.limit())
            .await?;
        show(&view::Expiring::from(page))
    }

    async fn calendar(&self, sight: &Sight) -> Result<Answered, Problem> {
        let within = self.query.days("within").unwrap_or(table::AHEAD);
        let overview = &self.app.overview;
        let calendar = overview.calendar(sight, self.app.now(), within).await?;
        Ok(Answered::of(
            Privacy::OfCaller,
            "text/calendar; charset=utf-8",
            calendar.into_bytes(),
        ))
    }

    /// Also answers where there is no inventory: that is what it is asked for.
    async fn status(&self, sight: &Sight) -> Result<Answered, Problem> {
        let status = self.app.overview.status(sight, self.app.now()).await;
        let (state, since, cure) = match &status {
            Ok(status) => match status.freshness {
                Freshness::Current => (view::State::Current, None, None),
                Freshness::Since(since) => (view::State::Behind, since, None),
            },
            Err(error) => {
                let state = match error {
                    OverviewError::Off => view::State::Off,
                    OverviewError::NoTables => view::State::TablesMissing,
                    OverviewError::NotReady => view::State::BeingFilled,
                    OverviewError::Store(error) if error.is_temporary() => view::State::Unavailable,
                    _ => return Err(status.err().map_or_else(no_repository, Problem::from)),
                };
                (state, None, Some(error.to_string()))
            }
        };
        let health = &self.app.health;
        let inventory = view::Inventory {
            state,
            since: since.map(archive::moment),
            cure,
        };
        let checks = (health.failing(), health.limitations());
        show(&view::Status::of(checks, inventory, status.ok()))
    }
}

/// Answers JSON that shows what its caller may see.
fn show(value: &impl serde::Serialize) -> Result<Answered, Problem> {
    Answered::json(Privacy::OfCaller, value)
}

/// Missing or hidden: no one can tell.
fn no_repository() -> Problem {
    Problem::new(Kind::NotFound, "there is no trust data for this name")
}

/// Whether a client takes an answer in gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| HeaderValue::to_str(value).ok());
    let mut any = None;
    for coding in texts.flat_map(|text| text.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let is_taken = weight.parse::<f32>().is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return is_taken,
            "*" => any = Some(is_taken),
            _ => {}
        }
    }
    any.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
            takes_gzip(&headers)
        };
        for text in [
            "gzip",
            "br, GZIP;q=0.5",
            "deflate,gzip",
            "*",
            "identity;q=0, *;q=1",
        ] {
            assert!(takes(text), "{text}");
        }
        for text in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "*;q=0",
            "gzip;q=0, *",
            "gzip;q=x",
        ] {
            assert!(!takes(text), "{text}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
