//! Hybrid public key encryption (RFC 9180), base mode, in the one suite DHKEM(P-521, HKDF-SHA512),
//! HKDF-SHA512, AES-256-GCM.
//!
//! A curve of NIST because ring agrees on keys only with ephemeral ones on both sides, and `p521`
//! is here for the keys of clients already.

use p521::{PublicKey, SecretKey, elliptic_curve::sec1::ToSec1Point};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA512, KeyType, Prk},
    hmac::{self, HMAC_SHA512},
};
use zeroize::Zeroizing;

/// `suite_id` inside the key encapsulation (RFC 9180, 4.1).
const KEM_SUITE: &[u8] = b"KEM\x00\x12";
/// `suite_id` of the key schedule (RFC 9180, 5.1).
const SUITE: &[u8] = b"HPKE\x00\x12\x00\x03\x00\x02";
/// Bytes of HKDF-SHA512's hash, and of the shared secret.
const HASH: usize = 64;
/// Bytes of an encapsulated key: an uncompressed point on P-521.
pub(crate) const ENCAPSULATED: usize = 133;

/// What does not open: the key is another one, or a message was altered, left out or moved.
pub(crate) struct DoesNotOpen;

/// One side of a sequence of messages.
pub(crate) struct Context {
    key: LessSafeKey,
    base_nonce: [u8; NONCE_LEN],
    sequence: u64,
}

impl Context {
    /// The side that seals to `recipient`, and the encapsulated key that the other side needs.
    /// `ephemeral` must be new and random.
    pub(crate) fn sender(
        recipient: &PublicKey,
        ephemeral: &SecretKey,
        info: &[u8],
    ) -> ([u8; ENCAPSULATED], Self) {
        let encapsulated = point(&ephemeral.public_key());
        let agreed = ephemeral.diffie_hellman(recipient);
        let secret = shared_secret(agreed.raw_secret_bytes(), &encapsulated, recipient);
        (encapsulated, Self::schedule(&secret, info))
    }

    /// The side that opens.
    pub(crate) fn recipient(
        secret: &SecretKey,
        encapsulated: &[u8; ENCAPSULATED],
        info: &[u8],
    ) -> Result<Self, DoesNotOpen> {
        let ephemeral = PublicKey::from_sec1_bytes(encapsulated).map_err(|_| DoesNotOpen)?;
        let agreed = secret.diffie_hellman(&ephemeral);
        let secret = shared_secret(
            agreed.raw_secret_bytes(),
            encapsulated,
            &secret.public_key(),
        );
        Ok(Self::schedule(&secret, info))
    }

    /// Encrypts the next message in place and appends its tag.
    pub(crate) fn seal(&mut self, aad: &[u8], message: &mut Vec<u8>) {
        let nonce = self.next_nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(aad), message)
            .expect("a message is shorter than AES-GCM's limit");
    }

    /// Decrypts the next message in place and takes off its tag.
    pub(crate) fn open(&mut self, aad: &[u8], message: &mut Vec<u8>) -> Result<(), DoesNotOpen> {
        let nonce = self.next_nonce();
        let length = self
            .key
            .open_in_place(nonce, Aad::from(aad), message)
            .map_err(|_| DoesNotOpen)?
            .len();
        message.truncate(length);
        Ok(())
    }

    /// The key schedule of base mode (RFC 9180, 5.1): no pre-shared key.
    fn schedule(shared_secret: &[u8; HASH], info: &[u8]) -> Self {
        let psk_id_hash = labeled_extract(SUITE, &[], b"psk_id_hash", &[]);
        let info_hash = labeled_extract(SUITE, &[], b"info_hash", info);
        let context = [&[0][..], psk_id_hash.as_slice(), info_hash.as_slice()].concat();
        let secret = labeled_extract(SUITE, shared_secret, b"secret", &[]);
        let mut key = Zeroizing::new([0; 32]);
        labeled_expand(SUITE, &secret, b"key", &context, key.as_mut_slice());
        let mut base_nonce = [0; NONCE_LEN];
        labeled_expand(SUITE, &secret, b"base_nonce", &context, &mut base_nonce);
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("the key has 32 bytes");
        Self {
            key: LessSafeKey::new(key),
            base_nonce,
            sequence: 0,
        }
    }

    /// No number comes twice: 2^64 messages take longer than a machine lasts.
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.base_nonce;
        let sequence = self.sequence.to_be_bytes();
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(sequence) {
            *byte ^= number;
        }
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The public key as RFC 9180 serializes it.
fn point(key: &PublicKey) -> [u8; ENCAPSULATED] {
    key.to_sec1_point(false)
        .as_bytes()
        .try_into()
        .expect("an uncompressed point on P-521 has 133 bytes")
}

