//! The built-in token service: it exchanges a password for a short-lived token that lists what its
//! holder may do.
//!
//! A token is for one audience: this server, a registry that shares the service, or, for refresh
//! tokens, the service itself. Signing keys are replaced each month. Tokens carry the certificate
//! of their key, so that a registry needs to trust `ca.crt` alone.

mod certificates;
mod error;
mod files;
mod folder;
mod grants;
mod holder;
mod keys;
mod memory;
mod offline;
mod scopes;
mod source;

use std::sync::{Arc, Mutex, PoisonError};

use access::{
    Access, Caller, Credentials, Identity, Policy,
    token::{Claims, InvalidJwks, Issuer, Verified, jwks_document, verify},
};
use arc_swap::ArcSwap;
use daemon::logging::STARTUP;
use secrecy::SecretString;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

pub(crate) use self::holder::administrator_fingerprint;
pub use self::{
    error::{IssueError, OwnTokenError, TokenServiceError},
    holder::Holder,
    keys::KeyState,
    offline::identify_offline,
    scopes::Scopes,
};
use self::{
    folder::Folder,
    grants::{Audience, list_granted},
    keys::Keys,
    source::KeySource,
};
use crate::settings;

/// How long a refresh token is good for.
const REFRESH_LIFE: Duration = Duration::days(90);
/// The claim that refresh tokens have.
const TYPE: &str = "typ";
const REFRESH: &str = "refresh";
/// How often the keys are refreshed.
const CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_mins(1);

/// Issues tokens and verifies them.
pub struct TokenService {
    settings: settings::TokenServiceSettings,
    source: KeySource,
    keys: ArcSwap<Keys>,
    administrator: Option<Administrator>,
    /// The last complaints about the keys, which are not repeated each minute.
    said: Mutex<Vec<String>>,
}

struct Administrator {
    name: String,
    fingerprint: [u8; 32],
}

/// An issued token.
pub struct Issued {
    /// The access token.
    pub access_token: SecretString,
    /// What it lists.
    pub access: Vec<Access>,
    /// When it was made.
    pub issued_at: OffsetDateTime,
    /// How long it lives.
    pub lifetime: Duration,
}

impl TokenService {
    /// Reads the keys in the folder of `settings`, and makes those that are missing. Without a
    /// folder, the keys end with this process. `administrator` is the one of
    /// [`Identity::Administrator`]. With an administrator and a folder this is slow: not for an
    /// async thread.
    ///
    /// # Errors
    ///
    /// [`TokenServiceError`]: without a usable key there is no start.
    pub fn open(
        settings: settings::TokenServiceSettings,
        administrator: Option<&Credentials>,
        now: OffsetDateTime,
    ) -> Result<Self, TokenServiceError> {
        check(&settings)?;
        let source = KeySource::new(settings.folder.as_deref(), now)?;
        let keys = source.keys(now)?;
        source.log_consequences();
        let service = Self {
            administrator: match administrator {
                None => None,
                Some(it) => Some(Administrator {
                    name: it.user.clone(),
                    fingerprint: source.fingerprint(it)?,
                }),
            },
            settings,
            source,
            said: Mutex::default(),
            keys: ArcSwap::from_pointee(keys),
        };
        service.warn(&service.keys.load().warnings);
        Ok(service)
    }

    /// What [`TokenService::open`] would find, without making anything: files that another user
    /// makes in the folder may be unreadable for the server. `None` if there are no keys yet.
    ///
    /// # Errors
    ///
    /// What would stop a start.
    pub fn inspect(
        settings: &settings::TokenServiceSettings,
        now: OffsetDateTime,
    ) -> Result<Option<KeyState>, TokenServiceError> {
        check(settings)?;
        match &settings.folder {
            Some(folder) => Ok(Folder(folder.clone()).state(now)?),
            None => Ok(None),
        }
    }

    /// Reads the folder again, and makes and removes keys as they age. To be called each minute,
    /// off the async threads. A failure is logged once, and the current keys are kept.
    pub fn refresh(&self, now: OffsetDateTime) {
        match self.source.keys(now) {
            Ok(keys) => {
                self.warn(&keys.warnings);
                self.keys.store(Arc::new(keys));
            }
            Err(error) => self.complain(vec![error.to_string()], |text| {
                tracing::error!(
                    "cannot refresh the keys of the token service; keeping the current ones: {text}"
                );
            }),
        }
    }

