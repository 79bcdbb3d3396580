//! Certificates made for one test.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// A certificate with its key, and its issuer's certificate if there is one.
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) pem: String,
}

/// A folder of certificates.
pub(crate) struct Pki {
    folder: TempDir,
    ca: Issuer<'static, KeyPair>,
    /// The CA's certificate in PEM.
    pub(crate) ca_pem: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let ca_pem = params.self_signed(&key).unwrap().pem();
        Self {
            folder,
            ca: Issuer::new(params, key),
            ca_pem,
        }
    }

    /// A certificate that the CA issued.
    pub(crate) fn issue(&self, name: &str, usages: &[ExtendedKeyUsagePurpose]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = leaf(name, usages);
        let pem = params.signed_by(&key, &self.ca).unwrap().pem();
        self.keep(name, pem, &key)
    }

    /// A self-signed certificate.
    pub(crate) fn self_sign(&self, name: &str, ca: bool) -> Identity {
        let mut params = leaf(name, &[ClientAuth]);
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        self.self_signed_with(name, &params)
    }

    /// A self-signed certificate with an unknown critical extension.
    pub(crate) fn with_critical_extension(&self, name: &str) -> Identity {
        let mut params = leaf(name, &[ClientAuth]);
        // Netscape's certificate type, as an old sample script makes it.
        let mut extension =
            CustomExtension::from_oid_content(&[2, 16, 840, 1, 113_730, 1, 1], vec![3, 2, 7, 0x80]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
        self.self_signed_with(name, &params)
    }

    /// A file that holds `pem`.
    pub(crate) fn file(&self, name: &str, pem: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, pem).unwrap();
        file
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn self_signed_with(&self, name: &str, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        self.keep(name, pem, &key)
    }

    fn keep(&self, name: &str, pem: String, key: &KeyPair) -> Identity {
        let cert = self.file(&format!("{name}.crt"), &pem);
        let key = self.file(&format!("{name}.key"), &key.serialize_pem());
        Identity { cert, key, pem }
    }
}

fn leaf(name: &str, usages: &[ExtendedKeyUsagePurpose]) -> CertificateParams {
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        format!("{name}.example"),
    ];
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = usages.to_vec();
    params
}
