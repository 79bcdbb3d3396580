//! A database that vanishes without a word, and one that comes back: no request waits long.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use database::{Backend, DatabaseUrl, Fault, PoolLimits, fault};
use harness::Fresh;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use trust::store::{self, Storage, StoreError, TrustStore};
use tuf::{File, Gun, MetadataFormat, Role};

use crate::{
    behaviour::publish,
    recorded::{app, get},
    support::{Server, on_both},
};

on_both!(
    an_idle_server_is_over_a_vanished_database_in_seconds,
    a_request_does_not_wait_for_a_database_that_vanished_under_it,
    a_lost_database_is_told_of_at_once,
);

/// A network that can stop delivering, without a FIN or RST.
struct Network {
    address: SocketAddr,
    is_down: Arc<AtomicBool>,
}

impl Network {
    async fn before(database: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_down = Arc::new(AtomicBool::new(false));
        let down = Arc::clone(&is_down);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, database, Arc::clone(&down)));
            }
        });
        Ok(Self { address, is_down })
    }

    /// From now on nothing arrives.
    async fn vanish(&self) {
        self.is_down.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// New connections work again; what the old ones carried stays lost.
    fn come_back(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }
}

/// Carries one connection until the network is down; then the client hears nothing, for ever. The
/// database, whose machine comes back without a memory of it, is rid of it.
async fn carry(mut client: TcpStream, database: SocketAddr, is_down: Arc<AtomicBool>) {
    let down = async {
        while !is_down.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if !is_down.load(Ordering::SeqCst)
        && let Ok(mut server) = TcpStream::connect(database).await
    {
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            () = down => {}
        }
        drop(server);
    }
    std::future::pending::<()>().await;
    drop(client);
}

fn address(server: &Server) -> SocketAddr {
    match server {
        Server::Postgres(server) => server.address(),
        Server::MariaDb(server) => server.address(),
    }
}

fn files(version: i64) -> Vec<File> {
    [Role::Root, Role::Timestamp]
        .map(|role| {
            let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
            File::parse(MetadataFormat::NOTARY, role, bytes.into()).expect("a file")
        })
        .into()
}

async fn store(fresh: &Fresh, server: &Server, at: SocketAddr) -> Result<Arc<dyn TrustStore>> {
    let backend = Backend::from_name(fresh.backend).expect("the harness names it as Notary does");
    let url = fresh
        .url
        .replace(&address(server).to_string(), &at.to_string());
    let storage = Storage {
        url: DatabaseUrl::parse(backend, &url)?,
        limits: PoolLimits::default(),
    };
    Ok(store::open(&storage, database::OpenMode::MayCreate).await?)
}

/// Makes the store open eight connections, and leaves all of them idle.
async fn open_many(store: &Arc<dyn TrustStore>, gun: &Gun) -> Result<()> {
    let mut reads = JoinSet::new();
    for _ in 0..64 {
        let (store, gun) = (Arc::clone(store), gun.clone());
        reads.spawn(async move { store.head(&gun).await.map(drop) });
    }
    for read in reads.join_all().await {
        read?;
    }
    ensure!(store.pool().open > 4, "only {:?}", store.pool());
    Ok(())
}

fn is_away(outcome: Result<(), StoreError>) -> Result<()> {
    match outcome {
        Err(StoreError::Database(error)) if fault(&error) == Fault::Away => Ok(()),
        other => anyhow::bail!("it should be away: {other:?}"),
    }
}