    /// Calls [`TokenService::refresh`] each minute, for ever.
    pub async fn keep_current(self: Arc<Self>, clock: impl Fn() -> OffsetDateTime + Send + Sync) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let (service, now) = (self.clone(), clock());
            let refreshed = tokio::task::spawn_blocking(move || service.refresh(now)).await;
            if let Err(error) = refreshed {
                tracing::error!(%error, "the refresh of the token service's keys panicked");
            }
        }
    }

    /// Whose access token this is. `fingerprint` is [`access::PasswordFile::fingerprint`] of the
    /// users as they are now: a user who was removed, or has another password, is refused at once.
    pub fn verify(
        &self,
        token: &str,
        now: OffsetDateTime,
        fingerprint: impl Fn(&str) -> Option<[u8; 32]>,
    ) -> Result<Caller, OwnTokenError> {
        let verified = self.verify_for(token, &self.settings.audience, now)?;
        offline::caller(verified, |identity| self.fingerprint(identity, fingerprint))
    }

    /// Whose refresh token this is; `fingerprint` as in [`TokenService::verify`].
    pub fn verify_refresh(
        &self,
        token: &str,
        now: OffsetDateTime,
        fingerprint: impl Fn(&str) -> Option<[u8; 32]>,
    ) -> Result<Holder, OwnTokenError> {
        let verified = self.verify_for(token, &self.refresh_audience(), now)?;
        if verified.claims.get(TYPE).and_then(Value::as_str) != Some(REFRESH) {
            return Err(OwnTokenError::Kind);
        }
        let holder = offline::holder(&verified, |identity| {
            self.fingerprint(identity, fingerprint)
        })?;
        if holder.identity().is_anonymous() {
            return Err(OwnTokenError::Kind);
        }
        Ok(holder)
    }

    /// The holder of tokens for a caller whose password was verified. `fingerprint` is that of the
    /// user before the check: otherwise a password that is replaced at this very moment might still
    /// get a token that outlives it. `None` if this kind of identity gets no tokens.
    #[must_use]
    pub fn holder(&self, identity: Identity, fingerprint: Option<[u8; 32]>) -> Option<Holder> {
        let fingerprint = match &identity {
            Identity::Administrator(name) => self.administrator(name),
            _ => fingerprint,
        };
        Holder::new(identity, fingerprint)
    }

    /// A token for `service` that lists what `policy` grants of `scopes`; perhaps nothing.
    pub fn issue(
        &self,
        holder: &Holder,
        service: &str,
        scopes: &Scopes,
        policy: &Policy,
        now: OffsetDateTime,
    ) -> Result<Issued, IssueError> {
        let audience = self
            .audience_of(service)
            .ok_or(IssueError::UnknownService)?;
        let caller = Caller::new(holder.identity().clone());
        let access = list_granted(policy, &caller, audience, scopes);
        let life = Duration::try_from(self.settings.lifetime).unwrap_or(Duration::ZERO);
        let keys = self.keys.load();
        let mut claims = self.claims(&keys, holder, service, life, now)?;
        claims.access = Some(access.clone());
        Ok(Issued {
            access_token: keys.signing().mint.sign(&claims)?,
            access,
            issued_at: claims.issued_at,
            lifetime: claims.expires - claims.issued_at,
        })
    }

    /// A refresh token, which gets `holder` access tokens for 90 days without a password. It
    /// permits nothing itself: its audience is that of no service. `None` for an anonymous holder,
    /// and where keys end with this process.
    pub fn issue_refresh(
        &self,
        holder: &Holder,
        now: OffsetDateTime,
    ) -> Result<Option<SecretString>, IssueError> {
        if holder.identity().is_anonymous() || !self.source.lasts() {
            return Ok(None);
        }
        let (keys, audience) = (self.keys.load(), self.refresh_audience());
        let mut claims = self.claims(&keys, holder, &audience, REFRESH_LIFE, now)?;
        claims.other.push((TYPE.to_owned(), REFRESH.to_owned()));
        Ok(Some(keys.signing().mint.sign(&claims)?))
    }

    /// The JWK set of all keys that may have signed a token that is still valid.
    ///
    /// # Errors
    ///
    /// [`InvalidJwks`], which no key of the folder leads to.
    pub fn jwks(&self, now: OffsetDateTime) -> Result<Value, InvalidJwks> {
        jwks_document(&self.keys.load().chains(now))
    }

    /// What challenges name as `service`: `aud` of the tokens for this server.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.settings.audience
    }

    /// Whether tokens are made for `service`.
    #[must_use]
    pub fn serves(&self, service: &str) -> bool {
        self.audience_of(service).is_some()
    }

    /// When the certificate ends that registries trust.
    #[must_use]
    pub fn ca_expires(&self) -> OffsetDateTime {
        self.keys.load().authority_ends
    }

    fn verify_for(
        &self,
        token: &str,
        audience: &str,
        now: OffsetDateTime,
    ) -> Result<Verified, OwnTokenError> {
        let issuer = Issuer {
            name: self.settings.issuer.clone(),
            audience: audience.to_owned(),
            keys: self.keys.load().trusted.clone(),
            is_open_id: false,
        };
        Ok(verify(token, &[&issuer], now)?)
    }

    /// The current fingerprint of the password of `identity`.
    fn fingerprint(
        &self,
        identity: &Identity,
        of_user: impl Fn(&str) -> Option<[u8; 32]>,
    ) -> Option<[u8; 32]> {
        match identity {
            Identity::Administrator(name) => self.administrator(name),
            identity => of_user(identity.name()),
        }
    }

    fn administrator(&self, name: &str) -> Option<[u8; 32]> {
        let administrator = self.administrator.as_ref()?;
        (administrator.name == name).then_some(administrator.fingerprint)
    }

    fn audience_of(&self, service: &str) -> Option<Audience<'_>> {
        if service == self.settings.audience {
            return Some(Audience::Ours);
        }
        let prefix = self.settings.registries.get(service)?;
        Some(Audience::Registry(prefix))
    }

    fn refresh_audience(&self) -> String {
        refresh_audience(&self.settings)
    }

    /// Never valid for longer than the key that signs them.
    fn claims(
        &self,
        keys: &Keys,
        holder: &Holder,
        audience: &str,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Claims, IssueError> {
        let issued_at = now.replace_nanosecond(0).unwrap_or(now);
        let key_ends = keys.signing().validity.ends;
        if key_ends <= issued_at {
            return Err(IssueError::NoKey);
        }
        Ok(Claims {
            issuer: self.settings.issuer.clone(),
            subject: holder.identity().name().to_owned(),
            audience: audience.to_owned(),
            access: None,
            issued_at,
            expires: (issued_at + life).min(key_ends),
            id: uuid::Uuid::new_v4().to_string(),
            other: holder.claims(),
        })
    }

    fn warn(&self, warnings: &[String]) {
        self.complain(warnings.to_vec(), |text| {
            tracing::warn!(target: STARTUP, "token service: {text}");
        });
    }

    fn complain(&self, complaints: Vec<String>, say: impl Fn(&str)) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for complaint in complaints.iter().filter(|it| !said.contains(it)) {
            say(complaint);
        }
        *said = complaints;
    }
}

fn refresh_audience(settings: &settings::TokenServiceSettings) -> String {
    format!("{}/refresh", settings.issuer)
}

/// Refuses settings in which one audience could be mistaken for another.
fn check(settings: &settings::TokenServiceSettings) -> Result<(), TokenServiceError> {
    let refresh = refresh_audience(settings);
    if settings.audience == refresh || settings.registries.contains_key(&refresh) {
        return Err(TokenServiceError(format!(
            "no service may be called {refresh:?}, which refresh tokens are for"
        )));
    }
    if settings.registries.contains_key(&settings.audience) {
        return Err(TokenServiceError(format!(
            "auth.token_registries: {:?} is this server's own auth.token_audience",
            settings.audience
        )));
    }
    Ok(())
}
