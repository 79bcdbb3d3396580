//! A signer in this process, on a database of its own.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use database::{OpenMode, Pool, PoolLimits, SqliteUrl, migrate};
use proto::{
    CreateKeyRequest, KeyId as WireKeyId, PublicKey, Signature, SignatureRequest,
    extension::{GetOriginsRequest, Origin, key_origin_client::KeyOriginClient},
    key_management_client::KeyManagementClient,
    signer_client::SignerClient,
};
use serde_json::Value;
use signer::{
    custody::{
        encrypted::{EncryptedRows, envelope::DEFAULT_ROUNDS, passphrases::Passphrases},
        registry::Custodies,
    },
    grpc::{self, clients::Clients},
    health::Health,
    keys::{Keys, cache::CacheLimits},
    keystore::{KeyId, schema::SQLITE, sql::SqlStore},
};
use sqlx::{AssertSqlSafe, Sqlite};
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};
use tonic::{Request, Status};

/// The time at which tests take place.
pub(crate) fn now() -> OffsetDateTime {
    datetime!(2026-11-22 12:00 UTC)
}

/// The alias of new keys.
pub(crate) const ALIAS: &str = "timestamp_1";

/// An environment with these variables.
pub(crate) fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Keys in encrypted rows alone, new ones under [`ALIAS`].
pub(crate) fn custodies(environment: Vec<(OsString, OsString)>) -> Custodies {
    let passphrases = Passphrases::new(environment, []);
    Custodies::new(EncryptedRows::new(
        passphrases,
        ALIAS.to_owned(),
        DEFAULT_ROUNDS,
    ))
}

