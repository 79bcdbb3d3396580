//! Who follows trust data is told once of everything that happens to it.

use std::sync::{Arc, Mutex};

use access::{Caller, Policy};
use fixtures::Publisher;
use time::Duration;
use trust::{
    Repositories,
    cache::MetadataCache,
    deletion,
    events::{Cause, Event, Requester, Subscriber, What},
    keys::{self, Occasion},
    memory::MemoryLimits,
    publish::{self, Authority, PublishError},
    renewal,
    signer::LocalSigner,
    store::SqlStore,
};
use tuf::{Gun, Limits, Role, Update, Uploaded};

use crate::support::memory_pool;

/// Writes down what it is told, in a word or two.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Subscriber for Diary {
    fn notice(&self, event: &Event<'_>) {
        let what = match event.what {
            What::Published { cause, files, .. } => {
                let roles: Vec<&str> = files.iter().map(|file| file.role().as_str()).collect();
                let cause = match cause {
                    Cause::Publish => "published",
                    Cause::Repeat => "repeated",
                    Cause::Renewal => "renewed",
                };
                format!("{cause} {}", roles.join(","))
            }
            What::RenewalFailed(_) => "failed to renew".to_owned(),
            What::Deleted { existed } => format!("deleted {existed}"),
            What::KeyCreated(key) => format!("created {}", key.role),
            What::KeyRotated(key) => format!("rotated {}", key.role),
            What::Refused { .. } => "refused".to_owned(),
        };
        let who = event.requester.downcast::<&str>().copied();
        let line = format!("{} {what} by {}", event.gun, who.unwrap_or("the program"));
        self.0.lock().unwrap().push(line);
    }
}

impl Diary {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Repositories with a diary.
struct Stage {
    repositories: Repositories,
    diary: Diary,
    gun: Gun,
    alice: Requester,
}

impl Stage {
    async fn new(days: i64) -> Self {
        let diary = Diary::default();
        let repositories = Repositories::new(
            Arc::new(SqlStore::new(memory_pool().await)),
            Arc::new(LocalSigner::default()),
            MetadataCache::new(1 << 20),
            MemoryLimits::new(1 << 20),
            move || fixtures::clock() + Duration::days(days),
        );
        Self {
            repositories: repositories.followed_by(diary.clone()),
            diary,
            gun: Gun::parse("app").unwrap(),
            alice: Requester::new("alice"),
        }
    }

    async fn publisher(&self) -> Publisher {
        let mut publisher = Publisher::new(self.gun.as_str());
        for role in [Role::Timestamp, Role::Snapshot] {
            let (gun, alice) = (&self.gun, &self.alice);
            let key = keys::create(&self.repositories, gun, &role, alice, Occasion::First).await;
            let document = key.unwrap().document();
            publisher = publisher.with_server_key_document(role.as_str(), document.as_ref());
        }
        publisher
    }

    async fn publish(&self, parts: &[(String, Vec<u8>)]) -> Result<(), PublishError> {
        let mut update = Update::default();
        for (role, bytes) in parts {
            let (role, bytes) = (Role::parse(role).unwrap(), bytes.clone().into());
            update.insert(Uploaded::read(role, bytes, &Limits::default()).unwrap());
        }
        let authority = Authority::new(Caller::anonymous(), Arc::new(Policy::Open));
        publish::publish(
            &self.repositories,
            &self.gun,
            &self.alice,
            &Arc::new(authority),
            update,
            fixtures::clock(),
        )
        .await
    }
}

#[tokio::test]
async fn everything_that_happens_is_told_once_and_in_order() {
    let stage = Stage::new(10).await;
    let (repositories, gun, alice) = (&stage.repositories, &stage.gun, &stage.alice);
    let mut publisher = stage.publisher().await;
    let first = publisher.first_publish();
    stage.publish(&first).await.unwrap();
    stage.publish(&first).await.unwrap();
    publisher.add_target("targets", "1.0", b"one");
    let next = publisher.next(&["targets"]);
    stage.publish(&next).await.unwrap();
    stage.publish(&first).await.unwrap_err();
    renewal::walk(repositories).await;
    let role = &Role::Timestamp;
    keys::create(repositories, gun, role, alice, Occasion::Rotation)
        .await
        .unwrap();
    for _ in 0..2 {
        deletion::delete(repositories, gun, alice, fixtures::clock())
            .await
            .unwrap();
    }
    assert_eq!(
        stage.diary.take(),
        [
            "app created timestamp by alice",
            "app created snapshot by alice",
            "app published root,targets,snapshot,timestamp by alice",
            "app repeated root,targets by alice",
            "app published targets,snapshot,timestamp by alice",
            "app refused by alice",
            "app renewed timestamp by the program",
            "app rotated timestamp by alice",
            "app deleted true by alice",
            "app deleted false by alice",
        ]
    );
}

#[tokio::test]
async fn a_renewal_that_fails_is_told_once_for_each_walk_and_not_for_each_reader() {
    let mut stage = Stage::new(20).await;
    let first = stage.publisher().await.first_publish();
    stage.publish(&first).await.unwrap();
    stage.diary.take();
    stage.repositories.signer = Arc::new(LocalSigner::default());
    for _ in 0..2 {
        renewal::walk(&stage.repositories).await;
        let told = "app failed to renew by the program";
        assert_eq!(stage.diary.take(), [told]);
    }
    let now = stage.repositories.now();
    for _ in 0..2 {
        trust::reading::current(&stage.repositories, &stage.gun, &Role::Timestamp, now)
            .await
            .unwrap_err();
    }
    assert!(stage.diary.take().is_empty());
}

#[tokio::test]
async fn a_deletion_reaches_the_cache_of_this_process() {
    let stage = Stage::new(0).await;
    let (repositories, gun) = (&stage.repositories, &stage.gun);
    let first = stage.publisher().await.first_publish();
    stage.publish(&first).await.unwrap();
    let now = fixtures::clock();
    let root = trust::reading::current(repositories, gun, &Role::Root, now).await;
    let sha256 = tuf::Checksums::of(&root.unwrap().unwrap().bytes).sha256;
    let remembered = || repositories.cache.file(gun, &Role::Root, &sha256);
    assert!(remembered().is_some());
    deletion::delete(repositories, gun, &stage.alice, now)
        .await
        .unwrap();
    assert!(remembered().is_none());
}
