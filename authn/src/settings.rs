//! The settings of authentication, as plain values. Reading them from a file is the program's
//! matter.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use access::Credentials;

/// Authentication, and the rules of what callers may do.
#[derive(Clone, Debug)]
pub struct AuthenticationSettings {
    /// How callers prove who they are.
    pub scheme: SchemeSettings,
    /// The rules, if there are any.
    pub rules_file: Option<PathBuf>,
    /// Whether a client certificate authenticates its holder.
    pub client_certificates: bool,
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub enum SchemeSettings {
    /// Not at all: every caller may do everything.
    None {
        /// Whether the operator wrote so; Notary's default otherwise.
        is_written: bool,
    },
    /// By a password that this server knows.
    Passwords(PasswordSettings),
    /// By a token of an outside issuer.
    OutsideTokens(OutsideTokenSettings),
}

/// Passwords that this server knows. There is a file, an administrator, or both.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// What people are told the password is for.
    pub realm: String,
    /// The password file.
    pub file: Option<PathBuf>,
    /// The administrator that `NOTARY_AUTH` names.
    pub administrator: Option<Credentials>,
    /// The built-in token service; `None` if it is switched off. With it, clients exchange their
    /// passwords for tokens, and present those everywhere else.
    pub token_service: Option<TokenServiceSettings>,
}

/// The built-in token service.
#[derive(Clone, Debug)]
pub struct TokenServiceSettings {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` of the tokens for this server.
    pub audience: String,
    /// Where its keys are, and are made; `None`: in memory alone, so that they end with the
    /// process.
    pub folder: Option<PathBuf>,
    /// How long a token is valid.
    pub lifetime: Duration,
    /// Registries that use the same service: what they call themselves (`service`), and what the
    /// names of their repositories become GUNs with (`registry.example.com/`).
    pub registries: BTreeMap<String, String>,
}

/// Tokens of outside issuers.
#[derive(Clone, Debug)]
pub struct OutsideTokenSettings {
    /// Where clients get tokens.
    pub realm: String,
    /// What clients ask tokens for.
    pub service: String,
    /// Whether the realm is this server's own host, at `/auth/token` (Notary's `autoredirect`).
    pub autoredirect: bool,
    /// The issuers whose tokens are accepted; at least one.
    pub issuers: Vec<IssuerSettings>,
}

/// An issuer whose tokens are accepted. There is a bundle, a JWK set, or both.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// `iss` of its tokens.
    pub name: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// Certificates of its keys, PEM.
    pub bundle: Option<PathBuf>,
    /// Its JWK set.
    pub jwks: Option<JwksSettings>,
}

/// Where a JWK set is.
#[derive(Clone, Debug)]
pub enum JwksSettings {
    /// In a file, read again when it changes.
    File(PathBuf),
    /// At an address, asked again from time to time.
    Url {
        /// The address; `https`, or `http` on the loopback.
        url: String,
        /// The CA of its certificate, PEM; `None`: the system's.
        ca: Option<PathBuf>,
    },
}

impl AuthenticationSettings {
    /// Whether passwords are sent to this server.
    #[must_use]
    pub fn takes_passwords(&self) -> bool {
        matches!(self.scheme, SchemeSettings::Passwords(_))
    }
}

impl IssuerSettings {
    /// Whether it is an `OpenID` provider, whose tokens need not list what they permit.
    #[must_use]
    pub fn is_open_id(&self) -> bool {
        self.bundle.is_none()
    }
}
