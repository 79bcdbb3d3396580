//! A token's text, taken apart (RFC 7515 §7.1); nothing in it is believed yet.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::{Map, Value};

use super::TokenError;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// The longest chain of certificates that is looked at.
const LONGEST_CHAIN: usize = 10;

/// The three parts of a token.
pub(crate) struct Token<'a> {
    /// What the signature is over: the first two parts as they came.
    pub(crate) signed: &'a str,
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
    pub(crate) signature: Vec<u8>,
}

/// What a header may say about algorithm and key.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header {
    pub(crate) algorithm: String,
    /// Never empty.
    pub(crate) key_id: Option<String>,
    /// In standard base64, leaf first.
    pub(crate) chain: Vec<String>,
    pub(crate) jwk: Option<Map<String, Value>>,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::NotThreeParts)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::NotThreeParts)?;
        if claims.contains('.') {
            return Err(TokenError::NotThreeParts);
        }
        Ok(Self {
            signed,
            header: Header::read(object(header, "header")?)?,
            claims: object(claims, "claims")?,
            signature: base64url(signature).ok_or(TokenError::Malformed("signature"))?,
        })
    }
}

impl Header {
    fn read(mut header: Map<String, Value>) -> Result<Self, TokenError> {
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        string(&header, "typ")?;
        Ok(Self {
            algorithm: string(&header, "alg")?.unwrap_or_default().to_owned(),
            key_id: string(&header, "kid")?
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            chain: strings(header.remove("x5c"))?,
            jwk: match header.remove("jwk") {
                None | Some(Value::Null) => None,
                Some(Value::Object(jwk)) => Some(jwk),
                Some(_) => return Err(TokenError::Malformed("jwk")),
            },
        })
    }
}

/// A string member; `null` counts as absent, as Go reads it.
pub(crate) fn string<'a>(
    object: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, TokenError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::Malformed(name)),
    }
}

/// The certificates of an `x5c` member, still encoded.
pub(crate) fn strings(x5c: Option<Value>) -> Result<Vec<String>, TokenError> {
    let certificates: Option<Vec<String>> = serde_json::from_value(x5c.unwrap_or_default())
        .map_err(|_| TokenError::Malformed("x5c"))?;
    Some(certificates.unwrap_or_default())
        .filter(|certificates| certificates.len() <= LONGEST_CHAIN)
        .ok_or(TokenError::LongChain)
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, TokenError> {
    let json = base64url(part).ok_or(TokenError::Malformed(name))?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed(name))
}

/// base64url with libtrust's rule of padding: it is added by length, so that one `=` of two may be
/// there. Bits that no byte takes must be zero (RFC 4648 §3.5), which Go did not ask.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    let padding = match text.len() % 4 {
        0 => "",
        2 => "==",
        3 => "=",
        _ => return None,
    };
    URL_SAFE.decode([text, padding].concat()).ok()
}
