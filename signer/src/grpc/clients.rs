//! Which callers may use the signer: all whose certificate the listener accepted, or those that are
//! listed by name.

use std::{collections::BTreeSet, sync::Arc};

use tonic::{Request, Status, service::Interceptor};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The callers that are allowed.
#[derive(Clone, Debug, Default)]
pub struct Clients(Option<Arc<BTreeSet<String>>>);

impl Clients {
    /// Only callers whose certificate carries one of `names` among its subject alternative names
    /// (DNS names, addresses, URIs, mail addresses); any caller if there are none.
    #[must_use]
    pub fn with_names(names: Vec<String>) -> Self {
        let names: BTreeSet<_> = names.into_iter().map(|name| name.to_lowercase()).collect();
        Self((!names.is_empty()).then(|| Arc::new(names)))
    }

    fn allow(&self, peer: Option<&daemon::Peer>) -> bool {
        let Some(names) = &self.0 else { return true };
        let leaf = peer.and_then(|peer| peer.certificates.first());
        leaf.is_some_and(|leaf| {
            alternative_names(leaf)
                .iter()
                .any(|name| names.contains(name))
        })
    }
}

impl Interceptor for Clients {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<daemon::Peer>();
        if self.allow(peer) {
            return Ok(request);
        }
        let peer = peer.map(|peer| peer.addr);
        tracing::warn!(
            ?peer,
            "refused a client whose certificate has none of server.client_names"
        );
        Err(Status::permission_denied(
            "this client may not use the signer",
        ))
    }
}

/// The subject alternative names of a certificate, in lower case.
fn alternative_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(text)
        .collect()
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some(name.to_lowercase())
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    }
}
