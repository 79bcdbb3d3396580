//! What the inventory does, whatever the database behind it. Shared with the tests that have
//! PostgreSQL and MariaDB at hand.

use std::{sync::Arc, time::Instant};

use database::{Connected, with_pool};
use fixtures::Publisher;
use inventory::{
    Detail, Entry, Filter, Follower, Freshness, Health, HistoryCursor, NextExpiry, Owner, Past,
    Row, Signature, SignatureCursor, Signer, Sort, Tables, Tag, TagCursor, Written,
};
use sqlx::AssertSqlSafe;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use trust::store::{self, TrustStore};
use tuf::{File, Gun, MetadataFormat, Role};

/// Makes a test of each behaviour by the macro named, which is given its name.
macro_rules! each_behaviour {
    ($test:ident) => {
        $test!(what_is_published_and_deleted_by_others_shows_up);
        $test!(two_followers_at_once_leave_what_the_files_say);
        $test!(an_older_state_never_replaces_a_newer_one);
        $test!(another_feed_is_noticed_and_everything_walked_through);
        $test!(a_damaged_repository_is_listed_as_broken);
        $test!(names_of_tags_may_be_of_any_bytes_and_any_length);
        $test!(what_has_expired_since_is_computed_again);
        $test!(what_expires_is_listed_by_owner_and_in_order);
        $test!(repositories_and_what_expires_are_counted);
        $test!(lists_are_read_in_each_order);
        $test!(what_keys_may_sign_is_read_by_key);
        $test!(what_tags_named_before_is_told_by_comparing_versions);
        $test!(ten_thousand_repositories_are_read_in_pages);
        $test!(without_tables_nothing_is_written);
    };
}
pub(crate) use each_behaviour;

/// A database with the tables of Notary, and what a test asks of it.
struct Stage {
    connected: Connected,
    store: Arc<dyn TrustStore>,
    tables: Arc<dyn Tables>,
    follower: Follower,
}

impl Stage {
    /// With the tables of the inventory.
    async fn with(connected: Connected) -> Self {
        inventory::migrate(&connected).await.unwrap();
        assert!(inventory::plan(&connected).await.unwrap().is_complete());
        Self::bare(connected)
    }

    fn bare(connected: Connected) -> Self {
        let (store, tables) = (store::on(&connected), inventory::tables(&connected));
        Self {
            follower: Follower::new(Arc::clone(&store), Arc::clone(&tables), fixtures::clock),
            connected,
            store,
            tables,
        }
    }

    async fn publish(&self, publisher: &mut Publisher, parts: Vec<fixtures::Part>) {
        publish(self.store.as_ref(), publisher, parts).await;
    }

    async fn first(&self, gun: &str) -> Publisher {
        let mut publisher = Publisher::new(gun);
        publisher.add_target("targets", "1.0", b"one");
        let parts = publisher.first_publish();
        self.publish(&mut publisher, parts).await;
        publisher
    }

    async fn catch_up(&self) {
        self.follower.catch_up(&mut |_| {}).await.unwrap();
    }

    async fn row(&self, gun: &str) -> Option<Row> {
        self.tables.repository(gun).await.unwrap()
    }

    async fn tags(&self, gun: &str) -> Vec<Tag> {
        let (mut tags, mut after) = (Vec::new(), Some(TagCursor::default()));
        while let Some(cursor) = after {
            let page = self.tables.tags(gun, &cursor, 3).await.unwrap();
            tags.extend(page.rows);
            after = page.next;
        }
        tags
    }

    async fn names(&self, filter: &Filter, limit: u32) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), Some(String::new()));
        while let Some(cursor) = after {
            let page = self.tables.repositories(filter, &cursor, limit).await;
            let page = page.unwrap();
            assert!(page.rows.len() <= limit as usize);
            names.extend(page.rows.into_iter().map(|row| row.gun));
            after = page.next;
        }
        names
    }

    /// Bytes as this database writes them in a statement.
    fn literal(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match &self.connected {
            Connected::Postgres(_) => format!(r"'\x{hex}'::bytea"),
            _ => format!("X'{hex}'"),
        }
    }

    async fn run(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        with_pool!(&self.connected, pool => {
            sqlx::query(statement).execute(pool).await.map(drop)
        })
        .unwrap();
    }
}

