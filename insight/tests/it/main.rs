//! What a caller may see of the inventory, page by page.

use std::{collections::BTreeSet, sync::Arc};

use access::{Caller, Identity, Policy, Rules};
use database::Connected;
use insight::{Overview, OverviewError, Question, Sight};
use inventory::{
    Detail, Entry, Filter, Health, NextExpiry, Owner, Position, RoleDetail, Row, Signer, Sort,
    Tables, Tag, Written,
};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use trust::store::{MIGRATIONS, SqlStore};

/// A key that may sign everywhere, beside one of each repository.
const SHARED: &str = "shared";

/// An inventory of entries that the test makes up.
struct Stage {
    tables: Arc<dyn Tables>,
    overview: Overview,
}

impl Stage {
    async fn with(entries: &[Entry]) -> Self {
        let pool = database::connect_sqlite("memory").await.unwrap();
        database::migrate(&pool, &MIGRATIONS).await.unwrap();
        let connected = Connected::Sqlite(pool.clone());
        inventory::migrate(&connected).await.unwrap();
        let tables = inventory::tables(&connected);
        for entry in entries {
            let written = tables.put(entry, None).await.unwrap();
            assert_eq!(written, Written::Done);
        }
        tables
            .set_position(Some(&Position::default()))
            .await
            .unwrap();
        let store = Arc::new(SqlStore::new(pool));
        let overview = Overview::new(Arc::clone(&tables), store);
        Self { tables, overview }
    }

