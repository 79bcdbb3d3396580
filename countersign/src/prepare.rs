//! What the services of `docker-compose.yml` start from: made once, renewed in time.
//!
//! Each service gets a folder with what is its own and nothing else; compose mounts it there alone.
//!
//! ```text
//! authority/  ca.crt ca.key           the CA, whose key no service sees
//! server/     server.crt server.key   for the server's HTTPS
//!             client.crt client.key   what the server shows to the signer
//!             ca.crt, and *-url       whom it trusts; its database, by kind
//! signer/     signer.crt signer.key   for the signer's gRPC
//!             ca.crt passphrase, and *-url
//! database/   root-password server-password signer-password
//! gateway/    gateway.crt gateway.key ca.crt
//! public/     root-ca.crt             what clients have to trust
//! ```
//!
//! What is there stays: a secret is the key to data that only it opens. Certificates are renewed with their
//! keys kept, one atomic rename each, and the services take them up while running.

mod secrets;
mod watch;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::files::{self, Access, FileError};
use crate::pki::{self, Authority, Leaf, Outcome, PkiError, Purpose};

/// Why the services have nothing to start from: one sentence, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificates are not in order.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A database was set up with a password that is gone.
    #[error(
        "{} is missing although {} is there, which holds the same password. Put it back, or delete \
         both if there is no database yet.",
        missing.display(),
        present.display()
    )]
    PasswordLost {
        /// The file that is gone.
        missing: PathBuf,
        /// A file that was made of it.
        present: PathBuf,
    },
    /// Nothing was made there yet, or somebody removed it.
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
    /// A certificate ended, or is of a time to come.
    #[error("{} is no certificate that is valid now", .0.display())]
    NotValid(PathBuf),
    /// Only certificates are copied: anything else might be a key.
    #[error("{} is not a certificate, or not that alone", .0.display())]
    NoCertificate(PathBuf),
    /// Signals cannot be listened to.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

/// The folders of all services, and the names that clients know the service by.
#[derive(Clone, Debug)]
pub struct Preparation {
    folder: PathBuf,
    hosts: BTreeSet<String>,
}

impl Preparation {
    /// Keeps the services' folders in `folder`; clients use any of `hosts`, names or IP addresses.
    #[must_use]
    pub fn new<'h>(folder: PathBuf, hosts: impl IntoIterator<Item = &'h str>) -> Self {
        let hosts = hosts.into_iter().map(str::trim);
        Self {
            folder,
            hosts: hosts
                .filter(|host| !host.is_empty())
                .map(pki::host_name)
                .collect(),
        }
    }

    /// Makes what is missing, renews what is about to expire, and says what it did.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]; what was made by then stays, and a second try goes on from there.
    pub fn make(&self, now: OffsetDateTime) -> Result<Vec<String>, PrepareError> {
        for folder in FOLDERS {
            files::make_folder(&self.folder.join(folder))?;
        }
        open_to_group(&self.folder.join("database"))?;
        let mut news = secrets::make(self)?;
        news.extend(self.certify(now)?);
        Ok(news)
    }

    /// Whether every file is there and every certificate valid; makes nothing.
    ///
    /// # Errors
    ///
    /// The first thing that is not in order.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), PrepareError> {
        for name in FILES {
            let path = self.folder.join(name);
            let content = files::read(&path)?.map(zeroize::Zeroizing::new);
            let content = content
                .filter(|content| !content.is_empty())
                .ok_or_else(|| PrepareError::Missing(path.clone()))?;
            let is_certificate = path.extension().is_some_and(|it| it == "crt");
            if is_certificate && !pki::is_valid(&content, now) {
                return Err(PrepareError::NotValid(path));
            }
        }
        Ok(())
    }

    fn certify(&self, now: OffsetDateTime) -> Result<Vec<String>, PrepareError> {
        let (authority, outcome) =
            Authority::open_as("Countersign", &self.folder.join("authority"), now)?;
        let mut news = Vec::new();
        tell(&mut news, "ca", outcome);
        // The new certificate of the CA is everywhere before anything that only it vouches for.
        for (folder, name) in CA_COPIES {
            place(&self.file(folder, name), authority.pem().as_bytes())?;
        }
        for (folder, leaf) in self.leafs() {
            let outcome = authority.ensure_in(&self.folder.join(folder), &leaf, now)?;
            tell(&mut news, leaf.name, outcome);
        }
        Ok(news)
    }

    /// The certificates, and in whose folder each is. The server's own names are those of its container.
    fn leafs(&self) -> [(&'static str, Leaf); 4] {
        let leaf = |name, purpose, own: &[&str]| Leaf {
            name,
            purpose,
            hosts: own.iter().map(|host| (*host).to_owned()).collect(),
        };
        let mut server = leaf("server", Purpose::Listen, &["server", "notaryserver"]);
        let mut gateway = leaf("gateway", Purpose::Listen, &["gateway"]);
        server.hosts.extend(self.hosts.iter().cloned());
        gateway.hosts.extend(self.hosts.iter().cloned());
        [
            ("server", server),
            ("server", leaf("client", Purpose::Connect, &["server"])),
            (
                "signer",
                leaf("signer", Purpose::Listen, &["signer", "notarysigner"]),
            ),
            ("gateway", gateway),
        ]
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.folder.join(folder).join(name)
    }
}

