//! The format of Notary 0.7: `_type` with a capital, base64 for binary, names without `.json`.

mod body;
mod compose;
mod conventions;
mod names;
mod parts;
mod paths;
mod shapes;
mod structure;
mod targets;
mod texts;

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use body::Detail;
use bytes::Bytes;
use conventions::NotaryConventions;
use time::OffsetDateTime;

use super::{
    conventions::Conventions,
    spelling::{Composed, Parts, Spelling},
};
use crate::{
    encoding::{
        base64, canonical, date,
        json::{
            self, Count, DecodeError, Decoded, Member, Misreading, ReadingFault, ReadingProblem,
            Scope, Sizes, Value, array, integer, member, object, text,
        },
    },
    fault::{EnvelopeFault, Fault},
    key::{KeyId, Method, Signature},
    metadata::{Checksums, Delegations, Entry, Envelope, Listing, Meta, Root, Statement},
    role::Role,
};

/// Everything that is particular to Notary 0.7.
pub(super) struct Notary;

impl Spelling for Notary {
    fn name(&self) -> &'static str {
        "notary"
    }

    /// A file that no other format recognises is refused in Notary's words, so nothing is read
    /// here.
    fn recognises(&self, _: &[u8]) -> bool {
        true
    }

    fn conventions(&self) -> &'static dyn Conventions {
        &NotaryConventions
    }

    fn is_delegation(&self, name: &str) -> bool {
        names::is_delegation(name)
    }

    fn read(&self, role: &Role, bytes: &Bytes, most: usize) -> Decoded<Envelope> {
        read(role, bytes, most, Detail::Whole(bytes))
    }

    fn read_to_verify(&self, role: &Role, bytes: &Bytes) -> Decoded<Envelope> {
        read(role, bytes, usize::MAX, Detail::Verifiable(bytes))
    }

    /// That takes less than half of the memory of reading all of it.
    fn read_listing(&self, role: &Role, bytes: &[u8]) -> Decoded<Envelope> {
        read(role, bytes, usize::MAX, Detail::Listing)
    }

    fn read_version(&self, bytes: &[u8]) -> Decoded<i64> {
        let text = json::to_text(bytes);
        let (value, _) = json::parse_first(&text, Scope::Version)?;
        let signed = member(object(Some(&value), "data.SignedMeta")?, "signed");
        integer(member(object(signed, "data.SignedCommon")?, "version"))
    }

    fn check_reading(
        &self,
        role: &Role,
        bytes: &[u8],
        most: &dyn Fn(Count) -> usize,
    ) -> Result<Sizes, ReadingFault> {
        let sizes = json::check(&json::to_text(bytes), shapes::of(role), most)?;
        // Signatures cover a text in which all bytes that are not UTF-8 are the same character.
        std::str::from_utf8(bytes).map_err(|fault| {
            let at = Some(fault.valid_up_to());
            ReadingFault::Refused(Misreading::of_file(at, ReadingProblem::NotUtf8))
        })?;
        Ok(sizes)
    }

    fn measure(&self, role: &Role, bytes: &[u8]) -> Option<Sizes> {
        json::measure(&json::to_text(bytes), shapes::of(role))
    }

    fn check_root<'e>(&self, file: Statement<'e>) -> Result<&'e Root, Fault> {
        structure::check_root(file)
    }

    fn check_targets<'e>(&self, file: Statement<'e>) -> Result<&'e Delegations, Fault> {
        structure::check_targets(file)
    }

    fn check_meta<'e>(&self, file: Statement<'e>) -> Result<&'e Meta, Fault> {
        structure::check_meta(file)
    }

    fn parts(&self, role: &Role, bytes: &[u8]) -> Option<Parts> {
        parts::of(role, bytes)
    }

    fn each_target(&self, text: &str, each: &mut dyn FnMut(Listing<'_>)) -> Option<()> {
        targets::each(text, each).ok()
    }

    fn paths(&self, bytes: &[u8]) -> Option<BTreeMap<String, Vec<String>>> {
        paths::read(&json::to_text(bytes)).ok()
    }

    fn entry(&self, _: i64, checksums: &Checksums) -> Entry {
        compose::entry(checksums)
    }

    fn compose(
        &self,
        role: &Role,
        version: i64,
        expires: OffsetDateTime,
        meta: BTreeMap<String, Entry>,
    ) -> Composed {
        compose::compose(role, version, expires, meta)
    }

    fn seal(&self, composed: &Composed, signatures: &[(KeyId, Method, Vec<u8>)]) -> Vec<u8> {
        compose::seal(composed, signatures)
    }

    fn words(&self, fault: &Fault) -> String {
        texts::of(fault)
    }
}

