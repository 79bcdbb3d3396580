//! The door: from a [`Route`] to an [`Admitted`] one.
//!
//! A handler takes a [`Granted`], and only [`admit`] makes one, from a decision about the very thing that
//! it stands for. A route without one is listed in [`Open`]. So no handler is reached by forgetting to ask.

use std::{net::IpAddr, sync::Arc};

use access::{Authorization, Caller, Identity, Permission, Policy, Scope, TokenFault};
use authn::{AuthenticationError, Presented, network};
use daemon::Peer;
use http::{header, request::Parts as Head};
use trust::{
    events::Requester,
    publish::{Authority, Denied},
    signer::REQUEST_ID,
};
use tuf::{Gun, Role};

use super::{
    ApiError, GunName, RoleName, Route, audited::Sender, error::Unauthorized, observe,
    origin::Origin,
};
use crate::{
    App,
    audit::{Act, Actor, Event, Outcome},
    uploads::Payer,
};

/// What a request may have, with the proof that it may.
pub(super) enum Admitted {
    Ping(Granted<Authenticated>),
    Publish(Granted<Publish>),
    Delete(Granted<Delete>),
    ByChecksum(Granted<Pull>, RoleName, Option<[u8; 32]>),
    ByVersion(Granted<Pull>, RoleName, String),
    Current(Granted<Pull>, RoleName),
    Key(Granted<Publish>, Role),
    RotateKey(Granted<Rotate>, Role),
    Changes(Granted<Pull>),
    AllChanges(Granted<Admin>),
    /// Known callers alone are told that there is nothing.
    Unknown(Granted<Authenticated>),
    /// Nobody is asked.
    Open(Open),
}

/// What everybody may have.
pub(super) enum Open {
    Health,
    Metrics,
    /// The token service, which asks for credentials itself.
    Token,
    Jwks,
    UnknownPlain,
    MethodNotAllowed,
    TooLong,
    Redirect(String),
}

/// Something that may be granted. Its type says what, so that no other decision can stand for it.
pub(super) trait Grantable {
    /// What is asked of the rules.
    fn permission(&self) -> Permission<'_>;

    /// What the audit log calls an attempt that was refused.
    fn act(&self) -> Act<'_>;

    /// The GUN it is about.
    fn name(&self) -> Option<&GunName> {
        None
    }
}

/// A permission for one GUN.
pub(super) trait OnGun: Grantable {
    fn gun_name(&self) -> &GunName;
}

/// To be somebody.
pub(super) struct Authenticated(());

/// What concerns all GUNs.
pub(super) struct Admin(());

macro_rules! permissions_on_a_gun {
    ($($(#[$doc:meta])* $permission:ident($act:expr);)*) => { $(
        $(#[$doc])*
        pub(super) struct $permission(GunName);

        impl Grantable for $permission {
            fn permission(&self) -> Permission<'_> {
                Permission::$permission(self.0.as_str())
            }

            fn act(&self) -> Act<'_> {
                $act
            }

            fn name(&self) -> Option<&GunName> {
                Some(&self.0)
            }
        }

        impl OnGun for $permission {
            fn gun_name(&self) -> &GunName {
                &self.0
            }
        }
    )* };
}

permissions_on_a_gun! {
    /// To read.
    Pull(Act::Other("pull"));
    /// To publish something; what an update changes is decided once it was read.
    Publish(Act::Other("publish"));
    /// To have a new key made.
    Rotate(Act::Other("key.rotate"));
    /// To delete everything.
    Delete(Act::Delete);
}

impl Grantable for Authenticated {
    fn permission(&self) -> Permission<'_> {
        Permission::Authenticated
    }

    fn act(&self) -> Act<'_> {
        Act::Other("login")
    }
}

impl Grantable for Admin {
    fn permission(&self) -> Permission<'_> {
        Permission::Admin
    }

    fn act(&self) -> Act<'_> {
        Act::Other("admin")
    }
}

/// The proof that a caller may have `A`. Handlers have no other way to a [`Gun`].
pub(super) struct Granted<A> {
    permission: A,
    caller: Caller,
    /// What changes with the caller's password.
    fingerprint: Option<[u8; 32]>,
    policy: Arc<Policy>,
    origin: Origin,
}

impl<A: OnGun> Granted<A> {
    /// The GUN, if it is one this server can hold.
    pub(super) fn gun(&self) -> Option<Gun> {
        self.gun_to_write().ok()
    }

    /// The GUN, for a request that would create something under it.
    pub(super) fn gun_to_write(&self) -> Result<Gun, ApiError> {
        Ok(Gun::parse(self.permission.gun_name().as_str())?)
    }
}

impl<A: Grantable> Granted<A> {
    /// Whom limits are counted for.
    pub(super) fn network(&self) -> IpAddr {
        network(self.origin.address)
    }

    /// Whose share of memory an upload is taken from.
    pub(super) fn payer(&self) -> Payer {
        Payer::of(&self.caller, self.network())
    }

