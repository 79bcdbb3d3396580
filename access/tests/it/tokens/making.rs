//! Keys, issuers and tokens for the other tests.

use access::token::{Issuer, TrustedKeys};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p521::ecdsa::signature::hazmat::PrehashSigner;
use ring::{
    digest::{SHA512, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    },
};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

/// A key of each kind that can be made here.
pub(crate) enum Key {
    Ec(&'static str, EcdsaKeyPair),
    P521(Box<p521::ecdsa::SigningKey>),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn p256() -> Self {
        Self::Ec("P-256", ec(&ECDSA_P256_SHA256_FIXED_SIGNING))
    }

    pub(crate) fn p384() -> Self {
        Self::Ec("P-384", ec(&ECDSA_P384_SHA384_FIXED_SIGNING))
    }

    pub(crate) fn p521() -> Self {
        let mut scalar = [0; 66];
        SystemRandom::new().fill(&mut scalar[1..]).unwrap();
        Self::P521(Box::new(
            p521::ecdsa::SigningKey::from_slice(&scalar).unwrap(),
        ))
    }

    pub(crate) fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// The algorithm that suits it.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec("P-256", _) => "ES256",
            Self::Ec(..) => "ES384",
            Self::P521(_) => "ES512",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Ec(curve, key) => ec_jwk(curve, key.public_key().as_ref()),
            Self::P521(key) => ec_jwk("P-521", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::Ed25519(key) => json!({
                "kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().as_ref()),
            }),
        }
    }

    pub(crate) fn jwk_as(&self, id: &str) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(id);
        jwk
    }

    /// The libtrust key id.
    pub(crate) fn id(&self) -> String {
        TrustedKeys::from_jwks(&set(&[self.jwk()])).unwrap().ids()[0].to_owned()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ec(_, key) => key
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .into(),
            Self::P521(key) => {
                let made: p521::ecdsa::Signature =
                    key.sign_prehash(digest(&SHA512, message).as_ref()).unwrap();
                made.to_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).as_ref().into(),
        }
    }

    /// A token whose header is `header` and the algorithm that suits, if it names none.
    pub(crate) fn token(&self, header: Value, claims: &Value) -> String {
        let mut header = header;
        if header.get("alg").is_none() {
            header["alg"] = json!(self.algorithm());
        }
        self.token_of_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn token_of_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(claims));
        let signature = base64url(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap()
}

fn ec_jwk(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWK set.
pub(crate) fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// Claims that every issuer here may make.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://id.example.com",
        "sub": "joe",
        "aud": "notary",
        "exp": NOW.unix_timestamp() + 300,
    })
}

pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// An issuer as Notary knows them.
pub(crate) fn notary(keys: TrustedKeys) -> Issuer {
    Issuer {
        name: "https://id.example.com".to_owned(),
        audience: "notary".to_owned(),
        keys,
        is_open_id: false,
    }
}

pub(crate) fn open_id(keys: TrustedKeys) -> Issuer {
    Issuer {
        is_open_id: true,
        ..notary(keys)
    }
}

pub(crate) fn trusted(keys: &[Value]) -> TrustedKeys {
    TrustedKeys::from_jwks(&set(keys)).unwrap()
}
