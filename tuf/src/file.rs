//! One metadata file: its bytes as they came, and what they say.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use ring::digest::{SHA256, SHA512, digest};
use time::OffsetDateTime;

use crate::{
    Damaged, MetadataFormat, Role, Root,
    encoding::{
        date,
        json::{DecodeError, Misreading, ReadingFault},
    },
    envelope::{Checked, Envelope, EnvelopeFault, Strictness},
    fault::Fault,
};

/// A metadata file, parsed once, together with the very bytes that are stored, hashed and served.
///
/// Parsing promises little: whether the file is to be believed is for [`crate::check`] to say.
/// Cloning is cheap.
#[derive(Clone)]
pub struct File(Arc<Contents>);

struct Contents {
    role: Role,
    bytes: Bytes,
    envelope: Envelope,
    checksums: OnceLock<Checksums>,
}

impl File {
    /// Reads a file that is stored, or made here, as leniently as Notary 0.7: what was accepted
    /// once stays readable. For what clients send there is
    /// [`Uploaded::read`](crate::Uploaded::read).
    ///
    /// Members are optional, unknown ones are ignored here, names match in any case, null is absent
    /// and a repeated member's last value counts. Nesting beyond 512 levels is malformed (Notary
    /// 0.7 took 10,000). Faults that Notary finds later (text after the value, wrong types beyond
    /// `_type`, `expires`, `version` and the signatures, fractions) are kept and come out when the
    /// file is checked.
    pub fn parse(format: MetadataFormat, role: Role, bytes: Bytes) -> Result<Self, MalformedJson> {
        Ok(Self::parse_within(format, role, bytes, usize::MAX)?)
    }

    /// Like [`parse`](Self::parse), if no more than `most` JSON values have to be kept on the way.
    pub(crate) fn parse_within(
        format: MetadataFormat,
        role: Role,
        bytes: Bytes,
        most: usize,
    ) -> Result<Self, DecodeError> {
        let envelope = format.spelling().read(&role, &bytes, most)?;
        Ok(Self(Arc::new(Contents {
            role,
            bytes,
            envelope,
            checksums: OnceLock::new(),
        })))
    }

    /// Reads a stored file, which is damaged if it cannot be read.
    pub(crate) fn parse_stored(
        format: MetadataFormat,
        role: &Role,
        bytes: &Bytes,
    ) -> Result<Self, Damaged> {
        Self::parse(format, role.clone(), bytes.clone())
            .map_err(EnvelopeFault::Malformed)
            .map_err(Damaged::of(role))
    }

    /// The format that the file is written in.
    #[must_use]
    pub fn format(&self) -> MetadataFormat {
        self.0.envelope.format()
    }

    /// The role that the file was uploaded or stored as.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.0.role
    }

    /// `signed.version`, 0 if absent.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.0.envelope.version()
    }

    /// The bytes as they came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The checksums of the bytes, computed when first asked for.
    #[must_use]
    pub fn checksums(&self) -> &Checksums {
        self.0
            .checksums
            .get_or_init(|| Checksums::of(&self.0.bytes))
    }

    /// `signed.expires`; a file without it counts as expired.
    #[must_use]
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.0.envelope.expires()
    }

    /// Whether the file expired before `now`.
    #[must_use]
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        date::is_past(self.expires(), now)
    }

    /// Whether clients, which are written in Go, can decode the file, and read the same in it as
    /// anyone else. What is uploaded is checked for that; what is stored may be older than the
    /// check.
    pub fn check_reading(&self) -> Result<(), ReadingFault> {
        let no_limit = |_| usize::MAX;
        let spelling = self.format().spelling();
        let sizes = spelling.check_reading(&self.0.role, &self.0.bytes, &no_limit);
        sizes.map(drop)
    }

    /// The contents, if the text is in order.
    pub(crate) fn check(&self, strictness: Strictness) -> Result<Checked<'_>, Fault> {
        self.0.envelope.check(&self.0.role, strictness)
    }

    /// The root that this file holds, if it is whole.
    pub(crate) fn root(&self) -> Result<&Root, Fault> {
        self.check(Strictness::Stored)?.root()
    }

    /// Refuses a file that has expired.
    pub(crate) fn check_expiry(&self, now: OffsetDateTime) -> Result<(), Fault> {
        if !self.is_expired(now) {
            return Ok(());
        }
        Err(Fault::Expired {
            role: self.role().clone(),
            expires: self.expires(),
        })
    }
}

/// Names the file; what is in it stays out of logs.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = f.debug_struct("File");
        name.field("role", &self.0.role)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// What identifies a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// SHA-256, the checksum that URLs name.
    pub sha256: [u8; 32],
    /// SHA-512.
    pub sha512: [u8; 64],
    /// How many bytes there are.
    pub length: u64,
}

impl Checksums {
    /// The checksums of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: digest(&SHA256, bytes)
                .as_ref()
                .try_into()
                .expect("SHA-256 has 32 bytes"),
            sha512: digest(&SHA512, bytes)
                .as_ref()
                .try_into()
                .expect("SHA-512 has 64 bytes"),
            length: bytes.len() as u64,
        }
    }

    /// SHA-256 in lower case hex, as in URLs and in the database.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }
}

/// Why bytes are no metadata envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJson {
    /// They are not JSON, or have a value of the wrong kind where the envelope is read.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Readers would take the envelope in two ways.
    #[error(transparent)]
    Misreading(#[from] Box<Misreading>),
}
