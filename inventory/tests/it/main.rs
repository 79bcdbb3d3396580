//! The inventory on SQLite.

mod behaviour;

use behaviour::each_behaviour;
use database::{Backend, Connected, DatabaseUrl, OpenMode, PoolLimits, with_pool};
use inventory::{Detail, Entry, Health, Row, Tag, TagCursor, Written, statements};
use proptest::{collection::btree_map, prelude::*};
use sqlx::{AssertSqlSafe, Row as _};
use trust::store::{self, Storage};

macro_rules! on_sqlite {
    ($behaviour:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            let folder = tempfile::tempdir().unwrap();
            behaviour::$behaviour(database_in(folder.path()).await).await;
        }
    };
}

each_behaviour!(on_sqlite);

async fn database_in(folder: &std::path::Path) -> Connected {
    let file = folder.join("server.db");
    let storage = Storage {
        url: DatabaseUrl::parse(Backend::Sqlite, file.to_str().unwrap()).unwrap(),
        limits: PoolLimits::default(),
    };
    store::open_pool(&storage, OpenMode::MayCreate)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let connected = database_in(folder.path()).await;
    inventory::migrate(&connected).await.unwrap();
    let Connected::Sqlite(pool) = &connected else {
        unreachable!("it is in a file");
    };
    for statement in statements::READS {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        for step in sqlx::query(explain).fetch_all(pool).await.unwrap() {
            let detail: String = step.get("detail");
            let scans = detail.starts_with("SCAN countersign") || detail.starts_with("SCAN o");
            assert!(!scans, "{statement}\n{detail}");
        }
    }
}

type Contents = std::collections::BTreeMap<(bool, String), u8>;

fn contents() -> impl Strategy<Value = Contents> {
    let name = prop_oneof!["[abAB]{1,2}", any::<String>()];
    btree_map((any::<bool>(), name), any::<u8>(), 0..20)
}

fn entry(contents: &Contents) -> Entry {
    let tags = contents.iter().map(|((is_top, name), digest)| Tag {
        role: if *is_top { "targets" } else { "targets/a" }.to_owned(),
        name: name.clone(),
        digest: format!("sha256:{digest:02x}"),
        length: i64::from(*digest) % 3,
    });
    let now = fixtures::clock();
    Entry {
        row: Row {
            gun: "a".to_owned(),
            version: 1,
            sha256: vec![0; 32],
            format: "notary".to_owned(),
            published_at: now,
            computed_at: now,
            next: None,
            health: Health::Whole,
            tags: 0,
            signers: 0,
            bytes: 0,
            detail: Detail::default(),
        },
        stale_at: i64::MAX,
        tags: tags.collect(),
        signers: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_was_there_before_the_tags_are_those_of_the_last_state(
        states in prop::collection::vec(contents(), 1..5),
        limit in 1_u32..7,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let connected = Connected::Sqlite(database::connect_sqlite("memory").await.unwrap());
            inventory::migrate(&connected).await.unwrap();
            let tables = inventory::tables(&connected);
            for state in &states {
                let revision = tables.mark(b"a").await.unwrap().map(|mark| mark.revision);
                let written = tables.put(&entry(state), revision).await.unwrap();
                assert_eq!(written, Written::Done);
            }
            let (mut found, mut after) = (Vec::new(), Some(TagCursor::default()));
            while let Some(cursor) = after {
                let page = tables.tags("a", &cursor, limit).await.unwrap();
                found.extend(page.rows);
                after = page.next;
            }
            let mut expected = entry(states.last().unwrap()).tags;
            expected.sort_by(|one, other| {
                (&one.role, &one.name).cmp(&(&other.role, &other.name))
            });
            assert_eq!(found, expected);
            with_pool!(&connected, pool => pool.close().await);
        });
    }
}
