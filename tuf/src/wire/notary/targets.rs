//! Whether clients can read listed targets, found without taking them apart.

use std::borrow::Cow;

use crate::{
    encoding::{
        base64,
        json::{DecodeError, Decoded, Scanner, Token, Value, folds_to, integer},
    },
    metadata::{Digest, Listing},
};

/// Checks the text of an object of targets, each with a length and hashes. Of members that a
/// structure has twice the last one counts.
pub(super) fn check(text: &str) -> Decoded<()> {
    let mut reader = Reader(Scanner::new(text));
    let token = reader.0.value()?;
    reader.members(token, "data.Files", |reader, _| {
        let token = reader.0.value()?;
        reader.target(token)
    })
}

/// Checks the text of one target.
pub(super) fn check_one(text: &str) -> Decoded<()> {
    let mut reader = Reader(Scanner::new(text));
    let token = reader.0.value()?;
    reader.target(token)
}

/// Tells `each` of the targets that the text of a file lists, with their digests.
pub(super) fn each(text: &str, each: &mut dyn FnMut(Listing<'_>)) -> Decoded<()> {
    let mut reader = Reader(Scanner::new(text));
    let token = reader.0.value()?;
    reader.members(token, "data.SignedMeta", |reader, name| {
        let token = reader.0.value()?;
        if !folds_to(&name, "signed") {
            return reader.skip(&token);
        }
        reader.members(token, "data.Targets", |reader, name| {
            let token = reader.0.value()?;
            if !folds_to(&name, "targets") {
                return reader.skip(&token);
            }
            each(Listing::Begins);
            reader.members(token, "data.Files", |reader, name| {
                let token = reader.0.value()?;
                let (digest, length) = reader.digest_and_length(token)?;
                each(Listing::Target {
                    name: &name,
                    digest,
                    length,
                });
                Ok(())
            })
        })
    })
}

struct Reader<'a>(Scanner<'a>);

impl<'a> Reader<'a> {
    /// The digest and the length of one target.
    fn digest_and_length(&mut self, token: Token<'a>) -> Decoded<(Digest, i64)> {
        let (mut sha256, mut sha512, mut length) = (None, None, 0);
        self.members(token, "data.FileMeta", |reader, name| {
            let token = reader.0.value()?;
            if folds_to(&name, "length") {
                // What is no number was refused when the file was stored.
                length = integer(Some(&value(&token))).unwrap_or_default();
            }
            if !folds_to(&name, "hashes") {
                return reader.skip(&token);
            }
            (sha256, sha512) = (None, None);
            reader.members(token, "data.Hashes", |reader, name| {
                let token = reader.0.value()?;
                match name.as_ref() {
                    "sha256" => sha256 = first_bytes(&token),
                    "sha512" => sha512 = first_bytes(&token),
                    _ => {}
                }
                reader.skip(&token)
            })
        })?;
        let digest = sha256
            .map(Digest::Sha256)
            .or(sha512.map(Digest::HalfOfSha512))
            .unwrap_or(Digest::Unknown);
        Ok((digest, length))
    }

    fn target(&mut self, token: Token<'a>) -> Decoded<()> {
        let (mut length, mut hashes) = (Ok(()), Ok(()));
        self.members(token, "data.FileMeta", |reader, name| {
            let token = reader.0.value()?;
            if folds_to(&name, "length") {
                length = check_length(&token);
                reader.skip(&token)
            } else if folds_to(&name, "hashes") {
                hashes = reader.hashes(token)?;
                Ok(())
            } else {
                reader.skip(&token)
            }
        })?;
        length.and(hashes)
    }

    /// What is wrong with hashes, all of which are read.
    fn hashes(&mut self, token: Token<'a>) -> Decoded<Decoded<()>> {
        let mut fault = Ok(());
        if !matches!(token, Token::Object | Token::Null) {
            self.skip(&token)?;
            return Ok(Err(DecodeError::kind(&value(&token), "data.Hashes")));
        }
        self.members(token, "data.Hashes", |reader, _| {
            let token = reader.0.value()?;
            reader.skip(&token)?;
            if fault.is_ok() {
                fault = check_hash(&token);
            }
            Ok(())
        })?;
        Ok(fault)
    }

    /// Hands each member of an object to `read`, which has to read its value; null has none.
    fn members(
        &mut self,
        token: Token<'a>,
        expected: &'static str,
        mut read: impl FnMut(&mut Self, Cow<'a, str>) -> Decoded<()>,
    ) -> Decoded<()> {
        match token {
            Token::Null => return Ok(()),
            Token::Object => {}
            other => return Err(DecodeError::kind(&value(&other), expected)),
        }
        let mut is_first = true;
        while let Some((name, _)) = self.0.next_member(is_first)? {
            is_first = false;
            read(self, name)?;
        }
        Ok(())
    }

    /// Reads what is left of a value.
    fn skip(&mut self, token: &Token<'a>) -> Decoded<()> {
        let mut is_first = true;
        match token {
            Token::Object => {
                while self.0.next_member(is_first)?.is_some() {
                    is_first = false;
                    let token = self.0.value()?;
                    self.skip(&token)?;
                }
            }
            Token::Array => {
                while self.0.next_item(is_first)? {
                    is_first = false;
                    let token = self.0.value()?;
                    self.skip(&token)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_length(token: &Token<'_>) -> Decoded<()> {
    integer(Some(&value(token))).map(drop)
}

fn check_hash(token: &Token<'_>) -> Decoded<()> {
    match token {
        Token::Null => Ok(()),
        Token::String(text) => base64::check(text).map_err(DecodeError::from),
        other => Err(DecodeError::kind(&value(other), "string")),
    }
}

/// The first 32 bytes of a hash; `None` if it has fewer.
fn first_bytes(token: &Token<'_>) -> Option<[u8; 32]> {
    let Token::String(text) = token else {
        return None;
    };
    base64::decode_first(text)
}

/// The value that a token begins, without its contents.
fn value<'a>(token: &Token<'a>) -> Value<'a> {
    match token {
        Token::Null => Value::Null,
        Token::Bool(bool) => Value::Bool(*bool),
        Token::Number(literal) => Value::Number((*literal).into()),
        Token::String(text) => Value::String(text.clone()),
        Token::Array => Value::Array(Vec::new()),
        Token::Object => Value::Object(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_wrong_where_clients_cannot_read_them() {
        for (text, is_fine) in [
            (
                r#"{"a":{"custom":[{"x":[1]}],"hashes":{"sha256":"AA=="},"length":1}}"#,
                true,
            ),
            (
                r#"{"a":null,"b":{},"c":{"hashes":null,"length":null}}"#,
                true,
            ),
            (r#"{"a":{"Length":"x","length":1}}"#, true),
            (r#"{"a":{"hashes":{"x":null}}}"#, true),
            (r#"{"a":1}"#, false),
            (r#"{"a":[]}"#, false),
            (r#"{"a":{"length":"1"}}"#, false),
            (r#"{"a":{"length":[1]}}"#, false),
            (r#"{"a":{"hashes":[]}}"#, false),
            (r#"{"a":{"hashes":{"sha256":"!"}}}"#, false),
            (r#"{"a":{"hashes":{"sha256":{"x":1}}}}"#, false),
        ] {
            assert_eq!(check(text).is_ok(), is_fine, "{text}");
        }
    }
}
