//! What the database knows of the newest line.

use std::sync::Arc;

use database::{Backend, DatabaseUrl, OpenMode, PoolLimits};
use trust::store::{
    self, Storage,
    chains::{self, AuditChains, ChainRow},
};

use super::*;
use crate::verify::{Report, Source, Verifier};

/// A database and a folder for the files of servers.
struct Place {
    folder: TempDir,
    chains: Arc<dyn AuditChains>,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.db");
        let storage = Storage {
            url: DatabaseUrl::parse(Backend::Sqlite, file.to_str().unwrap()).unwrap(),
            limits: PoolLimits::default(),
        };
        let connected = store::open_pool(&storage, OpenMode::MayCreate)
            .await
            .unwrap();
        Self {
            chains: chains::open(&connected),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server that starts.
    async fn start(&self, name: &str) -> (Audit, Anchor) {
        let audit = Audit::to_file(&self.path(name)).unwrap();
        let mut anchor = Anchor::new(audit.clone(), self.chains.clone());
        anchor.try_store().await.unwrap();
        (audit, anchor)
    }

    async fn verify(&self, files: &[&str]) -> Report {
        let rows = self.chains.all().await.unwrap();
        let log = name_log(Some(&self.path(files[files.len() - 1])));
        let mut verifier = Verifier::new(Some(rows)).of_log(Some(log));
        for name in files {
            let text = fs::read(self.path(name)).unwrap();
            verifier
                .read(name, &mut &text[..], Source::AuditFile)
                .unwrap();
        }
        verifier.finish()
    }
}

fn write(audit: &Audit, count: usize) {
    let alice = user("alice");
    for _ in 0..count {
        audit.record(&event(Actor::from(&alice), Outcome::Done));
    }
}

#[tokio::test]
async fn the_newest_line_is_in_the_database_and_the_chain_goes_on_after_a_kill() {
    let place = Place::new().await;
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 3);
    anchor.try_store().await.unwrap();
    // Killed within the minute: the file is ahead of the database.
    write(&audit, 2);
    let chain = audit.chain();
    drop((audit, anchor));
    let (audit, mut anchor) = place.start("audit.log").await;
    assert_eq!(audit.chain(), chain);
    write(&audit, 1);
    anchor.try_store().await.unwrap();
    let report = place.verify(&["audit.log"]).await;
    assert!(report.ok, "{report}");
    assert_eq!(report.chains[0].compared, Some(6), "{report}");
}

#[tokio::test]
async fn a_tail_that_is_cut_off_while_no_server_runs_stays_missing() {
    let place = Place::new().await;
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 5);
    anchor.try_store().await.unwrap();
    drop((audit, anchor));
    let text = fs::read_to_string(place.path("audit.log")).unwrap();
    let cut: Vec<&str> = text.split_inclusive('\n').take(3).collect();
    fs::write(place.path("audit.log"), cut.concat()).unwrap();
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 4);
    anchor.try_store().await.unwrap();
    let report = place.verify(&["audit.log"]).await;
    assert_eq!(report.faults[0].line, Some(4), "{report}");
    assert!(
        report.faults[0].what.contains("4 to 5 are missing"),
        "{report}"
    );
    let told = lines(&place.path("audit.log"));
    assert_eq!(told[3]["event"], "log.restarted");
}

#[tokio::test]
async fn lines_that_are_changed_with_all_checksums_while_no_server_runs_stay_changed() {
    let place = Place::new().await;
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 3);
    anchor.try_store().await.unwrap();
    write(&audit, 1);
    drop((audit, anchor));
    // A whole log of another's making, of the same chain.
    let text = fs::read_to_string(place.path("audit.log")).unwrap();
    let mut forged = String::new();
    let mut before: Option<String> = None;
    for line in text.lines() {
        let mut line = line.replace("alice", "mallory");
        if let Some(before) = &before {
            let at = line.find("\"previous\":\"").unwrap() + 12;
            line.replace_range(at..at + 64, before);
        }
        before = Some(torn::checksum(line.as_bytes()));
        forged += &line;
        forged.push('\n');
    }
    fs::write(place.path("audit.log"), forged).unwrap();
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 4);
    anchor.try_store().await.unwrap();
    let report = place.verify(&["audit.log"]).await;
    assert_eq!(report.faults[0].line, Some(3), "{report}");
    assert_eq!(report.chains.len(), 2, "{report}");
}