async fn an_idle_server_is_over_a_vanished_database_in_seconds(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let network = Network::before(address(&server)).await?;
    let store = store(&fresh, &server, network.address).await?;
    let gun = Gun::parse("ex.com/a")?;
    publish(&*store, &gun, &files(1), fixtures::clock()).await?;
    open_many(&store, &gun).await?;

    network.vanish().await;
    let start = Instant::now();
    is_away(store.head(&gun).await.map(drop))?;
    ensure!(
        start.elapsed() < Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
    // Who comes later does not wait for connections that are known to be dead.
    let start = Instant::now();
    let mut reads = JoinSet::new();
    for _ in 0..40 {
        let (store, gun) = (Arc::clone(&store), gun.clone());
        reads.spawn(async move { store.head(&gun).await.map(drop) });
    }
    for read in reads.join_all().await {
        is_away(read)?;
    }
    ensure!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );

    network.come_back();
    let start = Instant::now();
    while store.head(&gun).await.is_err() {
        ensure!(start.elapsed() < Duration::from_secs(3), "it stays away");
    }
    publish(&*store, &gun, &files(2), fixtures::clock()).await?;
    Ok(())
}

async fn a_request_does_not_wait_for_a_database_that_vanished_under_it(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    let network = Network::before(address(&server)).await?;
    let store = store(&fresh, &server, network.address).await?;
    let gun = Gun::parse("ex.com/a")?;
    publish(&*store, &gun, &files(1), fixtures::clock()).await?;
    // A writer that others wait for, so that the publish is under way when the network goes.
    let lock = server.pick(
        "BEGIN; SELECT pg_advisory_xact_lock(7165362116443993600); SELECT pg_sleep(7)",
        "BEGIN; SELECT id FROM tuf_files FOR UPDATE; SELECT SLEEP(7)",
    );
    let published = {
        let (store, gun) = (Arc::clone(&store), gun.clone());
        async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            publish(&*store, &gun, &files(2), fixtures::clock()).await
        }
    };
    let published = tokio::spawn(published);
    let vanishing = async {
        tokio::time::sleep(Duration::from_millis(3500)).await;
        network.vanish().await;
    };
    let holder = tokio::task::spawn_blocking({
        let (fresh, lock) = (fresh.clone(), lock.to_owned());
        move || server.rule(&fresh, &lock).map(|_| server)
    });
    vanishing.await;
    let start = Instant::now();
    is_away(published.await?)?;
    ensure!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    network.come_back();
    let _server = holder.await??;
    publish(&*store, &gun, &files(2), fixtures::clock()).await?;
    Ok(())
}

async fn a_lost_database_is_told_of_at_once(mut server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let store = store(&fresh, &server, address(&server)).await?;
    let app = app(Arc::clone(&store));
    let gun = Gun::parse("ex.com/a")?;
    publish(&*store, &gun, &files(1), fixtures::clock()).await?;
    let health = tokio_util::sync::CancellationToken::new();
    tokio::spawn(server::health::run(
        app.repositories.clone(),
        app.health.clone(),
        health.clone(),
    ));

    server.stop(true)?;
    let start = Instant::now();
    let (status, headers, _) = get(&app, "/v2/ex.com/a/_trust/tuf/timestamp.json").await?;
    ensure!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(status, http::StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["retry-after"], "1");
    let (status, _, body) = eventually_health(&app, 503).await?;
    assert_eq!(status, http::StatusCode::SERVICE_UNAVAILABLE);
    ensure!(String::from_utf8_lossy(&body).contains("DB operational"));
    let sentence = store.condition().borrow().failing.clone();
    let sentence = sentence.unwrap_or_default();
    ensure!(
        sentence.contains("does not answer") && sentence.contains("start the database"),
        "{sentence}"
    );

    server.resume()?;
    publish(&*store, &gun, &files(2), fixtures::clock()).await?;
    eventually_health(&app, 200).await?;
    health.cancel();
    Ok(())
}

/// The answer of health as soon as it has this status, which takes no longer than a moment.
async fn eventually_health(
    app: &server::App,
    wanted: u16,
) -> Result<(http::StatusCode, http::HeaderMap, Vec<u8>)> {
    let start = Instant::now();
    loop {
        let answer = get(app, "/_notary_server/health").await?;
        if answer.0.as_u16() == wanted || start.elapsed() > Duration::from_secs(2) {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
