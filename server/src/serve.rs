//! Wiring: from the configuration to a running server, and nothing else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use audit_trail::{Anchor, Audit};
use authn::Authenticator;
use daemon::{
    CertificateWatch, ClientTls, Limits, LogControl, Manner, MetricsHandle, Outlook, ServerTls,
    clock, debug, listener, metrics, signals,
};
use database::{Connected, OpenMode};
use insight::Overview;
use inventory::{Follower, Gauges, Pace as FollowingPace};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trust::{
    Repositories,
    cache::MetadataCache,
    events::Log,
    memory::MemoryLimits,
    renewal::{self, Pace},
    signer::{DEADLINE, LocalSigner, RemoteSigner, RemoteSignerConfig, Signer},
    store::{self, chains},
};
use webhooks::{Dispatcher, Receiver, ReceiverSettings, RefusalSender};

use crate::{
    App, KeyLimiter, Parts, UploadLimits,
    config::{Config, TrustService},
    doctor, health,
    http::{Audited, Endpoint, Ui},
    refused,
};

/// Buckets for latencies, in seconds: from a remembered read to a slow signer.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// How often the date of a certificate in a file is looked at.
const LOOK_AT_FILES: Duration = Duration::from_mins(1);

/// Connections of those who watch the server.
const MONITORS: usize = 100;

/// The TLS of the listener; `None`: plain HTTP.
pub(crate) fn server_tls(config: &Config) -> Result<Option<Arc<ServerTls>>> {
    let Some(files) = &config.tls else {
        return Ok(None);
    };
    let manner = Manner {
        insists: !files.client_ca_optional,
        resumes: files.session_tickets,
    };
    let client_ca = files.client_ca.as_deref();
    ServerTls::load_as(&files.cert, &files.key, client_ca, manner)
        .map(Some)
        .map_err(Into::into)
}

async fn authenticator(config: &Config) -> Result<Arc<Authenticator>> {
    let authenticator = Authenticator::new(&config.authentication, clock::now()).await?;
    for warning in authenticator.warnings() {
        tracing::warn!(target: "startup", "{warning}");
    }
    Ok(Arc::new(authenticator))
}

fn audit(config: &Config) -> Result<Audit> {
    match &config.audit_file {
        None => Ok(Audit::to_log()),
        Some(path) => Audit::to_file(path)
            .with_context(|| format!("logging.audit_file: open {}", path.display())),
    }
}

/// The TLS to the signer; `None`: there is none to talk to.
pub(crate) fn client_tls(trust_service: &TrustService) -> Result<Option<ClientTls>> {
    match trust_service {
        TrustService::Local => Ok(None),
        TrustService::Remote { ca, client, .. } => {
            let client = client
                .as_ref()
                .map(|(cert, key)| (cert.as_path(), key.as_path()));
            ClientTls::load(ca.as_deref(), client)
                .map(Some)
                .context("Unable to configure TLS to the trust service")
        }
    }
}

fn signer(trust_service: &TrustService) -> Result<Arc<dyn Signer>> {
    let tls = client_tls(trust_service)?;
    if let (
        TrustService::Remote {
            hostname,
            port,
            key_algorithm,
            ..
        },
        Some(tls),
    ) = (trust_service, tls)
    {
        tracing::info!(hostname, port, "Using remote signing service");
        let signer = RemoteSigner::new(RemoteSignerConfig {
            hostname: hostname.clone(),
            port: *port,
            key_algorithm: key_algorithm.clone(),
            tls,
            deadline: DEADLINE,
        })?;
        let diagnosis = doctor::signer_diagnosis(trust_service.clone(), clock::now);
        Ok(Arc::new(signer.diagnosed_by(diagnosis)))
    } else {
        tracing::warn!(target: "startup", "trust_service.type is \"local\": the keys of timestamps and snapshots are in memory and lost when this process ends");
        Ok(Arc::new(LocalSigner::default()))
    }
}

