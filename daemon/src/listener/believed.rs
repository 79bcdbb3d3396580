//! Whether the certificate that a client showed is still to be believed.
//!
//! It is checked when the connection is made, but a connection may last for days. Meanwhile the
//! certificate expires, or its authority is taken out of the file.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls_pki_types::CertificateDer;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use x509_parser::parse_x509_certificate;

use crate::{clock, tls::ServerTls};

/// How long to sleep at most: clocks are set, and authorities expire too.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// The certificate of a connection's client.
#[derive(Debug)]
pub(super) struct Believed {
    tls: Arc<ServerTls>,
    /// What was shown, leaf first.
    chain: Vec<CertificateDer<'static>>,
    /// The files and the second for which it was last verified.
    verified: Mutex<Option<(u64, i64)>>,
    /// Told when it is no longer believed.
    refused: CancellationToken,
}

impl Believed {
    /// The certificates that were just verified in a handshake; `None` if there are none.
    pub(super) fn new(tls: Arc<ServerTls>, chain: &[CertificateDer<'static>]) -> Option<Arc<Self>> {
        (!chain.is_empty()).then(|| {
            Arc::new(Self {
                tls,
                chain: chain.to_vec(),
                verified: Mutex::new(None),
                refused: CancellationToken::new(),
            })
        })
    }

    /// Whether it is believed at this moment. The dates of certificates are in whole seconds, so
    /// that one verification a second is as good as one a request.
    pub(super) fn holds(&self) -> bool {
        let moment = (self.tls.generation(), clock::now().unix_timestamp());
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if *verified == Some(moment) {
            return true;
        }
        *verified = None;
        match self.tls.verify_client(&self.chain, moment.1) {
            Ok(()) => {
                *verified = Some(moment);
                true
            }
            Err(error) => {
                if !self.refused.is_cancelled() {
                    tracing::warn!(
                        %error,
                        "a client's certificate is no longer accepted; its connection ends"
                    );
                    self.refused.cancel();
                }
                false
            }
        }
    }

    /// Waits until it is no longer believed.
    pub(super) async fn wait_until_lost(this: Option<&Arc<Self>>) {
        let Some(this) = this else {
            return pending().await;
        };
        let mut reloads = this.tls.reloads();
        while this.holds() {
            tokio::select! {
                () = this.refused.cancelled() => return,
                reloaded = reloads.changed() => if reloaded.is_err() {
                    return pending().await;
                },
                () = sleep(this.left().min(LONGEST_SLEEP)) => {}
            }
        }
    }

    /// How long it is until the first of the certificates has expired.
    fn left(&self) -> Duration {
        let ends = self.chain.iter().filter_map(|certificate| {
            let (_, certificate) = parse_x509_certificate(certificate).ok()?;
            Some(certificate.validity().not_after.timestamp())
        });
        // Its last second is part of its time.
        let left = ends
            .min()
            .unwrap_or(i64::MAX)
            .saturating_sub(clock::now().unix_timestamp());
        Duration::from_secs(u64::try_from(left).unwrap_or_default()) + Duration::from_secs(1)
    }
}