async fn publish(store: &dyn TrustStore, publisher: &mut Publisher, parts: Vec<fixtures::Part>) {
    let gun = Gun::parse(publisher.gun()).unwrap();
    let base = store.head(&gun).await.unwrap();
    let parts = parts.into_iter().chain(publisher.as_server());
    let files: Vec<File> = parts.map(|(role, bytes)| file(&role, bytes)).collect();
    let stored = store.publish(&gun, base.as_ref(), &files, fixtures::clock());
    stored.await.unwrap();
}

fn file(role: &str, bytes: Vec<u8>) -> File {
    let role = Role::parse(role).unwrap();
    File::parse(MetadataFormat::NOTARY, role, bytes.into()).unwrap()
}

fn all() -> Filter {
    Filter::default()
}

/// An entry that no file stands behind.
fn entry(gun: &str, tags: &[(&str, &str)], now: OffsetDateTime) -> Entry {
    let tags: Vec<Tag> = tags
        .iter()
        .map(|(name, digest)| Tag {
            role: "targets".to_owned(),
            name: (*name).to_owned(),
            digest: (*digest).to_owned(),
            length: 7,
        })
        .collect();
    Entry {
        row: Row {
            gun: gun.to_owned(),
            version: 1,
            sha256: vec![1; 32],
            format: "notary".to_owned(),
            published_at: now,
            computed_at: now,
            next: None,
            health: Health::Whole,
            tags: tags.len() as u64,
            signers: 0,
            bytes: 0,
            detail: Detail::default(),
        },
        stale_at: i64::MAX,
        tags,
        signers: Vec::new(),
    }
}

pub(crate) async fn what_is_published_and_deleted_by_others_shows_up(connected: Connected) {
    let stage = Stage::with(connected).await;
    assert_eq!(
        stage.follower.freshness().await.unwrap(),
        Freshness::Since(None)
    );
    let mut publisher = stage.first("example.com/app").await;
    stage.first("example.com/gone").await;
    stage.catch_up().await;
    assert_eq!(
        stage.follower.freshness().await.unwrap(),
        Freshness::Current
    );
    let first = stage.row("example.com/app").await.unwrap();
    assert_eq!((first.health, first.tags), (Health::Whole, 1), "{first:?}");
    assert_eq!(first.detail.roles.len(), 4);
    assert_eq!(
        first.next.unwrap().expires,
        fixtures::clock() + Duration::days(3650)
    );
    let signers = stage.tables.signers("example.com/app").await.unwrap();
    assert_eq!(signers.len() as u64, first.signers);
    let root = signers.iter().find(|signer| signer.role == "root").unwrap();
    assert_eq!(root.certificate.as_deref(), Some("example.com/app"));
    let targets = signers
        .iter()
        .find(|signer| signer.role == "targets")
        .unwrap();
    assert_eq!(targets.certificate, None);

    publisher.add_target("targets", "2.0", b"two");
    let parts = publisher.next(&["targets"]);
    stage.publish(&mut publisher, parts).await;
    let gone = Gun::parse("example.com/gone").unwrap();
    stage.store.delete(&gone, fixtures::clock()).await.unwrap();
    assert!(matches!(
        stage.follower.freshness().await.unwrap(),
        Freshness::Since(Some(_))
    ));
    stage.catch_up().await;
    let second = stage.row("example.com/app").await.unwrap();
    assert_eq!((second.version, second.tags), (2, 2));
    let tags = stage.tags("example.com/app").await;
    let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(names, ["1.0", "2.0"]);
    assert_eq!(stage.row("example.com/gone").await, None);
    assert_eq!(stage.tags("example.com/gone").await, []);
    assert_eq!(stage.names(&all(), 10).await, ["example.com/app"]);
    let picks = [
        Filter {
            tag: Some("2.0".to_owned()),
            ..all()
        },
        Filter {
            digest: Some(tags[0].digest.clone()),
            ..all()
        },
        Filter {
            signer: Some(root.key_id.clone()),
            ..all()
        },
        Filter {
            signer: Some(root.key_id.clone()),
            tag: Some("1.0".to_owned()),
            digest: Some(tags[0].digest.clone()),
            prefix: "example.com/".to_owned(),
            expires_before: Some(fixtures::clock() + Duration::days(4000)),
            ..all()
        },
    ];
    for filter in picks {
        assert_eq!(
            stage.names(&filter, 10).await,
            ["example.com/app"],
            "{filter:?}"
        );
    }
    for filter in [
        Filter {
            tag: Some("2".to_owned()),
            ..all()
        },
        Filter {
            is_unhealthy: true,
            ..all()
        },
        Filter {
            expires_before: Some(fixtures::clock()),
            ..all()
        },
        Filter {
            tag: Some("1.0".to_owned()),
            digest: Some(tags[1].digest.clone()),
            prefix: "b".to_owned(),
            ..all()
        },
    ] {
        assert_eq!(stage.names(&filter, 10).await, [""; 0], "{filter:?}");
    }
}

