//! The authenticator: from what a request presents to the caller who sends it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use access::{Authorization, Caller, Challenge, Credentials, Identity, Policy};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    certificate,
    outside::Outside,
    passwords::Passwords,
    rules,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings},
    token_service::{OwnTokenError, TokenService},
    watched::Watched,
};

/// The policy of a server with these settings, for commands that need nothing else.
///
/// # Errors
///
/// If the rules file cannot be read or parsed.
pub fn load_policy(settings: &AuthenticationSettings) -> anyhow::Result<Arc<Policy>> {
    match settings.scheme {
        SchemeSettings::None { .. } => Ok(Arc::new(Policy::Open)),
        _ => Ok(rules::load(settings)?.current()),
    }
}

/// How often files are polled: a change counts from the second poll on, within three seconds.
const POLL: Duration = Duration::from_secs(1);

/// Tells who sends a request, and holds the policy that decides what they may do.
pub struct Authenticator {
    policy: Watched<Policy>,
    scheme: Scheme,
    client_certificates: bool,
}

/// How callers prove who they are.
enum Scheme {
    /// Not at all.
    Open,
    /// By a password, or a token that was given for one.
    Passwords {
        realm: String,
        passwords: Passwords,
        tokens: Option<Arc<TokenService>>,
    },
    /// By a token of an outside issuer.
    Outside(Outside),
}

/// What a request presents to prove who sends it.
pub struct Presented<'r> {
    /// Its `Authorization` header.
    pub authorization: Authorization,
    /// The certificate chain that its connection was made with, leaf first; empty without.
    pub certificates: &'r [CertificateDer<'static>],
    /// Where it comes from, trusted proxies seen through.
    pub address: IpAddr,
    /// When it came.
    pub now: OffsetDateTime,
}

/// Why a caller cannot be authenticated. Wrong credentials are refused, never treated as none.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The user does not exist, or the password is wrong.
    #[error("wrong user or password for {0:?}")]
    WrongPassword(String),
    /// The `Authorization` header is malformed, or has a scheme that this server does not accept.
    #[error(
        "the Authorization header has a scheme or form that this server does not accept, \
         or there are two such headers"
    )]
    Unsupported,
    /// The token is invalid.
    #[error("the token is invalid: {0}")]
    Token(OwnTokenError),
    /// Too many attempts failed recently; how long to wait.
    #[error("too many failed attempts")]
    TooManyFailures(Duration),
    /// As many passwords are being checked as this machine can.
    #[error("too many passwords to check at once")]
    Busy,
}

impl Authenticator {
    /// Authenticates no one, and permits everything.
    #[must_use]
    pub fn open() -> Self {
        Self {
            policy: Watched::unchanging(Policy::Open),
            scheme: Scheme::Open,
            client_certificates: false,
        }
    }

    /// Reads every file that `settings` name, and fetches what it says is to be fetched.
    ///
    /// # Errors
    ///
    /// A sentence that names the file or address that cannot be used, and the reason.
    pub async fn new(
        settings: &AuthenticationSettings,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let scheme = match &settings.scheme {
            SchemeSettings::None { .. } => return Ok(Self::open()),
            SchemeSettings::Passwords(settings) => Scheme::passwords(settings, now)?,
            SchemeSettings::OutsideTokens(settings) => {
                Scheme::Outside(Outside::load(settings).await?)
            }
        };
        Ok(Self {
            policy: rules::load(settings)?,
            scheme,
            client_certificates: settings.client_certificates,
        })
    }

    /// Reads and fetches what [`Authenticator::new`] would, and returns the warnings. It makes no
    /// keys: the token service's are made by the server, as the user that it runs as.
    ///
    /// # Errors
    ///
    /// As [`Authenticator::new`].
    pub async fn check(
        settings: &AuthenticationSettings,
        now: OffsetDateTime,
    ) -> anyhow::Result<Vec<String>> {
        let mut settings = settings.clone();
        let service = match &mut settings.scheme {
            SchemeSettings::Passwords(passwords) => passwords.token_service.take(),
            SchemeSettings::None { .. } | SchemeSettings::OutsideTokens(_) => None,
        };
        let authenticator = Self::new(&settings, now).await?;
        match service {
            None => Ok(authenticator.warnings()),
            Some(service) => {
                let state = TokenService::inspect(&service, now)?;
                Ok(state.map(|state| state.warnings).unwrap_or_default())
            }
        }
    }

    /// Finds out who sends a request. Without credentials the caller is anonymous.
    pub async fn identify(&self, shown: Presented<'_>) -> Result<Caller, AuthenticationError> {
        let Presented {
            authorization,
            certificates,
            address,
            now,
        } = shown;
        match (&self.scheme, authorization) {
            (Scheme::Open, _) => Ok(Caller::anonymous()),
            (_, Authorization::Several | Authorization::Unreadable)
            | (Scheme::Outside(_), Authorization::Basic(_)) => {
                Err(AuthenticationError::Unsupported)
            }
            (_, Authorization::Absent) => Ok(self.identify_by_certificate(certificates)),
            (Scheme::Passwords { passwords, .. }, Authorization::Basic(credentials)) => {
                let identity = passwords.identify(credentials, address, now).await?;
                Ok(Caller::new(identity))
            }
            (Scheme::Passwords { .. }, Authorization::Bearer(token)) => {
                self.own_token(&token, address, now)
            }
            (Scheme::Outside(outside), Authorization::Bearer(token)) => {
                outside.identify(&token, address, now).await
            }
        }
    }