    /// The caller, as the subscribers of events know them.
    pub(super) fn requester(&self) -> Requester {
        let sender = Sender {
            caller: self.caller.clone(),
            address: self.origin.address,
            request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
        };
        sender.into()
    }

    /// Writes down what came of it.
    pub(super) fn record(&self, app: &App, act: Act<'_>, outcome: Outcome<'_>) {
        let actor = Actor::Known(&self.caller);
        record(app, &self.permission, &self.origin, actor, act, outcome);
    }
}

impl Granted<Pull> {
    /// Whether anybody may read the same, so that a cache shared by many may keep it.
    pub(super) fn is_public(&self) -> bool {
        self.policy
            .anonymous_may_pull(self.permission.gun_name().as_str())
    }
}

impl Granted<Publish> {
    /// What the changes of an update are judged by, once it is there. It may have been on its way for
    /// minutes, and meanwhile users go and rules change: so everything is decided anew.
    pub(super) fn authority(&self, app: &App) -> Result<Authority, ApiError> {
        let (policy, permission) = (app.authenticator.policy(), self.permission.permission());
        let decision = policy.decide(&self.caller, permission);
        let reason = if !app
            .authenticator
            .still_holds(&self.caller, self.fingerprint)
        {
            "the user has gone, or has another password".to_owned()
        } else if !decision.is_granted {
            decision.reason.to_string()
        } else {
            return Ok(Authority::new(self.caller.clone(), policy));
        };
        observe::count_decision("refused", self.caller.identity.kind());
        self.record(app, self.permission.act(), Outcome::Refused(&reason));
        Err(self.unauthorized(app, permission.scope(), reason))
    }

    /// What to answer to an update that goes too far.
    pub(super) fn denied(&self, app: &App, denied: &Denied) -> ApiError {
        self.unauthorized(app, denied.scope.clone(), denied.to_string())
    }

    fn unauthorized(&self, app: &App, scope: Scope, reason: String) -> ApiError {
        ApiError::Unauthorized(Box::new(Unauthorized {
            challenge: app.authenticator.challenge(&self.origin.site),
            scope,
            fault: fault(&self.caller),
            reason,
        }))
    }
}

/// Decides about a request. Nothing but its path, its headers and its connection was looked at.
pub(super) async fn admit(
    app: &App,
    route: Route,
    head: &Head,
    origin: &Origin,
) -> Result<Admitted, ApiError> {
    if let Some(gun) = route.gun() {
        prefix_filter(app, &route, gun)?;
    }
    let door = Door { app, head, origin };
    Ok(match route {
        Route::Ping => Admitted::Ping(door.grant(Authenticated(())).await?),
        Route::Publish(gun) => Admitted::Publish(door.grant(Publish(gun)).await?),
        Route::Delete(gun) => Admitted::Delete(door.grant(Delete(gun)).await?),
        Route::ByChecksum(gun, role, sha256) => {
            Admitted::ByChecksum(door.grant(Pull(gun)).await?, role, sha256)
        }
        Route::ByVersion(gun, role, version) => {
            Admitted::ByVersion(door.grant(Pull(gun)).await?, role, version)
        }
        Route::Current(gun, role) => Admitted::Current(door.grant(Pull(gun)).await?, role),
        Route::Key(gun, role) => Admitted::Key(door.grant(Publish(gun)).await?, role),
        Route::RotateKey(gun, role) => Admitted::RotateKey(door.grant(Rotate(gun)).await?, role),
        Route::Changes(Some(gun)) => Admitted::Changes(door.grant(Pull(gun)).await?),
        Route::Changes(None) => Admitted::AllChanges(door.grant(Admin(())).await?),
        Route::Health if !app.monitoring_apart => Admitted::Open(Open::Health),
        Route::Metrics if !app.monitoring_apart => Admitted::Open(Open::Metrics),
        Route::Token if app.authenticator.token_service().is_some() => Admitted::Open(Open::Token),
        Route::Jwks if app.authenticator.token_service().is_some() => Admitted::Open(Open::Jwks),
        Route::UnknownPlain => Admitted::Open(Open::UnknownPlain),
        Route::MethodNotAllowed => Admitted::Open(Open::MethodNotAllowed),
        Route::TooLong => Admitted::Open(Open::TooLong),
        Route::Redirect(to) => Admitted::Open(Open::Redirect(to)),
        Route::Unknown | Route::Health | Route::Metrics | Route::Token | Route::Jwks => {
            Admitted::Unknown(door.grant(Authenticated(())).await?)
        }
    })
}

/// Decides about a request to the listener that is there for health and metrics alone.
pub(super) fn admit_monitoring(route: &Route) -> Result<Admitted, ApiError> {
    match route {
        Route::Health => Ok(Admitted::Open(Open::Health)),
        Route::Metrics => Ok(Admitted::Open(Open::Metrics)),
        _ => Err(ApiError::UnknownRoute),
    }
}