/// For the next start, which may have lost what switches authentication on.
fn note_authentication(config: &Config) -> Result<()> {
    let Some(note) = &config.authentication_note else {
        return Ok(());
    };
    let describe = || {
        let path = note.path().display();
        format!(
            "server.authentication_note: cannot keep the note in {path}; name a file in a folder \
             that the server may write"
        )
    };
    note.keep().with_context(describe)
}

/// Serves as `config` says until a signal ends it; what is running then is finished.
pub(crate) async fn serve(config: &Config, debug: bool, log: LogControl) -> Result<()> {
    let metrics = metrics::install_recorder(&[
        ("notary_server_http_request_duration_seconds", SECONDS),
        ("notary_server_signer_request_duration_seconds", SECONDS),
    ]);
    let tls = server_tls(config)?;
    let (app, connected) = app(config, metrics.clone()).await?;
    let mut anchor = Anchor::new(app.audit.clone(), chains::open(&connected));
    // Before anything is written: what was cut off while no server ran is found out now.
    anchor.store().await;
    let inventory = inventory(config, &app, &connected).await;
    let beside = match Webhooks::make(config, &app, &connected).await {
        Ok(webhooks) => Beside {
            anchor,
            inventory,
            webhooks,
        },
        Err(error) => {
            app.repositories.store.close().await;
            return Err(error);
        }
    };
    let outcome = serve_app(config, app.clone(), beside, tls, metrics, debug, log).await;
    app.repositories.store.close().await;
    outcome
}

/// What follows along with the requests.
struct Beside {
    anchor: Anchor,
    inventory: Option<(Follower, Gauges)>,
    webhooks: Option<Webhooks>,
}

/// What tells receivers of events.
struct Webhooks {
    receivers: Vec<Arc<Receiver>>,
    dispatcher: Dispatcher,
    refusals: RefusalSender,
}

impl Webhooks {
    /// Gets all ready; `None` if there is no receiver. An embedded database gets its tables
    /// here.
    async fn make(config: &Config, app: &App, connected: &Connected) -> Result<Option<Self>> {
        if config.webhooks.is_empty() {
            return Ok(None);
        }
        let receivers = receivers(config)?;
        if config.storage.url.backend().is_embedded() {
            let migrated = webhooks::migrate(connected).await;
            migrated.context("make the tables of webhooks")?;
        }
        let clock: trust::Clock = Arc::new(clock::now);
        let (refusals, sender) = webhooks::refusals(&receivers, &clock);
        app.audit
            .tell_also(move |event| refused::tell(&refusals, event));
        let inventory = config.inventory.then(|| inventory::tables(connected));
        let store = Arc::clone(&app.repositories.store);
        let tables = webhooks::tables(connected);
        let dispatcher = Dispatcher::new(store, tables, inventory, clock);
        Ok(Some(Self {
            receivers,
            dispatcher: dispatcher.in_line(app.repositories.snapshot_line()),
            refusals: sender,
        }))
    }
}

/// The receivers, with what their certificates are checked with.
pub(crate) fn receivers(config: &Config) -> Result<Vec<Arc<Receiver>>> {
    let source = config.event_source();
    let make = |settings: &ReceiverSettings| {
        let receiver = Receiver::new(settings.clone(), source);
        receiver
            .map(Arc::new)
            .with_context(|| format!("webhooks.receivers.{}", settings.name))
    };
    config.webhooks.iter().map(make).collect()
}

