//! What can go wrong with tokens.

use access::token::{MintError, TokenError};

/// A token service that cannot start, in a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("auth.token_service: {0}")]
pub struct TokenServiceError(pub(super) String);

/// Why a token is refused; for logs, not for clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnTokenError {
    /// It is not one of ours, or not for this server, or not for now.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The user was removed, or their password changed, since it was issued.
    #[error("it was issued for a password of {0:?} that has changed since")]
    Revoked(String),
    /// It is one of ours, but of another kind.
    #[error("it is a refresh token where an access token is needed, or the other way round")]
    Kind,
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It is asked for a service that is not served.
    #[error("there is no service of that name here")]
    UnknownService,
    /// The last key ended, and no new one could be made or was given.
    #[error("no key of the token service is valid any more")]
    NoKey,
    /// The key does not sign.
    #[error(transparent)]
    Mint(#[from] MintError),
}
