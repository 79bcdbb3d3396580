//! JWK sets (RFC 7517 §5), read and written.

use std::collections::BTreeMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};

use super::{
    algorithm::Algorithm, chain::certificate_key, jwk::Jwk, public_key::PublicKey,
    trusted::TrustedKey,
};

/// The longest set that is read, in bytes, and the most keys in one: no issuer needs more.
const LONGEST: usize = 1024 * 1024;
const MOST_KEYS: usize = 256;

/// A JWK set that cannot be believed in, or not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwks {
    /// More than 1 MiB, or more than 256 keys.
    #[error("the JWK set is longer than 1 MiB or has more than 256 keys")]
    TooLong,
    /// Not an object with a list of objects under `keys`.
    #[error("this is not a JWK set, an object with a list of keys under `keys`")]
    NotASet,
    /// A published secret: every reader of it can make tokens.
    #[error(
        "key {0} of the JWK set shows its private or secret part: replace it, its owner has lost it"
    )]
    PrivateKey(usize),
    /// A key of a known kind that is none.
    #[error("key {number} of the JWK set is unusable: {reason}")]
    Key {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Two keys under one id.
    #[error("two keys of the JWK set have the `kid` of key {0}")]
    SameId(usize),
    /// Nothing that a token could be signed with.
    #[error("the JWK set has no key that tokens could be signed with")]
    NoKey,
    /// A certificate whose key cannot be published; none of a P-256 key.
    #[error("certificate chain {0} does not begin with a certificate for a P-256 key")]
    Chain(usize),
}

/// The usable keys of a set, by `kid` and by libtrust key id. Keys for encryption and of kinds
/// that are not known here are passed over (RFC 7517 §5).
pub(crate) fn read(json: &[u8]) -> Result<BTreeMap<String, TrustedKey>, InvalidJwks> {
    let entries = entries(json)?;
    let jwks: Vec<_> = (1..).zip(entries.iter().map(Jwk::from)).collect();
    if let Some((number, _)) = jwks.iter().find(|(_, jwk)| jwk.is_private()) {
        return Err(InvalidJwks::PrivateKey(*number));
    }
    let mut keys = BTreeMap::new();
    for (number, jwk) in jwks {
        let read = usable(jwk).map_err(|reason| InvalidJwks::Key { number, reason })?;
        if let Some((id, key)) = read {
            add(&mut keys, id, &key).map_err(|_| InvalidJwks::SameId(number))?;
        }
    }
    if keys.is_empty() {
        return Err(InvalidJwks::NoKey);
    }
    Ok(keys)
}

fn entries(json: &[u8]) -> Result<Vec<Map<String, Value>>, InvalidJwks> {
    if json.len() > LONGEST {
        return Err(InvalidJwks::TooLong);
    }
    let mut set: Map<String, Value> =
        serde_json::from_slice(json).map_err(|_| InvalidJwks::NotASet)?;
    let keys = set.remove("keys").ok_or(InvalidJwks::NotASet)?;
    let entries: Vec<_> = serde_json::from_value(keys).map_err(|_| InvalidJwks::NotASet)?;
    Some(entries)
        .filter(|entries| entries.len() <= MOST_KEYS)
        .ok_or(InvalidJwks::TooLong)
}

/// Two keys want the same id.
struct Clash;

fn add(
    keys: &mut BTreeMap<String, TrustedKey>,
    id: Option<&str>,
    key: &TrustedKey,
) -> Result<(), Clash> {
    if let Some(id) = id
        && *keys.entry(id.to_owned()).or_insert_with(|| key.clone()) != *key
    {
        return Err(Clash);
    }
    // One key may be there twice, for different algorithms: the first keeps the libtrust key id.
    let known = keys
        .entry(key.key.libtrust_id())
        .or_insert_with(|| key.clone());
    if known.key == key.key {
        Ok(())
    } else {
        Err(Clash)
    }
}

/// The key of an entry and its `kid`, unless it is for something else.
fn usable(jwk: Jwk<'_>) -> Result<Option<(Option<&str>, TrustedKey)>, &'static str> {
    if !jwk.is_for_signatures() {
        return Ok(None);
    }
    let only = match jwk.text("alg")?.map(Algorithm::from_name) {
        Some(None) => return Ok(None),
        Some(known) => known,
        None => None,
    };
    let Some(key) = jwk.key()? else {
        return Ok(None);
    };
    if only.is_some_and(|algorithm| !key.suits(algorithm)) {
        return Err("its `alg` does not suit it");
    }
    let id = jwk.text("kid")?.filter(|id| !id.is_empty());
    Ok(Some((id, TrustedKey { key, only })))
}

/// The JWK set with these certificates' keys: `kid` (libtrust form), `use: sig`, `alg: ES256`,
/// `x5c`. Each entry is a chain in DER, leaf first, with a P-256 key.
///
/// # Errors
///
/// [`InvalidJwks`] if a leaf has no P-256 key.
pub fn jwks_document(chains: &[Vec<Vec<u8>>]) -> Result<Value, InvalidJwks> {
    let keys: Result<Vec<Value>, InvalidJwks> = (1..)
        .zip(chains)
        .map(|(number, chain)| entry(chain).ok_or(InvalidJwks::Chain(number)))
        .collect();
    Ok(json!({ "keys": keys? }))
}

fn entry(chain: &[Vec<u8>]) -> Option<Value> {
    let key = certificate_key(chain.first()?).ok()?;
    let PublicKey::P256(point) = &key else {
        return None;
    };
    let (x, y) = point[1..].split_at(32);
    let x5c: Vec<_> = chain.iter().map(|der| STANDARD.encode(der)).collect();
    Some(json!({
        "kty": "EC",
        "crv": "P-256",
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
        "kid": key.libtrust_id(),
        "use": "sig",
        "alg": "ES256",
        "x5c": x5c,
    }))
}