/// Copies the certificates in `source`, and nothing else, to `target`; it is left alone where it is the
/// same already.
///
/// # Errors
///
/// [`PrepareError::NoCertificate`] if there is anything else in `source`.
pub fn copy_certificate(source: &Path, target: &Path) -> Result<(), PrepareError> {
    let pem = files::read(source)?.map(zeroize::Zeroizing::new);
    let pem = pem.ok_or_else(|| PrepareError::Missing(source.to_owned()))?;
    if !pki::are_certificates(&pem) {
        return Err(PrepareError::NoCertificate(source.to_owned()));
    }
    Ok(place(target, &pem)?)
}

const FOLDERS: [&str; 6] = [
    "authority",
    "server",
    "signer",
    "database",
    "gateway",
    "public",
];

/// Where the CA's certificate is needed.
const CA_COPIES: [(&str, &str); 4] = [
    ("server", "ca.crt"),
    ("signer", "ca.crt"),
    ("gateway", "ca.crt"),
    ("public", "root-ca.crt"),
];

/// All that services rely on.
const FILES: [&str; 24] = [
    "authority/ca.crt",
    "authority/ca.key",
    "server/server.crt",
    "server/server.key",
    "server/client.crt",
    "server/client.key",
    "server/ca.crt",
    "server/mysql-url",
    "server/postgres-url",
    "server/sqlite-url",
    "signer/signer.crt",
    "signer/signer.key",
    "signer/ca.crt",
    "signer/passphrase",
    "signer/mysql-url",
    "signer/postgres-url",
    "signer/sqlite-url",
    "database/root-password",
    "database/server-password",
    "database/signer-password",
    "gateway/ca.crt",
    "gateway/gateway.crt",
    "gateway/gateway.key",
    "public/root-ca.crt",
];

/// The database runs as a user of its own, and reads its passwords as a member of our group.
fn open_to_group(folder: &Path) -> Result<(), FileError> {
    fs::set_permissions(folder, Permissions::from_mode(0o750)).map_err(|cause| FileError::Write {
        path: folder.to_owned(),
        cause,
    })
}

/// Puts `bytes` at `path` unless they are there.
fn place(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if files::read(path)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    files::write(path, bytes, Access::All)
}

fn tell(news: &mut Vec<String>, name: &str, outcome: Outcome) {
    match outcome {
        Outcome::Kept => {}
        Outcome::Made => news.push(format!("made {name}.crt")),
        Outcome::Renewed if name == "ca" => news.push(
            "renewed the CA (root-ca.crt); copy it to the clients again within a year".to_owned(),
        ),
        Outcome::Renewed => news.push(format!("renewed {name}.crt")),
    }
}