/// Refuses GUNs outside of the configured prefixes, before anybody is asked who they are (Notary 0.7).
fn prefix_filter(app: &App, route: &Route, gun: &GunName) -> Result<(), ApiError> {
    let prefixes = &app.gun_prefixes;
    if prefixes.is_empty()
        || prefixes
            .iter()
            .any(|p| gun.as_str().starts_with(p.as_str()))
    {
        return Ok(());
    }
    let prefixes = format!("[{}]", prefixes.join(" "));
    Err(match route {
        Route::Publish(_) => ApiError::InvalidGun(prefixes),
        Route::Key(..) | Route::RotateKey(..) => ApiError::NoKeyForGun(prefixes),
        _ => ApiError::GunNotServed(prefixes),
    })
}

/// A request in front of the door.
struct Door<'r> {
    app: &'r App,
    head: &'r Head,
    origin: &'r Origin,
}

impl Door<'_> {
    /// Grants `permission`, or refuses it.
    async fn grant<A: Grantable>(self, permission: A) -> Result<Granted<A>, ApiError> {
        let authenticator = &self.app.authenticator;
        let caller = match authenticator
            .identify(shown(self.app, self.head, self.origin))
            .await
        {
            Ok(caller) => caller,
            Err(why) => return Err(self.unproven(&permission, &why)),
        };
        let policy = authenticator.policy();
        let decision = policy.decide(&caller, permission.permission());
        if !decision.is_granted {
            return Err(self.refused(&permission, &caller, &decision.reason.to_string()));
        }
        observe::count_decision("granted", caller.identity.kind());
        Ok(Granted {
            permission,
            fingerprint: authenticator.fingerprint(caller.identity.name()),
            caller,
            policy,
            origin: self.origin.clone(),
        })
    }

    /// What to answer to somebody who did not prove who they are.
    fn unproven(&self, permission: &impl Grantable, why: &AuthenticationError) -> ApiError {
        let (kind, claimed, fault) = match why {
            AuthenticationError::WrongPassword(user) => ("user", user.as_str(), None),
            AuthenticationError::Token(_) => ("token", "", Some(TokenFault::Invalid)),
            AuthenticationError::TooManyFailures(_) | AuthenticationError::Busy => {
                ("user", "", None)
            }
            AuthenticationError::Unsupported => ("unusable", "", None),
        };
        observe::count_decision("failed", kind);
        let reason = why.to_string();
        self.record_refusal(permission, Actor::Claimed(claimed), &reason);
        match why {
            AuthenticationError::TooManyFailures(wait) => ApiError::TooManyRequests(*wait),
            AuthenticationError::Busy => ApiError::TooManyRequests(super::error::SHORTLY),
            _ => self.unauthorized(permission, fault, reason),
        }
    }

    /// What to answer to somebody who may not.
    fn refused(&self, permission: &impl Grantable, caller: &Caller, reason: &str) -> ApiError {
        observe::count_decision("refused", caller.identity.kind());
        // Every client begins with such a request, to be told how to prove who it is.
        let is_usual = caller.identity.is_anonymous()
            && matches!(
                permission.permission(),
                Permission::Authenticated | Permission::Pull(_)
            );
        if !is_usual {
            self.record_refusal(permission, Actor::Known(caller), reason);
        }
        self.unauthorized(permission, fault(caller), reason.to_owned())
    }

    fn unauthorized(
        &self,
        permission: &impl Grantable,
        fault: Option<TokenFault>,
        reason: String,
    ) -> ApiError {
        ApiError::Unauthorized(Box::new(Unauthorized {
            challenge: self.app.authenticator.challenge(&self.origin.site),
            scope: permission.permission().scope(),
            fault,
            reason,
        }))
    }

    fn record_refusal(&self, permission: &impl Grantable, actor: Actor<'_>, reason: &str) {
        let (act, outcome) = (permission.act(), Outcome::Refused(reason));
        record(self.app, permission, self.origin, actor, act, outcome);
    }
}

/// What a request shows to prove who sends it.
pub(super) fn shown<'r>(app: &App, head: &'r Head, origin: &Origin) -> Presented<'r> {
    let authorization = head.headers.get_all(header::AUTHORIZATION);
    // A proxy's certificate says who the proxy is: behind it, everybody would be the same somebody.
    let peer = head.extensions.get::<Peer>().filter(|_| !origin.is_proxied);
    Presented {
        authorization: Authorization::of(authorization.iter().map(http::HeaderValue::as_bytes)),
        certificates: peer.map_or(&[], |peer| &peer.certificates),
        address: origin.address,
        now: app.now(),
    }
}

/// What is wrong with the token of a caller who may not; nothing if none was shown.
fn fault(caller: &Caller) -> Option<TokenFault> {
    let has_token = caller.access.is_some() || matches!(caller.identity, Identity::Outside(_));
    has_token.then_some(TokenFault::InsufficientScope)
}

fn record(
    app: &App,
    permission: &impl Grantable,
    origin: &Origin,
    actor: Actor<'_>,
    act: Act<'_>,
    outcome: Outcome<'_>,
) {
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    app.audit.record(&Event {
        act,
        gun: permission.name().map_or("", GunName::as_str),
        actor,
        address: Some(origin.address),
        request_id: &request_id,
        outcome,
    });
}
