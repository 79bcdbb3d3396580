//! One JSON Web Key (RFC 7517).

use serde_json::{Map, Value};

use super::{
    parse::base64url,
    public_key::{Curve, PublicKey},
};

/// A JWK, not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> From<&'a Map<String, Value>> for Jwk<'a> {
    fn from(members: &'a Map<String, Value>) -> Self {
        Self(members)
    }
}

impl<'a> Jwk<'a> {
    /// The key, if it is of a kind that tokens can be signed with; `None` for other kinds.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn key(self) -> Result<Option<PublicKey>, &'static str> {
        let kind = self.text("kty")?.ok_or("it has no `kty`")?;
        let curve = self.text("crv")?;
        match (kind, curve) {
            ("EC", Some("P-256")) => self.ec(Curve::P256).map(Some),
            ("EC", Some("P-384")) => self.ec(Curve::P384).map(Some),
            ("EC", Some("P-521")) => self.ec(Curve::P521).map(Some),
            ("RSA", _) => PublicKey::rsa(&self.bytes("n")?, &self.bytes("e")?).map(Some),
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&self.bytes("x")?).map(Some),
            _ => Ok(None),
        }
    }

    /// The key of a token's `jwk` header, whose `kid`, if it has one, must be its libtrust key id,
    /// as libtrust demands.
    pub(crate) fn named_key(self) -> Result<PublicKey, &'static str> {
        let key = self.key()?.ok_or("it is of an unknown kind")?;
        match self.text("kid")? {
            Some(id) if id != key.libtrust_id() => Err("its `kid` is not its libtrust key id"),
            _ => Ok(key),
        }
    }

    /// Whether signatures may be verified with it (RFC 7517 §4.2, §4.3).
    pub(crate) fn is_for_signatures(self) -> bool {
        let usage = self.0.get("use").is_none_or(|usage| usage == "sig");
        let operations = self.0.get("key_ops").is_none_or(|operations| {
            operations
                .as_array()
                .is_some_and(|operations| operations.iter().any(|name| name == "verify"))
        });
        usage && operations
    }

    /// Whether it holds what only its owner should have: the private part of a key pair
    /// (`d` in RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2) or a symmetric key (`k`, §6.4.1).
    pub(crate) fn is_private(self) -> bool {
        self.0.contains_key("d") || self.0.contains_key("k")
    }

    /// A string member.
    pub(crate) fn text(self, name: &'static str) -> Result<Option<&'a str>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("a member that should be a string is none"),
        }
    }

    fn ec(self, curve: Curve) -> Result<PublicKey, &'static str> {
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        if x.len() != curve.width() || y.len() != curve.width() {
            return Err("its coordinates are not as wide as its curve");
        }
        PublicKey::ec(curve, &[&[4], x.as_slice(), y.as_slice()].concat())
    }

    fn bytes(self, name: &'static str) -> Result<Vec<u8>, &'static str> {
        self.text(name)?
            .and_then(base64url)
            .ok_or("a number of it is missing or not in base64url")
    }
}
