//! How long the pages of many repositories take. It measures, and asserts nothing about time.

use std::{sync::Arc, time::Instant};

use access::{Caller, Identity, Policy, Rules};
use anyhow::Result;
use database::Connected;
use insight::{Overview, OverviewError, Question, Sight};
use inventory::{
    Detail, Entry, Filter, Health, NextExpiry, Position, RoleDetail, Row, Signer, Sort, Tag,
};
use time::Duration;

use crate::support::{Server, connect};

/// How many repositories there are.
const COUNT: usize = 10_000;

/// A repository like many others: three roles, ten tags, a key of its own for each role, and one
/// that signs everywhere.
fn entry(number: usize) -> Entry {
    let gun = format!("ex.com/{}/{number:05}", number % 10);
    let now = fixtures::clock();
    let expires = now + Duration::days(i64::try_from(number % 1_000).unwrap_or(0));
    let role = |name: &str| RoleDetail {
        role: name.to_owned(),
        version: 1,
        expires: Some(expires.unix_timestamp()),
        sha256: "a".repeat(64),
        bytes: 1_000,
        threshold: 1,
        keys: vec!["b".repeat(64)],
        signed_by: vec!["b".repeat(64)],
        paths: Vec::new(),
        is_skipped: false,
        is_believed: true,
    };
    let signer = |role: &str, key: &str| Signer {
        role: role.to_owned(),
        key_id: key.to_owned(),
        algorithm: "ecdsa".to_owned(),
        certificate: None,
        expires: None,
    };
    let tag = |tag: usize| Tag {
        role: "targets".to_owned(),
        name: format!("1.{tag}"),
        digest: format!("sha256:{:064x}", number * 100 + tag),
        length: 1_000,
    };
    Entry {
        row: Row {
            gun: gun.clone(),
            version: 1,
            sha256: vec![1; 32],
            format: "notary".to_owned(),
            published_at: now - Duration::minutes(i64::try_from(number).unwrap_or(0)),
            computed_at: now,
            next: Some(NextExpiry {
                expires,
                role: "targets".to_owned(),
            }),
            health: if number.is_multiple_of(100) {
                Health::Warning
            } else {
                Health::Whole
            },
            tags: 10,
            signers: 4,
            bytes: 10_000,
            detail: Detail {
                roles: ["root", "targets", "snapshot", "timestamp"]
                    .map(role)
                    .into(),
                problems: Vec::new(),
            },
        },
        stale_at: i64::MAX,
        tags: (0..10).map(tag).collect(),
        signers: vec![
            signer("root", &format!("{number:064x}")),
            signer("targets", &format!("1{number:063x}")),
            signer("snapshot", &format!("2{number:063x}")),
            signer("targets/team", &"f".repeat(64)),
        ],
    }
}

/// How long pages of 10,000 repositories take, on three databases; `just pages` runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures, which takes a quiet machine"]
async fn pages_of_ten_thousand_repositories() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("server.db");
    let file = file.to_str().expect("the path of a test is text");
    let pool = database::connect_sqlite(file).await?;
    database::migrate(&pool, &trust::store::MIGRATIONS).await?;
    measure("SQLite", Connected::Sqlite(pool)).await?;
    for server in [Server::postgres()?, Server::mariadb()?] {
        let name = server.pick("PostgreSQL", "MariaDB");
        let fresh = server.notarys()?;
        measure(name, connect(&fresh).await?).await?;
    }
    Ok(())
}

/// Says how long each question takes: the median and the longest of twenty times.
async fn measure(name: &str, connected: Connected) -> Result<()> {
    inventory::migrate(&connected).await?;
    let tables = inventory::tables(&connected);
    for number in 0..COUNT {
        tables.put(&entry(number), None).await?;
    }
    tables.set_position(Some(&Position::default())).await?;
    let overview = Overview::new(tables, trust::store::on(&connected));
    let sight = Sight::of(&Arc::new(Policy::Open), &Caller::anonymous(), &[]);
    let rules = serde_json::json!({"rules": [{"who": "user:a", "may": "pull", "on": "ex.com/7/"}]});
    let rules = Rules::parse(&rules, &[])?;
    let caller = Caller::new(Identity::User("a".to_owned()));
    let some = Sight::of(&Arc::new(Policy::Rules(rules)), &caller, &[]);
    let question = |prefix: &str, sort| Question {
        filter: Filter {
            prefix: prefix.to_owned(),
            ..Filter::default()
        },
        sort,
    };
    let all = question("", Sort::Name);
    let mut unhealthy = all.clone();
    unhealthy.filter.is_unhealthy = true;
    let mut by_tag = all.clone();
    by_tag.filter.tag = Some("1.5".to_owned());
    let shared = "f".repeat(64);
    let now = fixtures::clock();
    let quarter = Duration::days(90);
    for (what, sight, question) in [
        ("repositories", &sight, &all),
        ("repositories of one caller", &some, &all),
        (
            "the last repositories",
            &sight,
            &question("ex.com/9/", Sort::Name),
        ),
        ("by tag", &sight, &by_tag),
        ("unhealthy", &sight, &unhealthy),
        ("by expiry", &sight, &question("", Sort::Expires)),
        ("by date", &sight, &question("", Sort::Published)),
        (
            "by date, of one caller",
            &some,
            &question("", Sort::Published),
        ),
    ] {
        time(name, what, || async {
            overview.repositories(sight, question, None, 100).await
        })
        .await?;
    }
    time(name, "signers", || async {
        overview.signers(&sight, None, 100).await
    })
    .await?;
    time(name, "signers of one caller", || async {
        overview.signers(&some, None, 100).await
    })
    .await?;
    time(name, "a key", || async {
        overview.key(&sight, &shared, None, 100).await
    })
    .await?;
    time(name, "expiry", || async {
        overview.expiring(&sight, now, quarter, None, 100).await
    })
    .await?;
    time(name, "calendar", || async {
        overview.calendar(&sight, now, quarter).await
    })
    .await?;
    time(name, "status", || async {
        overview.status(&sight, now).await
    })
    .await?;
    time(name, "status of one caller", || async {
        overview.status(&some, now).await
    })
    .await?;
    Ok(())
}

async fn time<T, F>(name: &str, what: &str, ask: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<T, OverviewError>>,
{
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        ask().await?;
        times.push(start.elapsed());
    }
    times.sort();
    println!("{name:10} {what:28} {:9.1?} {:9.1?}", times[10], times[19]);
    Ok(())
}