async fn serve_app(
    config: &Config,
    app: App,
    beside: Beside,
    tls: Option<Arc<ServerTls>>,
    metrics: MetricsHandle,
    debug: bool,
    log: LogControl,
) -> Result<()> {
    note_authentication(config)?;
    let socket = listener::bind(&config.http_addr).await?;
    let monitoring = match &config.monitoring_addr {
        Some(address) => Some(listener::bind(address).await?),
        None => None,
    };
    let shutdown = signals::install(log, tls.iter().cloned().collect());
    if debug {
        serve_debug(&app, metrics, shutdown.clone()).await?;
    }
    let audit = app.audit.clone();
    let Beside {
        anchor,
        inventory,
        webhooks,
    } = beside;
    let anchor = tokio::spawn(anchor.run(shutdown.clone()));
    let mut background = vec![
        tokio::spawn(end_waiting(app.overview.clone(), shutdown.clone())),
        tokio::spawn(health::run(
            app.repositories.clone(),
            app.health.clone(),
            shutdown.clone(),
        )),
        tokio::spawn(app.repositories.clone().keep_in_touch(shutdown.clone())),
        tokio::spawn(renewal::run(
            app.repositories.clone(),
            Pace::default(),
            shutdown.clone(),
        )),
        tokio::spawn(
            app.authenticator
                .clone()
                .keep_current(clock::now, shutdown.clone()),
        ),
    ];
    if let Some((follower, gauges)) = inventory {
        let following = follower.run(FollowingPace::default(), shutdown.clone());
        background.push(tokio::spawn(following));
        background.push(tokio::spawn(gauges.run(shutdown.clone())));
    }
    if let Some(file) = shown_to_signer(config) {
        background.push(tokio::spawn(watch_shown(file, shutdown.clone())));
    }
    if let Some(webhooks) = webhooks {
        let delivering = webhooks
            .dispatcher
            .run(webhooks.receivers, shutdown.clone());
        background.push(tokio::spawn(delivering));
        background.push(tokio::spawn(webhooks.refusals.run(shutdown.clone())));
    }
    if let Some(socket) = monitoring {
        background.push(tokio::spawn(serve_monitoring(
            socket,
            app.clone(),
            shutdown.clone(),
        )));
    }
    if let Some(tls) = &tls {
        background.push(tokio::spawn(watch_certificate(
            tls,
            app.clone(),
            shutdown.clone(),
        )));
    }
    tracing::info!(
        address = config.http_addr,
        tls = tls.is_some(),
        "Starting Server"
    );
    let limits = Limits {
        connections: config.connections,
        connections_per_address: config.connections_per_address,
        trusted_proxies: config.trusted_proxies.clone(),
        unread: limit_unread(config.upload_bytes),
        ..Limits::default()
    };
    let endpoint = Endpoint::main(app);
    let service = tower::service_fn(move |request| endpoint.clone().answer(request));
    listener::serve(socket, tls, service, limits, shutdown).await;
    for task in background {
        task.await.context("a background task panicked")?;
    }
    audit.finish();
    let anchor = anchor.await.context("a background task panicked");
    anchor?.store().await;
    tracing::info!("stopped");
    Ok(())
}

/// Answers those who wait for changes when the program ends.
async fn end_waiting(overview: Overview, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    overview.end_waiting();
}

/// How many bytes of answers may wait to be read: of two of the largest files, at least.
fn limit_unread(upload_bytes: u64) -> usize {
    let largest = usize::try_from(upload_bytes).unwrap_or(usize::MAX);
    Limits::default().unread.max(largest.saturating_mul(2))
}

/// What keeps the inventory up to date, and what counts it. An embedded database gets its tables
/// here: no one else makes them.
async fn inventory(
    config: &Config,
    app: &App,
    connected: &Connected,
) -> Option<(Follower, Gauges)> {
    if !config.inventory {
        return None;
    }
    if config.storage.url.backend().is_embedded()
        && let Err(error) = inventory::migrate(connected).await
    {
        tracing::warn!(%error, "cannot make the tables of the inventory; serving without it");
        return None;
    }
    let store = Arc::clone(&app.repositories.store);
    let tables = inventory::tables(connected);
    let follower = Follower::new(store, Arc::clone(&tables), clock::now);
    let follower = follower.in_line(app.repositories.snapshot_line());
    Some((follower, Gauges::new(tables, clock::now)))
}

