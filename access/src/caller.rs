//! Who sends a request, as far as it was proven.

use serde_json::{Map, Value};

use crate::Access;

/// Who sends a request, and what limits them beyond the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Who it is.
    pub identity: Identity,
    /// What the token that was shown lists in its `access` claim: nothing beyond it is granted,
    /// whatever the rules say. `None`: no token was shown, or one of an issuer that keeps no such
    /// claim.
    pub access: Option<Vec<Access>>,
}

/// Who a caller is.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// An unknown caller.
    Anonymous,
    /// A user of the password file.
    User(String),
    /// The administrator that `NOTARY_AUTH` names, who may do everything.
    Administrator(String),
    /// Who showed a client certificate: its names, those of the subject alternative name or, where
    /// it has none, the common name. Never empty.
    Certificate(Vec<String>),
    /// Who showed a token of an outside issuer.
    Outside(OutsideToken),
}

/// What an outside issuer says of the one it gave a token to.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideToken {
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim; empty if there is none, which makes its holder anonymous.
    pub subject: String,
    /// All claims.
    pub claims: Map<String, Value>,
}

impl Caller {
    /// A caller without a token.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            access: None,
        }
    }

    /// A caller without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(Identity::Anonymous)
    }
}

impl Identity {
    /// Whether the caller is unknown.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Outside(token) => token.subject.is_empty(),
            Self::User(_) | Self::Administrator(_) | Self::Certificate(_) => false,
        }
    }

    /// What logs call the way in which a caller is known: `anonymous`, `user`, `administrator`,
    /// `certificate` or `token`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(_) => "user",
            Self::Administrator(_) => "administrator",
            Self::Certificate(_) => "certificate",
            Self::Outside(_) => "token",
        }
    }

    /// The name of the caller in logs; empty if unknown.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::User(name) | Self::Administrator(name) => name,
            Self::Certificate(names) => names.first().map_or("", String::as_str),
            Self::Outside(token) => &token.subject,
        }
    }
}
