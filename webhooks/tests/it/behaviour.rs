//! What webhooks do, whatever the database behind them. Shared with the tests that have PostgreSQL
//! and MariaDB at hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU16, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use database::{Connected, with_pool};
use fixtures::{Key, Publisher};
use inventory::Follower;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use time::OffsetDateTime;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use trust::{
    Clock,
    store::{self, TrustStore},
};
use tuf::{File, Gun, MetadataFormat, Role};
use webhooks::{
    Dispatcher, Item, Kind, Pace, Receiver, ReceiverSettings, Secret, Tables, Term, sign,
};

/// Makes a test of each behaviour by the macro named, which is given its name.
macro_rules! each_behaviour {
    ($test:ident) => {
        $test!(each_change_of_a_repository_is_told_and_signed_with_both_secrets);
        $test!(events_arrive_in_order_though_the_receiver_fails_half_of_the_time);
        $test!(what_was_deleted_meanwhile_is_told_without_details);
        $test!(a_webhook_begins_at_the_end_of_the_feed_and_goes_on_where_it_stopped);
        $test!(what_fails_for_a_day_is_parked_and_tried_again_on_demand);
        $test!(a_failing_receiver_holds_up_no_other_one);
        $test!(another_server_takes_over_when_the_first_one_dies);
        $test!(only_one_of_two_servers_delivers);
        $test!(what_expires_is_told_once_for_each_window);
        $test!(after_a_restore_only_what_is_newer_is_told);
        $test!(with_many_repositories_failing_the_rest_waits_in_the_feed);
    };
}
pub(crate) use each_behaviour;

const OLD: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) event: Value,
    /// What it answered.
    pub(crate) status: u16,
}

/// A receiver.
pub(crate) struct Listener {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
    _serving: AbortOnDropHandle<()>,
}

impl Listener {
    /// Answers each event with the status that `decide` says.
    pub(crate) async fn start(decide: impl Fn(&Value) -> u16 + Send + Sync + 'static) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let (decide, kept) = (Arc::new(decide), Arc::clone(&received));
        let answer = move |headers: HeaderMap, body: Bytes| {
            let event: Value = serde_json::from_slice(&body).unwrap();
            let status = decide(&event);
            let received = Received {
                headers,
                body,
                event,
                status,
            };
            // Released before others are told: they look at what was received while they are.
            let total = {
                let mut all = kept.lock().unwrap();
                all.push(received);
                all.len()
            };
            sender.send_modify(|count| *count = total.max(*count));
            std::future::ready(axum::http::StatusCode::from_u16(status).unwrap())
        };
        let app = Router::new().fallback_service(post(answer));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let serving = tokio::spawn(async move { axum_serve(socket, app).await });
        Self {
            port,
            received,
            count,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What it has taken, each once, in the order in which it took it first.
    fn taken(&self) -> Vec<Value> {
        let mut ids = BTreeSet::new();
        let received = self.received().into_iter();
        let taken = received.filter(|received| received.status == 200);
        let first = taken.filter(|received| ids.insert(received.event["id"].to_string()));
        first.map(|received| received.event).collect()
    }

    pub(crate) async fn wait_for(&self, requests: usize) {
        let mut count = self.count.clone();
        let waiting = count.wait_for(|count| *count >= requests);
        let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
        waited.expect("in time").unwrap();
    }

    async fn wait_until(&self, is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut count = self.count.clone();
        let waiting = count.wait_for(|_| is_enough(&self.taken()));
        let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
        if let Ok(reached) = waited {
            reached.unwrap();
            return self.taken();
        }
        panic!("not in time: {:?}", self.taken());
    }

    async fn wait_for_taken(&self, count: usize) -> Vec<Value> {
        self.wait_until(|taken| taken.len() >= count).await
    }
}

async fn axum_serve(socket: TcpListener, app: Router) {
    let limits = daemon::Limits::default();
    daemon::listener::serve(socket, None, app, limits, CancellationToken::new()).await;
}

pub(crate) fn settings(name: &str, port: u16) -> ReceiverSettings {
    ReceiverSettings {
        name: name.to_owned(),
        url: format!("http://127.0.0.1:{port}/hook?token=t")
            .parse()
            .unwrap(),
        secrets: [NEW, OLD].map(|text| Secret::parse(text).unwrap()).to_vec(),
        kinds: Kind::CHOICES.to_vec(),
        prefixes: Vec::new(),
        allow_private_addresses: true,
        ca: None,
    }
}

fn pace() -> Pace {
    Pace {
        rest: Duration::from_millis(20),
        after_failure: Duration::from_millis(200),
        beat: Duration::from_millis(100),
        lease: Term {
            length: Duration::from_secs(3),
            reserve: Duration::from_secs(1),
        },
        scan: Duration::from_millis(50),
        renewal: Duration::ZERO,
        patience: Duration::from_hours(24),
    }
}

pub(crate) fn clock() -> OffsetDateTime {
    fixtures::clock()
}

/// A database, and servers on it that share a clock.
struct Stage {
    connected: Connected,
    store: Arc<dyn TrustStore>,
    tables: Arc<dyn Tables>,
    began: Instant,
    /// How many seconds have passed beyond those that did.
    passed: Arc<AtomicI64>,
}

/// A server that delivers.
struct Server {
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Server {
    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }

    /// Ends it as a kill does.
    async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }
}

impl Stage {
    async fn with(connected: Connected) -> Self {
        inventory::migrate(&connected).await.unwrap();
        webhooks::migrate(&connected).await.unwrap();
        assert!(webhooks::plan(&connected).await.unwrap().is_complete());
        Self {
            store: store::on(&connected),
            tables: webhooks::tables(&connected),
            connected,
            began: Instant::now(),
            passed: Arc::default(),
        }
    }