/// A recorded file of vectors.
pub(crate) fn vectors(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/vectors");
    let text = std::fs::read(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The environment that opens the recorded rows.
pub(crate) fn recorded_environment() -> Vec<(OsString, OsString)> {
    let rows = vectors("signer-db-rows");
    let passphrases = rows["passphrases"].as_object().unwrap().values();
    let text = |value: &Value| OsString::from(value.as_str().unwrap());
    passphrases
        .map(|entry| (text(&entry["env_var"]), text(&entry["passphrase"])))
        .collect()
}

/// A signer without a network: the router is called directly.
pub(crate) struct TestSigner {
    /// The service behind the router.
    pub(crate) keys: Arc<Keys>,
    /// What the router's health service tells.
    pub(crate) health: Health,
    /// The database behind the service.
    pub(crate) pool: Pool<Sqlite>,
    /// What is served.
    pub(crate) router: axum::Router,
    folder: Arc<TempDir>,
}

impl TestSigner {
    /// A signer on an empty database, whose alias [`ALIAS`] has a passphrase.
    pub(crate) async fn start() -> Self {
        Self::with(environment(&[(
            "NOTARY_SIGNER_TIMESTAMP_1",
            "throwaway-pass-1",
        )]))
        .await
    }

    /// A signer on the recorded rows, with the recorded passphrases.
    pub(crate) async fn recorded() -> Self {
        let signer = Self::with(recorded_environment()).await;
        signer.insert_recorded_rows().await;
        signer
    }

    /// A signer on an empty database.
    pub(crate) async fn with(environment: Vec<(OsString, OsString)>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::on(folder, environment, CacheLimits::default()).await
    }

    /// A signer on the database in `folder`, made if it is not there.
    pub(crate) async fn on(
        folder: Arc<TempDir>,
        environment: Vec<(OsString, OsString)>,
        limits: CacheLimits,
    ) -> Self {
        let file = folder.path().join("signer.db");
        let limits_of_pool = PoolLimits {
            connections: 4,
            wait: Duration::from_secs(5),
        };
        let url = SqliteUrl::parse(file.to_str().unwrap()).unwrap();
        let pool = url
            .connect(limits_of_pool, OpenMode::MayCreate)
            .await
            .unwrap();
        migrate(&pool, &SQLITE).await.unwrap();
        let store = Arc::new(SqlStore::new(pool.clone()));
        let keys = Arc::new(Keys::new(store, custodies(environment), limits, now));
        let health = Health::default();
        let router = grpc::router(&keys, Clients::default(), health.service());
        Self {
            keys,
            health,
            pool,
            router,
            folder,
        }
    }

    /// Another signer on the same database, with room for so many pending keys.
    pub(crate) async fn with_max_pending(&self, most: u32) -> Self {
        let other = self.beside().await;
        let passphrases = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
        let store = Arc::new(SqlStore::new(other.pool.clone()));
        let limits = CacheLimits::default();
        let keys = Keys::new(store, custodies(passphrases), limits, now).with_max_pending(most);
        let keys = Arc::new(keys);
        let router = grpc::router(&keys, Clients::default(), other.health.service());
        Self {
            keys,
            router,
            ..other
        }
    }

    /// Another signer on the same database, whose keys live in `custodies`.
    pub(crate) async fn beside_with_custodies(&self, custodies: Custodies) -> Self {
        let other = self.beside().await;
        let store = Arc::new(SqlStore::new(other.pool.clone()));
        let keys = Arc::new(Keys::new(store, custodies, CacheLimits::default(), now));
        let router = grpc::router(&keys, Clients::default(), other.health.service());
        Self {
            keys,
            router,
            ..other
        }
    }

    /// Another signer on the same database, with connections and a cache of its own.
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(environment(&[(
            "NOTARY_SIGNER_TIMESTAMP_1",
            "throwaway-pass-1",
        )]))
        .await
    }

    /// Another signer on the same database, which has other passphrases.
    pub(crate) async fn beside_with(&self, environment: Vec<(OsString, OsString)>) -> Self {
        let folder = Arc::clone(&self.folder);
        Self::on(folder, environment, CacheLimits::default()).await
    }

    /// The same database under another process, whose cache is empty.
    pub(crate) async fn restarted(self, environment: Vec<(OsString, OsString)>) -> Self {
        self.pool.close().await;
        Self::on(self.folder, environment, CacheLimits::default()).await
    }

    /// The database file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("signer.db")
    }

    pub(crate) fn management(&self) -> KeyManagementClient<axum::Router> {
        KeyManagementClient::new(self.router.clone())
    }

    pub(crate) fn signer(&self) -> SignerClient<axum::Router> {
        SignerClient::new(self.router.clone())
    }

    pub(crate) async fn create(
        &self,
        algorithm: &str,
        gun: &str,
        role: &str,
    ) -> Result<PublicKey, Status> {
        let (algorithm, gun, role) = (algorithm.into(), gun.into(), role.into());
        let request = CreateKeyRequest {
            algorithm,
            gun,
            role,
        };
        Ok(self.management().create_key(request).await?.into_inner())
    }

    /// The id of the key that [`create`](Self::create) answers.
    pub(crate) async fn create_id(&self, gun: &str) -> String {
        id_of(&self.create("ecdsa", gun, "timestamp").await.unwrap())
    }

    /// Takes the key called `id` out of memory, so that its next use reads its row.
    pub(crate) fn forget(&self, id: &str) {
        self.keys.cache().remove(&KeyId::parse(id).unwrap());
    }

    pub(crate) async fn sign(&self, id: &str, content: &[u8]) -> Result<Signature, Status> {
        let key_id = Some(WireKeyId { id: id.to_owned() });
        let request = SignatureRequest {
            key_id,
            content: content.to_vec().into(),
        };
        Ok(self
            .signer()
            .sign(Request::new(request))
            .await?
            .into_inner())
    }

    pub(crate) async fn describe(&self, id: &str) -> Result<proto::GetKeyInfoResponse, Status> {
        let request = WireKeyId { id: id.to_owned() };
        Ok(self.management().get_key_info(request).await?.into_inner())
    }

    pub(crate) async fn origins(&self, ids: &[&str]) -> Result<Vec<Origin>, Status> {
        let request = GetOriginsRequest {
            key_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        let mut client = KeyOriginClient::new(self.router.clone());
        Ok(client.get_origins(request).await?.into_inner().origins)
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Status> {
        let request = WireKeyId { id: id.to_owned() };
        self.management().delete_key(request).await.map(|_| ())
    }

    /// Runs SQL behind the signer's back.
    pub(crate) async fn execute(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// One value out of the database.
    pub(crate) async fn text(&self, statement: &str) -> Option<String> {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query_scalar(statement)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn insert_recorded_rows(&self) {
        let rows = vectors("signer-db-rows");
        for row in rows["rows"].as_array().unwrap() {
            let text = |member: &str| row[member].as_str().map(str::to_owned);
            sqlx::query(
                "INSERT INTO private_keys (id, created_at, updated_at, deleted_at, key_id, \
                 encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, \
                 role, last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(row["id"].as_i64())
            .bind(text("created_at"))
            .bind(text("updated_at"))
            .bind(text("deleted_at"))
            .bind(text("key_id"))
            .bind(text("encryption_alg"))
            .bind(text("keywrap_alg"))
            .bind(text("algorithm"))
            .bind(text("passphrase_alias"))
            .bind(hex::decode(row["public"].as_str().unwrap()).unwrap())
            .bind(text("private").map(String::into_bytes))
            .bind(text("gun"))
            .bind(text("role"))
            .bind(text("last_used"))
            .execute(&self.pool)
            .await
            .unwrap();
        }
    }
}

/// The id that an answer names.
pub(crate) fn id_of(key: &PublicKey) -> String {
    key.key_info.clone().unwrap().key_id.unwrap().id
}