    /// All names, in pages of `limit`.
    async fn names(&self, sight: &Sight, question: &Question, limit: u32) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .overview
                .repositories(sight, question, after.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.rows.len() <= limit as usize);
            names.extend(page.rows.into_iter().map(|row| row.gun));
            match page.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    async fn due(&self, sight: &Sight, within: Duration, limit: u32) -> Vec<(i64, String, String)> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .overview
                .expiring(sight, fixtures::clock(), within, after.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.rows.len() <= limit as usize);
            found.extend(page.rows.into_iter().map(|due| {
                let expiry = due.expiry;
                (expiry.expires.unix_timestamp(), expiry.gun, expiry.role)
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    }

    /// Each key with the number of repositories that it may sign for.
    async fn keys(&self, sight: &Sight, limit: u32) -> Vec<(String, u64)> {
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let page = self.overview.signers(sight, after.as_deref(), limit).await;
            let page = page.unwrap();
            assert!(page.rows.len() <= limit as usize);
            keys.extend(
                page.rows
                    .into_iter()
                    .map(|key| (key.key_id, key.repositories)),
            );
            match page.next {
                Some(next) => after = Some(next),
                None => return keys,
            }
        }
    }

    /// What a key may sign.
    async fn signs(&self, sight: &Sight, key: &str, limit: u32) -> Vec<(String, String)> {
        let (mut signs, mut after) = (Vec::new(), None);
        loop {
            let page = self.overview.key(sight, key, after.as_deref(), limit).await;
            let Some(page) = page.unwrap() else {
                return signs;
            };
            assert!(page.signs.rows.len() <= limit as usize);
            signs.extend(page.signs.rows);
            match page.signs.next {
                Some(next) => after = Some(next),
                None => return signs,
            }
        }
    }
}

/// What a test says of a repository.
#[derive(Clone, Debug)]
struct Made {
    gun: String,
    health: u8,
    expires: Option<i64>,
    published: i64,
    tag: bool,
}

fn in_days(days: i64) -> OffsetDateTime {
    fixtures::clock() + Duration::days(days)
}

fn entry(made: &Made) -> Entry {
    let Made {
        gun,
        health,
        expires,
        published,
        tag,
    } = made;
    let expires = expires.map(in_days);
    let role = |name: &str| RoleDetail {
        role: name.to_owned(),
        version: 1,
        expires: expires.map(OffsetDateTime::unix_timestamp),
        sha256: String::new(),
        bytes: 1,
        threshold: 1,
        keys: Vec::new(),
        signed_by: Vec::new(),
        paths: Vec::new(),
        is_skipped: expires.is_none(),
        is_believed: true,
    };
    let signer = |role: &str, key: &str| Signer {
        role: role.to_owned(),
        key_id: key.to_owned(),
        algorithm: "ecdsa".to_owned(),
        certificate: None,
        expires: None,
    };
    Entry {
        row: Row {
            gun: gun.clone(),
            version: 1,
            sha256: vec![0; 32],
            format: "notary".to_owned(),
            published_at: in_days(*published),
            computed_at: fixtures::clock(),
            next: expires.map(|expires| NextExpiry {
                expires,
                role: "targets".to_owned(),
            }),
            health: match health {
                0 => Health::Whole,
                1 => Health::Warning,
                _ => Health::Broken,
            },
            tags: 1,
            signers: 2,
            bytes: 1,
            detail: Detail {
                roles: vec![role("targets"), role("root")],
                problems: Vec::new(),
            },
        },
        stale_at: i64::MAX,
        tags: tag
            .then(|| Tag {
                role: "targets".to_owned(),
                name: "latest".to_owned(),
                digest: "sha256:aa".to_owned(),
                length: 1,
            })
            .into_iter()
            .collect(),
        signers: vec![
            signer("targets", SHARED),
            signer("targets/a", SHARED),
            signer("root", &format!("of {gun}")),
        ],
    }
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let one = (
        "(a|b|c)/(x|y|z)(/app)?(é|1|2)?",
        0_u8..3,
        proptest::option::of(0_i64..4),
        0_i64..3,
        any::<bool>(),
    );
    let one = one.prop_map(|(gun, health, expires, published, tag)| Made {
        gun,
        health,
        expires,
        published,
        tag,
    });
    proptest::collection::vec(one, 0..14).prop_map(|mut all| {
        all.sort_by(|one, other| one.gun.cmp(&other.gun));
        all.dedup_by(|one, other| one.gun == other.gun);
        all
    })
}

/// Sees everything, or what a user sees by these patterns.
fn sight(patterns: Option<&[&str]>) -> Sight {
    let Some(patterns) = patterns else {
        return Sight::of(&Arc::new(Policy::Open), &Caller::anonymous(), &[]);
    };
    let rules = serde_json::json!({"rules": [{"who": "user:a", "may": "pull", "on": patterns}]});
    let policy = Arc::new(Policy::Rules(Rules::parse(&rules, &[]).unwrap()));
    let caller = Caller::new(Identity::User("a".to_owned()));
    Sight::of(&policy, &caller, &[])
}

const PATTERNS: [Option<&[&str]>; 5] = [
    None,
    Some(&["a/"]),
    Some(&["*/x/**", "c/z"]),
    Some(&["b/y/app", "b/", "a/x"]),
    Some(&["elsewhere/"]),
];

fn question() -> impl Strategy<Value = Question> {
    let sort = prop::sample::select(vec![Sort::Name, Sort::Expires, Sort::Published]);
    let prefix = prop::sample::select(vec!["", "a", "b/", "b/y", "c/z/app"]);
    let pick = prop::sample::subsequence(vec!["signer", "tag", "digest"], 0..=3);
    let limits = (proptest::option::of(0_i64..4), any::<bool>());
    (sort, prefix, pick, limits).prop_map(|(sort, prefix, pick, (before, is_unhealthy))| {
        let picked = |name, value: &str| {
            (sort == Sort::Name && pick.contains(&name)).then(|| value.to_owned())
        };
        Question {
            filter: Filter {
                prefix: prefix.to_owned(),
                signer: picked("signer", SHARED),
                tag: picked("tag", "latest"),
                digest: picked("digest", "sha256:aa"),
                expires_before: before.map(in_days),
                is_unhealthy,
            },
            sort,
        }
    })
}

/// What the pages have to be together, in as simple a way as possible.
fn model(all: &[Made], sight: &Sight, question: &Question) -> Vec<String> {
    let filter = &question.filter;
    let mut found: Vec<&Made> = all
        .iter()
        .filter(|one| {
            let is_tagged = filter.tag.is_none() && filter.digest.is_none() || one.tag;
            let before = filter.expires_before;
            sight.sees(&one.gun)
                && one.gun.starts_with(&filter.prefix)
                && is_tagged
                && (!filter.is_unhealthy || one.health > 0)
                && before.is_none_or(|before| one.expires.is_some_and(|at| in_days(at) < before))
        })
        .collect();
    match question.sort {
        Sort::Name => {}
        Sort::Expires => found.sort_by_key(|one| (one.expires.unwrap_or(i64::MAX), &one.gun)),
        Sort::Published => {
            found.sort_by_key(|one| std::cmp::Reverse((one.published, one.gun.clone())));
        }
    }
    found.into_iter().map(|one| one.gun.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn pages_of_any_length_list_each_visible_repository_once_and_in_order(
        all in made(), question in question(), patterns in prop::sample::select(PATTERNS.to_vec()),
        limit in 1_u32..6,
    ) {
        let sight = sight(patterns);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let entries: Vec<_> = all.iter().map(entry).collect();
            let stage = Stage::with(&entries).await;
            let names = stage.names(&sight, &question, limit).await;
            assert_eq!(names, model(&all, &sight, &question));

            let seen: Vec<&Made> = all.iter().filter(|one| sight.sees(&one.gun)).collect();
            let within = Duration::days(2);
            let mut due = Vec::new();
            for one in &seen {
                let Some(days) = one.expires.filter(|days| *days < 2) else { continue };
                for role in ["root", "targets"] {
                    assert_eq!(Owner::of(role), Owner::Publisher);
                    due.push((in_days(days).unix_timestamp(), one.gun.clone(), role.to_owned()));
                }
            }
            due.sort();
            assert_eq!(stage.due(&sight, within, limit).await, due);

            let mut keys: BTreeSet<_> = seen.iter().map(|one| (format!("of {}", one.gun), 1)).collect();
            if !seen.is_empty() {
                keys.insert((SHARED.to_owned(), seen.len() as u64));
            }
            let keys: Vec<_> = keys.into_iter().collect();
            assert_eq!(stage.keys(&sight, limit).await, keys);

            let roles = |one: &&Made| ["targets", "targets/a"].map(|role| (one.gun.clone(), role.to_owned()));
            let signs: Vec<_> = seen.iter().flat_map(roles).collect();
            assert_eq!(stage.signs(&sight, SHARED, limit).await, signs);

            let status = stage.overview.status(&sight, fixtures::clock()).await.unwrap();
            assert!(status.counts.is_complete);
            assert_eq!(status.counts.all(), seen.len() as u64);
            assert_eq!(
                status.counts.broken,
                seen.iter().filter(|one| one.health > 1).count() as u64
            );
        });
    }
}

