//! The dialect of Notary 0.7: `_type` with a capital, base64 for binary, names without `.json`.

mod body;
mod compose;
mod shapes;
mod structure;
mod targets;

use std::borrow::Cow;

use crate::encoding::json::{
    self, Count, DecodeError, Fault, Member, Scope, Sizes, Value, array, integer, member, object,
    text,
};
use crate::encoding::{base64, canonical, date};
use crate::metadata::Envelope;
use crate::{KeyId, Method, Role, Signature};

pub(crate) use compose::{Composed, compose, meta_entry, seal};
pub(crate) use structure::{
    check_root, check_snapshot, check_targets, check_timestamp, delegations,
};

/// How much of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Everything that publishing needs.
    Whole,
    /// What the file lists, and nothing to verify it or to make its successor from.
    Listing,
}

/// Reads a file as Notary 0.7 reads an uploaded part.
///
/// An error means malformed JSON. What Notary notices later is left in the envelope: text after the
/// value, members of the wrong type beyond `_type`, `expires` and `version`, and numbers that
/// cannot be signed.
pub(crate) fn read(role: &Role, bytes: &[u8]) -> Result<Envelope, String> {
    read_within(role, bytes, usize::MAX)
}

/// The same, if no more than `most` values have to be kept while it is read.
pub(crate) fn read_within(role: &Role, bytes: &[u8], most: usize) -> Result<Envelope, String> {
    read_detail(role, bytes, most, Detail::Whole)
}

/// Reads what a stored snapshot or timestamp lists. That takes less than half of the memory of
/// [`read`]: a reader neither verifies it nor makes its successor.
pub(crate) fn read_listing(role: &Role, bytes: &[u8]) -> Result<Envelope, String> {
    read_detail(role, bytes, usize::MAX, Detail::Listing)
}

fn read_detail(role: &Role, bytes: &[u8], most: usize, detail: Detail) -> Result<Envelope, String> {
    let text = json::to_text(bytes);
    let parsed = json::parse_within(&text, Scope::File, most);
    let (value, end) = parsed.map_err(|fault| fault.to_string())?;
    let mut envelope = envelope(role, &value, detail).map_err(|DecodeError(text)| text)?;
    envelope.trailing = json::expect_end(&text, end)
        .err()
        .map(|fault| fault.to_string());
    Ok(envelope)
}

/// Checks that every reader finds the same in a file, and that clients can decode it; `most` bounds
/// how many there are of each.
pub(crate) fn check_reading(
    role: &Role,
    bytes: &[u8],
    most: &dyn Fn(Count) -> usize,
) -> Result<(), Fault> {
    json::check(&json::to_text(bytes), shapes::of(role), most)?;
    // Signatures cover a text in which all bytes that are not UTF-8 are the same character.
    std::str::from_utf8(bytes).map(drop).map_err(|fault| {
        let at = fault.valid_up_to();
        Fault::Refused(format!("the file at byte {at} is not UTF-8"))
    })
}

/// How many there are of what is limited in an upload; `None` if the bytes are not JSON.
pub(crate) fn measure(role: &Role, bytes: &[u8]) -> Option<Sizes> {
    json::measure(&json::to_text(bytes), shapes::of(role))
}

/// Targets with the one spelling that [`check_reading`] takes.
pub(crate) fn normalise_targets(targets: &Value<'_>) -> Value<'static> {
    json::normalise(targets, &shapes::FILES)
}

/// A file's value with the one spelling that [`check_reading`] takes.
pub(crate) fn normalise(role: &Role, value: &Value<'_>) -> Value<'static> {
    json::normalise(value, shapes::of(role))
}

/// Reads nothing but the version of a file that was validated when it was stored.
pub(crate) fn version(bytes: &[u8]) -> Result<i64, String> {
    let text = json::to_text(bytes);
    let (value, _) = json::parse_first(&text, Scope::Version).map_err(|fault| fault.to_string())?;
    let version = || {
        let signed = member(object(Some(&value), "data.SignedMeta")?, "signed");
        integer(member(object(signed, "data.SignedCommon")?, "version"))
    };
    version().map_err(|DecodeError(text)| text)
}

fn envelope(role: &Role, value: &Value<'_>, detail: Detail) -> Result<Envelope, DecodeError> {
    let members = object(Some(value), "data.SignedMeta")?;
    let signed = member(members, "signed");
    let common = object(signed, "data.SignedCommon")?;
    let version = integer(member(common, "version"))?;
    let expires = expires(member(common, "expires"))?;
    Ok(Envelope {
        type_name: text(member(common, "_type"))?.to_owned(),
        version,
        expires,
        signatures: array(member(members, "signatures"), "[]data.Signature")?
            .iter()
            .map(signature)
            .collect::<Result<_, _>>()?,
        message: signed
            .ok_or_else(|| "there is nothing to sign: signed is null".to_owned())
            .and_then(|signed| match detail {
                Detail::Whole => canonical::message(signed).map_err(|fault| fault.to_string()),
                Detail::Listing => Err("the signed part was not kept".to_owned()),
            }),
        body: signed.map(|_| {
            body::read(role, common, version, expires, detail).map_err(|DecodeError(text)| text)
        }),
        trailing: None,
        unexpected: unexpected(members),
    })
}

/// A file's time; absent and null are none.
fn expires(value: Option<&Value<'_>>) -> Result<Option<time::OffsetDateTime>, DecodeError> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = text(Some(value))?;
    let parsed = date::parse(text)
        .ok_or_else(|| DecodeError(format!("parsing time {text:?}: not an RFC 3339 time")))?;
    Ok(Some(parsed))
}

fn signature(value: &Value<'_>) -> Result<Signature, DecodeError> {
    let members = object(Some(value), "data.Signature")?;
    let method = text(member(members, "method"))?.to_lowercase();
    Ok(Signature {
        key_id: KeyId::from(text(member(members, "keyid"))?),
        method: Method::from(method.as_str()),
        bytes: base64::decode(text(member(members, "sig"))?).map_err(DecodeError)?,
    })
}

/// The first member that is neither the signed part nor the signatures.
fn unexpected(members: &[Member<'_>]) -> Option<String> {
    let is_known = |name: &Cow<'_, str>| {
        ["signed", "signatures"]
            .iter()
            .any(|known| json::folds_to(name, known))
    };
    members
        .iter()
        .map(|(name, _)| name)
        .find(|name| !is_known(name))
        .map(ToString::to_string)
}
