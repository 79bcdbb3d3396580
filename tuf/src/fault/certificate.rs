//! Certificates that may not speak for a repository.

use std::fmt;

use time::OffsetDateTime;

use crate::encoding::date;

/// The least modulus of an RSA key, in bits.
pub(crate) const MIN_RSA_BITS: usize = 2048;

/// What is wrong with a certificate, whatever the date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It ends before it begins.
    #[error("a certificate ends before it begins")]
    Validity,
    /// It is signed over SHA-1.
    #[error("the certificate {common_name} is signed over SHA-1")]
    Sha1 {
        /// The common name of the certificate.
        common_name: String,
    },
    /// Its RSA key has too few bits.
    #[error("the RSA key of a certificate has fewer than {MIN_RSA_BITS} bits")]
    ShortRsaKey,
}

/// The dates of a certificate that is not current, and the clock that says so: often it is the
/// clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDates {
    /// The common name of the certificate.
    pub common_name: String,
    /// The first second of its validity, in Unix time.
    pub not_before: i64,
    /// The last second of its validity, in Unix time.
    pub not_after: i64,
    /// What the clock says, in Unix time.
    pub now: i64,
}

impl fmt::Display for CertificateDates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .map_or_else(|_| "a year out of range".to_owned(), date::format)
        };
        write!(f, "the certificate {} ", self.common_name)?;
        if self.now > self.not_after {
            write!(f, "expired at {}", date(self.not_after))?;
        } else {
            write!(f, "is not valid before {}", date(self.not_before))?;
        }
        write!(f, ", and the clock of the server says {}", date(self.now))
    }
}
