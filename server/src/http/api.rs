//! The trust API, below `/v2/`: one `match` grants what a route needs and calls its handler.

use std::mem;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use database::Lane;
use http::{HeaderValue, Request, StatusCode, header, request::Parts as Head};

use super::{
    ApiError, Route, add_data_headers, changefeed, empty,
    grant::{Admin, Auth, Authenticated, Delete, Granted, Publish, Pull, Refused, Rotate},
    keys, metadata,
    origin::Origin,
    text, typed, upload,
};
use crate::App;

/// Answers a request of the trust API, and those that belong to no route.
pub(super) async fn answer(
    app: &App,
    route: Route,
    head: Head,
    mut body: Body,
    origin: &Origin,
) -> Response {
    let mut response = match call(app, route, &head, &mut body, origin).await {
        Ok(response) => response,
        Err(Failure::Refused(error)) => {
            upload::discard(app, &head, body).await;
            error.into_response()
        }
        Err(Failure::Failed(error)) => error.into_response(),
    };
    add_data_headers(&mut response);
    response
}

/// Answers a request to a path that no router outside knows.
pub(super) async fn answer_unknown(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    answer(&app, Route::Unknown, head, body, &origin).await
}

/// The queue for the database that a request waits in. A client asks for keys in order to publish.
pub(super) fn lane(route: &Route) -> Lane {
    match route {
        Route::Publish(_) | Route::Delete(_) | Route::Key(..) | Route::RotateKey(..) => Lane::Write,
        Route::Ping
        | Route::AllChanges
        | Route::ByChecksum(..)
        | Route::ByVersion(..)
        | Route::Current(..)
        | Route::Changes(_)
        | Route::Outside(_)
        | Route::Api
        | Route::Unknown
        | Route::UnknownPlain
        | Route::MethodNotAllowed
        | Route::TooLong
        | Route::Redirect(_) => Lane::Read,
    }
}

/// Grants the permission that a route needs, and calls its handler with the proof.
///
/// The permission is decided before the body is touched.
async fn call(
    app: &App,
    route: Route,
    head: &Head,
    body: &mut Body,
    origin: &Origin,
) -> Result<Response, Failure> {
    refuse_unserved_gun(app, &route)?;
    let auth = Auth { app, head, origin };
    let query = head.uri.query();
    Ok(match route {
        Route::Ping => pong(&auth.grant(Authenticated).await?),
        Route::Current(gun, role) => {
            metadata::current(app, &auth.grant(Pull(gun)).await?, &role).await?
        }
        Route::ByChecksum(gun, role, sha256) => {
            let granted = auth.grant(Pull(gun)).await?;
            metadata::by_checksum(app, &granted, &role, sha256.as_ref()).await?
        }
        Route::ByVersion(gun, role, version) => {
            metadata::by_version(app, &auth.grant(Pull(gun)).await?, &role, &version).await?
        }
        Route::Publish(gun) => {
            let granted = auth.grant(Publish(gun)).await?;
            upload::publish(app, granted, head, mem::take(body)).await?
        }
        Route::Delete(gun) => metadata::delete(app, &auth.grant(Delete(gun)).await?).await?,
        Route::Key(gun, role) => {
            keys::current(app, &auth.grant(Publish(gun)).await?, &role).await?
        }
        Route::RotateKey(gun, role) => {
            keys::rotate(app, &auth.grant(Rotate(gun)).await?, &role).await?
        }
        Route::Changes(gun) => {
            changefeed::of_one(app, &auth.grant(Pull(gun)).await?, query).await?
        }
        Route::AllChanges => changefeed::of_all(app, &auth.grant(Admin).await?, query).await?,
        // Only authenticated callers learn that there is nothing.
        Route::Unknown | Route::Outside(_) | Route::Api => {
            return Err(nothing_here(&auth.grant(Authenticated).await?).into());
        }
        // What follows needs no permission, and tells nothing about trust data.
        Route::UnknownPlain => page_not_found(),
        Route::MethodNotAllowed => empty(StatusCode::METHOD_NOT_ALLOWED),
        Route::TooLong => return Err(ApiError::TargetTooLong.into()),
        Route::Redirect(to) => redirect(&to)?,
    })
}

/// Why a request ends without success.
enum Failure {
    /// Before its body was looked at, which has yet to be read.
    Refused(ApiError),
    /// In its handler.
    Failed(ApiError),
}

impl From<Refused> for Failure {
    fn from(Refused(error): Refused) -> Self {
        Self::Refused(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// Refuses GUNs outside of the configured prefixes, before authentication (Notary 0.7).
fn refuse_unserved_gun(app: &App, route: &Route) -> Result<(), Refused> {
    let prefixes = &app.gun_prefixes;
    let Some(gun) = route.gun() else {
        return Ok(());
    };
    let is_served = |prefix: &String| gun.as_str().starts_with(prefix.as_str());
    if prefixes.is_empty() || prefixes.iter().any(is_served) {
        return Ok(());
    }
    let prefixes = format!("[{}]", prefixes.join(" "));
    Err(Refused(match route {
        Route::Publish(_) => ApiError::InvalidGun(prefixes),
        Route::Key(..) | Route::RotateKey(..) => ApiError::NoKeyForGun(prefixes),
        _ => ApiError::GunNotServed(prefixes),
    }))
}

fn pong(_: &Granted<Authenticated>) -> Response {
    text("{}")
}

fn nothing_here(_: &Granted<Authenticated>) -> ApiError {
    ApiError::UnknownRoute
}

fn page_not_found() -> Response {
    typed(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n",
    )
}

fn redirect(to: &str) -> Result<Response, ApiError> {
    let to = HeaderValue::from_str(to).map_err(|_| ApiError::UnknownRoute)?;
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}