#[tokio::test]
async fn a_log_that_is_deleted_or_replaced_is_missing() {
    let place = Place::new().await;
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 5);
    anchor.try_store().await.unwrap();
    drop((audit, anchor));
    fs::write(place.path("audit.log"), "").unwrap();
    assert!(!place.verify(&["audit.log"]).await.ok);
    let (audit, mut anchor) = place.start("audit.log").await;
    write(&audit, 4);
    let report = place.verify(&["audit.log"]).await;
    assert!(
        report.faults[0].what.contains("does not know this chain"),
        "{report}"
    );
    anchor.try_store().await.unwrap();
    let report = place.verify(&["audit.log"]).await;
    assert_eq!(report.faults[0].line, Some(1), "{report}");
}

#[tokio::test]
async fn two_servers_on_one_database_have_two_chains() {
    let place = Place::new().await;
    let (one, mut one_anchor) = place.start("one.log").await;
    let (two, mut two_anchor) = place.start("two.log").await;
    for _ in 0..3 {
        write(&one, 2);
        write(&two, 1);
        one_anchor.try_store().await.unwrap();
        two_anchor.try_store().await.unwrap();
    }
    let rows = place.chains.all().await.unwrap();
    let mut counts: Vec<u64> = rows.iter().map(|row| row.line).collect();
    counts.sort_unstable();
    assert_eq!(counts, [3, 6]);
    for file in ["one.log", "two.log"] {
        let report = place.verify(&[file]).await;
        assert!(report.ok, "{report}");
        assert_eq!(report.chains.len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_runs_on_a_copy_of_the_log_of_another_begins_a_chain_of_its_own() {
    let place = Place::new().await;
    let (one, mut one_anchor) = place.start("one.log").await;
    write(&one, 2);
    one_anchor.try_store().await.unwrap();
    fs::copy(place.path("one.log"), place.path("two.log")).unwrap();
    let (two, mut two_anchor) = place.start("two.log").await;
    assert_eq!(two.chain(), one.chain());
    write(&one, 1);
    one_anchor.try_store().await.unwrap();
    write(&two, 1);
    two_anchor.try_store().await.unwrap();
    assert_ne!(two.chain(), one.chain());
    write(&one, 1);
    one_anchor.try_store().await.unwrap();
    let report = place.verify(&["one.log"]).await;
    assert!(report.ok, "{report}");
}

#[tokio::test]
async fn a_row_whose_storing_was_never_confirmed_is_recognised() {
    /// Stores, and says that it failed.
    struct Silent(Arc<dyn AuditChains>, std::sync::atomic::AtomicBool);

    #[async_trait::async_trait]
    impl AuditChains for Silent {
        async fn all(&self) -> Result<Vec<ChainRow>, store::StoreError> {
            self.0.all().await
        }

        async fn find(&self, chain: &str) -> Result<Option<ChainRow>, store::StoreError> {
            self.0.find(chain).await
        }

        async fn put(
            &self,
            before: Option<&ChainRow>,
            row: &ChainRow,
        ) -> Result<bool, store::StoreError> {
            let outcome = self.0.put(before, row).await;
            if self.1.swap(false, Ordering::SeqCst) {
                return Err(store::StoreError::Moved);
            }
            outcome
        }
    }

    let place = Place::new().await;
    let audit = Audit::to_file(&place.path("audit.log")).unwrap();
    let silent = Arc::new(Silent(place.chains.clone(), true.into()));
    let mut anchor = Anchor::new(audit.clone(), silent.clone());
    let chain = audit.chain();
    for _ in 0..2 {
        write(&audit, 1);
        silent.1.store(true, Ordering::SeqCst);
        assert!(anchor.try_store().await.is_err());
        write(&audit, 1);
        anchor.try_store().await.unwrap();
    }
    assert_eq!(audit.chain(), chain);
    assert_eq!(place.chains.all().await.unwrap()[0].line, 4);
}

#[tokio::test]
async fn a_database_without_the_table_stops_nothing_and_counts_once_it_has_it() {
    let place = Place::new().await;
    let pool = database::connect_sqlite(place.path("server.db").to_str().unwrap())
        .await
        .unwrap();
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    let table = "countersign_audit_chains";
    sqlx::query(sqlx::AssertSqlSafe(rename(table, "gone")))
        .execute(&pool)
        .await
        .unwrap();
    let audit = Audit::to_file(&place.path("audit.log")).unwrap();
    let mut anchor = Anchor::new(audit.clone(), place.chains.clone());
    write(&audit, 1);
    anchor.store().await;
    assert!(anchor.try_store().await.is_err());
    sqlx::query(sqlx::AssertSqlSafe(rename("gone", table)))
        .execute(&pool)
        .await
        .unwrap();
    anchor.store().await;
    assert_eq!(place.chains.all().await.unwrap()[0].line, 1);
}