/// Everything that requests work with, opened and connected, and its database.
async fn app(config: &Config, metrics: MetricsHandle) -> Result<(App, Connected)> {
    let authenticator = authenticator(config).await?;
    let ui = config.ui.as_ref().map(Ui::load).transpose()?;
    let signer = signer(&config.trust_service)?;
    let audit = audit(config)?;
    // The last that can fail: nothing leaves it open.
    let connected = store::open_pool(&config.storage, OpenMode::MayCreate).await?;
    let store = store::on(&connected);
    let overview = if config.inventory {
        Overview::new(inventory::tables(&connected), Arc::clone(&store))
    } else {
        Overview::off()
    };
    let repositories = Repositories::new(
        store,
        signer,
        MetadataCache::new(config.cache_bytes),
        MemoryLimits::new(config.upload_bytes),
        clock::now,
    )
    .following_by(config.reading.rules())
    .followed_by(Audited(audit.clone()));
    let app = App::new(Parts {
        // One line in the log for each change: the one of the audit log, if that has no file of its own.
        repositories: match config.audit_file {
            Some(_) => repositories.followed_by(Log),
            None => repositories,
        },
        authenticator,
        caching: config.caching,
        gun_prefixes: config.gun_prefixes.clone(),
        limits: UploadLimits::new(config.upload_bytes, config.limits),
        health: Arc::default(),
        metrics,
        overview,
        has_v1: config.has_v1,
        audit,
        key_limiter: KeyLimiter::per_minute(config.key_requests_per_minute),
        trusted_proxies: config.trusted_proxies.clone(),
        public_url: config.public_url.clone(),
        is_tls: config.tls.is_some(),
        monitoring_apart: config.monitoring_addr.is_some(),
        ui,
    });
    Ok((app, connected))
}

/// Watches the dates of this server's own certificate, for the log, health and metrics.
fn watch_certificate(
    tls: &ServerTls,
    app: App,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let watch = CertificateWatch::new("server", tls);
    let tell = move |outlook: Outlook| {
        ::metrics::gauge!("notary_server_certificate_seconds_left").set(outlook.seconds_left);
        app.health.set("Certificate current", outlook.problem);
    };
    watch.run(clock::now, tell, shutdown)
}

/// The file of the certificate that the signer is shown, if it is shown one.
fn shown_to_signer(config: &Config) -> Option<PathBuf> {
    match &config.trust_service {
        TrustService::Remote { client, .. } => client.as_ref().map(|(cert, _)| cert.clone()),
        TrustService::Local => None,
    }
}

/// Watches the date of the certificate in `file`, for metrics: `doctor` and the error of a refused
/// connection say the rest.
async fn watch_shown(file: PathBuf, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_AT_FILES);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(end) = doctor::certificate_end(&file) {
            let left = (end - clock::now()).as_seconds_f64();
            ::metrics::gauge!("notary_server_signer_client_certificate_seconds_left").set(left);
        }
    }
}

/// Health and metrics on a listener of their own: few connections, and no TLS.
async fn serve_monitoring(socket: TcpListener, app: App, shutdown: CancellationToken) {
    let limits = Limits {
        connections: MONITORS,
        ..Limits::default()
    };
    let endpoint = Endpoint::monitoring(app);
    let service = tower::service_fn(move |request| endpoint.clone().answer(request));
    listener::serve(socket, None, service, limits, shutdown).await;
}

async fn serve_debug(app: &App, metrics: MetricsHandle, shutdown: CancellationToken) -> Result<()> {
    let app = app.clone();
    let health = debug::Health::new(move || {
        let failing = app.health.failing().into_iter();
        failing
            .map(|(name, reason)| (name.to_owned(), reason))
            .collect()
    });
    debug::start(debug::ADDRESS, health, metrics, shutdown).await?;
    Ok(())
}
