//! Keys and certificates made for one test, in the set-ups that operators of Notary use between
//! server and signer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// How server and signer come to trust each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// One authority issues both certificates, and both sides trust it.
    Issued,
    /// The signer's `client_ca_file` holds the server's certificate alone, not its issuer.
    LeafInFile,
    /// Both certificates signed themselves, say that they are no authority, and are trusted as they
    /// are.
    SelfSigned,
    /// Both certificates signed themselves and claim to be authorities (`CA:TRUE`), yet are used as
    /// leaves.
    SelfSignedAuthority,
    /// Notary's own sample: an intermediate issues the leaves, files hold leaf and intermediate,
    /// and the signer's `client_ca_file` is the server's certificate file.
    LeafAndIntermediate,
    /// The server shows the signer a certificate of an authority that the signer does not know.
    StrangeServer,
    /// The signer shows the server a certificate of an authority that the server does not know.
    StrangeSigner,
}

/// The files of one set-up.
#[derive(Clone, Debug)]
pub struct Files {
    /// What the clients are to trust.
    pub authority: PathBuf,
    /// The server's certificate towards clients.
    pub server: Pair,
    /// The server's certificate towards the signer.
    pub client: Pair,
    /// The signer's certificate.
    pub signer: Pair,
    /// The signer's `client_ca_file`.
    pub client_ca: PathBuf,
    /// The server's `trust_service.tls_ca_file`.
    pub signer_ca: PathBuf,
}

/// A certificate file and its key file.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM, PKCS#8, not encrypted.
    pub key: PathBuf,
}

impl Files {
    /// Makes everything that `setup` needs in `folder`.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn make(folder: &Path, setup: Setup) -> Result<Self> {
        let authority = Authority::new("Test authority")?;
        let made = Peers::make(&authority, setup)?;
        let write = |name: &str, pem: &str| -> Result<PathBuf> {
            let file = folder.join(name);
            fs::write(&file, pem)?;
            Ok(file)
        };
        let pair = |name: &str, leaf: &Leaf| -> Result<Pair> {
            Ok(Pair {
                certificate: write(&format!("{name}.crt"), &leaf.certificate)?,
                key: write(&format!("{name}.key"), &leaf.key)?,
            })
        };
        Ok(Self {
            authority: write("authority.crt", &authority.certificate)?,
            server: pair("server", &authority.issue("server")?)?,
            client: pair("client", &made.client)?,
            signer: pair("signer", &made.signer)?,
            client_ca: write("client-ca.crt", &made.client_ca)?,
            signer_ca: write("signer-ca.crt", &made.signer_ca)?,
        })
    }
}

/// The certificates between server and signer, and what each side trusts.
struct Peers {
    client: Leaf,
    signer: Leaf,
    client_ca: String,
    signer_ca: String,
}

impl Peers {
    fn make(authority: &Authority, setup: Setup) -> Result<Self> {
        let (client, signer) = (
            authority.issue("notary-server")?,
            authority.issue("notary-signer")?,
        );
        let (client_ca, signer_ca) = (authority.certificate.clone(), authority.certificate.clone());
        let issued = Self {
            client,
            signer,
            client_ca,
            signer_ca,
        };
        Ok(match setup {
            Setup::Issued => issued,
            Setup::LeafInFile => Self {
                client_ca: issued.client.certificate.clone(),
                ..issued
            },
            Setup::SelfSigned => Self::self_signed(IsCa::ExplicitNoCa)?,
            Setup::SelfSignedAuthority => {
                Self::self_signed(IsCa::Ca(BasicConstraints::Unconstrained))?
            }
            Setup::LeafAndIntermediate => {
                let intermediate = authority.intermediate("Test intermediate")?;
                let client = intermediate.issue_bundle("notary-server")?;
                let signer = intermediate.issue_bundle("notary-signer")?;
                Self {
                    client_ca: client.certificate.clone(),
                    client,
                    signer,
                    ..issued
                }
            }
            Setup::StrangeServer => Self {
                client: Authority::new("Stranger")?.issue("notary-server")?,
                ..issued
            },
            Setup::StrangeSigner => Self {
                signer: Authority::new("Stranger")?.issue("notary-signer")?,
                ..issued
            },
        })
    }

