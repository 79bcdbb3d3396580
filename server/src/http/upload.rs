//! `POST …/_trust/tuf/`: from a multipart body to the files of an update.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header, request::Parts as Head};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use trust::{publish, repository, signer::REQUEST_ID};
use tuf::{Gun, InvalidUpload, Limits, Role, Update, Uploaded};

use super::{
    ApiError, empty,
    grant::{Granted, Publish},
    multipart::{self, Malformed, Part},
};
use crate::{
    App,
    uploads::{Payer, UploadSpace},
};

/// More parts than any repository has delegations.
const MOST_PARTS: usize = 1000;

/// How long the body of a refused request may take.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// How fast a body has to come on average, once it had time to get going.
const LEAST_BYTES_PER_SECOND: u64 = 16 << 10;

/// How long a body may take from its first byte to its last.
const BODY_TIME: Duration = Duration::from_mins(5);

/// Takes an update; answers an empty 200 once it is stored.
///
/// From the moment that the body is complete, the work goes on to its end even if the client hangs
/// up: the memory that it takes is held as long as it is used, and the audit log tells how it
/// ended.
pub(super) async fn publish(
    app: &App,
    granted: Granted<Publish>,
    head: &Head,
    body: Body,
) -> Result<Response, ApiError> {
    let gun = granted.gun_to_write()?;
    let boundary = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(multipart::boundary)
        .ok_or(ApiError::MalformedUpload)?;
    let (form, space) = collect(app, granted.payer(), body).await?;
    let room = space.room_to_check().await.ok_or(ApiError::Overloaded)?;
    let app = app.clone();
    let work = async move {
        let outcome = store(&app, &granted, &gun, form, boundary).await;
        drop(room);
        outcome
    };
    let id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    tokio::spawn(REQUEST_ID.scope(id, work.in_current_span()))
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Reads the files of a form and publishes them.
async fn store(
    app: &App,
    granted: &Granted<Publish>,
    gun: &Gun,
    form: Bytes,
    boundary: String,
) -> Result<Response, ApiError> {
    let files = read(app, gun, form, boundary).await?;
    let (requester, authority) = (granted.requester(), Arc::new(granted.authority(app)?));
    let mut update = Update::default().within(app.limits.files);
    for file in files {
        update.insert(file);
    }
    let (repositories, now) = (&app.repositories, app.now());
    let published = publish::publish(repositories, gun, &requester, &authority, update, now).await;
    match published.map_err(ApiError::of_publish) {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(Ok(error)) => Err(error),
        Err(Err(denied)) => Err(granted.denied(app, &denied)),
    }
}

/// How many files of an upload may be beyond the limits because they replace larger ones.
const MOST_OVERSIZED: usize = 8;

/// The files of a form, each within the limits or no larger than the one that it replaces.
async fn read(
    app: &App,
    gun: &Gun,
    form: Bytes,
    boundary: String,
) -> Result<Vec<Uploaded>, ApiError> {
    let mut raised: BTreeMap<Role, Limits> = BTreeMap::new();
    loop {
        let (limits, own) = (app.limits.files, raised.clone());
        let (form, boundary) = (form.clone(), boundary.clone());
        let reading = move || files(&form, &boundary, |role| own.get(role).unwrap_or(&limits));
        let files = tokio::task::spawn_blocking(reading)
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        match files {
            Err(ApiError::Oversized(role, refusal)) => {
                if raised.contains_key(&role) || raised.len() == MOST_OVERSIZED {
                    return Err(ApiError::InvalidUpdate(refusal));
                }
                let limits = raised_limits(app, gun, &role).await?;
                raised.insert(role, limits);
            }
            files => return files,
        }
    }
}

/// The limits, or the size of the stored file of `role` where that is beyond them.
async fn raised_limits(app: &App, gun: &Gun, role: &Role) -> Result<Limits, ApiError> {
    let limits = app.limits.files;
    let stored = repository::load_replaced(&app.repositories, gun, role).await?;
    Ok(match stored {
        Some((dialect, stored)) => {
            let role = role.clone();
            tokio::task::spawn_blocking(move || limits.raised_to(dialect, &role, &stored.bytes))
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
        None => limits,
    })
}

/// The whole body, and the share of memory it occupies until it is done with.
async fn collect(
    app: &App,
    payer: Payer,
    body: Body,
) -> Result<(Bytes, UploadSpace<'_>), ApiError> {
    let limit = app.limits.upload_bytes;
    let declared = body.size_hint().lower();
    if declared > limit {
        return Err(ApiError::TooLarge(limit));
    }
    tokio::time::timeout(BODY_TIME, collected(app, payer, body))
        .await
        .unwrap_or(Err(ApiError::BrokenBody))
}

/// Collects what comes, taking up room only for what has come: announcing a large body and sending
/// nothing keeps no one else waiting.
///
/// What comes too slowly is given up: it would hold its room for minutes.
async fn collected(
    app: &App,
    payer: Payer,
    mut body: Body,
) -> Result<(Bytes, UploadSpace<'_>), ApiError> {
    let limit = app.limits.upload_bytes;
    let mut space = app.limits.no_space(payer);
    let mut form = BytesMut::new();
    let mut began = Instant::now();
    loop {
        let paid = Duration::from_secs(form.len() as u64 / LEAST_BYTES_PER_SECOND);
        let frame = timeout_at(began + app.limits.slow_start + paid, body.frame());
        let Some(frame) = frame.await.map_err(|_| ApiError::SlowBody)? else {
            break;
        };
        let Ok(data) = frame.map_err(|_| ApiError::BrokenBody)?.into_data() else {
            continue;
        };
        let length = (form.len() + data.len()) as u64;
        if length > limit {
            return Err(ApiError::TooLarge(limit));
        }
        let waiting = Instant::now();
        space.grow(length).await.ok_or(ApiError::Overloaded)?;
        // It is not the client that was slow.
        began += waiting.elapsed();
        form.extend_from_slice(&data);
    }
    Ok((form.freeze(), space))
}

/// Reads and forgets the body of a request that is refused, as far as one would have been taken: a
/// client that is still sending when its connection closes may never see why.
///
/// One that asked before it sends (`Expect`) is not made to.
pub(super) async fn discard(app: &App, head: &Head, mut body: Body) {
    if head.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = app.limits.upload_bytes;
    let discarded = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    // However it ends, the refusal is sent.
    let _ = tokio::time::timeout(DISCARD_TIME, discarded).await;
}

/// The metadata files of a form. Parts are looked at in their order, the first fault ends it.
fn files<'l>(
    form: &Bytes,
    boundary: &str,
    limits: impl Fn(&Role) -> &'l Limits,
) -> Result<Vec<Uploaded>, ApiError> {
    let (parts, outcome) = multipart::parts(form, boundary, MOST_PARTS);
    let files = parts.into_iter().map(|part| file(part, &limits));
    let files = files.collect::<Result<_, _>>()?;
    match outcome {
        Ok(()) => Ok(files),
        Err(Malformed::CutInside(filename)) => Err(match role(filename.as_deref()) {
            Ok(role) => ApiError::MalformedJson {
                role: role.to_string(),
                reason: "it is cut off".to_owned(),
            },
            Err(error) => error,
        }),
        Err(Malformed::TooManyParts) => Err(ApiError::TooManyParts(MOST_PARTS)),
        Err(Malformed::CutOff) => Err(ApiError::MalformedUpload),
    }
}

fn file<'l>(part: Part, limits: impl Fn(&Role) -> &'l Limits) -> Result<Uploaded, ApiError> {
    let role = role(part.filename.as_deref())?;
    let read = Uploaded::read(role.clone(), part.content, limits(&role));
    read.map_err(|invalid| match invalid {
        InvalidUpload::Malformed(fault) => ApiError::MalformedJson {
            role: role.to_string(),
            reason: fault.to_string(),
        },
        InvalidUpload::Refused(refusal) => ApiError::InvalidUpdate(refusal),
        InvalidUpload::Oversized(refusal) => ApiError::Oversized(role.clone(), refusal),
    })
}

/// The role that a part is named after: its file name, less one `.json`.
fn role(filename: Option<&str>) -> Result<Role, ApiError> {
    let name = filename.ok_or(ApiError::NoFilename)?;
    let name = name.strip_suffix(".json").unwrap_or(name);
    if name.is_empty() {
        return Err(ApiError::NoFilename);
    }
    Role::parse(name).map_err(|_| ApiError::InvalidRole(name.to_owned()))
}
