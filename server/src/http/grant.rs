//! Permissions of requests, and the proof that one was granted.
//!
//! A handler takes a [`Granted`], and only [`Auth::grant`] makes one, from a decision about the
//! very permission that it stands for. So no handler is reached without a decision.

use std::{net::IpAddr, sync::Arc};

use access::{
    Authorization, Caller, Challenge, Credentials, Identity, Permission, Policy, Scope, TokenFault,
};
use audit_trail::{Act, Actor, Event, Outcome};
use authn::{AuthenticationError, Presented, network};
use daemon::Peer;
use http::{header, request::Parts as Head};
use insight::Sight;
use trust::{
    events::Requester,
    publish::{Authority, Denied},
    signer::REQUEST_ID,
};
use tuf::Gun;

use super::{
    ApiError, GunName,
    audited::Sender,
    error::{SHORTLY, Unauthorized},
    observe::Decided,
    origin::Origin,
};
use crate::{App, uploads::Payer};

/// A permission that can be granted. Each has a type of its own, so that no other decision can
/// stand for it.
pub(super) trait Grantable {
    /// The permission that the policy decides about.
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

/// To be authenticated.
pub(super) struct Authenticated;

/// What concerns all GUNs.
pub(super) struct Admin;

/// To see what of the inventory one may see.
pub(super) struct Overview;

/// To read all of the audit log.
pub(super) struct AuditAll;

macro_rules! permissions_on_a_gun {
    ($($(#[$doc:meta])* $permission:ident($act:expr);)*) => { $(
        $(#[$doc])*
        pub(super) struct $permission(pub(super) GunName);

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
    /// To read lines of the audit log.
    Audit(Act::Other("audit"));
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

impl Grantable for Overview {
    fn permission(&self) -> Permission<'_> {
        Permission::Overview
    }

    fn act(&self) -> Act<'_> {
        Act::Other("see")
    }
}

impl Grantable for AuditAll {
    fn permission(&self) -> Permission<'_> {
        Permission::AuditAll
    }

    fn act(&self) -> Act<'_> {
        Act::Other("audit")
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

    /// Who asks.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Writes down what came of it.
    pub(super) fn record(&self, app: &App, act: Act<'_>, outcome: Outcome<'_>) {
        let actor = Actor::Known(&self.caller);
        record(app, &self.permission, &self.origin, actor, act, outcome);
    }
}

impl Granted<Overview> {
    /// What the caller may see.
    pub(super) fn sight(&self, app: &App) -> Sight {
        Sight::of(&self.policy, &self.caller, &app.gun_prefixes)
    }

    /// Whose requests count together while they wait.
    pub(super) fn who_waits(&self) -> String {
        let identity = &self.caller.identity;
        match identity.name() {
            "" => format!("{}", self.network()),
            name => format!("{} {name}", identity.kind()),
        }
    }
}

impl Granted<Pull> {
    /// Whether anonymous callers may read the same, so that a shared cache may keep it.
    pub(super) fn is_public(&self) -> bool {
        self.policy
            .anonymous_may_pull(self.permission.gun_name().as_str())
    }
}

impl Granted<Publish> {
    /// What the changes of an update are judged by, once it is there. It may have been on its way
    /// for minutes, in which users are removed and rules change: so everything is decided again.
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
        app.meters()
            .count_decision(Decided::Refused, self.caller.identity.kind());
        self.record(app, self.permission.act(), Outcome::Refused(&reason));
        Err(self.refuse(app, permission.scope(), reason))
    }

    /// What to answer to an update of which a change was denied.
    pub(super) fn deny(&self, app: &App, denied: &Denied) -> ApiError {
        self.refuse(app, denied.scope.clone(), denied.to_string())
    }

    fn refuse(&self, app: &App, scope: Scope, reason: String) -> ApiError {
        ApiError::Unauthorized(Box::new(Unauthorized {
            challenge: challenge(app, &self.origin),
            scope,
            is_known: !self.caller.identity.is_anonymous(),
            fault: fault(&self.caller),
            reason,
        }))
    }
}

/// An answer to a request whose body was not looked at: it has yet to be read.
pub(super) struct Refused(pub(super) ApiError);

/// A request before its permission was decided: nothing but its head is looked at.
pub(super) struct Auth<'r> {
    /// What requests work with.
    pub(super) app: &'r App,
    /// The request without its body.
    pub(super) head: &'r Head,
    /// Where it comes from.
    pub(super) origin: &'r Origin,
}

impl Auth<'_> {
    /// Grants `permission` to the caller, or says what to answer instead.
    pub(super) async fn grant<A: Grantable>(&self, permission: A) -> Result<Granted<A>, Refused> {
        let authenticator = &self.app.authenticator;
        let caller = match authenticator.identify(self.read_presented()).await {
            Ok(caller) => caller,
            Err(why) => return Err(Refused(self.refuse_credentials(&permission, &why))),
        };
        self.grant_to(caller, permission)
    }

