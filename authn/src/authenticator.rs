//! The door: who sends a request, and whether they may.
//!
//! [`Authenticator`] knows the ways in which a caller can prove who they are, and the rules. It keeps files up to
//! date, remembers passwords that were right, and slows down guessing. What is decided is decided in
//! crate `access`, which is pure.

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

/// The rules that a server with these settings would go by, read without anything else; for those who only
/// poll.
///
/// # Errors
///
/// If the rules file is of no use.
pub fn load_policy(settings: &AuthenticationSettings) -> anyhow::Result<Arc<Policy>> {
    match settings.scheme {
        SchemeSettings::None { .. } => Ok(Arc::new(Policy::Open)),
        _ => Ok(rules::load(settings)?.current()),
    }
}

/// How often files are looked at: a change is taken up at the second poll, within three seconds.
const POLL: Duration = Duration::from_secs(1);

/// Who sends a request, and whether they may.
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
    /// By a token of somebody else.
    Outside(Outside),
}

/// What a request shows.
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

/// Why nobody can tell who a caller is. What is shown and wrong is refused, never taken for nobody's.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// There is no such user, or the password is another one.
    #[error("wrong user or password for {0:?}")]
    WrongPassword(String),
    /// The Authorization header cannot be read, or is of a kind that is not asked for here.
    #[error(
        "the Authorization header has a scheme or form that this server does not accept, \
         or there are two such headers"
    )]
    Unsupported,
    /// The token is not believed.
    #[error("the token is not believed: {0}")]
    Token(OwnTokenError),
    /// Too many attempts failed of late; when to come back.
    #[error("too many failed attempts")]
    TooManyFailures(Duration),
    /// Passwords are being checked already, as many as this machine can.
    #[error("too many passwords to check at once")]
    Busy,
}

impl Authenticator {
    /// Lets everybody do everything.
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
    /// A sentence that names what is of no use, and why.
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

    /// Reads and fetches what [`Authenticator::new`] would, but makes nothing: the keys of the token service are
    /// made by the server, as the user that it runs as. Answers with the warnings.
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

    /// Finds out who sends a request.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`]
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
            (_, Authorization::Absent) => Ok(self.without_credentials(certificates)),
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

    /// The rules as they are now. A request is decided by one of these; a publish anew by another, once
    /// its body has arrived.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.current()
    }

    /// How callers of this server, which they reached as `origin` (`https://host:port`), may become
    /// somebody; `None` if nobody is asked.
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

    /// Something that changes with the password of a user of the password file and says nothing of it;
    /// `None` without such a user.
    #[must_use]
    pub fn fingerprint(&self, user: &str) -> Option<[u8; 32]> {
        match &self.scheme {
            Scheme::Passwords { passwords, .. } => passwords.fingerprint(user),
            Scheme::Open | Scheme::Outside(_) => None,
        }
    }

    /// Whether `caller` is still who they were when their [`Authenticator::fingerprint`] was `then`: a user who was
    /// taken out of the password file since, or has another password, is not.
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

    /// What an operator should know although it does not stop the start.
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

    /// Takes up every file that changed, and has not changed since the poll before. Reads files, and may
    /// wait for a slow disk.
    pub fn poll(&self) {
        self.policy.poll();
        match &self.scheme {
            Scheme::Open => {}
            Scheme::Passwords { passwords, .. } => passwords.poll(),
            Scheme::Outside(outside) => outside.poll(),
        }
    }

    /// Keeps everything up to date until `shutdown`.
    pub async fn tend(
        self: Arc<Self>,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) {
        let tokens = async {
            if let Some(tokens) = self.token_service() {
                tokens.clone().tend(clock).await;
            }
        };
        let keys = async {
            if let Scheme::Outside(outside) = &self.scheme {
                outside.tend().await;
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
                tracing::error!(%error, "looking for changed files failed");
            }
        }
    }

    /// Who shows nothing, but maybe a certificate.
    fn without_credentials(&self, certificates: &[CertificateDer<'static>]) -> Caller {
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
