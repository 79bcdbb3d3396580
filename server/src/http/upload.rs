//! `POST …/_trust/tuf/`: from a multipart body to the files of an update.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header, request::Parts as Head};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use trust::{publish, repository};
use tuf::{CheckedUpload, Gun, InvalidUpload, Limits, Role, Update, Uploaded};

use super::{
    ApiError, empty,
    grant::{Granted, Publish},
    multipart::{self, Malformed, Part},
    observe,
};
use crate::{
    App,
    uploads::{Held, Payer, UploadSpace},
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
/// ended. But no task waits for memory on behalf of a client that is gone.
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
    let mut reserved = space.complete();
    let (app, hung_up) = (app.clone(), CancellationToken::new());
    let _hangs_up = hung_up.clone().drop_guard();
    let work = async move {
        let form = Form {
            body: form,
            boundary,
        };
        let outcome = store(&app, &granted, &gun, form, &mut reserved, &hung_up).await;
        drop(reserved);
        outcome
    };
    observe::finish(work).await
}

/// A body, and what stands between its parts.
struct Form {
    body: Bytes,
    boundary: String,
}

/// Reads the files of a form and publishes them.
async fn store(
    app: &App,
    granted: &Granted<Publish>,
    gun: &Gun,
    form: Form,
    held: &mut Held,
    hung_up: &CancellationToken,
) -> Result<Response, ApiError> {
    let files = read(app, gun, form, held, hung_up).await?;
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
        Err(Err(denied)) => Err(granted.deny(app, &denied)),
    }
}

/// How many files of an upload may be beyond the limits because they replace larger ones.
const MOST_OVERSIZED: usize = 8;

/// The files of a form, with room for what it takes to check, read and store them.
async fn read(
    app: &App,
    gun: &Gun,
    form: Form,
    held: &mut Held,
    hung_up: &CancellationToken,
) -> Result<Vec<Uploaded>, ApiError> {
    let text = form.body.clone();
    let most = blocking(move || {
        // What comes quoted-printable is decoded into a copy. Storing takes the text
        // twice, and often no more: then there is nothing to wait for after the check.
        text.len() + CheckedUpload::memory_to_check(&text).max(text.len())
    })
    .await;
    make_room(app, held, most, hung_up).await?;
    let files = check(app, gun, form).await?;
    make_room(app, held, memory_to_publish(&files), hung_up).await?;
    blocking(move || {
        let read = |file: CheckedUpload| {
            let role = file.role().clone();
            file.read().map_err(|invalid| refuse(&role, invalid))
        };
        files.into_iter().map(read).collect()
    })
    .await
}

/// What it takes to read files, one after the other, and to store them.
fn memory_to_publish(files: &[CheckedUpload]) -> usize {
    let kept: usize = files.iter().map(CheckedUpload::memory).sum();
    let read = files.iter().map(CheckedUpload::memory_to_read).max();
    // The database is handed a copy of each file, one after the other.
    let stored = files.iter().map(CheckedUpload::memory).max();
    kept + read.max(stored).unwrap_or(0)
}

async fn make_room(
    app: &App,
    held: &mut Held,
    bytes: usize,
    hung_up: &CancellationToken,
) -> Result<(), ApiError> {
    let room = held.room_to_work(&app.limits, bytes as u64, hung_up).await;
    room.ok_or(ApiError::Overloaded)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The files of a form, each within the limits or no larger than the one that it replaces.
async fn check(app: &App, gun: &Gun, form: Form) -> Result<Vec<CheckedUpload>, ApiError> {
    let mut raised: BTreeMap<Role, Limits> = BTreeMap::new();
    loop {
        let (limits, own) = (app.limits.files, raised.clone());
        let (body, boundary) = (form.body.clone(), form.boundary.clone());
        let checked =
            blocking(move || files(&body, &boundary, |role| own.get(role).unwrap_or(&limits)));
        match checked.await {
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
        Some((format, stored)) => {
            let role = role.clone();
            blocking(move || limits.raised_to(format, &role, &stored.bytes)).await
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
    tokio::time::timeout(BODY_TIME, collect_frames(app, payer, body))
        .await
        .unwrap_or(Err(ApiError::BrokenBody))
}

/// Collects what comes, taking up room only for what has come: announcing a large body and sending
/// nothing keeps no one else waiting.
///
/// What comes too slowly is given up: it would hold its room for minutes.
async fn collect_frames(
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
) -> Result<Vec<CheckedUpload>, ApiError> {
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

fn file<'l>(part: Part, limits: impl Fn(&Role) -> &'l Limits) -> Result<CheckedUpload, ApiError> {
    let role = role(part.filename.as_deref())?;
    let checked = CheckedUpload::new(role.clone(), part.content, limits(&role));
    checked.map_err(|invalid| refuse(&role, invalid))
}

fn refuse(role: &Role, invalid: InvalidUpload) -> ApiError {
    match invalid {
        InvalidUpload::Malformed(fault) => ApiError::MalformedJson {
            role: role.to_string(),
            reason: fault.to_string(),
        },
        InvalidUpload::Refused(refusal) => ApiError::InvalidUpdate(refusal),
        InvalidUpload::Oversized(refusal) => ApiError::Oversized(role.clone(), refusal),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What it takes to publish a file of targets, in hundredths of its size.
    fn share_of(targets: &str) -> usize {
        let text = format!(
            r#"{{"signed":{{"_type":"Targets","expires":"2040-01-01T00:00:00Z","targets":{{{targets}}},"version":1}},"signatures":[]}}"#
        );
        let size = text.len();
        let checked = CheckedUpload::new(Role::Targets, text.into(), &Limits::default());
        memory_to_publish(&[checked.expect("it is read in one way only")]) * 100 / size
    }

    #[test]
    fn the_memory_of_an_upload_grows_with_what_is_in_it() {
        let hash = "bBuFWlDpAUk7Hqa1WUKYSQ2bJ3Jp5a2JX4DcvjTV8BQ=";
        let plain = |number| {
            format!(r#""release-{number:07}":{{"hashes":{{"sha256":"{hash}"}},"length":1234}}"#)
        };
        let plain: Vec<String> = (0..20_000).map(plain).collect();
        assert_eq!(
            share_of(&plain.join(",")),
            200,
            "plain targets are one text"
        );

        let disordered = |number| {
            let name = format!("{number:07}").repeat(10);
            format!(r#""{name}":{{"length":1234,"hashes":{{"sha256":"{hash}"}}}}"#)
        };
        let disordered: Vec<String> = (0..20_000).map(disordered).collect();
        let share = share_of(&disordered.join(","));
        assert!((300..=450).contains(&share), "{share}");

        let dense = format!(r#""a":{{ "custom":[{}0]}}"#, "0,".repeat(19_000));
        let share = share_of(&dense);
        assert!(
            share > 3000,
            "a small file may take many times its size: {share}"
        );
    }
}
