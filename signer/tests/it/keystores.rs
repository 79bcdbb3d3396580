//! The behaviour of key stores, on SQLite.

use std::sync::Arc;

use database::{OpenMode, PoolLimits, SqliteUrl};
use signer::keystore::{schema, sql::SqlStore};

use crate::behaviour::{self, Stores, each_behaviour};

async fn stores(folder: &tempfile::TempDir) -> Stores {
    let file = folder.path().join("signer.db");
    let url = SqliteUrl::parse(file.to_str().unwrap()).unwrap();
    let open = async || {
        url.connect(PoolLimits::default(), OpenMode::MayCreate)
            .await
            .unwrap()
    };
    let (one, other) = (open().await, open().await);
    database::migrate(&one, &schema::SQLITE).await.unwrap();
    Stores {
        one: Arc::new(SqlStore::new(one)),
        other: Arc::new(SqlStore::new(other)),
    }
}

macro_rules! on_sqlite {
    ($behaviour:ident) => {
        #[tokio::test]
        async fn $behaviour() {
            let folder = tempfile::tempdir().unwrap();
            behaviour::$behaviour(stores(&folder).await).await;
        }
    };
}

each_behaviour!(on_sqlite);
