//! Signatures of the Standard Webhooks specification, version 1: HMAC-SHA-256 over id, time and
//! body.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use zeroize::Zeroizing;

/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret may have, as the specification has it.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What a receiver checks signatures with. Wiped when dropped, and never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is no secret. It does not hold the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It is not written as secrets are.
    #[error("it must be `whsec_` and base64")]
    Spelling,
    /// It is too short to be safe, or longer than receivers take.
    #[error("it must stand for 24 to 64 bytes; make one by: echo whsec_$(openssl rand -base64 32)")]
    Length,
}

impl Secret {
    /// Reads `whsec_` and base64; receivers show it so too.
    ///
    /// # Errors
    ///
    /// If it is written otherwise, or has another length.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Spelling)?;
        // Of its full size at once: bytes that a growing vector leaves behind are not wiped.
        let mut bytes = Zeroizing::new(vec![0; encoded.len()]);
        let length = BASE64_STANDARD
            .decode_slice(encoded, &mut bytes)
            .map_err(|_| InvalidSecret::Spelling)?;
        if !LENGTHS.contains(&length) {
            return Err(InvalidSecret::Length);
        }
        Ok(Self(Zeroizing::new(bytes[..length].to_vec())))
    }
}

/// Without the secret.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The value of `webhook-signature`: one signature for each secret. While a secret is replaced by
/// another, there are two, and a receiver takes the message if it knows one of them.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signature = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    };
    let signatures: Vec<String> = secrets.iter().map(signature).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_message_is_signed_as_the_specification_has_it() {
        let secret = Secret::parse(EXAMPLE).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&[secret], id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_of_two_secrets_signs() {
        let (old, new) = (EXAMPLE, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        let secrets = [new, old].map(|text| Secret::parse(text).unwrap());
        let both = sign(&secrets, "a", 1, b"{}");
        let one = sign(&secrets[..1], "a", 1, b"{}");
        let other = sign(&secrets[1..], "a", 1, b"{}");
        assert_ne!(one, other);
        assert_eq!(both, format!("{one} {other}"));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for (text, reason) in [
            ("", InvalidSecret::Spelling),
            ("whsec_", InvalidSecret::Length),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::Spelling),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
                InvalidSecret::Spelling,
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa\u{e4}",
                InvalidSecret::Spelling,
            ),
            ("whsec_c2hvcnQ=", InvalidSecret::Length),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err(), reason, "{text}");
        }
        let secret = Secret::parse(EXAMPLE).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
