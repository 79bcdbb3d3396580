//! A receiver: where events go, which ones, and how they are signed.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use daemon::{
    ClientTls, TlsError,
    fetch::{Bounds, Client, FetchError, Reach},
};
use http::{Request, StatusCode, header};
use time::OffsetDateTime;
use url::Url;

use crate::{
    event::{Event, Kind, MEDIA_TYPE},
    expiry,
    signature::{self, Secret},
    tables::Item,
};

/// What one delivery may cost. Nothing is read of the body of an answer.
const BOUNDS: Bounds = Bounds {
    time: TIMEOUT,
    body: 0,
};

/// How long a receiver may take to answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What an operator says of a receiver.
#[derive(Clone, Debug)]
pub struct ReceiverSettings {
    /// What it is called, in settings, tables, logs and metrics.
    pub name: String,
    /// Where events are sent.
    pub url: Url,
    /// What they are signed with: one, or two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// The kinds of events that it gets.
    pub kinds: Vec<Kind>,
    /// How the names of repositories begin that it hears of; empty: of all.
    pub prefixes: Vec<String>,
    /// Whether it may be at an address that is not public.
    pub allow_private_addresses: bool,
    /// The CA of its certificate; `None`: the system's.
    pub ca: Option<PathBuf>,
}

/// A receiver that can be sent to.
#[derive(Debug)]
pub struct Receiver {
    settings: ReceiverSettings,
    source: String,
    client: Client,
}

/// Why a receiver did not take an event.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// There is no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It sends the server elsewhere.
    #[error("the answer is a redirect ({0}), which is not followed: write the address it leads to")]
    Redirect(StatusCode),
    /// It did not say that it has the event.
    #[error("the answer is {0}; a receiver answers 2xx once it has the event")]
    Status(StatusCode),
    /// The request cannot be written.
    #[error("the address makes no request")]
    Request,
}

impl Receiver {
    /// A receiver that is told of the server that calls itself `source`.
    ///
    /// # Errors
    ///
    /// If its authorities cannot be loaded.
    pub fn new(settings: ReceiverSettings, source: &str) -> Result<Self, TlsError> {
        let tls = match settings.url.scheme() {
            "https" => Some(ClientTls::load(settings.ca.as_deref(), None)?),
            _ => None,
        };
        let reach = if settings.allow_private_addresses {
            Reach::Anywhere
        } else {
            Reach::Public
        };
        Ok(Self {
            client: Client::new(tls, BOUNDS).within(reach),
            source: source.to_owned(),
            settings,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the operator said of it.
    #[must_use]
    pub fn settings(&self) -> &ReceiverSettings {
        &self.settings
    }

    /// Whether it gets events of this kind.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        self.settings.kinds.contains(&kind)
    }

    /// Whether it gets the events of `item`.
    pub(crate) fn wants_item(&self, item: &Item) -> bool {
        match item {
            Item::Lines { .. } => true,
            Item::Expiry(deadline) => self.wants(expiry::kind(deadline)),
        }
    }

    /// Whether it hears of the repository `gun`.
    pub(crate) fn hears_of(&self, gun: &str) -> bool {
        let mut prefixes = self.settings.prefixes.iter();
        self.settings.prefixes.is_empty() || prefixes.any(|prefix| gun.starts_with(prefix))
    }

    /// Sends `event` once.
    ///
    /// # Errors
    ///
    /// If the receiver did not say that it has it. It may have it nevertheless.
    pub async fn deliver(&self, event: &Event, now: OffsetDateTime) -> Result<(), DeliveryError> {
        let body = event.to_json(&self.source);
        let timestamp = now.unix_timestamp();
        let signature = signature::sign(&self.settings.secrets, &event.id, timestamp, &body);
        let request = Request::post(self.settings.url.as_str())
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::USER_AGENT, "notary-server")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Bytes::from(body))
            .map_err(|_| DeliveryError::Request)?;
        match self.client.send_for_status(request).await? {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(DeliveryError::Redirect(status)),
            status => Err(DeliveryError::Status(status)),
        }
    }
}

/// The part of `url` that may be shown: the rest often has a token in it.
#[must_use]
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
