//! The keys a repository's snapshot and timestamp are signed with: asked for before the first
//! publish, and for a rotation.

use std::time::Instant;

use axum::response::Response;
use trust::{
    repository,
    signer::{MAX_ASKED, PATIENCE, SignerError},
};
use tuf::{Gun, PublicKey, Role};

use super::{
    ApiError,
    grant::{Contribute, Granted, OnGun, Rotate},
    not_stored, text,
};
use crate::{
    App,
    audit::{Act, Outcome},
};

/// Answers the key in force for `role`: of those that root lists, the first that the signer holds.
/// Where root lists none that it holds, or there is no root yet, a key that waits for one.
///
/// The signer's word that it does not hold a key is the only reason to pass it over: an outage must
/// not make a client exchange the key of a healthy repository.
pub(super) async fn current(
    app: &App,
    granted: &Granted<Contribute>,
    role: &Role,
) -> Result<Response, ApiError> {
    let gun = granted.gun_to_write()?;
    if let Some(key) = in_force(app, &gun, role).await? {
        return Ok(document(&key));
    }
    let made = create(app, granted, &gun, role).await;
    let key_id = made.as_ref().ok().map(|key| key.id().as_str());
    let role = role.as_str();
    granted.record(app, Act::CreateKey { role, key_id }, outcome(&made));
    made.map(|key| document(&key))
}

/// Answers a key for `role` that has not signed yet. It comes into force with a root that names it.
pub(super) async fn rotate(
    app: &App,
    granted: &Granted<Rotate>,
    role: &Role,
) -> Result<Response, ApiError> {
    let gun = granted.gun_to_write()?;
    let made = create(app, granted, &gun, role).await;
    let key_id = made.as_ref().ok().map(|key| key.id().as_str());
    let role = role.as_str();
    granted.record(app, Act::RotateKey { role, key_id }, outcome(&made));
    made.map(|key| document(&key))
}

/// The first of the keys that root lists which the signer holds.
async fn in_force(app: &App, gun: &Gun, role: &Role) -> Result<Option<PublicKey>, ApiError> {
    let Some(root) = repository::root(&app.repositories, gun).await? else {
        return Ok(None);
    };
    let listed =
        tuf::role_keys(&root, role).map_err(|error| ApiError::Internal(error.to_string()))?;
    let began = Instant::now();
    let more = listed.len() > MAX_ASKED;
    for key in listed.into_iter().take(MAX_ASKED) {
        if began.elapsed() > PATIENCE {
            return Err(SignerError::Unavailable(format!(
                "asking for the {role} keys took longer than {} seconds",
                PATIENCE.as_secs()
            ))
            .into());
        }
        match app.repositories.signer.public_key(key.id()).await {
            Ok(key) => return Ok(Some(key)),
            Err(SignerError::KeyNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if more {
        // The signer may hold one of the others: a new key must not replace it.
        return Err(ApiError::Internal(format!(
            "the stored root of {gun} names more than {MAX_ASKED} {role} keys, and the signer holds \
             none of the first {MAX_ASKED}; publish a root that names fewer"
        )));
    }
    Ok(None)
}

/// Has a key made. Anybody who may publish to a GUN that is not there yet can ask for one, so it is
/// counted.
async fn create<A: OnGun>(
    app: &App,
    granted: &Granted<A>,
    gun: &Gun,
    role: &Role,
) -> Result<PublicKey, ApiError> {
    app.key_limiter
        .take(granted.network())
        .map_err(ApiError::TooManyRequests)?;
    let key = app.repositories.signer.create_key(gun, role).await?;
    tracing::info!(%gun, %role, key_id = %key.id(), "handed out a key");
    Ok(key)
}

fn outcome(made: &Result<PublicKey, ApiError>) -> Outcome<'static> {
    match made {
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(error.code()),
    }
}

fn document(key: &PublicKey) -> Response {
    not_stored(text(key.document()))
}
