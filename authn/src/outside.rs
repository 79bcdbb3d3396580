//! Tokens of outside issuers, and the keys that verify them.

mod fetch;
mod jwks;

use std::{net::IpAddr, path::Path, sync::Arc};

use access::{
    Caller, Challenge, Identity, OutsideToken,
    token::{Issuer, TokenError, TrustedKeys, Verified, verify},
};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use fetch::Address;
pub use fetch::without_query;
use jwks::RemoteKeys;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    AuthenticationError,
    settings::{IssuerSettings, JwksSettings, OutsideTokenSettings},
    throttle::Throttle,
    token_service::OwnTokenError,
    watched::Watched,
};

/// The outside issuers whose tokens are accepted.
pub(crate) struct Outside {
    realm: String,
    service: String,
    autoredirect: bool,
    sources: Vec<IssuerSource>,
    /// The issuers with the current keys of their sources.
    issuers: ArcSwap<Vec<Issuer>>,
    /// For its log lines alone: signatures cannot be guessed.
    throttle: Throttle,
}

/// An issuer, and where its keys come from.
struct IssuerSource {
    name: String,
    audience: String,
    is_open_id: bool,
    bundle: Option<Watched<TrustedKeys>>,
    jwks: Option<JwkSet>,
}

/// A JWK set.
enum JwkSet {
    File(Watched<TrustedKeys>),
    RemoteKeys(RemoteKeys),
}

impl Outside {
    pub(crate) async fn load(settings: &OutsideTokenSettings) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        for issuer in &settings.issuers {
            sources.push(IssuerSource::load(issuer).await?);
        }
        Ok(Self {
            realm: settings.realm.clone(),
            service: settings.service.clone(),
            autoredirect: settings.autoredirect,
            issuers: ArcSwap::from_pointee(issuers(&sources)),
            sources,
            throttle: Throttle::default(),
        })
    }

    /// Notary's challenge; with `autoredirect` the realm is this server's own host, always with
    /// `https`.
    pub(crate) fn challenge(&self, origin: &str) -> Challenge {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let realm = if self.autoredirect {
            format!("https://{host}/auth/token")
        } else {
            self.realm.clone()
        };
        Challenge::Bearer {
            realm,
            service: self.service.clone(),
        }
    }

    /// Whose token this is. An unknown key may be a new one, so the key sets are fetched again.
    pub(crate) async fn identify(
        &self,
        token: &SecretString,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Caller, AuthenticationError> {
        let token = token.expose_secret();
        let mut verdict = self.verify(token, now);
        if matches!(verdict, Err(TokenError::UnknownKey(_))) && self.fetch_new_keys().await {
            verdict = self.verify(token, now);
        }
        verdict.map(caller).map_err(|error| {
            let reason = error.to_string();
            self.throttle.log_failure("", address, &reason, now);
            AuthenticationError::Token(OwnTokenError::Token(error))
        })
    }

    fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Verified, TokenError> {
        let issuers = self.issuers.load();
        let issuers: Vec<_> = issuers.iter().collect();
        verify(token, &issuers, now)
    }

    /// Reloads the files that changed.
    pub(crate) fn poll(&self) {
        let files = self.sources.iter().flat_map(IssuerSource::files);
        // `any` would stop at the first.
        if files.map(Watched::poll).fold(false, |a, b| a | b) {
            self.assemble();
        }
    }

    /// Fetches the key sets at addresses from time to time, for ever.
    pub(crate) async fn keep_current(&self) {
        let each = self.remotes().map(|remote| async {
            loop {
                if remote.wait_and_refresh().await {
                    self.assemble();
                }
            }
        });
        futures_util::future::join_all(each).await;
    }

    /// Fetches the key sets at addresses, unless that was done just now; returns whether one
    /// changed.
    async fn fetch_new_keys(&self) -> bool {
        let mut is_changed = false;
        for remote in self.remotes() {
            is_changed |= remote.refresh_if_due(Instant::now()).await;
        }
        if is_changed {
            self.assemble();
        }
        is_changed
    }

    fn remotes(&self) -> impl Iterator<Item = &RemoteKeys> {
        let sets = self
            .sources
            .iter()
            .filter_map(|source| source.jwks.as_ref());
        sets.filter_map(|set| match set {
            JwkSet::RemoteKeys(remote) => Some(remote),
            JwkSet::File(_) => None,
        })
    }

    fn assemble(&self) {
        // The last to store has read the newest keys.
        self.issuers.rcu(|_| issuers(&self.sources));
    }
}

impl IssuerSource {
    async fn load(settings: &IssuerSettings) -> anyhow::Result<Self> {
        let jwks = match &settings.jwks {
            None => None,
            Some(JwksSettings::File(path)) => Some(JwkSet::File(Watched::load(
                "JWK set",
                path.clone(),
                |content| TrustedKeys::from_jwks(content).map_err(|error| error.to_string()),
            )?)),
            Some(JwksSettings::Url { url, ca }) => {
                let remote = RemoteKeys::load(url, ca.as_deref()).await;
                let issuer = &settings.name;
                Some(JwkSet::RemoteKeys(remote.with_context(|| {
                    format!(
                        "cannot fetch the keys of issuer {issuer:?} from {}",
                        without_query(url)
                    )
                })?))
            }
        };
        Ok(Self {
            name: settings.name.clone(),
            audience: settings.audience.clone(),
            is_open_id: settings.is_open_id(),
            bundle: settings.bundle.as_deref().map(bundle).transpose()?,
            jwks,
        })
    }

    fn files(&self) -> impl Iterator<Item = &Watched<TrustedKeys>> {
        let set = match &self.jwks {
            Some(JwkSet::File(file)) => Some(file),
            Some(JwkSet::RemoteKeys(_)) | None => None,
        };
        self.bundle.iter().chain(set)
    }

    fn issuer(&self) -> Issuer {
        let set = match &self.jwks {
            Some(JwkSet::File(file)) => Some(file.current()),
            Some(JwkSet::RemoteKeys(remote)) => Some(remote.current()),
            None => None,
        };
        let bundle = self.bundle.as_ref().map(Watched::current);
        let keys = [bundle, set].into_iter().flatten();
        Issuer {
            name: self.name.clone(),
            audience: self.audience.clone(),
            keys: keys.fold(TrustedKeys::default(), |all, keys| {
                all.with(Arc::unwrap_or_clone(keys))
            }),
            is_open_id: self.is_open_id,
        }
    }
}

/// Fetches the keys at an address once, for commands that inspect a configuration.
///
/// # Errors
///
/// If they cannot be fetched, or are no keys.
pub async fn fetch_keys(url: &str, ca: Option<&Path>) -> anyhow::Result<TrustedKeys> {
    let json = Address::new(url, ca)?.fetch().await?;
    Ok(TrustedKeys::from_jwks(&json)?)
}

/// The certificates of a bundle; errors name it in Notary's words.
fn bundle(path: &Path) -> anyhow::Result<Watched<TrustedKeys>> {
    let what = "token auth root certificate bundle file";
    Watched::load(what, path.to_owned(), |content| {
        TrustedKeys::from_bundle(content).map_err(|error| error.to_string())
    })
}

fn issuers(sources: &[IssuerSource]) -> Vec<Issuer> {
    sources.iter().map(IssuerSource::issuer).collect()
}

fn caller(verified: Verified) -> Caller {
    Caller {
        identity: Identity::Outside(OutsideToken {
            issuer: verified.issuer,
            subject: verified.subject,
            claims: verified.claims,
        }),
        access: verified.access,
    }
}
