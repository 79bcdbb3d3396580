//! Certificates for tests, made again each time.

use std::{fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SigningKey as _,
};
use rustls::{crypto::ring::default_provider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

pub(crate) const CLIENT: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ClientAuth;
pub(crate) const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;

/// A certificate with its key, and what it takes to sign others.
pub(crate) struct Certificate {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// What a certificate for localhost says unless a test wants otherwise: an end entity, now.
pub(crate) fn leaf(usages: &[ExtendedKeyUsagePurpose]) -> CertificateParams {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = usages.to_vec();
    params
}

/// An authority that may have `path_length` others below it.
pub(crate) fn authority(name: &str, path_length: Option<u8>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.is_ca = IsCa::Ca(match path_length {
        Some(length) => BasicConstraints::Constrained(length),
        None => BasicConstraints::Unconstrained,
    });
    params
}

/// `params`, but only valid until a day long ago.
pub(crate) fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    params
}

/// `params` with the extension that `openssl` calls `nsCertType = client`.
pub(crate) fn with_netscape_type(
    mut params: CertificateParams,
    critical: bool,
) -> CertificateParams {
    let mut extension =
        CustomExtension::from_oid_content(&[2, 16, 840, 1, 113_730, 1, 1], vec![3, 2, 7, 128]);
    extension.set_criticality(critical);
    params.custom_extensions.push(extension);
    params
}

impl Certificate {
    pub(crate) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Self {
            der: made.der().clone(),
            pem: made.pem(),
            params,
            key,
        }
    }

    /// A certificate that this one vouches for, whether it may or not.
    pub(crate) fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let made = params.signed_by(&key, &issuer).unwrap();
        Self {
            der: made.der().clone(),
            pem: made.pem(),
            params,
            key,
        }
    }

    /// The same in X.509 version 1, which has no extensions; `rcgen` makes version 3 only.
    pub(crate) fn in_version_1(mut self) -> Self {
        let certificate = elements(content(&self.der));
        let [to_sign, algorithm, _] = certificate[..] else {
            panic!("an X.509 certificate")
        };
        // Without the version at the start and the extensions at the end, which are tagged.
        let old: Vec<_> = elements(content(to_sign))
            .into_iter()
            .filter(|e| e[0] < 0xa0)
            .collect();
        let to_sign = element(0x30, &old.concat());
        let signature = [&[0][..], &self.key.sign(&to_sign).unwrap()].concat();
        let signature = element(0x03, &signature);
        let der = element(0x30, &[&to_sign[..], algorithm, &signature].concat());
        let base64 = BASE64_STANDARD.encode(&der);
        self.pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        self.der = der.into();
        self
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// As a TLS client or server shows it, with `intermediates`; nothing about it is checked.
    pub(crate) fn identity(&self, intermediates: &[&Self]) -> CertifiedKey {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .unwrap();
        let above = intermediates
            .iter()
            .map(|certificate| certificate.der.clone());
        CertifiedKey::new([self.der.clone()].into_iter().chain(above).collect(), key)
    }
}

/// How many bytes the tag and the length of a DER element have, and how many its content.
fn sizes(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..0x80 => (2, short.into()),
        long => {
            let head = 2 + usize::from(long & 0x7f);
            let size = der[2..head]
                .iter()
                .fold(0, |size, byte| size << 8 | usize::from(*byte));
            (head, size)
        }
    }
}

fn content(der: &[u8]) -> &[u8] {
    &der[sizes(der).0..]
}

fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (head, size) = sizes(der);
        let (element, rest) = der.split_at(head + size);
        found.push(element);
        der = rest;
    }
    found
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap().to_be_bytes();
    match size {
        [0, short @ 0..0x80] => [&[tag, short], content].concat(),
        [0, byte] => [&[tag, 0x81, byte], content].concat(),
        [high, low] => [&[tag, 0x82, high, low], content].concat(),
    }
}

/// A folder for PEM files.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Files with `certificate` and its key.
    pub(crate) fn pair(&self, name: &str, certificate: &Certificate) -> (PathBuf, PathBuf) {
        let cert = self.write(&format!("{name}.crt"), &certificate.pem);
        (
            cert,
            self.write(&format!("{name}.key"), &certificate.key_pem()),
        )
    }
}
