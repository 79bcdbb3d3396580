//! Tokens, certificate bundles and JWK sets of strangers; and a token of ours, changed.

use std::sync::OnceLock;

use access::token::{Claims, Issuer, Mint, TrustedKeys, verify};
use arbitrary::Unstructured;
use rcgen::{CertificateParams, KeyPair};
use secrecy::ExposeSecret as _;
use time::{Duration, OffsetDateTime};

use crate::edits::edit_some;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// Reads `data` as each of them, and as choices of how our token is changed.
///
/// # Panics
///
/// If a forged token is accepted.
pub fn run(data: &[u8]) {
    let bundle = TrustedKeys::from_bundle(data);
    let jwks = TrustedKeys::from_jwks(data);
    if let Ok(text) = std::str::from_utf8(data) {
        for (keys, is_open_id) in [(bundle.ok(), false), (jwks.ok(), true)] {
            let issuer = issuer(keys.unwrap_or_default(), is_open_id);
            // No key vouches for anything that could be in there.
            assert!(verify(text, &[&issuer], NOW).is_err());
        }
    }
    let ours = Ours::get();
    if let Ok(other) = edit_some(ours.token.as_bytes(), &mut Unstructured::new(data))
        && let Ok(other) = String::from_utf8(other)
        && other != ours.token
    {
        let believed = verify(&other, &[&ours.issuer], NOW);
        assert!(believed.is_err(), "{other} for {}", ours.token);
    }
}

fn issuer(keys: TrustedKeys, is_open_id: bool) -> Issuer {
    Issuer {
        name: "issuer".to_owned(),
        audience: "audience".to_owned(),
        keys,
        is_open_id,
    }
}

/// A token that is believed.
struct Ours {
    token: String,
    issuer: Issuer,
}

impl Ours {
    fn get() -> &'static Self {
        static OURS: OnceLock<Ours> = OnceLock::new();
        OURS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["issuer".to_owned()]).expect("a name");
        params.not_before = NOW - Duration::days(1);
        params.not_after = NOW + Duration::days(1);
        let certificate = params.self_signed(&key).expect("a certificate");
        let mint = Mint::new(&key.serialize_der(), vec![certificate.der().to_vec()]);
        let claims = Claims {
            issuer: "issuer".to_owned(),
            subject: "alice".to_owned(),
            audience: "audience".to_owned(),
            access: Some(Vec::new()),
            issued_at: NOW,
            expires: NOW + Duration::minutes(5),
            id: "1".to_owned(),
            other: Vec::new(),
        };
        let token = mint.expect("a key and its certificate").sign(&claims);
        let bundle = TrustedKeys::from_bundle(certificate.pem().as_bytes());
        let ours = Self {
            token: token.expect("claims").expose_secret().to_owned(),
            issuer: issuer(bundle.expect("a bundle"), false),
        };
        verify(&ours.token, &[&ours.issuer], NOW).expect("it is believed as it is");
        ours
    }
}
