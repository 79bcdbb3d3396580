//! `notary-server config check`: prints the settings, and whether the server would start with them.

use anyhow::Result;
use authn::Authenticator;
use daemon::{Settings, clock};

use crate::{config::Config, serve};

/// Prints what is set, or with `all` also the defaults, then the warnings and the verdict.
pub(super) async fn check(settings: &Settings, all: bool) -> Result<()> {
    let effective = if all {
        settings.effective_with_defaults()
    } else {
        settings.effective()
    };
    println!("{}", effective.trim_end());
    let config = Config::read(settings)?;
    serve::server_tls(&config)?;
    serve::client_tls(&config.trust_service)?;
    serve::receivers(&config)?;
    let of_authenticator = Authenticator::check(&config.authentication, clock::now()).await?;
    for warning in config.warnings.iter().chain(&of_authenticator) {
        eprintln!("warning: {warning}");
    }
    eprintln!("{}", config.reading);
    eprintln!("the configuration is in order");
    Ok(())
}
