//! Why a token is not believed.

/// How much of a string from a token is shown, in characters.
const LONGEST_SHOWN: usize = 100;

/// Why a token is not believed; for logs, not for clients.
///
/// The texts show issuer, audience, algorithm and key id of the token, cut to 100 harmless
/// characters each, and nothing else of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More than 64 KiB.
    #[error("the token is longer than 64 KiB")]
    TooLong,
    /// Not header, claims and signature.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// A part or member that cannot be read as what it must be.
    #[error("the token's {0} cannot be read")]
    Malformed(&'static str),
    /// The header asks for extensions to be understood (RFC 7515 §4.1.11).
    #[error("the token demands extensions by `crit`, of which none are known")]
    Critical,
    /// More than ten certificates.
    #[error("the token brings more than 10 certificates")]
    LongChain,
    /// An issuer whose tokens are not accepted.
    #[error("the token's issuer is \"{found}\", expected {expected}")]
    UnknownIssuer {
        /// The `iss` claim.
        found: String,
        /// Who is believed.
        expected: String,
    },
    /// For another service.
    #[error("the token is for audience {found}, expected \"{expected}\"")]
    WrongAudience {
        /// The `aud` claim.
        found: String,
        /// This service.
        expected: String,
    },
    /// `exp` is too long ago, or missing.
    #[error("the token has expired, or does not say when it will")]
    Expired,
    /// `nbf` is too far ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// An empty signature.
    #[error("the token is not signed")]
    Unsigned,
    /// An algorithm that this issuer may not use: `none`, HMAC, or an unknown one.
    #[error("the token's algorithm \"{0}\" is not allowed")]
    Algorithm(String),
    /// Neither `x5c` nor `jwk` nor `kid`.
    #[error("the token's header names no key")]
    NoKey,
    /// A `kid` that none of the issuer's keys has.
    #[error("the token's key \"{0}\" is not trusted")]
    UnknownKey(String),
    /// No `kid`, and not exactly one key that could have been meant.
    #[error("the token names no key, and {0} keys of its issuer suit its algorithm")]
    AmbiguousKey(usize),
    /// A `jwk` that is none.
    #[error("the key in the token's header cannot be read: {0}")]
    Jwk(&'static str),
    /// A `jwk` that no trusted key vouches for.
    #[error("the key in the token's header, \"{0}\", is not trusted")]
    UntrustedJwk(String),
    /// An `x5c` that does not lead to a root.
    #[error("the token's certificate chain is not trusted: {0}")]
    Chain(String),
    /// The key is of another kind than the algorithm, or meant for another one.
    #[error("the token's algorithm \"{0}\" does not suit its key")]
    KeyMismatch(String),
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    WrongSignature,
}

/// A string from a token, fit for a log: bounded, and nothing that moves a cursor or turns text
/// around.
pub(crate) fn make_harmless(text: &str) -> String {
    let harmless = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    text.chars()
        .map(|c| if harmless(c) { c } else { '\u{fffd}' })
        .take(LONGEST_SHOWN)
        .collect()
}
