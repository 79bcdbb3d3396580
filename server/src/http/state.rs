//! What requests are answered from. Nothing below HTTP takes it.

use std::{ops::Deref, sync::Arc};

use audit_trail::Audit;
use authn::Authenticator;
use daemon::MetricsHandle;
use insight::Overview;
use ipnet::IpNet;
use time::OffsetDateTime;
use trust::Repositories;

use super::{Ui, describe_metrics, metadata::Cached, observe::Meters};
use crate::{config::MaxAge, health::Health, key_limiter::KeyLimiter, uploads::UploadLimits};

/// What every request works with; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Parts,
    meters: Meters,
    cached: Cached,
}

/// The parts of an [`App`].
pub struct Parts {
    /// Trust data: the store, the signer and what belongs to them.
    pub repositories: Repositories,
    /// What proxies are told.
    pub caching: MaxAge,
    /// The only GUNs served, by prefix; empty: all.
    pub gun_prefixes: Vec<String>,
    /// How much uploads may take.
    pub limits: UploadLimits,
    /// The outcome of the last checks.
    pub health: Arc<Health>,
    /// What Prometheus scrapes.
    pub metrics: MetricsHandle,
    /// Who sends a request, and whether they may.
    pub authenticator: Arc<Authenticator>,
    /// What operators see of all repositories.
    pub overview: Overview,
    /// Whether the API for operators is served.
    pub has_v1: bool,
    /// Where it is written down who changed what.
    pub audit: Audit,
    /// How many keys an address may have made.
    pub key_limiter: KeyLimiter,
    /// Proxies whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What clients reach this server as, `https://host`, whatever their requests say.
    pub public_url: Option<String>,
    /// Whether the listener speaks TLS.
    pub is_tls: bool,
    /// The pages for browsers; `None`: there are none.
    pub ui: Option<Ui>,
    /// Whether health and metrics have a listener of their own, and are nowhere else.
    pub monitoring_apart: bool,
}

impl App {
    /// Puts the parts together, and makes their metrics known.
    pub fn new(parts: Parts) -> Self {
        describe_metrics();
        trust::describe_metrics();
        inventory::describe_metrics();
        database::describe_metrics();
        Self(Arc::new(Inner {
            cached: Cached::new(parts.caching),
            meters: Meters::new(),
            parts,
        }))
    }

    /// The metrics of requests.
    pub(super) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// What answers say of how long they may be kept.
    pub(super) fn cached(&self) -> &Cached {
        &self.0.cached
    }

    /// The time of this moment.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.repositories.now()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
