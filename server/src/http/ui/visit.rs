//! Who asks for a page, and what they may see.

use access::{Caller, Identity, Permission};
use http::{HeaderValue, header, request::Parts as Head};
use insight::Sight;
use ring::hmac;
use time::OffsetDateTime;

use super::{
    Frame,
    failure::Failure,
    session::{Claimed, IDLE, LONGEST, SESSION, Session},
    text::visible,
};
use crate::{
    App,
    http::{
        ApiError,
        grant::{Auth, Grantable, Overview, Refused},
        origin::Origin,
    },
};

/// A visitor, and what a page is made with.
pub(super) struct Visit<'r> {
    pub(super) app: &'r App,
    pub(super) origin: &'r Origin,
    head: &'r Head,
    pub(super) caller: Caller,
    /// Whether the visitor may read all of the audit log.
    may_audit: bool,
    pub(super) sight: Sight,
    pub(super) now: OffsetDateTime,
    /// Whether the visitor may do everything.
    pub(super) is_administrator: bool,
    /// A newer cookie, if the visitor's has become old.
    pub(super) renewed: Option<HeaderValue>,
    name: Option<String>,
    sign_out: Option<String>,
    offers_sign_in: bool,
}

/// A session that was shown, and what its cookie is sealed with.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) key: hmac::Key,
    pub(super) binding: [u8; 32],
}

impl Opened {
    /// The session that a request shows, if there is one and it counts.
    pub(super) async fn find(
        app: &App,
        origin: &Origin,
        head: &Head,
    ) -> Result<Option<Self>, Failure> {
        let is_secure = is_secure(app, origin);
        let Some(claimed) = SESSION
            .find(&head.headers, is_secure)
            .filter(|_| app.authenticator.takes_passwords())
            .and_then(Claimed::read)
        else {
            return Ok(None);
        };
        let key = app.overview.session_key().await?;
        let Some(binding) = app.authenticator.binding(claimed.identity()).await else {
            return Ok(None);
        };
        let ended = app.ui.as_ref().map(|ui| &ui.ended);
        let session = ended.and_then(|ended| claimed.verify(&key, &binding, ended, app.now()));
        Ok(session.map(|session| Self {
            session,
            key,
            binding,
        }))
    }

    /// The cookie of `session`.
    pub(super) fn cookie(&self, session: &Session, is_secure: bool) -> Option<HeaderValue> {
        let value = session.seal(&self.key, &self.binding)?;
        SESSION.set(&value, is_secure, IDLE.min(LONGEST))
    }
}

/// Whether the browser reached this server over TLS, as far as that can be known.
pub(super) fn is_secure(app: &App, origin: &Origin) -> bool {
    !origin
        .site(app.public_url.as_deref())
        .starts_with("http://")
}

impl<'r> Visit<'r> {
    /// Finds out who asks, and asks the policy of this moment what they may see.
    ///
    /// Credentials in the header come first, then a session, then a certificate.
    pub(super) async fn of(
        app: &'r App,
        origin: &'r Origin,
        head: &'r Head,
    ) -> Result<Self, Failure> {
        let auth = Auth { app, head, origin };
        let has_header = head.headers.contains_key(header::AUTHORIZATION);
        let opened = if has_header {
            None
        } else {
            Opened::find(app, origin, head).await?
        };
        let granted = match &opened {
            Some(opened) => auth.grant_to(Caller::new(opened.session.identity.clone()), Overview),
            None => auth.grant(Overview).await,
        };
        let granted = granted.map_err(|Refused(error)| match error {
            ApiError::Unauthorized(_) if opened.is_some() => Failure::Forbidden,
            ApiError::Unauthorized(_) if !has_header => Failure::SignIn,
            error => Failure::Refused(error),
        })?;
        let caller = granted.caller();
        let identity = &caller.identity;
        let policy = app.authenticator.policy();
        let is_secure = is_secure(app, origin);
        let now = app.now();
        let renewed = opened.as_ref().and_then(|opened| {
            let session = opened.session.renew(now)?;
            opened.cookie(&session, is_secure)
        });
        Ok(Self {
            app,
            origin,
            head,
            may_audit: policy.decide(caller, Permission::AuditAll).is_granted,
            caller: caller.clone(),
            sight: granted.sight(app),
            now,
            is_administrator: policy.decide(caller, Permission::Admin).is_granted,
            renewed,
            name: describe(identity),
            sign_out: opened
                .as_ref()
                .map(|opened| opened.session.sign_out_token(&opened.key, &opened.binding)),
            offers_sign_in: identity.is_anonymous() && app.authenticator.takes_passwords(),
        })
    }

    /// Grants `permission` to the visitor, for what is more than the inventory.
    pub(super) fn grant<A: Grantable>(&self, permission: A) -> Result<(), Failure> {
        let auth = Auth {
            app: self.app,
            head: self.head,
            origin: self.origin,
        };
        let granted = auth.grant_to(self.caller.clone(), permission);
        granted.map(drop).map_err(|_| Failure::Forbidden)
    }

    /// What stands around a page that belongs to `current` of the menu.
    pub(super) fn frame(&self, current: &'static str) -> Frame {
        Frame {
            has_pages: true,
            has_audit: self.may_audit,
            current,
            name: self.name.clone(),
            sign_out: self.sign_out.clone(),
            offers_sign_in: self.offers_sign_in,
            ..Frame::bare()
        }
    }
}

/// What a visitor is called.
fn describe(identity: &Identity) -> Option<String> {
    let name = visible(identity.name());
    match identity {
        Identity::Anonymous => None,
        Identity::User(_) | Identity::Outside(_) => Some(name),
        Identity::Administrator(_) => Some(format!("{name} (administrator)")),
        Identity::Certificate(_) => Some(format!("{name} (certificate)")),
    }
    .filter(|name| !name.is_empty())
}
