//! What is wrong with a password, or with the hash of one.

/// A password that is not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// There is none.
    #[error("the password is empty")]
    Empty,
    /// It could not be sent: Basic authentication has no place for control characters (RFC 7617),
    /// and bcrypt ends at NUL.
    #[error(
        "there is a control character in the password, such as a newline at its end; \
         such a password cannot be sent"
    )]
    ControlCharacter,
    /// bcrypt would leave out the end of it.
    #[error(
        "the password is longer than the 72 bytes that bcrypt takes notice of: \
         choose a shorter one, or argon2id"
    )]
    TooLong,
    /// The operating system gave no random numbers for a salt, or not the memory that argon2id
    /// needs.
    #[error("the password cannot be hashed: the system has no random numbers or no memory")]
    NoResources,
}

/// A hash that no password is checked against. The hash itself is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// It is of a kind that is too weak, or not known.
    #[error("is stored as {0}, which is not accepted; {CURE}")]
    Foreign(&'static str),
    /// It looks like one of a kind that is accepted, but is cut off or altered.
    #[error("has a damaged {0} hash; {CURE}")]
    Damaged(&'static str),
    /// A single guess at this bcrypt cost would keep a processor busy for many seconds.
    #[error(
        "has a bcrypt hash of cost {0}; accepted are 4 to 17: `htpasswd -B -C 12 FILE USER` makes one"
    )]
    Cost(u32),
    /// A single guess with these argon2id parameters would keep a processor busy for many seconds,
    /// or take more memory than there is.
    #[error(
        "has an argon2id hash with parameters that are too high or too low; \
         accepted are m up to 1048576 (1 GiB), t up to 20 and p up to 16: \
         `notary-server auth hash USER` makes one"
    )]
    Parameters,
}

const CURE: &str = "hash it again with `htpasswd -B FILE USER` or `notary-server auth hash USER`";
