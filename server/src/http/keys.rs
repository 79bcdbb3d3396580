//! The keys a repository's snapshot and timestamp are signed with: asked for before the first
//! publish, and for a rotation.

use axum::response::Response;
use tuf::{Gun, PublicKey, Role};

use super::{ApiError, text};
use crate::{App, repository, signer::SignerError};

/// Answers the key in force for `role`: of those that root lists, the first that the signer holds.
/// Where root lists none that it holds, or there is no root yet, a key that waits for one.
///
/// The signer's word that it does not hold a key is the only reason to pass it over: an outage must
/// not make a client exchange the key of a healthy repository.
pub(super) async fn current(app: &App, gun: &Gun, role: &Role) -> Result<Response, ApiError> {
    if let Some(root) = repository::root(app, gun).await? {
        let listed =
            tuf::role_keys(&root, role).map_err(|error| ApiError::Internal(error.to_string()))?;
        for key in listed {
            match app.signer.public_key(key.id()).await {
                Ok(key) => return Ok(document(&key)),
                Err(SignerError::KeyNotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    rotate(app, gun, role).await
}

/// Answers a key for `role` that has not signed yet. It comes into force with a root that names it.
pub(super) async fn rotate(app: &App, gun: &Gun, role: &Role) -> Result<Response, ApiError> {
    let key = app.signer.create_key(gun, role).await?;
    tracing::info!(%gun, %role, key_id = %key.id(), "handed out a key");
    Ok(document(&key))
}

fn document(key: &PublicKey) -> Response {
    text(key.document())
}
