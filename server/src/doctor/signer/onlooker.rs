//! Looking at a certificate that is not believed, without ever talking to the server that shows it.

use std::sync::{Mutex, PoisonError};

use daemon::tls::CheckServer;
use rustls::Error;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::doctor::certificates::Chain;

/// Remembers what a server shows, and refuses it whatever it is.
#[derive(Debug, Default)]
pub(super) struct Onlooker(Mutex<Vec<CertificateDer<'static>>>);

impl Onlooker {
    /// What the last server showed, leaf first.
    pub(super) fn chain(&self) -> Chain {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Chain(seen.clone())
    }
}

impl CheckServer for Onlooker {
    fn check(
        &self,
        shown: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: UnixTime,
    ) -> Result<(), Error> {
        let all = std::iter::once(shown).chain(above);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|one| one.clone().into_owned()).collect();
        Err(Error::General("only looking".to_owned()))
    }
}
