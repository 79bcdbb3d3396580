//! The keys a repository's snapshot and timestamp are signed with: asked for before the first
//! publish, and for a rotation.

use audit_trail::{Act, Outcome};
use axum::response::Response;
use trust::keys::{self, Occasion};
use tuf::{PublicKey, Role};

use super::{
    ApiError, forbid_storing,
    grant::{Granted, OnGun, Publish, Rotate},
    observe, text,
};
use crate::App;

/// Answers the current key for `role`, or a new one where there is none: one that waits for a root.
pub(super) async fn current(
    app: &App,
    granted: &Granted<Publish>,
    role: &Role,
) -> Result<Response, ApiError> {
    let gun = granted.gun_to_write()?;
    match keys::find_current(&app.repositories, &gun, role).await? {
        Some(key) => Ok(document(&key)),
        None => create(app, granted, role, Occasion::First).await,
    }
}

/// Answers a key for `role` that has not signed yet. It comes into force with a root that names it.
pub(super) async fn rotate(
    app: &App,
    granted: &Granted<Rotate>,
    role: &Role,
) -> Result<Response, ApiError> {
    create(app, granted, role, Occasion::Rotation).await
}

/// Has a key made. Permission to publish to a GUN that does not exist yet is enough to ask for one,
/// so it is counted.
async fn create<A: OnGun>(
    app: &App,
    granted: &Granted<A>,
    role: &Role,
    occasion: Occasion,
) -> Result<Response, ApiError> {
    let gun = granted.gun_to_write()?;
    if let Err(wait) = app.key_limiter.take(granted.network()) {
        let error = ApiError::TooManyRequests(wait);
        let (role, key_id) = (role.as_str(), None);
        let act = match occasion {
            Occasion::First => Act::CreateKey { role, key_id },
            Occasion::Rotation => Act::RotateKey { role, key_id },
        };
        granted.record(app, act, Outcome::Failed(error.code()));
        return Err(error);
    }
    let (repositories, requester) = (app.repositories.clone(), granted.requester());
    let role = role.clone();
    let work = async move { keys::create(&repositories, &gun, &role, &requester, occasion).await };
    Ok(document(&observe::finish(work).await?))
}

fn document(key: &PublicKey) -> Response {
    forbid_storing(text(key.document()))
}
