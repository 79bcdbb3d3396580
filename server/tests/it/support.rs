//! A server in this process, and how to talk to it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use audit_trail::Audit;
use authn::Authenticator;
use axum::body::Body;
use database::Connected;
use fixtures::Publisher;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use insight::Overview;
use inventory::Follower;
use serde_json::Value;
use server::{
    App, KeyLimiter, Parts, UploadLimits,
    config::MaxAge,
    http::{Audited, Endpoint, Route, Ui},
};
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use trust::{
    Repositories,
    cache::MetadataCache,
    memory::MemoryLimits,
    signer::{LocalSigner, Origin, REQUEST_ID, Signer, SignerError},
    store::{MIGRATIONS, SqlStore, TrustStore},
};
use tuf::{File, Gun, KeyId, MetadataFormat, PublicKey, Role};

/// Codes that every route can answer with, beside those of its row.
const COMMON_CODES: [&str; 3] = ["UNAUTHORIZED", "TOOMANYREQUESTS", "UNKNOWN"];

/// A metadata file: the role it is sent for, and its bytes.
pub(crate) type Part = (String, Vec<u8>);

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// An error of a route has a code that its row in the table of routes lists.
    fn expect_documented(&self, route: &Route) {
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else {
            return;
        };
        let (Some(doc), Some(code)) = (route.doc(), body["errors"][0]["code"].as_str()) else {
            return;
        };
        assert!(
            doc.codes.contains(&code) || COMMON_CODES.contains(&code),
            "{} {} answers {code}, which its row does not list",
            doc.method,
            doc.path
        );
    }

    /// The code of the one error, and the name in its detail if there is one.
    pub(crate) fn error(&self) -> (String, String) {
        let error = &self.json()["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["code"]), text(&error["detail"]["Name"]))
    }

    /// The text in the detail of a refused update.
    pub(crate) fn refusal(&self) -> String {
        let detail = &self.json()["errors"][0]["detail"]["Error"]["Msg"];
        detail.as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self
    }
}

/// A signer that can be told to be away, or to have lost its keys, and counts what it is asked.
#[derive(Default)]
pub(crate) struct MoodySigner {
    keys: LocalSigner,
    pub(crate) is_away: AtomicBool,
    pub(crate) is_forgetful: AtomicBool,
    pub(crate) signatures: AtomicUsize,
    pub(crate) lookups: AtomicUsize,
    pub(crate) origins: AtomicUsize,
    pub(crate) creations: AtomicUsize,
    /// Set to make no more keys.
    pub(crate) is_full: AtomicBool,
    /// The ids of the requests that keys were made for.
    pub(crate) request_ids: Mutex<Vec<String>>,
    /// Set to hold the next signature, or a key that was made, back until [`MoodySigner::release`].
    pub(crate) holds_next: AtomicBool,
    held: Notify,
    released: Notify,
}

impl MoodySigner {
    async fn hold_back(&self) {
        if self.holds_next.swap(false, Ordering::SeqCst) {
            self.held.notify_one();
            self.released.notified().await;
        }
    }

    /// Waits until a signature or a key is held back.
    pub(crate) async fn until_held(&self) {
        self.held.notified().await;
    }

    /// Lets the signature that is held back go.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    fn mood(&self) -> Result<(), SignerError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SignerError::Unavailable("it is away".into()));
        }
        if self.is_forgetful.load(Ordering::SeqCst) {
            return Err(SignerError::KeyNotFound("forgotten".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Signer for MoodySigner {
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError> {
        self.creations.fetch_add(1, Ordering::SeqCst);
        let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        self.request_ids
            .lock()
            .unwrap()
            .push(request_id.to_string());
        if self.is_full.load(Ordering::SeqCst) {
            return Err(SignerError::Full("10 keys wait".into()));
        }
        if self.is_away.load(Ordering::SeqCst) {
            self.mood()?;
        }
        let key = self.keys.create_key(gun, role).await;
        self.hold_back().await;
        key
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.mood()?;
        self.keys.public_key(id).await
    }

    async fn origins(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        self.origins.fetch_add(1, Ordering::SeqCst);
        match self.mood() {
            Err(SignerError::KeyNotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(()) => self.keys.origins(ids).await,
        }
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.signatures.fetch_add(1, Ordering::SeqCst);
        self.hold_back().await;
        self.mood()?;
        self.keys.sign(key, message).await
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.mood()
    }
}

/// What a test may set before the server starts.
pub(crate) struct Settings {
    pub(crate) caching: MaxAge,
    pub(crate) gun_prefixes: Vec<String>,
    pub(crate) upload_bytes: u64,
    pub(crate) slow_start: std::time::Duration,
    pub(crate) limits: tuf::Limits,
    pub(crate) cache_bytes: u64,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) keys_per_minute: u32,
    pub(crate) monitoring_apart: bool,
    pub(crate) ui: Option<Ui>,
    pub(crate) audit: Audit,
    pub(crate) trusted_proxies: Vec<ipnet::IpNet>,
    pub(crate) has_v1: bool,
    /// In the place of the inventory in the server's own database.
    pub(crate) overview: Option<Overview>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            caching: MaxAge::default(),
            gun_prefixes: Vec::new(),
            upload_bytes: 1 << 20,
            slow_start: std::time::Duration::from_secs(10),
            limits: tuf::Limits::default(),
            cache_bytes: 1 << 20,
            authenticator: Arc::new(Authenticator::open()),
            keys_per_minute: 0,
            monitoring_apart: false,
            ui: Some(Ui::default()),
            audit: Audit::to_log(),
            trusted_proxies: Vec::new(),
            has_v1: true,
            overview: None,
        }
    }
}

/// The store of a test: `SQLite` in memory.
pub(crate) async fn memory_pool() -> database::Pool<sqlx::Sqlite> {
    let pool = database::connect_sqlite("memory").await.unwrap();
    database::migrate(&pool, &MIGRATIONS).await.unwrap();
    pool
}

/// A clock that no correction moves, for a server whose time of day is moved by the test.
fn steady(seconds: &Arc<AtomicI64>) -> impl Fn() -> std::time::Instant + Send + Sync + 'static {
    let (start, seconds) = (std::time::Instant::now(), seconds.clone());
    move || {
        let ahead = u64::try_from(seconds.load(Ordering::SeqCst)).unwrap_or_default();
        start + std::time::Duration::from_secs(ahead)
    }
}