    fn self_signed(is_ca: IsCa) -> Result<Self> {
        let (client, signer) = (
            Leaf::self_signed("notary-server", is_ca)?,
            Leaf::self_signed("notary-signer", is_ca)?,
        );
        Ok(Self {
            client_ca: client.certificate.clone(),
            signer_ca: signer.certificate.clone(),
            client,
            signer,
        })
    }
}

/// An issuer of certificates.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let (key, params) = (KeyPair::generate()?, authority(name)?);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    fn intermediate(&self, name: &str) -> Result<Self> {
        let (key, params) = (KeyPair::generate()?, authority(name)?);
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    fn issue(&self, name: &str) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let certificate = peer(name)?.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf {
            certificate,
            key: key.serialize_pem(),
        })
    }

    /// A leaf whose file also holds this authority's own certificate.
    fn issue_bundle(&self, name: &str) -> Result<Leaf> {
        let leaf = self.issue(name)?;
        Ok(Leaf {
            certificate: leaf.certificate + &self.certificate,
            ..leaf
        })
    }
}

/// Certificates of people and machines that are known by them, and the authority that issues them.
pub struct Visitors {
    authority: Authority,
    folder: PathBuf,
}

impl Visitors {
    /// An authority of its own, whose certificate is in `folder` as `visitors.crt`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let authority = Authority::new("Visitors")?;
        let folder = folder.to_owned();
        fs::write(folder.join("visitors.crt"), &authority.certificate)?;
        Ok(Self { authority, folder })
    }

    /// The file with the authority's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("visitors.crt")
    }

    /// A certificate whose common name is `name`.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn admit(&self, name: &str) -> Result<Pair> {
        let (key, mut params) = (KeyPair::generate()?, params_of(name, &[])?);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.authority.issuer)?.pem();
        let file = |kind| self.folder.join(format!("{name}.{kind}"));
        let pair = Pair {
            certificate: file("cert"),
            key: file("key"),
        };
        fs::write(&pair.certificate, certificate)?;
        fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }
}

/// The certificate of a key that signs tokens, and its issuer's.
pub(crate) struct Chain {
    pub(crate) root_pem: String,
    pub(crate) leaf_pem: String,
    pub(crate) leaf_der: Vec<u8>,
}

/// A certificate for `key` from an authority of its own.
pub(crate) fn chain(key: &KeyPair) -> Result<Chain> {
    let authority = Authority::new("Token authority")?;
    let leaf = params_of("Token signer", &[])?.signed_by(key, &authority.issuer)?;
    Ok(Chain {
        root_pem: authority.certificate,
        leaf_pem: leaf.pem(),
        leaf_der: leaf.der().to_vec(),
    })
}

/// A certificate and its private key, both PEM.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate, perhaps with others after it.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Leaf {
    /// A certificate for delegation keys: Notary takes the public keys of delegates in this form.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub fn of_delegate(name: &str) -> Result<Self> {
        Self::self_signed(name, IsCa::ExplicitNoCa)
    }

    /// A private key and its public key, both PEM, as tools other than docker make them.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub fn key_pair() -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        Ok((key.serialize_pem(), key.public_key_pem()))
    }

    fn self_signed(name: &str, is_ca: IsCa) -> Result<Self> {
        let (key, mut params) = (KeyPair::generate()?, peer(name)?);
        params.is_ca = is_ca;
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn authority(name: &str) -> Result<CertificateParams> {
    let mut params = params_of(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(params)
}

/// A certificate for either end of a connection on this machine, as Notary's samples have it.
fn peer(name: &str) -> Result<CertificateParams> {
    let mut params = params_of(name, &["localhost", "127.0.0.1"])?;
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

fn params_of(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