fn whole(gun: &str) -> Made {
    Made {
        gun: gun.to_owned(),
        health: 0,
        expires: Some(1),
        published: 0,
        tag: true,
    }
}

#[tokio::test]
async fn where_much_is_hidden_pages_are_short_and_cursors_tell_nothing() {
    // Of the names that the pattern begins with, only the last one is visible.
    let hidden = (0..6_000).map(|number| whole(&format!("a/{number:05}/hidden")));
    let all: Vec<Entry> = hidden
        .chain([whole("a/z/app")])
        .map(|one| entry(&one))
        .collect();
    let stage = Stage::with(&all).await;
    let sight = sight(Some(&["a/*/app"]));
    let question = Question::default();
    let first = stage
        .overview
        .repositories(&sight, &question, None, 10)
        .await
        .unwrap();
    assert_eq!(first.rows, []);
    let again = stage
        .overview
        .repositories(&sight, &question, None, 10)
        .await
        .unwrap();
    assert_ne!(first.next, again.next);
    assert_eq!(stage.names(&sight, &question, 10).await, ["a/z/app"]);
    assert_eq!(stage.keys(&sight, 10).await.len(), 2);
    assert_eq!(stage.due(&sight, Duration::days(90), 10).await.len(), 2);
    assert_eq!(stage.signs(&sight, SHARED, 10).await.len(), 2);
    assert!(
        stage
            .signs(&sight, "of a/00001/hidden", 10)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn what_is_hidden_is_as_what_is_missing() {
    let stage = Stage::with(&[entry(&whole("a/app")), entry(&whole("b/app"))]).await;
    let sight = sight(Some(&["a/"]));
    let overview = &stage.overview;
    for gun in ["b/app", "b/none", "a/none"] {
        assert_eq!(overview.repository(&sight, gun).await.unwrap(), None);
        assert_eq!(overview.tags(&sight, gun, None, 10).await.unwrap(), None);
    }
    let shown = overview.repository(&sight, "a/app").await.unwrap().unwrap();
    assert_eq!((shown.row.gun.as_str(), shown.signers.len()), ("a/app", 3));
    let tags = overview
        .tags(&sight, "a/app", None, 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(tags.rows.len(), 1);
    assert_eq!(
        overview.key(&sight, "of b/app", None, 10).await.unwrap(),
        None
    );
    let calendar = overview
        .calendar(&sight, fixtures::clock(), Duration::days(90))
        .await
        .unwrap();
    assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 2);
    assert!(!calendar.contains("b/app"));
}

#[tokio::test]
async fn a_cursor_is_taken_by_each_replica_and_for_its_question_alone() {
    let stage = Stage::with(&[entry(&whole("a/1")), entry(&whole("a/2"))]).await;
    let sight = sight(None);
    let question = Question::default();
    let page = stage
        .overview
        .repositories(&sight, &question, None, 1)
        .await
        .unwrap();
    let next = page.next.unwrap();
    let pool = database::connect_sqlite("memory").await.unwrap();
    let replica = Overview::new(Arc::clone(&stage.tables), Arc::new(SqlStore::new(pool)));
    let rest = replica
        .repositories(&sight, &question, Some(&next), 1)
        .await
        .unwrap();
    assert_eq!(rest.rows[0].gun, "a/2");
    assert_eq!(rest.next, None);
    let other = Question {
        sort: Sort::Expires,
        ..Question::default()
    };
    for cursor in [next.as_str(), "", "a/1", "AAAA"] {
        let refused = stage
            .overview
            .repositories(&sight, &other, Some(cursor), 1)
            .await;
        assert!(
            matches!(refused, Err(OverviewError::Cursor(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn without_an_inventory_the_cure_is_named() {
    let sight = sight(None);
    let ask = async |overview: &Overview| {
        let refused = overview.signers(&sight, None, 1).await;
        refused.unwrap_err().to_string()
    };
    assert!(ask(&Overview::off()).await.contains("inventory.enabled"));
    let pool = database::connect_sqlite("memory").await.unwrap();
    let connected = Connected::Sqlite(pool.clone());
    let overview = Overview::new(inventory::tables(&connected), Arc::new(SqlStore::new(pool)));
    assert!(ask(&overview).await.contains("notary-server migrate"));
    inventory::migrate(&connected).await.unwrap();
    assert!(ask(&overview).await.contains("overview rebuild"));
    let question = Question {
        filter: Filter {
            tag: Some("latest".to_owned()),
            ..Filter::default()
        },
        sort: Sort::Expires,
    };
    let refused = overview.repositories(&sight, &question, None, 1).await;
    assert!(matches!(refused, Err(OverviewError::Sort)));
}
