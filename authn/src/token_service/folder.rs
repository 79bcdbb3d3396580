//! The folder of keys: `ca.crt` and `ca.key`, and `TIME-NUMBER.crt` and `.key` of those that sign.
//!
//! Servers that share it need nothing else to agree. A signing key is there when its certificate
//! is: that is written last, and removed first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use access::token::TrustedKeys;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{
    certificates::{self, Authority, NewPair},
    error::TokenServiceError,
    files,
    keys::{KeyState, Keys, Leaf, is_due},
};

/// How long before its end the authority is warned about.
const AUTHORITY_WARNING: Duration = Duration::days(365);

/// How long files without a use are kept.
const KEPT: Duration = Duration::days(1);

/// Why a folder of keys cannot be used, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{} is not the certificate of an authority", .0.display())]
    NoAuthority(PathBuf),
    #[error(
        "{}: it has expired; remove it and ca.key, and give the new ca.crt to all registries",
        .0.display()
    )]
    AuthorityEnded(PathBuf),
    #[error("{} is needed to make the next key, and does not exist", .0.display())]
    NoAuthorityKey(PathBuf),
    #[error("{} is not the key of a ca.crt that this program made", .0.display())]
    Foreign(PathBuf),
    #[error("a key or certificate could not be made: {0}")]
    Cryptography(#[from] rcgen::Error),
    #[error("{} cannot be trusted as a certificate: {reason}", path.display())]
    Bundle { path: PathBuf, reason: String },
}

impl From<FolderError> for TokenServiceError {
    fn from(error: FolderError) -> Self {
        Self(error.to_string())
    }
}