    /// The policy as it is now. One of these decides a whole request; a publish is decided again by
    /// another, once its body has arrived.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.current()
    }

    /// How callers that reached this server as `origin` (`https://host:port`) can authenticate;
    /// `None` while authentication is off.
    #[must_use]
    pub fn challenge(&self, origin: &str) -> Option<Challenge> {
        match &self.scheme {
            Scheme::Open => None,
            Scheme::Passwords {
                realm,
                tokens: None,
                ..
            } => Some(Challenge::Basic {
                realm: realm.clone(),
            }),
            Scheme::Passwords {
                tokens: Some(tokens),
                ..
            } => Some(Challenge::Bearer {
                realm: format!("{origin}/auth/token"),
                service: tokens.audience().to_owned(),
            }),
            Scheme::Outside(outside) => Some(outside.challenge(origin)),
        }
    }

    /// The built-in token service, if it is switched on.
    #[must_use]
    pub fn token_service(&self) -> Option<&Arc<TokenService>> {
        match &self.scheme {
            Scheme::Passwords { tokens, .. } => tokens.as_ref(),
            Scheme::Open | Scheme::Outside(_) => None,
        }
    }

    /// A value that changes with a user's password and does not reveal it; `None` without such a
    /// user in the password file.
    #[must_use]
    pub fn fingerprint(&self, user: &str) -> Option<[u8; 32]> {
        match &self.scheme {
            Scheme::Passwords { passwords, .. } => passwords.fingerprint(user),
            Scheme::Open | Scheme::Outside(_) => None,
        }
    }

    /// Whether callers prove who they are by a password.
    #[must_use]
    pub fn takes_passwords(&self) -> bool {
        matches!(self.scheme, Scheme::Passwords { .. })
    }

    /// What a session of `identity` has to be bound to: a value that changes with the password of a
    /// user or of the administrator, and that all servers with the same files agree on. `None` for
    /// everyone else, and for users who are gone. It is secret: never show it.
    pub async fn binding(&self, identity: &Identity) -> Option<[u8; 32]> {
        match &self.scheme {
            Scheme::Passwords { passwords, .. } => passwords.binding(identity).await,
            Scheme::Open | Scheme::Outside(_) => None,
        }
    }

    /// Whether `caller` still has the password whose [`Authenticator::fingerprint`] was `then`. It
    /// is false for a user who was removed from the password file since, or whose password changed.
    #[must_use]
    pub fn still_holds(&self, caller: &Caller, then: Option<[u8; 32]>) -> bool {
        match &caller.identity {
            Identity::User(name) => then.is_some() && self.fingerprint(name) == then,
            Identity::Anonymous
            | Identity::Administrator(_)
            | Identity::Certificate(_)
            | Identity::Outside(_) => true,
        }
    }

    /// Settings that work and that an operator may not want.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let is_plain = matches!(&self.scheme, Scheme::Passwords { tokens: None, .. });
        let grants_to_anonymous = match &*self.policy() {
            Policy::Rules(rules) => rules::grant_to_anonymous(rules),
            Policy::Open | Policy::Users => false,
        };
        let unasked = "rules let anonymous callers read, but docker does not ask for what it has no login for while passwords are asked for: leave out auth.token_service, which is false";
        (is_plain && grants_to_anonymous)
            .then(|| unasked.to_owned())
            .into_iter()
            .collect()
    }

    /// Reloads every file that changed, and is the same as at the poll before. Blocks on the disk.
    pub fn poll(&self) {
        self.policy.poll();
        match &self.scheme {
            Scheme::Open => {}
            Scheme::Passwords { passwords, .. } => passwords.poll(),
            Scheme::Outside(outside) => outside.poll(),
        }
    }

    /// Keeps files, keys and outside key sets up to date until `shutdown`.
    pub async fn keep_current(
        self: Arc<Self>,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) {
        let tokens = async {
            if let Some(tokens) = self.token_service() {
                tokens.clone().keep_current(clock).await;
            }
        };
        let keys = async {
            if let Scheme::Outside(outside) = &self.scheme {
                outside.keep_current().await;
            }
        };
        let all = async { tokio::join!(self.follow_files(), tokens, keys) };
        shutdown.run_until_cancelled(all).await;
    }

    async fn follow_files(self: &Arc<Self>) {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            let authenticator = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || authenticator.poll()).await {
                tracing::error!(%error, "the poll for changed files panicked");
            }
        }
    }

    /// The caller of a request without an `Authorization` header, who may have a certificate.
    fn identify_by_certificate(&self, certificates: &[CertificateDer<'static>]) -> Caller {
        let shown = self.client_certificates.then_some(certificates);
        let identity = shown.and_then(certificate::identity);
        Caller::new(identity.unwrap_or(Identity::Anonymous))
    }

    fn own_token(
        &self,
        token: &SecretString,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Caller, AuthenticationError> {
        let Scheme::Passwords {
            passwords,
            tokens: Some(tokens),
            ..
        } = &self.scheme
        else {
            return Err(AuthenticationError::Unsupported);
        };
        let fingerprint = |user: &str| passwords.fingerprint(user);
        tokens
            .verify(token.expose_secret(), now, fingerprint)
            .map_err(|error| {
                let reason = error.to_string();
                passwords.throttle.log_failure("", address, &reason, now);
                AuthenticationError::Token(error)
            })
    }
}

impl Scheme {
    fn passwords(settings: &PasswordSettings, now: OffsetDateTime) -> anyhow::Result<Self> {
        let administrator: Option<&Credentials> = settings.administrator.as_ref();
        let tokens = match &settings.token_service {
            None => None,
            Some(service) => Some(Arc::new(TokenService::open(
                service.clone(),
                administrator,
                now,
            )?)),
        };
        Ok(Self::Passwords {
            realm: settings.realm.clone(),
            passwords: Passwords::load(settings)?,
            tokens,
        })
    }
}