/// `ExtractAndExpand` (RFC 9180, 4.1).
fn shared_secret(
    agreed: &[u8],
    encapsulated: &[u8; ENCAPSULATED],
    recipient: &PublicKey,
) -> Zeroizing<[u8; HASH]> {
    let context = [encapsulated.as_slice(), &point(recipient)].concat();
    let prk = labeled_extract(KEM_SUITE, &[], b"eae_prk", agreed);
    let mut secret = Zeroizing::new([0; HASH]);
    labeled_expand(
        KEM_SUITE,
        &prk,
        b"shared_secret",
        &context,
        secret.as_mut_slice(),
    );
    secret
}

/// HKDF's extraction is one HMAC (RFC 5869, 2.2); an empty salt is one of zeros.
fn labeled_extract(suite: &[u8], salt: &[u8], label: &[u8], input: &[u8]) -> Zeroizing<[u8; HASH]> {
    let input = Zeroizing::new([b"HPKE-v1", suite, label, input].concat());
    let hash = hmac::sign(&hmac::Key::new(HMAC_SHA512, salt), &input);
    Zeroizing::new(hash.as_ref().try_into().expect("SHA-512 has 64 bytes"))
}

fn labeled_expand(suite: &[u8], secret: &[u8; HASH], label: &[u8], info: &[u8], out: &mut [u8]) {
    let length = u16::try_from(out.len()).expect("at most 64 bytes are asked for");
    Prk::new_less_safe(HKDF_SHA512, secret)
        .expand(
            &[&length.to_be_bytes(), b"HPKE-v1", suite, label, info],
            Length(out.len()),
        )
        .and_then(|filled| filled.fill(out))
        .expect("HKDF gives up to 255 hashes");
}

/// So many bytes of key material.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex).unwrap()
    }

    /// RFC 9180, A.6.1: what others made with this suite.
    #[test]
    fn messages_are_those_of_the_rfc() {
        let recipient = SecretKey::from_slice(&bytes(
            "01462680369ae375e4b3791070a7458ed527842f6a98a79ff5e0d4cbde83c271\
             96a3916956655523a6a2556a7af62c5cadabe2ef9da3760bb21e005202f7b2462847",
        ))
        .unwrap();
        let ephemeral = SecretKey::from_slice(&bytes(
            "014784c692da35df6ecde98ee43ac425dbdd0969c0c72b42f2e708ab9d535415\
             a8569bdacfcc0a114c85b8e3f26acf4d68115f8c91a66178cdbd03b7bcc5291e374b",
        ))
        .unwrap();
        let info = b"Ode on a Grecian Urn";
        let text = b"Beauty is truth, truth beauty";

        let (encapsulated, mut sender) = Context::sender(&recipient.public_key(), &ephemeral, info);
        assert_eq!(
            encapsulated.as_slice(),
            bytes(
                "040138b385ca16bb0d5fa0c0665fbbd7e69e3ee29f63991d3e9b5fa740aab890\
                 0aaeed46ed73a49055758425a0ce36507c54b29cc5b85a5cee6bae0cf1c21f27\
                 31ece2013dc3fb7c8d21654bb161b463962ca19e8c654ff24c94dd2898de1205\
                 1f1ed0692237fb02b2f8d1dc1c73e9b366b529eb436e98a996ee522aef863dd5\
                 739d2f29b0"
            )
        );
        let mut opener = Context::recipient(&recipient, &encapsulated, info)
            .ok()
            .unwrap();
        let sealed = [
            "170f8beddfe949b75ef9c387e201baf4132fa7374593dfafa90768788b7b2b20\
             0aafcc6d80ea4c795a7c5b841a",
            "d9ee248e220ca24ac00bbbe7e221a832e4f7fa64c4fbab3945b6f3af0c5ecd5e\
             16815b328be4954a05fd352256",
        ];
        for (number, expected) in sealed.into_iter().enumerate() {
            let aad = format!("Count-{number}");
            let mut message = text.to_vec();
            sender.seal(aad.as_bytes(), &mut message);
            assert_eq!(message, bytes(expected), "message {number}");
            assert!(opener.open(aad.as_bytes(), &mut message).is_ok());
            assert_eq!(message, text);
        }
    }
}
