//! One metadata file: its bytes as they came, and what they say.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use time::OffsetDateTime;

use super::checked::{Checked, Strictness};
use crate::{
    encoding::{
        date,
        json::{DecodeError, ReadingFault},
    },
    fault::{Damaged, EnvelopeFault, Fault, MalformedJson},
    metadata::{Checksums, Envelope, Root},
    role::Role,
    wire::{MetadataFormat, Parts},
};

/// A metadata file, parsed once, together with the very bytes that are stored, hashed and served.
///
/// Parsing promises little: whether the file is to be believed is for [`crate::check`] to say.
/// Cloning is cheap.
#[derive(Clone)]
pub struct File(Arc<Contents>);

struct Contents {
    format: MetadataFormat,
    role: Role,
    bytes: Bytes,
    envelope: Envelope,
    checksums: OnceLock<Checksums>,
    parts: OnceLock<Option<Parts>>,
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
        Ok(Self::of(format, role, bytes, envelope))
    }

    /// Like [`parse`](Self::parse), of a stored file that is verified and nothing else: what a
    /// snapshot lists takes less memory, and cannot be carried over into another one.
    pub(crate) fn parse_to_verify(
        format: MetadataFormat,
        role: Role,
        bytes: Bytes,
    ) -> Result<Self, MalformedJson> {
        let envelope = format.spelling().read_to_verify(&role, &bytes)?;
        Ok(Self::of(format, role, bytes, envelope))
    }

    fn of(format: MetadataFormat, role: Role, bytes: Bytes, envelope: Envelope) -> Self {
        Self(Arc::new(Contents {
            format,
            role,
            bytes,
            envelope,
            checksums: OnceLock::new(),
            parts: OnceLock::new(),
        }))
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
        self.0.format
    }

    /// The role that the file was uploaded or stored as.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.0.role
    }

    /// `signed.version`, 0 if absent.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.0.envelope.version
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

    /// The parts by which changes are found, read when first asked for: an update that lost a race is
    /// checked again. `None` if they cannot be read.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        let Contents {
            format,
            role,
            bytes,
            parts,
            ..
        } = &*self.0;
        parts
            .get_or_init(|| format.spelling().parts(role, bytes))
            .as_ref()
    }

    /// `signed.expires`; a file without it counts as expired.
    #[must_use]
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.0.envelope.expires
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
        let Contents {
            format,
            role,
            envelope,
            ..
        } = &*self.0;
        Checked::new(*format, role, envelope, strictness)
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
