//! The newest line in the database, so that no rewriting of files goes unseen.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use daemon::clock;
use tokio_util::sync::CancellationToken;
use trust::store::{
    StoreError,
    chains::{AuditChains, ChainRow},
};

use super::{
    Audit,
    chain::Head,
    name::name_log,
    tail,
    verify::{Report, Source, Verifier},
};

/// How often the newest line is stored.
const INTERVAL: Duration = Duration::from_mins(1);

/// How much of the ends of files is read at the start to find the line that the database knows.
const MOST_READ: u64 = 64 << 20;

/// Stores the newest line of the audit log in the database.
pub struct Anchor {
    audit: Audit,
    chains: Arc<dyn AuditChains>,
    log: String,
    /// What the database holds; `None` before it was asked, or while there is no row.
    stored: Option<ChainRow>,
    /// What was sent and may have been stored.
    sent: Option<ChainRow>,
    /// The chain about which the database was asked.
    asked: Option<Arc<str>>,
    is_failing: bool,
}

impl Anchor {
    /// For the lines that `audit` writes.
    #[must_use]
    pub fn new(audit: Audit, chains: Arc<dyn AuditChains>) -> Self {
        let log = name_log(audit.path().as_deref());
        Self {
            audit,
            chains,
            log,
            stored: None,
            sent: None,
            asked: None,
            is_failing: false,
        }
    }

    /// Stores each minute, and soon after a chain began, until `shutdown`. The last time is up to
    /// the caller, once nothing is written any more.
    pub async fn run(mut self, shutdown: CancellationToken) -> Self {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return self,
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.audit.begun().notified() => {}
            }
            self.store().await;
        }
    }

    /// Stores the newest line once; a failure is told and no more.
    pub async fn store(&mut self) {
        match self.try_store().await {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                tracing::warn!(target: "startup", "the newest line of the audit log is in the database again");
            }
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("notary_server_audit_chain_failures_total").increment(1);
                if !self.is_failing {
                    self.is_failing = true;
                    tracing::warn!(
                        target: "startup", %error,
                        "the newest line of the audit log cannot be stored in the database, so that \
                         lines that are cut off would not be missed; without the table \
                         countersign_audit_chains, run `notary-server migrate`"
                    );
                }
            }
        }
    }

    /// Stores the newest line once, if it is not stored yet.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn try_store(&mut self) -> Result<(), StoreError> {
        self.ask().await?;
        let Some(head) = self.audit.head() else {
            return Ok(());
        };
        if self
            .stored
            .as_ref()
            .is_some_and(|row| is_row_of(row, &head))
        {
            return Ok(());
        }
        if let Err(error) = self.sync().await {
            tracing::warn!(%error, "the audit file may not be on the disk yet");
        }
        let row = ChainRow {
            chain: head.chain.to_string(),
            log: self.log.clone(),
            line: head.line,
            sha256: head.sha256,
            stored_at: clock::now(),
        };
        self.sent = Some(row.clone());
        if self.chains.put(self.stored.as_ref(), &row).await? {
            self.stored = Some(row);
            return Ok(());
        }
        // Another server goes on with a copy of the same log, or the row was changed by hand.
        self.begin_again("another program has changed what the database knows of this chain");
        Ok(())
    }

    /// Compares what the last process left with what the database knows, before anything is stored.
    /// A chain that does not fit ends here, and its row stays as evidence.
    async fn ask(&mut self) -> Result<(), StoreError> {
        let chain = self.audit.chain();
        if self.asked.as_ref() == Some(&chain) {
            return self.recall().await;
        }
        let row = self.chains.find(&chain).await?;
        self.asked = Some(chain);
        self.stored = row;
        self.sent = None;
        let (Some(row), Some(head)) = (&self.stored, self.audit.head()) else {
            return Ok(());
        };
        if is_row_of(row, &head) {
            return Ok(());
        }
        let (path, known) = (self.audit.path(), row.clone());
        let search = move || path.is_some_and(|path| confirms(&path, &known, &head));
        if !tokio::task::spawn_blocking(search).await.unwrap_or(false) {
            let reason = format!(
                "line {} of chain {}, which the database knows, was not found at the end of the file",
                row.line, row.chain
            );
            self.begin_again(&reason);
        }
        Ok(())
    }

    /// Finds out whether what was sent last was stored, if its answer was lost.
    async fn recall(&mut self) -> Result<(), StoreError> {
        let is_stored = |row: &ChainRow| self.stored.as_ref() == Some(row);
        let Some(sent) = self.sent.as_ref().filter(|sent| !is_stored(sent)) else {
            return Ok(());
        };
        let found = self.chains.find(&sent.chain).await?;
        if let Some(found) = found.filter(|found| found.is_same_line(sent)) {
            self.stored = Some(found);
        }
        self.sent = None;
        Ok(())
    }

    fn begin_again(&mut self, reason: &str) {
        tracing::error!(
            reason,
            "the audit log begins a new chain; verify the files of the old one"
        );
        self.audit.begin_again(reason);
        let chain = self.audit.chain();
        self.asked = Some(chain);
        self.stored = None;
        self.sent = None;
    }

    /// Waits until all lines so far are on the disk: the database must not know of lines that a
    /// power failure takes.
    async fn sync(&self) -> io::Result<()> {
        let files = self.audit.unsynced()?;
        let sync = move || files.iter().try_for_each(std::fs::File::sync_data);
        tokio::task::spawn_blocking(sync)
            .await
            .map_err(io::Error::other)?
    }
}

fn is_row_of(row: &ChainRow, head: &Head) -> bool {
    (row.chain.as_str(), row.line, row.sha256.as_str()) == (&*head.chain, head.line, &*head.sha256)
}

/// Whether the ends of the files hold the line of `row`, and all between it and `head` unchanged.
fn confirms(path: &Path, row: &ChainRow, head: &Head) -> bool {
    let rotated = tail::newest_rotated(path);
    let files: Vec<PathBuf> = rotated.into_iter().chain([path.to_owned()]).collect();
    let Ok(report) = follow(&files, row) else {
        return false;
    };
    let is_there = |found: &&super::verify::Found| found.chain == row.chain;
    let is_faulty = |fault: &super::verify::Fault| fault.chain.as_ref() == Some(&row.chain);
    let found = report.chains.iter().find(is_there);
    found.is_some_and(|found| {
        found.compared == Some(row.line) && found.last >= head.line && row.line <= head.line
    }) && !report.faults.iter().any(is_faulty)
}

fn follow(files: &[PathBuf], row: &ChainRow) -> io::Result<Report> {
    let mut verifier = Verifier::new(Some(vec![row.clone()]));
    for file in files {
        let mut reader = tail::last_lines(file, MOST_READ)?;
        read_ends(&mut verifier, &mut reader)?;
    }
    Ok(verifier.finish())
}

fn read_ends(verifier: &mut Verifier, reader: &mut impl BufRead) -> io::Result<()> {
    verifier.read("end", reader, Source::Log)
}
