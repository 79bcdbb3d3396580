//! Wiring: from arguments and configuration to a running server, and nothing else.

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use archive::Transfer;
use daemon::{
    ClientTls, Command, Flags, Level, Limits, LogControl, Program, ServerTls, Settings, clock,
    debug, listener, logging, metrics, signals,
};
use database::{Backend, with_pool};
use tokio_util::sync::CancellationToken;

use crate::{
    App, Parts, Turns, UploadLimits, backup,
    cache::MetadataCache,
    config::{self, Config, Storage, TrustService},
    doctor,
    health::{self, Health},
    http, renewal,
    signer::{DEADLINE, LocalSigner, RemoteSigner, RemoteSignerConfig, Signer},
    store::{self, SqlStore},
};

/// Buckets for latencies, in seconds: from a remembered read to a slow signer.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

fn program() -> Program {
    Program::new(
        "notary-server",
        "Stores and serves signed trust data for repositories",
        [doctor::command()]
            .into_iter()
            .chain(backup::commands())
            .collect(),
    )
}

/// What the process was told by its environment.
type Environment = Vec<(OsString, OsString)>;

/// Runs the program with its command line, `arguments[0]` being its name, in `environment`, inside a
/// runtime of the caller, until its command is done or a signal ends it.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let program = program();
    let flags = Flags::parse(&program, arguments);
    let log = logging::init(flags.log_format, Level::default());
    let environment = environment.into_iter().collect();
    if let Command::Other { name, arguments } = &flags.command
        && name == doctor::NAME
    {
        return doctor::run(flags.config.as_deref(), environment, arguments).await;
    }
    match execute(&program, &flags, log, environment).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn execute(
    program: &Program,
    flags: &Flags,
    log: LogControl,
    environment: Environment,
) -> Result<()> {
    if let Some(verification) = backup::Verification::of(&flags.command) {
        return verification.run().await;
    }
    let file = flags
        .config
        .as_deref()
        .context("no configuration: name a file with -config PATH")?;
    let settings = config::load(file, environment)?;
    if flags.command == Command::ConfigCheck {
        return check_config(&settings);
    }
    let config = Config::read(&settings)?;
    log.set(config.level);
    tracing::info!(target: "startup", "{}", program.version_line());
    for warning in &config.warnings {
        tracing::warn!(target: "startup", "{warning}");
    }
    if flags.bootstrap {
        bail!("store does not support bootstrapping: use `notary-server migrate`");
    }
    if let Some(task) = backup::Task::of(&flags.command) {
        return task.run(&*transfer(&config.storage).await?).await;
    }
    match flags.command {
        Command::Migrate { plan } => migrate(&config.storage, plan).await,
        _ => serve(&config, flags.debug, log).await,
    }
}

/// Prints what is in force, then whether it makes sense.
fn check_config(settings: &Settings) -> Result<()> {
    println!("{}", settings.effective().trim_end());
    let config = Config::read(settings)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(tls) = &config.tls {
        ServerTls::load(&tls.cert, &tls.key, tls.client_ca.as_deref())?;
    }
    client_tls(&config.trust_service)?;
    eprintln!("the configuration is in order");
    Ok(())
}

/// Brings the database up to date, or only says what that would mean.
async fn migrate(storage: &Storage, only_plan: bool) -> Result<()> {
    let connected = store::connect(storage).await?;
    if only_plan {
        let survey = store::plan(&connected).await?;
        print!("{survey}");
        return if survey.odd.is_empty() {
            Ok(())
        } else {
            bail!("this database is not one that can be taken over")
        };
    }
    let survey = store::migrate(&connected).await?;
    for found in &survey.found {
        println!("found: {found}");
    }
    for step in &survey.steps {
        println!("done: {}", step.what);
    }
    println!("the database {} is up to date", storage.url);
    Ok(())
}

/// The database as something to copy from or into, with the tables of this version.
async fn transfer(storage: &Storage) -> Result<Arc<dyn Transfer>> {
    if storage.url.backend() == Backend::Memory {
        bail!(
            "storage.backend is memory: nothing in it lasts, so there is nothing to back up or to restore"
        );
    }
    let connected = store::open_pool(storage).await?;
    Ok(with_pool!(connected, pool => Arc::new(SqlStore::new(pool))))
}

fn client_tls(trust_service: &TrustService) -> Result<Option<ClientTls>> {
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
        Ok(Arc::new(RemoteSigner::new(RemoteSignerConfig {
            hostname: hostname.clone(),
            port: *port,
            key_algorithm: key_algorithm.clone(),
            tls,
            deadline: DEADLINE,
        })?))
    } else {
        tracing::warn!(target: "startup", "trust_service.type is \"local\": the keys of timestamps and snapshots are in memory and lost when this process ends");
        Ok(Arc::new(LocalSigner::default()))
    }
}

async fn serve(config: &Config, debug: bool, log: LogControl) -> Result<()> {
    let metrics = metrics::install_recorder(&[
        ("notary_server_http_request_duration_seconds", SECONDS),
        ("notary_server_signer_request_duration_seconds", SECONDS),
    ]);
    let signer = signer(&config.trust_service)?;
    let store = store::open(&config.storage).await?;
    let tls = match &config.tls {
        Some(files) => Some(ServerTls::load(
            &files.cert,
            &files.key,
            files.client_ca.as_deref(),
        )?),
        None => None,
    };
    let socket = listener::bind(&config.http_addr).await?;
    let shutdown = signals::install(log, tls.iter().cloned().collect());
    let app = App::new(Parts {
        store,
        signer,
        cache: MetadataCache::new(config.cache_bytes, config.caching.memory_lifetime()),
        caching: config.caching,
        gun_prefixes: config.gun_prefixes.clone(),
        limits: UploadLimits::new(config.upload_bytes),
        turns: Turns::default(),
        health: Health::default(),
        metrics: metrics.clone(),
        clock: Box::new(clock::now),
    });
    if debug {
        serve_debug(&app, metrics, shutdown.clone()).await?;
    }
    let background = [
        tokio::spawn(health::run(app.clone(), shutdown.clone())),
        tokio::spawn(renewal::run(app.clone(), shutdown.clone())),
    ];
    tracing::info!(
        address = config.http_addr,
        tls = tls.is_some(),
        "Starting Server"
    );
    let limits = Limits {
        connections: config.connections,
        ..Limits::default()
    };
    let service = tower::service_fn(move |request| http::answer(app.clone(), request));
    listener::serve(socket, tls, service, limits, shutdown).await;
    for task in background {
        task.await.context("a background task panicked")?;
    }
    tracing::info!("stopped");
    Ok(())
}

async fn serve_debug(
    app: &App,
    metrics: daemon::MetricsHandle,
    shutdown: CancellationToken,
) -> Result<()> {
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