/// The folder.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Reads the keys, makes those that are missing or due, and removes those that expired long
    /// ago.
    pub(super) fn keys(&self, now: OffsetDateTime) -> Result<Keys, FolderError> {
        files::make_folder(&self.0).map_err(at(&self.0))?;
        self.refuse_writable_folder()?;
        let authority = match self.authority(now)? {
            Some(authority) => authority,
            None => self.make_authority(now)?,
        };
        self.refuse_open_authority()?;
        let mut warnings = authority_warnings(&authority, now);
        let mut leafs = self.leafs(&authority, now, &mut warnings)?;
        if is_due(leafs.first(), now) {
            match self.add_leaf(&authority, now) {
                Ok(leaf) => leafs.insert(0, leaf),
                Err(error) if leafs.is_empty() => return Err(error),
                Err(error) => warnings.push(describe_failure(&error)),
            }
        }
        self.clean(now);
        let path = self.0.join("ca.crt");
        let trusted = TrustedKeys::from_bundle(authority.pem.as_bytes()).map_err(|error| {
            FolderError::Bundle {
                path,
                reason: error.to_string(),
            }
        })?;
        Ok(Keys {
            leafs: leafs.into_iter().map(Arc::new).collect(),
            trusted,
            authority_ends: authority.validity.ends,
            warnings,
        })
    }

    /// Whether a file can be made in the folder.
    pub(super) fn is_writable(&self) -> bool {
        let probe = certificates::random_name()
            .map(|name| self.0.join(format!("{}{name}", files::UNFINISHED)));
        probe.is_ok_and(|probe| {
            files::create(&probe, b"", 0o600).is_ok() && files::remove(&probe).is_ok()
        })
    }

    /// What is there, as it is; an error where [`Folder::keys`] would have one.
    pub(super) fn state(&self, now: OffsetDateTime) -> Result<Option<KeyState>, FolderError> {
        self.refuse_writable_folder()?;
        self.refuse_open_authority()?;
        let Some(authority) = self.authority(now)? else {
            self.could_make_authority(now)?;
            return Ok(None);
        };
        let mut warnings = authority_warnings(&authority, now);
        let leafs = self.leafs(&authority, now, &mut warnings)?;
        if is_due(leafs.first(), now) {
            match self.could_add_leaf(&authority, now) {
                Ok(()) => {}
                Err(error) if leafs.is_empty() => return Err(error),
                Err(error) => warnings.push(describe_failure(&error)),
            }
        }
        Ok(Some(KeyState {
            ca_expires: authority.validity.ends,
            key_expires: leafs.first().map(|leaf| leaf.validity.ends),
            warnings,
        }))
    }

    fn could_make_authority(&self, now: OffsetDateTime) -> Result<(), FolderError> {
        if let Some(key) = self.authority_key()? {
            certificates::self_signed(&key, now)?;
        }
        self.could_write()
    }

    fn could_add_leaf(
        &self,
        authority: &Authority,
        now: OffsetDateTime,
    ) -> Result<(), FolderError> {
        self.new_leaf(authority, now)?;
        self.could_write()
    }

    fn could_write(&self) -> Result<(), FolderError> {
        files::could_write(&self.0).map_err(at(&self.0))
    }

    fn refuse_writable_folder(&self) -> Result<(), FolderError> {
        files::refuse_writable_folder(&self.0).map_err(at(&self.0))
    }

    /// The authority's key is rarely needed, but its readers can issue tokens of their own.
    fn refuse_open_authority(&self) -> Result<(), FolderError> {
        let path = self.0.join("ca.key");
        files::refuse_open(&path).map_err(at(&path))
    }

    fn authority(&self, now: OffsetDateTime) -> Result<Option<Authority>, FolderError> {
        let path = self.0.join("ca.crt");
        let Some(pem) = files::read(&path).map_err(at(&path))? else {
            return Ok(None);
        };
        let authority =
            Authority::parse(&pem).ok_or_else(|| FolderError::NoAuthority(path.clone()))?;
        if authority.validity.ends <= now {
            return Err(FolderError::AuthorityEnded(path));
        }
        Ok(Some(authority))
    }

    /// The key comes first: a server that finds a key without a certificate goes on from there.
    fn make_authority(&self, now: OffsetDateTime) -> Result<Authority, FolderError> {
        let (path, key_path) = (self.0.join("ca.crt"), self.0.join("ca.key"));
        if self.authority_key()?.is_none() {
            let key = certificates::new_key()?;
            files::create(&key_path, key.as_bytes(), 0o600).map_err(at(&key_path))?;
        }
        let key = self
            .authority_key()?
            .ok_or(FolderError::NoAuthorityKey(key_path))?;
        let certificate = certificates::self_signed(&key, now)?;
        files::create(&path, certificate.as_bytes(), 0o644).map_err(at(&path))?;
        self.authority(now)?.ok_or(FolderError::NoAuthority(path))
    }

    fn authority_key(&self) -> Result<Option<Zeroizing<String>>, FolderError> {
        let path = self.0.join("ca.key");
        files::read_secret(&path).map_err(at(&path))
    }

    /// The keys that are valid, the newest first. A broken one is named in a warning and left
    /// aside; one that other users can read is an error.
    fn leafs(
        &self,
        authority: &Authority,
        now: OffsetDateTime,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Leaf>, FolderError> {
        let mut leafs = Vec::new();
        for path in self.names(|name| is_leaf(name, ".crt"))? {
            match read_leaf(authority, &path, now) {
                Ok(found) => leafs.extend(found),
                Err(FolderError::File { path, cause })
                    if cause.kind() == io::ErrorKind::PermissionDenied =>
                {
                    return Err(FolderError::File { path, cause });
                }
                Err(error) => warnings.push(error.to_string()),
            }
        }
        leafs.sort_by_key(|leaf| std::cmp::Reverse(leaf.validity.begins));
        Ok(leafs)
    }

    fn add_leaf(&self, authority: &Authority, now: OffsetDateTime) -> Result<Leaf, FolderError> {
        let pair = self.new_leaf(authority, now)?;
        let number = certificates::random_name()?;
        let certificate = self
            .0
            .join(format!("{}-{number}.crt", now.unix_timestamp()));
        let key = certificate.with_extension("key");
        files::create(&key, pair.key.as_bytes(), 0o600).map_err(at(&key))?;
        files::create(&certificate, pair.certificate.as_bytes(), 0o644)
            .map_err(at(&certificate))?;
        read_leaf(authority, &certificate, now)?.ok_or(FolderError::Foreign(certificate))
    }

    fn new_leaf(&self, authority: &Authority, now: OffsetDateTime) -> Result<NewPair, FolderError> {
        let path = self.0.join("ca.key");
        let Some(key) = self.authority_key()? else {
            return Err(FolderError::NoAuthorityKey(path));
        };
        authority
            .new_leaf(&key, now)?
            .ok_or(FolderError::Foreign(path))
    }

    /// Removes certificates a day after their end, and then keys that have none. What fails is
    /// tried again the next time.
    fn clean(&self, now: OffsetDateTime) {
        for path in self.names(|name| is_leaf(name, ".crt")).unwrap_or_default() {
            if is_long_expired(&path, now) {
                let _ = files::remove(&path);
            }
        }
        let is_rest = |name: &str| is_leaf(name, ".key") || name.starts_with(files::UNFINISHED);
        for path in self.names(is_rest).unwrap_or_default() {
            if !path.with_extension("crt").exists() && is_abandoned(&path, now) {
                let _ = files::remove(&path);
            }
        }
    }

    fn names(&self, is_meant: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, FolderError> {
        let names = fs::read_dir(&self.0).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let names = names.map_err(at(&self.0))?.into_iter();
        Ok(names
            .filter(|name| name.to_str().is_some_and(&is_meant))
            .map(|name| self.0.join(name))
            .collect())
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |cause| FolderError::File { path, cause }
}

/// Whether a file is named as those that [`Folder::add_leaf`] makes.
fn is_leaf(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending)
        .and_then(|name| name.split_once('-'))
        .is_some_and(|(time, number)| {
            let is_hex = |byte: u8| byte.is_ascii_hexdigit();
            !time.is_empty()
                && time.bytes().all(|byte| byte.is_ascii_digit())
                && !number.is_empty()
                && number.bytes().all(is_hex)
        })
}

/// The key that `path` is the certificate of; `None` outside of its time.
fn read_leaf(
    authority: &Authority,
    path: &Path,
    now: OffsetDateTime,
) -> Result<Option<Leaf>, FolderError> {
    let invalid = |reason: &str| {
        at(path)(io::Error::new(
            io::ErrorKind::InvalidData,
            reason.to_owned(),
        ))
    };
    let Some(pem) = files::read(path).map_err(at(path))? else {
        return Ok(None);
    };
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| invalid("it is no certificate"))?;
    let validity = authority
        .leaf_validity(&der)
        .ok_or_else(|| invalid("it is no certificate of the authority in ca.crt"))?;
    if now < validity.begins || validity.ends <= now {
        return Ok(None);
    }
    let key = path.with_extension("key");
    let pem = files::read_secret(&key)
        .map_err(at(&key))?
        .ok_or_else(|| invalid("its key is not there"))?;
    let leaf = Leaf::new(&der, validity, &pem).map_err(|reason| invalid(&reason))?;
    Ok(Some(leaf))
}

fn describe_failure(error: &FolderError) -> String {
    format!("the next key cannot be made: {error}")
}

fn authority_warnings(authority: &Authority, now: OffsetDateTime) -> Vec<String> {
    let ends = authority.validity.ends;
    if ends - now >= AUTHORITY_WARNING {
        return Vec::new();
    }
    vec![format!(
        "ca.crt ends on {}: remove it and ca.key before, and give the new ca.crt to all registries",
        ends.date()
    )]
}

fn is_long_expired(path: &Path, now: OffsetDateTime) -> bool {
    files::read(path)
        .ok()
        .flatten()
        .and_then(|pem| CertificateDer::from_pem_slice(&pem).ok())
        .and_then(|der| certificates::validity(&der))
        .is_some_and(|validity| validity.ends + KEPT <= now)
}

/// Whether it was last written long ago.
fn is_abandoned(path: &Path, now: OffsetDateTime) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| OffsetDateTime::from(modified) + KEPT <= now)
}