/// A server whose clock stands still until the test moves it.
pub(crate) struct TestServer {
    pub(crate) app: App,
    pub(crate) signer: Arc<MoodySigner>,
    pub(crate) pool: database::Pool<sqlx::Sqlite>,
    seconds: Arc<AtomicI64>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let pool = memory_pool().await;
        let signer = Arc::<MoodySigner>::default();
        Self::on(pool, signer.clone(), signer, settings)
    }

    /// A server on this database.
    pub(crate) fn stored_in(pool: database::Pool<sqlx::Sqlite>) -> Self {
        let signer = Arc::<MoodySigner>::default();
        Self::on(pool, signer.clone(), signer, Settings::default())
    }

    /// A server that has its keys elsewhere.
    pub(crate) async fn signed_by(signer: Arc<dyn Signer>) -> Self {
        Self::on(
            memory_pool().await,
            Arc::default(),
            signer,
            Settings::default(),
        )
    }

    /// A server on this database that has its keys elsewhere.
    pub(crate) fn signed_by_on(
        pool: database::Pool<sqlx::Sqlite>,
        signer: Arc<dyn Signer>,
    ) -> Self {
        Self::on(pool, Arc::default(), signer, Settings::default())
    }

    /// Another server on the same database and signer, with a memory of its own.
    pub(crate) fn sibling(&self) -> Self {
        let signer = self.signer.clone();
        let sibling = Self::on(
            self.pool.clone(),
            signer.clone(),
            signer,
            Settings::default(),
        );
        sibling
            .seconds
            .store(self.seconds.load(Ordering::SeqCst), Ordering::SeqCst);
        sibling
    }

    /// A server with the same signer on another database.
    pub(crate) fn moved(&self, pool: database::Pool<sqlx::Sqlite>) -> Self {
        let signer = self.signer.clone();
        Self::on(pool, signer.clone(), signer, Settings::default())
    }

    fn on(
        pool: database::Pool<sqlx::Sqlite>,
        moody: Arc<MoodySigner>,
        signer: Arc<dyn Signer>,
        settings: Settings,
    ) -> Self {
        let store = Arc::new(SqlStore::new(pool.clone()));
        Self::storing(store, pool, moody, signer, settings)
    }

    /// Another server with the same signer, whose store `wrap` has put something before.
    pub(crate) fn sibling_behind(
        &self,
        wrap: impl FnOnce(Arc<dyn TrustStore>) -> Arc<dyn TrustStore>,
    ) -> Self {
        self.sibling_with(Settings::default(), wrap)
    }

    /// The same, with settings of its own.
    pub(crate) fn sibling_with(
        &self,
        settings: Settings,
        wrap: impl FnOnce(Arc<dyn TrustStore>) -> Arc<dyn TrustStore>,
    ) -> Self {
        let (pool, signer) = (self.pool.clone(), self.signer.clone());
        let store = wrap(Arc::new(SqlStore::new(pool.clone())));
        Self::storing(store, pool, signer.clone(), signer, settings)
    }

    fn storing(
        store: Arc<dyn TrustStore>,
        pool: database::Pool<sqlx::Sqlite>,
        moody: Arc<MoodySigner>,
        signer: Arc<dyn Signer>,
        settings: Settings,
    ) -> Self {
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = seconds.clone();
        let tables = inventory::tables(&Connected::Sqlite(pool.clone()));
        let overview = settings
            .overview
            .unwrap_or_else(|| Overview::new(tables, Arc::clone(&store)));
        let app = App::new(Parts {
            repositories: Repositories::new(
                store,
                signer,
                MetadataCache::new(settings.cache_bytes).with_clock(steady(&seconds)),
                MemoryLimits::new(settings.upload_bytes),
                move || fixtures::clock() + Duration::seconds(clock.load(Ordering::SeqCst)),
            )
            .followed_by(Audited(settings.audit.clone())),
            caching: settings.caching,
            gun_prefixes: settings.gun_prefixes,
            limits: {
                let mut limits = UploadLimits::new(settings.upload_bytes, settings.limits);
                limits.slow_start = settings.slow_start;
                limits
            },
            health: Arc::default(),
            metrics: daemon::metrics::install_recorder(&[]),
            overview,
            has_v1: settings.has_v1,
            authenticator: settings.authenticator,
            audit: settings.audit,
            key_limiter: KeyLimiter::per_minute(settings.keys_per_minute),
            trusted_proxies: settings.trusted_proxies,
            public_url: None,
            is_tls: true,
            monitoring_apart: settings.monitoring_apart,
            ui: settings.ui,
        });
        Self {
            app,
            signer: moody,
            pool,
            seconds,
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.whole_seconds(), Ordering::SeqCst);
    }

    /// Brings the inventory up to date, and makes its tables before.
    pub(crate) async fn follow(&self) {
        let connected = Connected::Sqlite(self.pool.clone());
        inventory::migrate(&connected).await.unwrap();
        let (store, tables) = (
            self.app.repositories.store.clone(),
            inventory::tables(&connected),
        );
        let app = self.app.clone();
        let follower = Follower::new(store, tables, move || app.now());
        follower.catch_up(&mut |_| {}).await.unwrap();
    }

    /// Ends waiting for changes, as the end of the program does.
    pub(crate) fn end_waiting(&self) {
        self.app.overview.end_waiting();
    }

    /// Removes all lines of the changefeed, as those who restore an old backup do.
    pub(crate) async fn forget_changes(&self) {
        sqlx::query("DELETE FROM changefeed")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.app.now()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let route = server::http::route(
            request.method(),
            request.uri().path(),
            request.uri().query(),
        );
        let response = Endpoint::main(self.app.clone())
            .answer(request)
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        };
        answer.expect_documented(&route);
        answer
    }

    pub(crate) async fn request(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).await
    }

    /// GET of a file below a GUN's trust data.
    pub(crate) async fn file(&self, gun: &str, file: &str) -> Answer {
        self.get(&format!("/v2/{gun}/_trust/tuf/{file}")).await
    }

    pub(crate) async fn post(
        &self,
        gun: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("/v2/{gun}/_trust/tuf/"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    pub(crate) async fn publish(&self, gun: &str, parts: &[Part]) -> Answer {
        let (content_type, body) = fixtures::multipart(parts);
        self.post(gun, Some(&content_type), body).await
    }

    /// A publisher whose root names keys that this server holds for timestamp and snapshot.
    pub(crate) async fn publisher(&self, gun: &str) -> Publisher {
        let timestamp = self.file(gun, "timestamp.key").await.ok();
        let snapshot = self.file(gun, "snapshot.key").await.ok();
        Publisher::new(gun)
            .with_server_key_document("timestamp", &timestamp.body)
            .with_server_key_document("snapshot", &snapshot.body)
    }

    /// A publisher that has published once.
    pub(crate) async fn published(&self, gun: &str) -> Publisher {
        let mut publisher = self.publisher(gun).await;
        self.publish(gun, &publisher.first_publish()).await.ok();
        publisher
    }

    /// Stores a repository whose root clients cannot read, as a server did that accepted it.
    pub(crate) async fn keep_unreadable(&self, gun: &str) {
        let mut publisher = Publisher::at(gun, self.now());
        publisher.root.signed["roles"]["x"] = Value::Null;
        let mut parts = publisher.first_publish();
        parts.extend(publisher.as_server());
        let file = |(role, bytes): Part| {
            File::parse(
                MetadataFormat::NOTARY,
                Role::parse(&role).unwrap(),
                bytes.into(),
            )
        };
        let files: Vec<File> = parts.into_iter().map(|part| file(part).unwrap()).collect();
        let gun = Gun::parse(gun).unwrap();
        self.app
            .repositories
            .store
            .publish(&gun, None, &files, self.now())
            .await
            .unwrap();
    }

    /// The version of the current file of `role`.
    pub(crate) async fn version(&self, gun: &str, role: &str) -> i64 {
        let answer = self.file(gun, &format!("{role}.json")).await.ok();
        answer.json()["signed"]["version"].as_i64().unwrap()
    }

    /// How many rows there are of a table.
    pub(crate) async fn rows(&self, table: &'static str) -> i64 {
        let statement = match table {
            "tuf_files" => "SELECT COUNT(*) FROM tuf_files",
            _ => "SELECT COUNT(*) FROM changefeed",
        };
        sqlx::query_scalar(statement)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}
