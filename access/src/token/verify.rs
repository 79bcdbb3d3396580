//! Whether a token is to be believed.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{
    TokenError, TrustedKeys,
    algorithm::Algorithm,
    chain,
    claims::Registered,
    error::make_harmless,
    jwk::Jwk,
    parse::{Header, Token, string, strings},
    trusted::TrustedKey,
};
use crate::Access;

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What their tokens have in `iss`.
    pub name: String,
    /// What their tokens must have in `aud`.
    pub audience: String,
    /// Whose signatures count.
    pub keys: TrustedKeys,
    /// Whether this is an OpenID provider or another that publishes a JWK set: `access` may be
    /// missing, so that rules alone decide.
    pub is_open_id: bool,
}

/// What a believed token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim; empty if there is none.
    pub subject: String,
    /// The `access` claim; `None` only for an OpenID provider's token without one.
    pub access: Option<Vec<Access>>,
    /// All claims.
    pub claims: Map<String, Value>,
}

/// Whether `token` is to be believed at `now`: the issuer is the one of `issuers` that its `iss`
/// names.
///
/// The checks come in Notary's order. The names of `issuers` must differ.
///
/// # Errors
///
/// [`TokenError`], whose variants are all there is to go wrong.
pub fn verify(
    token: &str,
    issuers: &[&Issuer],
    now: OffsetDateTime,
) -> Result<Verified, TokenError> {
    let token = Token::parse(token)?;
    let issuer = issuer(&token, issuers)?;
    let registered = Registered::read(&token.claims, issuer)?;
    registered.check(issuer, now)?;
    if token.signature.is_empty() {
        return Err(TokenError::Unsigned);
    }
    check_signature(&token, issuer, now)?;
    Ok(Verified {
        issuer: issuer.name.clone(),
        subject: registered.subject,
        access: registered.access,
        claims: token.claims,
    })
}

/// Whom the token says it is from; nothing of it counts before the signature is checked with
/// that issuer's keys.
fn issuer<'a>(token: &Token<'_>, issuers: &[&'a Issuer]) -> Result<&'a Issuer, TokenError> {
    let found = string(&token.claims, "iss")?.unwrap_or_default();
    issuers
        .iter()
        .copied()
        .find(|issuer| issuer.name == found)
        .ok_or_else(|| TokenError::UnknownIssuer {
            found: make_harmless(found),
            expected: names(issuers),
        })
}

fn names(issuers: &[&Issuer]) -> String {
    let names: Vec<_> = issuers
        .iter()
        .map(|issuer| format!("\"{}\"", issuer.name))
        .collect();
    names.join(" or ")
}

fn check_signature(
    token: &Token<'_>,
    issuer: &Issuer,
    now: OffsetDateTime,
) -> Result<(), TokenError> {
    let name = &token.header.algorithm;
    let algorithm = Algorithm::from_name(name)
        .filter(|algorithm| issuer.is_open_id || algorithm.is_notarys())
        .ok_or_else(|| TokenError::Algorithm(make_harmless(name)))?;
    let key = if issuer.is_open_id {
        open_id_key(&token.header, &issuer.keys, algorithm)?
    } else {
        notary_key(&token.header, &issuer.keys, now)?
    };
    if !key.is_for(algorithm) {
        return Err(TokenError::KeyMismatch(make_harmless(name)));
    }
    key.key
        .verifies(algorithm, token.signed.as_bytes(), &token.signature)
        .then_some(())
        .ok_or(TokenError::WrongSignature)
}

/// The key by Notary's order of precedence: `x5c`, `jwk`, `kid`. Without a bundle there is nothing
/// that a chain could lead to, and the rest of the header decides.
fn notary_key(
    header: &Header,
    keys: &TrustedKeys,
    now: OffsetDateTime,
) -> Result<TrustedKey, TokenError> {
    if !header.chain.is_empty() && keys.has_roots() {
        let leaf = chain::verify(&header.chain, keys.roots(), now)?;
        return Ok(TrustedKey::from(leaf));
    }
    if let Some(jwk) = &header.jwk {
        return jwk_key(jwk, keys, now);
    }
    let id = header.key_id.as_deref().ok_or(TokenError::NoKey)?;
    keys.get(id)
        .cloned()
        .ok_or_else(|| TokenError::UnknownKey(make_harmless(id)))
}

/// A key that a token brings: believed if it is one of the trusted ones, or if it brings a chain,
/// if that leads from this very key to a root.
fn jwk_key(
    jwk: &Map<String, Value>,
    keys: &TrustedKeys,
    now: OffsetDateTime,
) -> Result<TrustedKey, TokenError> {
    let key = Jwk::from(jwk).named_key().map_err(TokenError::Jwk)?;
    let id = key.libtrust_id();
    let untrusted = || TokenError::UntrustedJwk(id.clone());
    match jwk.get("x5c").filter(|x5c| !x5c.is_null()) {
        Some(x5c) if keys.has_roots() => {
            let leaf = chain::verify(&strings(Some(x5c.clone()))?, keys.roots(), now)?;
            (leaf == key)
                .then(|| TrustedKey::from(leaf))
                .ok_or_else(untrusted)
        }
        _ => keys.get(&id).cloned().ok_or_else(untrusted),
    }
}

/// The key that `kid` names in the issuer's set. Keys that a token brings count for nothing
/// (RFC 8725 §3.10). Without `kid`, there must be no choice.
fn open_id_key(
    header: &Header,
    keys: &TrustedKeys,
    algorithm: Algorithm,
) -> Result<TrustedKey, TokenError> {
    if let Some(id) = &header.key_id {
        return keys
            .get(id)
            .cloned()
            .ok_or_else(|| TokenError::UnknownKey(make_harmless(id)));
    }
    match keys.suiting(algorithm).as_slice() {
        [only] => Ok((*only).clone()),
        several => Err(TokenError::AmbiguousKey(several.len())),
    }
}