    fn clock(&self) -> Clock {
        let (passed, began) = (Arc::clone(&self.passed), self.began);
        Arc::new(move || {
            let passed = time::Duration::seconds(passed.load(Ordering::SeqCst));
            clock() + passed + began.elapsed()
        })
    }

    fn pass(&self, time: time::Duration) {
        self.passed
            .fetch_add(time.whole_seconds(), Ordering::SeqCst);
    }

    /// A server that delivers to these receivers. It has begun with each of them.
    async fn serve(&self, settings: impl IntoIterator<Item = ReceiverSettings>) -> Server {
        let server = self.wait_beside(settings);
        // What is published from here on is told.
        for name in &server.1 {
            while self.tables.find(name).await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        server.0
    }

    fn wait_beside(
        &self,
        settings: impl IntoIterator<Item = ReceiverSettings>,
    ) -> (Server, Vec<String>) {
        let receivers = settings
            .into_iter()
            .map(|settings| Arc::new(Receiver::new(settings, "https://notary.test").unwrap()));
        let receivers: Vec<_> = receivers.collect();
        let names = receivers.iter().map(|one| one.name().to_owned()).collect();
        let inventory = Some(inventory::tables(&self.connected));
        let tables = webhooks::tables(&self.connected);
        // With a store of its own, as another process has.
        let store = store::on(&self.connected);
        let dispatcher = Dispatcher::new(store, tables, inventory, self.clock()).at_pace(pace());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(dispatcher.run(receivers, shutdown.clone()));
        (Server { shutdown, running }, names)
    }

    async fn publish(&self, publisher: &mut Publisher, parts: Vec<fixtures::Part>) {
        let gun = Gun::parse(publisher.gun()).unwrap();
        let base = self.store.head(&gun).await.unwrap();
        let parts = parts.into_iter().chain(publisher.as_server());
        let files: Vec<File> = parts.map(|(role, bytes)| file(&role, bytes)).collect();
        let now = (self.clock())();
        let stored = self.store.publish(&gun, base.as_ref(), &files, now);
        stored.await.unwrap();
    }

    async fn first(&self, gun: &str) -> Publisher {
        let mut publisher = Publisher::new(gun);
        publisher.add_target("targets", "1.0", b"one");
        let parts = publisher.first_publish();
        self.publish(&mut publisher, parts).await;
        publisher
    }

    async fn tag(&self, publisher: &mut Publisher, name: &str, content: &[u8]) {
        publisher.add_target("targets", name, content);
        let parts = publisher.next(&["targets"]);
        self.publish(publisher, parts).await;
    }

    async fn delete(&self, gun: &str) {
        let now = (self.clock())();
        let gun = Gun::parse(gun).unwrap();
        assert!(self.store.delete(&gun, now).await.unwrap());
    }

    async fn delays(&self, name: &str) -> Vec<webhooks::Delay> {
        let start = (String::new(), String::new());
        self.tables.delays(name, &start, 5_000).await.unwrap()
    }

    async fn wait_for_delays(&self, name: &str, is_so: impl Fn(&[webhooks::Delay]) -> bool) {
        for _ in 0..600 {
            if is_so(&self.delays(name).await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not in time: {:#?}", self.delays(name).await);
    }

    async fn run(&self, statement: String) {
        let statement = AssertSqlSafe(statement);
        with_pool!(&self.connected, pool => {
            sqlx::query(statement).execute(pool).await.map(drop)
        })
        .unwrap();
    }
}

fn file(role: &str, bytes: Vec<u8>) -> File {
    let role = Role::parse(role).unwrap();
    File::parse(MetadataFormat::NOTARY, role, bytes.into()).unwrap()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types
        .map(|kind| kind.strip_prefix("countersign.").unwrap())
        .collect()
}

/// The versions that were told of each repository, in order.
fn versions(events: &[Value]) -> BTreeMap<String, Vec<i64>> {
    let mut versions = BTreeMap::<String, Vec<i64>>::new();
    for event in events {
        let gun = event["subject"].as_str().unwrap().to_owned();
        let version = event["data"]["version"].as_i64().unwrap();
        versions.entry(gun).or_default().push(version);
    }
    versions
}

pub(crate) async fn each_change_of_a_repository_is_told_and_signed_with_both_secrets(
    connected: Connected,
) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 200).await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let mut publisher = stage.first("ex.com/app").await;
    stage.tag(&mut publisher, "1.0", b"other").await;
    // A renewal changes nothing that a publisher signs.
    stage.publish(&mut publisher, Vec::new()).await;
    publisher.delegate("targets", "releases", &[Key::throw_away_ecdsa()], &[""], 1);
    let parts = publisher.next(&["targets", "targets/releases"]);
    stage.publish(&mut publisher, parts).await;
    publisher.rotate("targets");
    let parts = publisher.next(&["root", "targets"]);
    stage.publish(&mut publisher, parts).await;
    listener.wait_for_taken(6).await;
    stage.delete("ex.com/app").await;
    let events = listener.wait_for_taken(7).await;
    server.stop().await;

    let expected = [
        "published",
        "published",
        "published",
        "signers_changed",
        "published",
        "key_rotated",
        "deleted",
    ];
    assert_eq!(types(&events), expected);
    let tags = |at: usize| &events[at]["data"]["tags"];
    assert_eq!(events[0]["data"]["first"], true);
    assert_eq!(tags(0)["added"][0]["name"], "1.0");
    assert_eq!(events[1]["data"]["first"], false);
    assert_eq!(tags(1)["added_count"], 0);
    let moved = &tags(1)["moved"][0];
    assert_eq!(moved["role"], "targets");
    assert_eq!(moved["from"], tags(0)["added"][0]["digest"]);
    assert_ne!(moved["from"], moved["to"]);
    let added = &events[3]["data"]["added"];
    assert_eq!(added[0]["role"], "targets/releases");
    let rotated = &events[5]["data"];
    assert_eq!(rotated["added"][0]["role"], "targets");
    assert_eq!(rotated["removed"][0]["role"], "targets");
    for event in &events {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "https://notary.test");
        assert_eq!(event["subject"], "ex.com/app");
        let time = event["time"].as_str().unwrap();
        assert!(time.starts_with("2026-11-22T12:0"), "{time}");
    }
    for Received {
        headers,
        body,
        event,
        ..
    } in listener.received()
    {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(event["id"], header("webhook-id"));
        assert_eq!(header("content-type"), webhooks::MEDIA_TYPE);
        let at: i64 = header("webhook-timestamp").parse().unwrap();
        assert!((0..300).contains(&(at - clock().unix_timestamp())));
        let signatures = header("webhook-signature");
        let signatures: Vec<_> = signatures.split(' ').collect();
        for secret in [NEW, OLD] {
            let secret = Secret::parse(secret).unwrap();
            let signature = sign(&[secret], &header("webhook-id"), at, &body);
            assert!(signatures.contains(&signature.as_str()));
        }
        assert_eq!(signatures.len(), 2);
    }
}

pub(crate) async fn events_arrive_in_order_though_the_receiver_fails_half_of_the_time(
    connected: Connected,
) {
    let stage = Stage::with(connected).await;
    let requests = AtomicUsize::new(0);
    let decide = move |_: &Value| match requests.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => 503,
        _ => 200,
    };
    let listener = Listener::start(decide).await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let guns: Vec<String> = (0..4).map(|number| format!("ex.com/{number}")).collect();
    let mut publishers = Vec::new();
    for gun in &guns {
        publishers.push(stage.first(gun).await);
    }
    for round in 0..5_u8 {
        for publisher in &mut publishers {
            stage.tag(publisher, "1.0", &[round]).await;
        }
    }
    let events = listener.wait_for_taken(4 * 6).await;
    server.stop().await;
    for (gun, versions) in versions(&events) {
        assert_eq!(versions, (1..=6).collect::<Vec<_>>(), "{gun}");
    }
    assert_eq!(events.len(), 4 * 6);
    assert_eq!(stage.delays("r").await, []);
}

pub(crate) async fn what_was_deleted_meanwhile_is_told_without_details(connected: Connected) {
    let stage = Stage::with(connected).await;
    let status = Arc::new(AtomicU16::new(500));
    let answer = Arc::clone(&status);
    let listener = Listener::start(move |_| answer.load(Ordering::SeqCst)).await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let mut publisher = stage.first("ex.com/app").await;
    listener.wait_for(1).await;
    stage.tag(&mut publisher, "2.0", b"two").await;
    stage.delete("ex.com/app").await;
    stage.first("ex.com/app").await;
    status.store(200, Ordering::SeqCst);
    let events = listener
        .wait_until(|taken| types(taken).last() == Some(&"published") && taken.len() >= 4)
        .await;
    server.stop().await;
    assert_eq!(
        types(&events),
        ["published", "published", "deleted", "published"]
    );
    for lost in &events[..2] {
        assert_eq!(lost["data"]["complete"], false, "{lost}");
        assert_eq!(lost["data"].get("tags"), None);
    }
    assert_eq!(events[3]["data"]["complete"], true);
    assert_eq!(events[3]["data"]["first"], true);
}

pub(crate) async fn a_webhook_begins_at_the_end_of_the_feed_and_goes_on_where_it_stopped(
    connected: Connected,
) {
    let stage = Stage::with(connected).await;
    let mut publisher = stage.first("ex.com/before").await;
    let listener = Listener::start(|_| 200).await;
    let receiver = || {
        let mut settings = settings("r", listener.port);
        settings.kinds = vec![Kind::Published];
        settings.prefixes = vec!["ex.com/".to_owned()];
        settings
    };
    let server = stage.serve([receiver()]).await;
    stage.tag(&mut publisher, "2.0", b"two").await;
    listener.wait_for_taken(1).await;
    server.stop().await;
    stage.tag(&mut publisher, "3.0", b"three").await;
    stage.first("other.com/app").await;
    stage.delete("other.com/app").await;
    let server = stage.serve([receiver()]).await;
    listener.wait_for_taken(2).await;
    stage.tag(&mut publisher, "4.0", b"four").await;
    let events = listener.wait_for_taken(3).await;
    server.stop().await;
    let versions = versions(&events);
    assert_eq!(
        versions,
        BTreeMap::from([("ex.com/before".to_owned(), vec![2, 3, 4])])
    );
    assert_eq!(listener.received().len(), 3, "nothing was told twice");
}

pub(crate) async fn what_fails_for_a_day_is_parked_and_tried_again_on_demand(connected: Connected) {
    let stage = Stage::with(connected).await;
    let status = Arc::new(AtomicU16::new(410));
    let answer = Arc::clone(&status);
    let listener = Listener::start(move |event| match event["subject"].as_str() {
        Some("ex.com/bad") => answer.load(Ordering::SeqCst),
        _ => 200,
    });
    let listener = listener.await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let mut bad = stage.first("ex.com/bad").await;
    stage
        .wait_for_delays("r", |delays| delays.iter().any(|delay| delay.tries > 1))
        .await;
    stage.pass(time::Duration::days(1));
    stage
        .wait_for_delays("r", |delays| delays.iter().any(|delay| delay.is_parked))
        .await;
    let attempts = listener.received().len();
    status.store(200, Ordering::SeqCst);
    stage.tag(&mut bad, "2.0", b"two").await;
    // Others are told, and what is parked is not tried.
    stage.pass(time::Duration::days(30));
    stage.first("ex.com/good").await;
    let events = listener.wait_for_taken(1).await;
    assert_eq!(events[0]["subject"], "ex.com/good");
    assert_eq!(listener.received().len(), attempts + 1);
    let delays = stage.delays("r").await;
    assert_eq!(delays.len(), 1);
    assert!(delays[0].error.contains("410 Gone"), "{delays:?}");
    assert!(matches!(delays[0].item, Item::Lines { part: 0, .. }));

    assert!(stage.tables.wake("r").await.unwrap());
    assert!(!stage.tables.wake("unknown").await.unwrap());
    let events = listener.wait_for_taken(3).await;
    assert_eq!(versions(&events)["ex.com/bad"], [1, 2]);
    stage.wait_for_delays("r", <[_]>::is_empty).await;
    server.stop().await;
}

pub(crate) async fn a_failing_receiver_holds_up_no_other_one(connected: Connected) {
    let stage = Stage::with(connected).await;
    let (good, bad) = (
        Listener::start(|_| 200).await,
        Listener::start(|_| 500).await,
    );
    let server = stage
        .serve([settings("bad", bad.port), settings("good", good.port)])
        .await;
    for number in 0..5 {
        stage.first(&format!("ex.com/{number}")).await;
    }
    good.wait_for_taken(5).await;
    bad.wait_for(5).await;
    server.stop().await;
    assert!(bad.taken().is_empty());
    // Stored before the end: the next server goes on with it.
    assert_eq!(stage.delays("bad").await.len(), 5);
}

pub(crate) async fn another_server_takes_over_when_the_first_one_dies(connected: Connected) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 200).await;
    let first = stage.serve([settings("r", listener.port)]).await;
    let mut publisher = stage.first("ex.com/app").await;
    listener.wait_for_taken(1).await;
    first.kill().await;
    let (second, _) = stage.wait_beside([settings("r", listener.port)]);
    stage.tag(&mut publisher, "2.0", b"two").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(listener.taken().len(), 1, "the lease lasts");
    let events = listener.wait_for_taken(2).await;
    second.stop().await;
    assert_eq!(versions(&events)["ex.com/app"], [1, 2]);
    let row = stage.tables.find("r").await.unwrap().unwrap();
    assert_eq!(row.fence, 2);
    assert!(row.holder.is_empty(), "it gave the lease back");
    // Who had the lease before writes nothing any more.
    let progress = webhooks::Progress::default();
    assert!(!stage.tables.save("r", 1, &progress).await.unwrap());
    assert!(!stage.tables.beat("r", 1).await.unwrap());
    let unchanged = stage.tables.find("r").await.unwrap().unwrap();
    assert_eq!(unchanged, row);
}