pub(crate) async fn two_followers_at_once_leave_what_the_files_say(connected: Connected) {
    const GUNS: usize = 3;
    let stage = Stage::with(connected).await;
    let mut publishers = Vec::new();
    for number in 0..GUNS {
        publishers.push(stage.first(&format!("example.com/{number}")).await);
    }
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let follower = stage.follower.clone();
        tasks.spawn(async move {
            for turn in 0..6 {
                if turn == 2 {
                    follower.rebuild(&mut |_| {}).await.unwrap();
                }
                follower.catch_up(&mut |_| {}).await.unwrap();
            }
        });
    }
    for round in 0..4 {
        for publisher in &mut publishers {
            publisher.add_target("targets", &format!("tag-{round}"), b"new");
            let parts = publisher.next(&["targets"]);
            stage.publish(publisher, parts).await;
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    stage.catch_up().await;
    for publisher in &publishers {
        let row = stage.row(publisher.gun()).await.unwrap();
        assert_eq!((row.version, row.tags), (5, 5));
        assert_eq!(stage.tags(publisher.gun()).await.len(), 5);
    }
}

pub(crate) async fn an_older_state_never_replaces_a_newer_one(connected: Connected) {
    let stage = Stage::with(connected).await;
    let now = fixtures::clock();
    let (old, new) = (
        entry("a", &[("1", "sha256:old")], now),
        entry("a", &[("1", "sha256:new")], now + Duration::SECOND),
    );
    let put = async |entry, revision| stage.tables.put(entry, revision).await.unwrap();
    assert_eq!(put(&old, None).await, Written::Done);
    let mark = stage.tables.mark(b"a").await.unwrap().unwrap();
    assert_eq!(put(&new, Some(mark.revision)).await, Written::Done);
    assert_eq!(put(&old, Some(mark.revision)).await, Written::Overtaken);
    assert_eq!(put(&old, None).await, Written::Overtaken);
    assert_eq!(
        stage.tables.remove(&mark).await.unwrap(),
        Written::Overtaken
    );
    assert_eq!(stage.tags("a").await[0].digest, "sha256:new");
    let mark = stage.tables.mark(b"a").await.unwrap().unwrap();
    assert_eq!(stage.tables.remove(&mark).await.unwrap(), Written::Done);
    assert_eq!(put(&old, Some(mark.revision)).await, Written::Overtaken);
    assert_eq!(stage.tags("a").await, []);
}

pub(crate) async fn another_feed_is_noticed_and_everything_walked_through(connected: Connected) {
    let stage = Stage::with(connected).await;
    stage.first("example.com/a").await;
    stage.first("example.com/b").await;
    stage.catch_up().await;
    // As after a restore: another repository, another feed, and the old rows of the inventory.
    stage
        .run("DELETE FROM tuf_files WHERE gun = 'example.com/a'")
        .await;
    stage.run("UPDATE changefeed SET version = 7").await;
    stage.catch_up().await;
    assert_eq!(stage.names(&all(), 10).await, ["example.com/b"]);
    // A feed whose newest id fell.
    stage.run("DELETE FROM changefeed").await;
    stage.run("DELETE FROM tuf_files").await;
    stage.catch_up().await;
    assert_eq!(stage.names(&all(), 10).await, [""; 0]);
    stage.first("example.com/c").await;
    // The database has to prove again that no line with a lower id will appear.
    let start = Instant::now();
    loop {
        stage.catch_up().await;
        let names = stage.names(&all(), 10).await;
        if names == ["example.com/c"] {
            break;
        }
        assert!(
            start.elapsed() < std::time::Duration::from_secs(20),
            "{names:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

pub(crate) async fn a_damaged_repository_is_listed_as_broken(connected: Connected) {
    let stage = Stage::with(connected).await;
    stage.first("example.com/bad").await;
    stage.first("example.com/good").await;
    stage
        .run("DELETE FROM tuf_files WHERE gun = 'example.com/bad' AND role = 'snapshot'")
        .await;
    stage.first("example.com/ugly").await;
    let rubbish = with_pool!(&stage.connected, pool => {
        sqlx::query(match pool_backend(pool) {
            database::Backend::Postgres => "UPDATE tuf_files SET data = 'x'::bytea WHERE gun = 'example.com/ugly'",
            _ => "UPDATE tuf_files SET data = 'x' WHERE gun = 'example.com/ugly'",
        })
        .execute(pool)
        .await
        .map(drop)
    });
    rubbish.unwrap();
    stage.catch_up().await;
    let broken = Filter {
        is_unhealthy: true,
        ..all()
    };
    assert_eq!(
        stage.names(&broken, 10).await,
        ["example.com/bad", "example.com/ugly"]
    );
    let bad = stage.row("example.com/bad").await.unwrap();
    assert_eq!(bad.health, Health::Broken);
    assert!(!bad.detail.problems.is_empty());
    assert!(!bad.detail.problems[0].cure.is_empty());
}

fn pool_backend<DB: database::Dialect>(_: &database::Pool<DB>) -> database::Backend {
    DB::BACKEND
}

pub(crate) async fn names_of_tags_may_be_of_any_bytes_and_any_length(connected: Connected) {
    let stage = Stage::with(connected).await;
    let long = [
        "x".repeat(5_000),
        "x".repeat(5_001),
        format!("{}é", "x".repeat(511)),
    ];
    let mut names = vec![
        "A",
        "a",
        "a ",
        "a\u{301}",
        "á",
        "\u{1b}[2J",
        "\u{0}",
        "\u{10ffff}",
        "'; DROP TABLE x; --",
    ];
    names.extend(long.iter().map(String::as_str));
    let mut publisher = Publisher::new("example.com/app");
    for name in &names {
        publisher.add_target("targets", name, name.as_bytes());
    }
    let parts = publisher.first_publish();
    stage.publish(&mut publisher, parts).await;
    stage.catch_up().await;
    let mut found: Vec<String> = stage
        .tags("example.com/app")
        .await
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    found.sort_unstable();
    names.sort_unstable();
    assert_eq!(found, names);
    for name in names {
        let filter = Filter {
            tag: Some(name.to_owned()),
            ..all()
        };
        assert_eq!(
            stage.names(&filter, 10).await,
            ["example.com/app"],
            "{name:?}"
        );
    }
}

pub(crate) async fn what_has_expired_since_is_computed_again(connected: Connected) {
    let stage = Stage::with(connected).await;
    let mut publisher = Publisher::new("example.com/app");
    publisher.expire("targets", fixtures::clock() + Duration::days(1));
    let parts = publisher.first_publish();
    stage.publish(&mut publisher, parts).await;
    stage.catch_up().await;
    assert_eq!(
        stage.row("example.com/app").await.unwrap().health,
        Health::Whole
    );
    let later = || fixtures::clock() + Duration::days(2);
    let follower = Follower::new(Arc::clone(&stage.store), Arc::clone(&stage.tables), later);
    // A walk takes the place of the feed, which has nothing to tell.
    stage.tables.set_position(None).await.unwrap();
    follower.catch_up(&mut |_| {}).await.unwrap();
    assert_eq!(
        stage.row("example.com/app").await.unwrap().health,
        Health::Broken
    );
}

pub(crate) async fn what_expires_is_listed_by_owner_and_in_order(connected: Connected) {
    let stage = Stage::with(connected).await;
    for (gun, days) in [
        ("example.com/c", 3),
        ("example.com/a", 5),
        ("example.com/b", 3),
    ] {
        let mut publisher = Publisher::new(gun);
        publisher.expire("targets", fixtures::clock() + Duration::days(days));
        let parts = publisher.first_publish();
        stage.publish(&mut publisher, parts).await;
    }
    stage.catch_up().await;
    let before = fixtures::clock() + Duration::days(90);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = stage
            .tables
            .expiring(Owner::Publisher, before, after.as_ref(), 1);
        let page = page.await.unwrap();
        found.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|expiry| (expiry.gun.as_str(), expiry.role.as_str()))
        .collect();
    let expected = ["example.com/b", "example.com/c", "example.com/a"];
    assert_eq!(found, expected.map(|gun| (gun, "targets")));
    let server = stage.tables.expiring(Owner::Server, before, None, 10).await;
    assert_eq!(server.unwrap().rows, []);
}

pub(crate) async fn repositories_and_what_expires_are_counted(connected: Connected) {
    let stage = Stage::with(connected).await;
    let now = fixtures::clock();
    let none = stage.tables.tally(now).await.unwrap();
    assert_eq!(none.repositories[&Health::Whole], 0);
    assert_eq!(none.expiring[&Owner::Publisher].within, [0; 4]);
    assert_eq!(none.expiring[&Owner::Publisher].first, None);
    for (gun, days) in [("a", -1), ("b", 5), ("c", 20), ("d", 60), ("e", 91)] {
        let mut publisher = Publisher::new(&format!("example.com/{gun}"));
        publisher.expire("targets", now + Duration::days(days));
        let parts = publisher.first_publish();
        stage.publish(&mut publisher, parts).await;
    }
    stage.catch_up().await;
    let tally = stage.tables.tally(now).await.unwrap();
    let publisher = &tally.expiring[&Owner::Publisher];
    assert_eq!(publisher.within, [1, 2, 3, 4]);
    let first = now - Duration::DAY;
    let first = OffsetDateTime::from_unix_timestamp(first.unix_timestamp()).unwrap();
    assert_eq!(publisher.first, Some(first));
    assert_eq!(tally.expiring[&Owner::Server].within, [0; 4]);
    assert!(tally.expiring[&Owner::Server].first.is_some());
    assert_eq!(tally.repositories.values().sum::<u64>(), 5);
    let broken = stage.row("example.com/a").await.unwrap();
    assert_eq!(broken.health, Health::Broken);
    assert_eq!(tally.repositories[&Health::Broken], 1);
}

pub(crate) async fn what_tags_named_before_is_told_by_comparing_versions(connected: Connected) {
    let stage = Stage::bare(connected);
    let gun = Gun::parse("example.com/app").unwrap();
    assert_eq!(pasts(&stage.store, &gun, None).await, []);
    let mut publisher = stage.first("example.com/app").await;
    let key = fixtures::Key::throw_away_ecdsa();
    publisher.delegate("targets", "team", std::slice::from_ref(&key), &[""], 1);
    publisher.add_target("targets/team", "1.0", b"of a team");
    let parts = publisher.next(&["targets", "targets/team"]);
    stage.publish(&mut publisher, parts).await;
    publisher.add_target("targets", "1.0", b"two");
    publisher.add_target("targets", "2.0", b"two");
    let parts = publisher.next(&["targets"]);
    stage.publish(&mut publisher, parts).await;
    // Many versions that change nothing are more than one page.
    for _ in 0..60 {
        let parts = publisher.next(&["targets"]);
        stage.publish(&mut publisher, parts).await;
    }
    let targets = &mut publisher.document_mut("targets").signed["targets"];
    targets.as_object_mut().unwrap().remove("1.0").unwrap();
    let parts = publisher.next(&["targets"]);
    stage.publish(&mut publisher, parts).await;
    // Another repository has nothing to do with it.
    stage.first("example.com/app2").await;

    let digest = |bytes: &[u8]| {
        let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
        Some(format!("sha256:{}", hex::encode(sum)))
    };
    let found = pasts(&stage.store, &gun, Some("1.0")).await;
    let told = found
        .iter()
        .map(|(role, version, _, from, to)| (role.as_str(), *version, from.clone(), to.clone()));
    let expected = [
        ("targets", Some(64), digest(b"two"), None),
        ("targets", Some(3), digest(b"one"), digest(b"two")),
        ("targets", Some(1), None, digest(b"one")),
        ("targets/team", Some(1), None, digest(b"of a team")),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(found[3].2, [key.id()]);
    assert_eq!(pasts(&stage.store, &gun, None).await.len(), 5);
    assert_eq!(pasts(&stage.store, &gun, Some("3.0")).await, []);

    // What was before a file that cannot be read is not guessed.
    let damaged = "UPDATE tuf_files SET data = '{' WHERE role = 'targets' AND version = 2";
    stage.run(damaged).await;
    let found = pasts(&stage.store, &gun, Some("1.0")).await;
    let told: Vec<_> = found.iter().map(|past| (past.0.as_str(), past.1)).collect();
    let expected = [
        ("targets", Some(64)),
        ("targets", None),
        ("targets/team", Some(1)),
    ];
    assert_eq!(told, expected);
}

type Told = (
    String,
    Option<i64>,
    Vec<String>,
    Option<String>,
    Option<String>,
);

/// Role, version, signers, old and new digest of every change.
async fn pasts(store: &Arc<dyn TrustStore>, gun: &Gun, tag: Option<&str>) -> Vec<Told> {
    let (mut pasts, mut after) = (Vec::new(), Some(HistoryCursor::default()));
    while let Some(cursor) = after {
        let page = inventory::history(store, gun, tag, cursor).await.unwrap();
        for past in page.rows {
            let Past {
                role,
                version,
                signed_by,
                changes,
                ..
            } = past;
            if changes.is_empty() {
                pasts.push((role, version, signed_by, None, None));
                continue;
            }
            for change in changes {
                let text = |digest: Option<tuf::Digest>| digest.map(|digest| digest.to_string());
                let (from, to) = (text(change.from), text(change.to));
                pasts.push((role.clone(), version, signed_by.clone(), from, to));
            }
        }
        after = page.next;
    }
    pasts
}

/// The names of all pages of `limit` rows, none of which is read twice.
async fn sorted(tables: &dyn Tables, filter: &Filter, sort: Sort, limit: u32) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let batch = tables
            .summaries(filter, sort, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(batch.count <= limit && batch.rows.len() <= batch.count as usize);
        names.extend(batch.rows.into_iter().map(|row| row.gun));
        match batch.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

/// Five repositories with keys of their own, and one that signs in all of them.
async fn fill(tables: &dyn Tables) -> [&'static str; 5] {
    let now = fixtures::clock();
    // Name, health, days until it expires, days since it was published.
    let made = [
        ("ex.com/a", Health::Whole, Some(9), 3),
        ("ex.com/a/\u{e9}", Health::Broken, None, 1),
        ("ex.com/b", Health::Warning, Some(2), 1),
        ("ex.com/c", Health::Whole, Some(2), 2),
        ("other", Health::Warning, Some(7), 0),
    ];
    for (gun, health, days, published) in made {
        let mut entry = entry(
            gun,
            &[("1.0", "sha256:aa")],
            now - Duration::days(published),
        );
        entry.row.health = health;
        entry.row.next = days.map(|days| NextExpiry {
            expires: now + Duration::days(days),
            role: "targets".to_owned(),
        });
        let signer = |role: &str, key: &str, certificate: Option<&str>| Signer {
            role: role.to_owned(),
            key_id: key.to_owned(),
            algorithm: "ecdsa".to_owned(),
            certificate: certificate.map(str::to_owned),
            expires: certificate.map(|_| now),
        };
        entry.signers = vec![
            signer("root", gun, Some(gun)),
            signer("targets", "shared", None),
            signer("targets/a", "shared", None),
        ];
        assert_eq!(tables.put(&entry, None).await.unwrap(), Written::Done);
    }
    made.map(|(gun, ..)| gun)
}

pub(crate) async fn lists_are_read_in_each_order(connected: Connected) {
    let stage = Stage::with(connected).await;
    let tables = stage.tables.as_ref();
    let now = fixtures::clock();
    let all_names = fill(tables).await;
    for limit in 1..7 {
        let list = async |filter: Filter, sort| sorted(tables, &filter, sort, limit).await;
        assert_eq!(list(all(), Sort::Name).await, all_names);
        assert_eq!(
            list(all(), Sort::Expires).await,
            [
                "ex.com/b",
                "ex.com/c",
                "other",
                "ex.com/a",
                "ex.com/a/\u{e9}"
            ]
        );
        assert_eq!(
            list(all(), Sort::Published).await,
            [
                "other",
                "ex.com/b",
                "ex.com/a/\u{e9}",
                "ex.com/c",
                "ex.com/a"
            ]
        );
        let within = |prefix: &str| Filter {
            prefix: prefix.to_owned(),
            ..all()
        };
        assert_eq!(list(within("ex.com/a"), Sort::Name).await, &all_names[..2]);
        assert_eq!(list(within("ex.com/b"), Sort::Expires).await, ["ex.com/b"]);
        let unhealthy = Filter {
            is_unhealthy: true,
            ..within("ex.com/")
        };
        assert_eq!(
            list(unhealthy, Sort::Name).await,
            ["ex.com/a/\u{e9}", "ex.com/b"]
        );
        let soon = Filter {
            expires_before: Some(now + Duration::days(7)),
            ..all()
        };
        assert_eq!(
            list(soon.clone(), Sort::Expires).await,
            ["ex.com/b", "ex.com/c"]
        );
        assert_eq!(list(soon, Sort::Name).await, ["ex.com/b", "ex.com/c"]);
        for filter in [
            Filter {
                signer: Some("shared".to_owned()),
                ..within("ex.com/")
            },
            Filter {
                tag: Some("1.0".to_owned()),
                ..within("ex.com/")
            },
            Filter {
                digest: Some("sha256:aa".to_owned()),
                ..within("ex.com/")
            },
            Filter {
                signer: Some("shared".to_owned()),
                tag: Some("1.0".to_owned()),
                digest: Some("sha256:aa".to_owned()),
                ..within("ex.com/")
            },
        ] {
            assert_eq!(list(filter, Sort::Name).await, &all_names[..4]);
        }
    }
}

pub(crate) async fn what_keys_may_sign_is_read_by_key(connected: Connected) {
    let stage = Stage::with(connected).await;
    let tables = stage.tables.as_ref();
    fill(tables).await;
    for limit in 1..7 {
        let (mut signatures, mut after) = (Vec::new(), Some(SignatureCursor::default()));
        while let Some(cursor) = after {
            let page = tables.signatures(&cursor, limit).await.unwrap();
            signatures.extend(page.rows);
            after = page.next;
        }
        let brief = |one: &Signature| (one.key_id.clone(), one.gun.clone(), one.role.clone());
        let found: Vec<_> = signatures.iter().map(brief).collect();
        assert_eq!(found.len(), 15);
        assert!(found.is_sorted());
        assert_eq!(signatures[0].certificate.as_deref(), Some("ex.com/a"));
        assert_eq!(signatures[14].certificate, None);
        let (mut shared, mut after) = (Vec::new(), Some(SignatureCursor::default()));
        while let Some(cursor) = after {
            let page = tables
                .signatures_of("shared", "ex.com/", &cursor, limit)
                .await
                .unwrap();
            shared.extend(page.rows.iter().map(brief));
            after = page.next;
        }
        let expected = found
            .iter()
            .filter(|(key, gun, _)| key == "shared" && gun != "other");
        assert_eq!(shared, expected.cloned().collect::<Vec<_>>());
    }
    let mut counts = tables.count_by_health().await.unwrap();
    counts.sort();
    assert_eq!(
        counts,
        [
            (Health::Whole, 2),
            (Health::Warning, 2),
            (Health::Broken, 1)
        ]
    );
    // Two servers that ask at once get the same secret, and it stays.
    let replica = inventory::tables(&stage.connected);
    let (one, other) = tokio::join!(tables.secret(), replica.secret());
    let secret = one.unwrap();
    assert_eq!((secret.len(), &secret), (32, &other.unwrap()));
    assert_eq!(tables.secret().await.unwrap(), secret);
    assert_eq!(tables.position().await.unwrap(), None);
}

pub(crate) async fn ten_thousand_repositories_are_read_in_pages(connected: Connected) {
    const COUNT: usize = 10_000;
    let stage = Stage::with(connected).await;
    let bytes = |text: &str| stage.literal(text.as_bytes());
    let (format, detail) = (bytes("notary"), bytes(r#"{"roles":[],"problems":[]}"#));
    let (empty, role, same) = (bytes(""), bytes("targets"), bytes("sha256:same"));
    let numbers: Vec<usize> = (0..COUNT).collect();
    for numbers in numbers.chunks(500) {
        let (mut rows, mut tags) = (Vec::new(), Vec::new());
        for number in numbers {
            let gun = bytes(&format!("ex.com/{}/{number:05}", number % 10));
            let (health, name) = match number % 1_000 {
                1 => (2, "rare"),
                _ => (0, "latest"),
            };
            let sum = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
            let (name, sum) = (bytes(name), stage.literal(sum.as_ref()));
            rows.push(format!(
                "({gun}, 1, 1, 1, {empty}, {format}, 0, 0, 0, 0, {role}, {health}, 1, 1, 1, {detail})"
            ));
            tags.push(format!("({gun}, {role}, {name}, {sum}, {name}, {same}, 7)"));
        }
        let (rows, tags) = (rows.join(","), tags.join(","));
        stage
            .run(&format!("INSERT INTO countersign_overview VALUES {rows}"))
            .await;
        stage
            .run(&format!("INSERT INTO countersign_tags VALUES {tags}"))
            .await;
    }
    let names = stage.names(&all(), 500).await;
    assert_eq!(names.len(), COUNT);
    assert!(names.is_sorted());
    let tenth = Filter {
        prefix: "ex.com/1/".to_owned(),
        ..all()
    };
    assert_eq!(stage.names(&tenth, 77).await.len(), COUNT / 10);
    let rare = Filter {
        tag: Some("rare".to_owned()),
        ..all()
    };
    assert_eq!(stage.names(&rare, 3).await.len(), COUNT / 1_000);
    let broken = Filter {
        is_unhealthy: true,
        ..all()
    };
    assert_eq!(stage.names(&broken, 3).await.len(), COUNT / 1_000);
    let same = Filter {
        digest: Some("sha256:same".to_owned()),
        ..tenth
    };
    assert_eq!(stage.names(&same, 500).await.len(), COUNT / 10);
}

pub(crate) async fn without_tables_nothing_is_written(connected: Connected) {
    let stage = Stage::bare(connected);
    stage.first("example.com/app").await;
    let plan = inventory::plan(&stage.connected).await.unwrap();
    assert!(!plan.is_ready());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let pace = inventory::Pace {
        rest: std::time::Duration::from_millis(1),
        after_failure: std::time::Duration::from_millis(1),
        ..Default::default()
    };
    let running = tokio::spawn(stage.follower.clone().run(pace, shutdown.clone()));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(inventory::plan(&stage.connected).await.unwrap(), plan);
    // The operator runs `migrate`, and the server, which went on, begins to follow.
    inventory::migrate(&stage.connected).await.unwrap();
    while stage.row("example.com/app").await.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
}
