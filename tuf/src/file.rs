//! One metadata file: its bytes as they came, and what they say.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ring::digest::{SHA256, SHA512, digest};
use time::OffsetDateTime;

use crate::Role;
use crate::encoding::date;
use crate::encoding::json::Fault;
use crate::metadata::Envelope;
use crate::wire::notary;

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
    /// Reads a file that is stored, or made here, as leniently as Notary 0.7: what was accepted once
    /// stays readable. For what clients send there is [`Uploaded::read`](crate::Uploaded::read).
    ///
    /// Members are optional, unknown ones are ignored here, names match in any case, null is absent
    /// and a repeated member's last value counts. Nesting beyond 512 levels is malformed (Notary
    /// 0.7 took 10,000). Faults that Notary finds later (text after the value, wrong types beyond
    /// `_type`, `expires`, `version` and the signatures, fractions) are kept and come out when the
    /// file is checked.
    pub fn parse(role: Role, bytes: Bytes) -> Result<Self, MalformedJson> {
        Self::parse_within(role, bytes, usize::MAX)
    }

    /// The same, if no more than `most` JSON values have to be kept while it is read.
    pub(crate) fn parse_within(
        role: Role,
        bytes: Bytes,
        most: usize,
    ) -> Result<Self, MalformedJson> {
        let envelope = notary::read_within(&role, &bytes, most).map_err(MalformedJson)?;
        Ok(Self(Arc::new(Contents {
            role,
            bytes,
            envelope,
            checksums: OnceLock::new(),
        })))
    }

    /// Whom the file speaks for: what it was uploaded or stored as.
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
    /// anyone else. What is uploaded is checked for that; what is stored may be older than the check.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn check_reading(&self) -> Result<(), String> {
        let no_limit = |_| usize::MAX;
        notary::check_reading(&self.0.role, &self.0.bytes, &no_limit).map_err(|fault| match fault {
            Fault::Malformed(text) | Fault::Refused(text) => text,
        })
    }

    pub(crate) fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    /// Checks that the text is one envelope and nothing more.
    pub(crate) fn check_text(&self) -> Result<(), String> {
        self.envelope().trailing.clone().map_or(Ok(()), Err)
    }

    /// Refuses members beside the signed part and the signatures, which nobody signed and which
    /// every later reader might take for something else (audit finding TUF-01-001; Notary 0.7
    /// stored them).
    pub(crate) fn check_members(&self) -> Result<(), String> {
        let unexpected = self.envelope().unexpected.as_ref();
        unexpected.map_or(Ok(()), |name| {
            Err(format!("unexpected member {name:?} in the envelope"))
        })
    }

    /// Refuses a file that has expired; the text is Notary 0.7's.
    pub(crate) fn check_expiry(&self, now: OffsetDateTime) -> Result<(), String> {
        if !self.is_expired(now) {
            return Ok(());
        }
        Err(format!(
            "{} expired at {}",
            self.role(),
            date::describe(self.expires())
        ))
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

/// Bytes that are no metadata envelope; in the words of Notary 0.7 where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedJson(pub(crate) String);
