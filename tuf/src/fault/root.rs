//! Roots that may not be trusted.

use super::certificate::CertificateDates;
use crate::{gun::Gun, key::KeyId, role::Role};

/// Why a root may not be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootFault {
    /// Its version is neither the current one nor the next.
    #[error("its version is {sent}, and the current one is {current}")]
    VersionSkipped {
        /// The current version; 1 if there is none.
        current: i64,
        /// The version that was sent.
        sent: i64,
    },
    /// None of its keys is in a certificate that is sound, current and for the repository.
    #[error("it has no current certificate for the repository{}", describe(dates.as_deref()))]
    NoCertificate {
        /// The dates of a certificate that would do if it were current.
        dates: Option<Box<CertificateDates>>,
    },
    /// The same of the root before it.
    #[error("the root before it has no certificate for the repository")]
    NoPreviousCertificate,
    /// Too few keys of the root before it signed it.
    #[error("the keys of the root before it did not sign it")]
    NotSignedByPrevious,
    /// Too few of its own keys signed it.
    #[error("its own keys did not sign it")]
    NotSignedByItself,
    /// One public key in several certificates could meet a threshold alone.
    #[error(transparent)]
    SharedKeys(SharedKey),
    /// It is gone, while files that depend on it are there.
    #[error("it is gone, but its snapshot or timestamp is there")]
    Gone,
    /// The snapshot lists another root than the one that is stored as this version.
    #[error("the snapshot names another root of this version")]
    NotTheListed,
    /// It is stored as another version than it has.
    #[error("it is stored as version {0}")]
    StoredAs(i64),
    /// The server holds too few of the keys that it names for the timestamp.
    #[error("the server holds too few of the timestamp keys that it names")]
    NoTimestampKey,
    /// It gives a role a key that the server made for another repository or role.
    #[error("the {role} key {id} is the server's and was not made for the {role} of {gun}")]
    ForeignKey {
        /// The role that the root gives the key.
        role: Role,
        /// The key.
        id: KeyId,
        /// The repository of the root.
        gun: Gun,
    },
}

/// What follows the text about a missing certificate.
fn describe(dates: Option<&CertificateDates>) -> String {
    dates.map_or_else(String::new, |dates| format!(": {dates}"))
}

/// A role that fewer public keys speak for than its threshold asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the threshold of {role} is {threshold}, but the keys listed for it hold only {public_keys} \
     distinct public keys"
)]
pub struct SharedKey {
    /// The role.
    pub role: Role,
    /// How many distinct public keys are listed for it.
    pub public_keys: usize,
    /// How many have to sign.
    pub threshold: u32,
}