/// Reads a file as Notary 0.7 reads an uploaded part.
///
/// An error means malformed JSON. What Notary notices later is left in the envelope: text after the
/// value, members of the wrong type beyond `_type`, `expires` and `version`, and numbers that
/// cannot be signed.
fn read(role: &Role, bytes: &[u8], most: usize, detail: Detail<'_>) -> Decoded<Envelope> {
    let text = json::to_text(bytes);
    let file = json::parse_file(&text, most)?;
    let trailing = json::expect_end(&text, file.end).err();
    let members = object(Some(&file.value), "data.SignedMeta")?;
    let signed = member(members, "signed");
    let common = object(signed, "data.SignedCommon")?;
    let version = integer(member(common, "version"))?;
    let expires = expires(member(common, "expires"))?;
    Ok(Envelope {
        version,
        expires,
        type_name: self::text(member(common, "_type"))?.to_owned(),
        signatures: array(member(members, "signatures"), "[]data.Signature")?
            .iter()
            .map(signature)
            .collect::<Result<_, _>>()?,
        message: match (signed, detail.signed()) {
            (Some(signed), Some(whole)) => message(signed, &text, file.signed, whole),
            _ => Err(EnvelopeFault::NothingSigned),
        },
        body: signed.map(|_| body::read(role, common, version, expires, detail)),
        trailing,
        unexpected: find_unexpected(members),
    })
}

/// What was signed. Clients write it into their files as they sign it, and then it is the text
/// itself, of which no copy is made. `text` is `whole`, unless there are bytes that are not UTF-8.
fn message(
    signed: &Value<'_>,
    text: &str,
    place: Option<Range<usize>>,
    whole: &Bytes,
) -> Result<Bytes, EnvelopeFault> {
    let place = place.unwrap_or_default();
    let is_whole = text.as_ptr() == whole.as_ptr();
    if is_whole && json::canonical_object(&text[place.clone()]) == Some(place.len()) {
        return Ok(whole.slice(place));
    }
    let message = canonical::message_of(signed, place.len())?;
    Ok(message.into())
}

/// A file's time; absent and null are none.
fn expires(value: Option<&Value<'_>>) -> Decoded<Option<OffsetDateTime>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = text(Some(value))?;
    let parsed = date::parse(text).ok_or_else(|| DecodeError::Time(text.to_owned()))?;
    Ok(Some(parsed))
}

fn signature(value: &Value<'_>) -> Decoded<Signature> {
    let members = object(Some(value), "data.Signature")?;
    let method = text(member(members, "method"))?.to_lowercase();
    Ok(Signature {
        key_id: KeyId::from(text(member(members, "keyid"))?),
        method: Method::from(method.as_str()),
        bytes: base64::decode(text(member(members, "sig"))?)?,
    })
}

/// The first member that is neither the signed part nor the signatures.
fn find_unexpected(members: &[Member<'_>]) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(text: &str) -> (Bytes, Bytes) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let envelope = Notary.read(&Role::Targets, &bytes, usize::MAX);
        let message = envelope.expect("an envelope").message;
        (bytes, message.expect("it can be signed"))
    }

    #[test]
    fn what_is_written_as_it_was_signed_is_not_copied() {
        for text in [
            r#"{"signed":{"a":[1,{"b":"x"}],"c":{}},"signatures":[]}"#,
            r#"{ "signatures":[], "Signed" : {"a":1} } "#,
            r#"{"signed":{"b":2},"signed":{"a":1}}"#,
        ] {
            let (bytes, message) = message_of(text);
            assert!(bytes.as_ptr_range().contains(&message.as_ptr()), "{text}");
            let (value, _) = json::parse_first(text, Scope::Whole).expect("JSON");
            let members = object(Some(&value), "a file").expect("an object");
            let signed = member(members, "signed").expect("a signed part");
            let expected = canonical::message(signed).expect("it can be signed");
            assert_eq!(message, expected, "{text}");
        }
    }

    #[test]
    fn any_other_spelling_is_written_as_it_was_signed() {
        for (text, expected) in [
            (r#"{"signed":{"b":1,"a":2}}"#, r#"{"a":2,"b":1}"#),
            (r#"{"signed":{"a": 1}}"#, r#"{"a":1}"#),
            (r#"{"signed":{"a":"\u0041"}}"#, r#"{"a":"A"}"#),
            (r#"{"signed":{"a":1.0}}"#, r#"{"a":1}"#),
            (r#"{"signed":{}}"#, "{}"),
        ] {
            assert_eq!(message_of(text).1, expected, "{text}");
        }
    }
}
