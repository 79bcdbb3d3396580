//! Verifying tokens by the authority's certificate alone, for commands that must make nothing in
//! the folder of keys.

use access::{
    Caller, Credentials, Identity,
    token::{Issuer, TrustedKeys, Verified, verify},
};
use daemon::regular;
use time::OffsetDateTime;

use super::{
    OwnTokenError, TYPE, TokenServiceError,
    holder::{Holder, Revoked, administrator_fingerprint},
};
use crate::settings::TokenServiceSettings;

/// Whose token this is, verified by the authority's certificate alone. Slow for a token of the
/// administrator.
///
/// # Errors
///
/// If there is no such certificate, or it is in the memory of the server. The inner result is that
/// of [`super::TokenService::verify`].
pub fn identify_offline(
    settings: &TokenServiceSettings,
    administrator: Option<&Credentials>,
    token: &str,
    now: OffsetDateTime,
    fingerprint: impl Fn(&str) -> Option<[u8; 32]>,
) -> Result<Result<Caller, OwnTokenError>, TokenServiceError> {
    let issuer = Issuer {
        name: settings.issuer.clone(),
        audience: settings.audience.clone(),
        keys: authority(settings)?,
        is_open_id: false,
    };
    let verified = verify(token, &[&issuer], now).map_err(OwnTokenError::from);
    Ok(verified.and_then(|verified| {
        caller(verified, |identity| match identity {
            Identity::Administrator(name) => administrator
                .filter(|administrator| administrator.user == *name)
                .map(administrator_fingerprint),
            identity => fingerprint(identity.name()),
        })
    }))
}

fn authority(settings: &TokenServiceSettings) -> Result<TrustedKeys, TokenServiceError> {
    let Some(folder) = &settings.folder else {
        let reason = "without auth.token_folder only the server that issued a token can verify it";
        return Err(TokenServiceError(reason.to_owned()));
    };
    let path = folder.join("ca.crt");
    let unusable = |reason: String| TokenServiceError(format!("{}: {reason}", path.display()));
    let pem = regular::read(&path).map_err(|error| unusable(error.to_string()))?;
    TrustedKeys::from_bundle(&pem).map_err(|error| unusable(error.to_string()))
}

/// The caller that an access token stands for, with the limits of the token.
pub(super) fn caller(
    verified: Verified,
    fingerprint: impl FnOnce(&Identity) -> Option<[u8; 32]>,
) -> Result<Caller, OwnTokenError> {
    if verified.claims.contains_key(TYPE) {
        return Err(OwnTokenError::Kind);
    }
    let holder = holder(&verified, fingerprint)?;
    Ok(Caller {
        identity: holder.identity().clone(),
        access: Some(verified.access.unwrap_or_default()),
    })
}

/// The holder of a token, if their password is still the one that it was issued for.
pub(super) fn holder(
    verified: &Verified,
    fingerprint: impl FnOnce(&Identity) -> Option<[u8; 32]>,
) -> Result<Holder, OwnTokenError> {
    Holder::of_token(&verified.subject, &verified.claims, fingerprint)
        .map_err(|Revoked| OwnTokenError::Revoked(verified.subject.clone()))
}
