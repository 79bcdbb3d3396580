//! Keys of the signer are for one role of one repository.
//!
//! A signer signs with whatever key it is asked for, and timestamps do not name their repository.
//! If a root could name the timestamp key of another repository, the server would sign for its
//! publisher what clients of the other repository accept. So a root may introduce only those keys
//! of the signer that were made for its repository and role. A key that the stored root names
//! already stays.

use std::collections::HashMap;

use tuf::{Accepted, Gun, KeyId, Refusal, Role, RootFault};

use super::{Origin, Signer, SignerError};

/// Why a root's keys were not accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NewKeyError {
    /// One of them is not this repository's.
    #[error("{0}")]
    Refused(Refusal),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Checks that the keys of the signer that the update's root introduces were made for their role of
/// `gun`. Costs nothing if it introduces none.
pub(crate) async fn check_new_keys(
    signer: &dyn Signer,
    gun: &Gun,
    accepted: &Accepted,
) -> Result<(), NewKeyError> {
    let introduced = accepted.introduced_keys();
    if introduced.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<KeyId> = introduced.iter().map(|(_, id)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    let origins = signer.origins(&ids).await?;
    let origins: HashMap<&str, &Origin> = origins
        .iter()
        .map(|origin| (origin.id.as_str(), origin))
        .collect();
    for (role, id) in &introduced {
        let Some(origin) = origins.get(id.as_str()) else {
            // The client's own.
            continue;
        };
        if !origin.fits(gun, role) {
            tracing::warn!(
                %gun, %role, key_id = %id, made_for_gun = origin.gun, made_for_role = origin.role,
                "refused a root that names a key of the signer that was made for something else"
            );
            // Without the name of the other repository, which this caller may not know.
            let fault = RootFault::ForeignKey {
                role: role.clone(),
                id: id.clone(),
                gun: gun.clone(),
            };
            return Err(NewKeyError::Refused(Refusal::Root(fault.into())));
        }
    }
    Ok(())
}

impl Origin {
    /// Whether nothing says that the key was made for another role or repository.
    #[must_use]
    pub fn fits(&self, gun: &Gun, role: &Role) -> bool {
        let fits = |made_for: &str, used_for: &str| made_for.is_empty() || made_for == used_for;
        fits(&self.gun, gun.as_str()) && fits(&self.role, role.as_str())
    }
}
