//! Sealed archives: who opens them, and what is noticed.

use std::io::{Read as _, Write as _};

use archive::{
    escrow::{EscrowError, PrivateKey, PublicKey},
    sealed::{Opener, Sealer, is_sealed},
};

fn sealed(text: &[u8], key: &PublicKey) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), key).unwrap();
    sealer.write_all(text).unwrap();
    sealer.finish().unwrap()
}

fn opened(sealed: &[u8], key: &PrivateKey) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Opener::new(sealed, key)?.read_to_end(&mut text)?;
    Ok(text)
}

#[test]
fn the_holder_of_the_private_key_opens_what_was_sealed_whatever_its_length() {
    let key = PrivateKey::generate().unwrap();
    for length in [0, 1, 65535, 65536, 65537, 131_072, 200_000] {
        let text: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[1]).collect();
        let sealed = sealed(&text, &key.public());
        assert!(is_sealed(&sealed));
        assert_eq!(opened(&sealed, &key).unwrap(), text, "{length}");
    }
}

#[test]
fn only_its_private_key_opens_it() {
    let key = PrivateKey::generate().unwrap();
    let sealed = sealed(b"secret", &key.public());
    assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
    let other = PrivateKey::generate().unwrap();
    let error = opened(&sealed, &other).unwrap_err().to_string();
    assert!(error.contains("the escrow key is another one"), "{error}");
}

#[test]
fn the_same_text_is_never_sealed_alike() {
    let key = PrivateKey::generate().unwrap().public();
    assert_ne!(sealed(b"text", &key), sealed(b"text", &key));
}

#[test]
fn alteration_and_cutting_are_noticed() {
    const MESSAGE: usize = 65536 + 16;
    let key = PrivateKey::generate().unwrap();
    let whole = sealed(&vec![7; 3 * 65536], &key.public());
    let beginning = whole.len() - 3 * MESSAGE;
    for place in [0, 28, beginning, beginning + MESSAGE, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        assert!(opened(&damaged, &key).is_err(), "byte {place}");
    }
    for length in [0, 20, beginning, beginning + MESSAGE, whole.len() - 1] {
        assert!(opened(&whole[..length], &key).is_err(), "cut to {length}");
    }
    let (start, messages) = whole.split_at(beginning);
    let (one, rest) = messages.split_at(MESSAGE);
    let (two, three) = rest.split_at(MESSAGE);
    assert!(opened(&[start, one, two, three].concat(), &key).is_ok());
    assert!(opened(&[start, two, one, three].concat(), &key).is_err());
    assert!(opened(&[start, one, three].concat(), &key).is_err());
}

#[test]
fn nothing_comes_out_of_what_did_not_open_even_if_asked_again() {
    let key = PrivateKey::generate().unwrap();
    let sealed = sealed(b"secret", &PrivateKey::generate().unwrap().public());
    let mut opener = Opener::new(sealed.as_slice(), &key).unwrap();
    let mut out = [0; 16];
    assert!(opener.read(&mut out).is_err());
    assert_eq!(opener.read(&mut out).unwrap(), 0);
    assert_eq!(out, [0; 16]);
}

#[test]
fn keys_come_back_from_their_text_and_no_other_text_is_a_key() {
    let key = PrivateKey::generate().unwrap();
    let (private, public) = (key.to_pem(), key.public().to_pem());
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let sealed = sealed(b"text", &PublicKey::from_pem(&public).unwrap());
    let key = PrivateKey::from_pem(&private).unwrap();
    assert_eq!(opened(&sealed, &key).unwrap(), b"text");
    assert_eq!(
        PublicKey::from_pem(&private).err(),
        Some(EscrowError::NotPublic)
    );
    assert_eq!(
        PrivateKey::from_pem(&public).err(),
        Some(EscrowError::NotPrivate)
    );
}