    /// Grants `permission` to a caller who is known already, or says what to answer instead.
    pub(super) fn grant_to<A: Grantable>(
        &self,
        caller: Caller,
        permission: A,
    ) -> Result<Granted<A>, Refused> {
        let authenticator = &self.app.authenticator;
        let policy = authenticator.policy();
        let decision = policy.decide(&caller, permission.permission());
        if !decision.is_granted {
            let reason = decision.reason.to_string();
            return Err(Refused(self.deny(&permission, &caller, &reason)));
        }
        let meters = self.app.meters();
        meters.count_decision(Decided::Granted, caller.identity.kind());
        Ok(Granted {
            permission,
            fingerprint: authenticator.fingerprint(caller.identity.name()),
            caller,
            policy,
            origin: self.origin.clone(),
        })
    }

    /// Checks a password that a form brought, as if a header had. Returns who it is, and records
    /// both outcomes.
    pub(super) async fn sign_in(
        &self,
        credentials: Credentials,
    ) -> Result<Caller, AuthenticationError> {
        let presented = Presented {
            authorization: Authorization::Basic(credentials),
            certificates: &[],
            ..self.read_presented()
        };
        match self.app.authenticator.identify(presented).await {
            Ok(caller) => {
                let (act, actor) = (Authenticated.act(), Actor::Known(&caller));
                let (app, origin) = (self.app, self.origin);
                record(app, &Authenticated, origin, actor, act, Outcome::Done);
                Ok(caller)
            }
            Err(why) => {
                self.refuse_credentials(&Authenticated, &why);
                Err(why)
            }
        }
    }

    /// What the request presents to prove who sends it.
    fn read_presented(&self) -> Presented<'_> {
        let authorization = self.head.headers.get_all(header::AUTHORIZATION);
        // A proxy's certificate says who the proxy is: behind it, all callers would be the same.
        let peer = self.head.extensions.get::<Peer>();
        let peer = peer.filter(|_| !self.origin.is_proxied);
        Presented {
            authorization: Authorization::of(authorization.iter().map(http::HeaderValue::as_bytes)),
            certificates: peer.map_or(&[], |peer| &peer.certificates),
            address: self.origin.address,
            now: self.app.now(),
        }
    }

    /// What to answer to a caller whose credentials are wrong.
    fn refuse_credentials(
        &self,
        permission: &impl Grantable,
        why: &AuthenticationError,
    ) -> ApiError {
        let (kind, claimed, fault) = match why {
            AuthenticationError::WrongPassword(user) => ("user", user.as_str(), None),
            AuthenticationError::Token(_) => ("token", "", Some(TokenFault::Invalid)),
            AuthenticationError::TooManyFailures(_) | AuthenticationError::Busy => {
                ("user", "", None)
            }
            AuthenticationError::Unsupported => ("unusable", "", None),
        };
        self.app.meters().count_decision(Decided::Failed, kind);
        let reason = why.to_string();
        self.record_refusal(permission, Actor::Claimed(claimed), &reason);
        let is_known = false;
        match why {
            AuthenticationError::TooManyFailures(wait) => ApiError::TooManyRequests(*wait),
            AuthenticationError::Busy => ApiError::TooManyRequests(SHORTLY),
            _ => self.refuse(permission, is_known, fault, reason),
        }
    }

    /// What to answer to a caller without the permission.
    fn deny(&self, permission: &impl Grantable, caller: &Caller, reason: &str) -> ApiError {
        let meters = self.app.meters();
        meters.count_decision(Decided::Refused, caller.identity.kind());
        // Every client begins with such a request, to be told how to prove who it is.
        let is_usual = caller.identity.is_anonymous()
            && matches!(
                permission.permission(),
                Permission::Authenticated | Permission::Pull(_) | Permission::Overview
            );
        if !is_usual {
            self.record_refusal(permission, Actor::Known(caller), reason);
        }
        // A token that lists too little can be followed by another one.
        let fault = fault(caller);
        let is_known = !caller.identity.is_anonymous() && fault.is_none();
        self.refuse(permission, is_known, fault, reason.to_owned())
    }

    fn refuse(
        &self,
        permission: &impl Grantable,
        is_known: bool,
        fault: Option<TokenFault>,
        reason: String,
    ) -> ApiError {
        ApiError::Unauthorized(Box::new(Unauthorized {
            challenge: challenge(self.app, self.origin),
            scope: permission.permission().scope(),
            is_known,
            fault,
            reason,
        }))
    }

    fn record_refusal(&self, permission: &impl Grantable, actor: Actor<'_>, reason: &str) {
        let (act, outcome) = (permission.act(), Outcome::Refused(reason));
        record(self.app, permission, self.origin, actor, act, outcome);
    }
}

/// How the sender of a request can authenticate; `None` while authentication is off.
fn challenge(app: &App, origin: &Origin) -> Option<Challenge> {
    let site = origin.site(app.public_url.as_deref());
    app.authenticator.challenge(&site)
}

/// What is wrong with the token of a caller without the permission; nothing if there was no token.
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