pub(crate) async fn only_one_of_two_servers_delivers(connected: Connected) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 200).await;
    let first = stage.serve([settings("r", listener.port)]).await;
    let second = stage.serve([settings("r", listener.port)]).await;
    let mut publisher = stage.first("ex.com/app").await;
    for number in 0..20_u8 {
        stage.tag(&mut publisher, "1.0", &[number]).await;
    }
    listener.wait_for_taken(21).await;
    // At a stop, the other one goes on at once.
    first.stop().await;
    stage.tag(&mut publisher, "2.0", b"two").await;
    let events = listener.wait_for_taken(22).await;
    second.stop().await;
    assert_eq!(
        versions(&events)["ex.com/app"],
        (1..=22).collect::<Vec<_>>()
    );
    assert_eq!(listener.received().len(), 22, "nothing was told twice");
}

pub(crate) async fn what_expires_is_told_once_for_each_window(connected: Connected) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 200).await;
    let receiver = || {
        let mut settings = settings("r", listener.port);
        settings.kinds = vec![Kind::ExpiryDue, Kind::RenewalFailing];
        settings
    };
    let mut publisher = Publisher::new("ex.com/app");
    let expires = clock() + time::Duration::days(3 * 365);
    publisher.expire("targets", expires);
    for role in ["snapshot", "timestamp"] {
        publisher.expire(role, clock() + time::Duration::days(14));
    }
    let parts = publisher.first_publish();
    stage.publish(&mut publisher, parts).await;
    let follower = {
        let (store, tables) = (
            Arc::clone(&stage.store),
            inventory::tables(&stage.connected),
        );
        let clock = stage.clock();
        Follower::new(store, tables, move || clock())
    };
    let follow = async || {
        follower.catch_up(&mut |_| {}).await.unwrap();
        // Looks, and stores that it looked.
        let tables = inventory::tables(&stage.connected);
        let mut position = tables.position().await.unwrap().unwrap();
        position.reached_at = (stage.clock())().unix_timestamp();
        tables.set_position(Some(&position)).await.unwrap();
    };
    follow().await;
    let server = stage.serve([receiver()]).await;
    // The first scan has ended.
    let scans = async || stage.tables.find("r").await.unwrap().unwrap().scans;
    while scans().await.publishers == 0 || scans().await.server == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.pass(time::Duration::days(3 * 365 - 29));
    follow().await;
    let due = |taken: &[Value]| {
        let due = taken
            .iter()
            .filter(|event| event["data"]["role"] == "targets");
        due.map(|event| event["data"]["days"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    let events = listener.wait_until(|taken| due(taken) == [30]).await;
    let told = |role: &str| events.iter().find(|event| event["data"]["role"] == role);
    let targets = told("targets").unwrap();
    let now = (stage.clock())().unix_timestamp();
    while scans().await.server < now - 60 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(targets["type"], "countersign.expiry_due");
    assert_eq!(targets["subject"], "ex.com/app");
    assert_eq!(targets["data"]["expires"], "2029-11-21T12:00:00Z");
    assert_eq!(targets["data"]["version"], 1);
    server.stop().await;
    // After a restart nothing is told again, and each window once.
    let server = stage.serve([receiver()]).await;
    for days in [7, 1] {
        stage.passed.store(0, Ordering::SeqCst);
        stage.pass(time::Duration::days(3 * 365 - days));
        follow().await;
        listener
            .wait_until(|taken| due(taken).last() == Some(&days))
            .await;
    }
    let now = (stage.clock())().unix_timestamp();
    while scans().await.server < now - 60 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
    let events = listener.taken();
    assert_eq!(due(&events), [30, 7, 1]);
    let requests = listener.received().len();
    assert_eq!(requests, events.len(), "nothing was told twice");
    let failing = events
        .iter()
        .filter(|event| event["type"] == "countersign.renewal_failing");
    let failing: BTreeSet<_> = failing
        .map(|event| event["data"]["role"].as_str())
        .collect();
    assert_eq!(
        failing,
        BTreeSet::from([Some("snapshot"), Some("timestamp")])
    );
}

pub(crate) async fn after_a_restore_only_what_is_newer_is_told(connected: Connected) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 200).await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let mut publisher = stage.first("ex.com/app").await;
    stage.tag(&mut publisher, "2.0", b"two").await;
    listener.wait_for_taken(2).await;
    server.stop().await;
    // As a backup of after the first publish has it.
    stage
        .run("DELETE FROM changefeed WHERE version = 2".to_owned())
        .await;
    stage.pass(time::Duration::minutes(5));
    stage.first("ex.com/new").await;
    let server = stage.serve([settings("r", listener.port)]).await;
    let events = listener.wait_for_taken(3).await;
    server.stop().await;
    assert_eq!(events[2]["subject"], "ex.com/new");
    assert_eq!(events.len(), 3);
}

pub(crate) async fn with_many_repositories_failing_the_rest_waits_in_the_feed(
    connected: Connected,
) {
    let stage = Stage::with(connected).await;
    let listener = Listener::start(|_| 500).await;
    let server = stage.serve([settings("r", listener.port)]).await;
    server.stop().await;
    let delay = |number: i64| webhooks::Delay {
        gun: format!("ex.com/{number}"),
        item: Item::Lines { line: 1, part: 0 },
        happened: 1,
        tries: 1,
        failing: 1,
        due: i64::MAX,
        is_parked: true,
        error: "no".to_owned(),
    };
    let row = stage.tables.find("r").await.unwrap().unwrap();
    let progress = webhooks::Progress {
        position: row.position,
        delays: (0..1_000).map(delay).collect(),
        ..webhooks::Progress::default()
    };
    assert!(stage.tables.save("r", row.fence, &progress).await.unwrap());
    let server = stage.serve([settings("r", listener.port)]).await;
    stage.first("ex.com/more").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.stop().await;
    let row = stage.tables.find("r").await.unwrap().unwrap();
    assert_eq!(row.position, progress.position);
    assert_eq!(stage.delays("r").await.len(), 1_000);
    assert!(listener.received().is_empty());
}
