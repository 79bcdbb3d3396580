//! Running until told to stop.

use std::sync::Arc;

use anyhow::Context;
use daemon::{
    CertificateWatch, Limits, LogControl, Outlook, ServerTls, debug, listener, logging::STARTUP,
    signals,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    grpc::{self, clients::Clients},
    health::Health,
    keys::Keys,
    metrics, open,
};

/// Serves `keys` as `config` says until a signal ends it; what is running then is finished.
pub async fn serve(
    config: Config,
    debug: bool,
    log: LogControl,
    keys: Arc<Keys>,
) -> anyhow::Result<()> {
    open::check_keys(&keys).await?;
    let tls = ServerTls::load(&config.cert, &config.key, config.client_ca.as_deref())
        .context("unable to set up TLS")?;
    let listener = listener::bind(&config.listen).await?;
    let shutdown = signals::install(log, vec![Arc::clone(&tls)]);
    let health = Health::default();
    let pages = start_pages(&config, debug, &health, &shutdown).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on {address}");
    }
    let clients = Clients::with_names(config.client_names);
    run(listener, tls, clients, keys, health, shutdown).await;
    for page in pages {
        page.await
            .context("a page for operators ended abnormally")?;
    }
    Ok(())
}

/// Serves until `shutdown`, finishes what is running, and writes down what is left to write.
pub async fn run(
    listener: TcpListener,
    tls: Arc<ServerTls>,
    clients: Clients,
    keys: Arc<Keys>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut watch = CertificateWatch::new("signer", &tls);
    if let Some(outlook) = watch.look(daemon::clock::now()) {
        note_certificate(&health, outlook);
    }
    health.check(&keys).await;
    let noted = health.clone();
    let tell = move |outlook| note_certificate(&noted, outlook);
    let dates = tokio::spawn(watch.run(daemon::clock::now, tell, shutdown.clone()));
    let app = grpc::router(&keys, clients, health.service());
    let watch = tokio::spawn(health.watch(Arc::clone(&keys), shutdown.clone()));
    let limits = Limits {
        // A server has one connection for all that it wants signed.
        streams: 256,
        ..Limits::default()
    };
    listener::serve(listener, Some(tls), app, limits, shutdown).await;
    for watch in [watch, dates] {
        if let Err(error) = watch.await {
            tracing::error!("a check in the background ended abnormally: {error}");
        }
    }
    if let Err(error) = keys.write_uses().await {
        tracing::error!("could not write down when keys were last used: {error}");
    }
}

fn note_certificate(health: &Health, outlook: Outlook) {
    metrics::certificate(outlook.seconds_left);
    health.note_certificate(outlook.problem);
}

/// Opens the pages for operators: the debug listener of `-debug`, and metrics where configured.
async fn start_pages(
    config: &Config,
    debug: bool,
    health: &Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let recorder = daemon::metrics::install_recorder(metrics::BUCKETS);
    metrics::describe();
    database::describe_metrics();
    let addresses = debug
        .then_some(debug::ADDRESS)
        .into_iter()
        .chain(config.metrics.as_deref());
    let mut pages = Vec::new();
    for address in addresses {
        let health = health.clone();
        let page = debug::Health::new(move || health.failing());
        pages.push(debug::start(address, page, recorder.clone(), shutdown.clone()).await?);
        tracing::info!(target: STARTUP, "metrics and health are on http://{address}");
    }
    Ok(pages)
}
