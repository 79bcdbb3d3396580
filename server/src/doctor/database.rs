//! The database: whether it can be reached, has its tables, and agrees with the clock.

use std::sync::Arc;

use database::{
    Backend, Connected, DatabaseError, Fault, OpenMode, adopt::Survey, fault, with_pool,
};
use time::{Duration, OffsetDateTime};
use trust::store::{self, OpenError, Page, SqlStore, Storage, StoreError, TrustStore, chains};

use super::{Check, Report, words};

/// How far a row may lie in the future: clocks of several servers differ a little.
const TOLERANCE: Duration = Duration::minutes(5);

/// Opens the database as it is, and reports on it; `None` if there is nothing to read.
pub(super) async fn open(report: &mut Report, storage: &Storage) -> Option<Arc<dyn TrustStore>> {
    if !is_there(report, storage) {
        return None;
    }
    let connected = match store::connect(storage, OpenMode::MustExist).await {
        Ok(connected) => connected,
        Err(error) => {
            report.wrong(Check::Database, error.to_string(), cure(&error));
            return None;
        }
    };
    match store::readiness(&connected).await {
        Ok(survey) => {
            check_optional(report, &survey);
            check_chains(report, &connected).await;
        }
        Err(error) => {
            unready(report, &error, storage.url.backend());
            return None;
        }
    }
    let store = with_pool!(connected, pool => Arc::new(SqlStore::new(pool)) as Arc<dyn TrustStore>);
    match store.check().await {
        Ok(()) => {
            let text = format!("the database {} answers and has its tables", storage.url);
            report.ok(Check::Database, text);
            check_writes(report, storage, &*store).await;
            Some(store)
        }
        Err(error) => {
            report.tell_failure(&error);
            None
        }
    }
}

/// Tries whether a publish could be stored. One database across a network that is read-only may be
/// a standby, and this server one that only serves reads.
async fn check_writes(report: &mut Report, storage: &Storage, store: &dyn TrustStore) {
    let Err(error) = store.try_write(daemon::clock::now()).await else {
        return report.ok(Check::Database, "what is published can be stored");
    };
    let fault = match &error {
        StoreError::Database(cause) => fault(cause),
        _ => Fault::Other,
    };
    if fault == Fault::ReadOnly && !storage.url.backend().is_embedded() {
        return report.warn(
            Check::Database,
            format!(
                "the database takes no writes: reads are served, and every publish fails ({error})"
            ),
            "nothing, if this is a standby for reading; else name the primary in storage.db_url",
        );
    }
    let cure = match fault {
        Fault::Denied => {
            "give the user in storage.db_url SELECT, INSERT, UPDATE and DELETE on the tables (and on PostgreSQL USAGE on the sequences)"
        }
        fault => fault.cure(),
    };
    let text = format!("the database can be read, but nothing can be stored in it: {error}");
    report.wrong(Check::Database, text, cure);
}

/// Whether there can be anything to open: opening would make the file of an embedded database.
fn is_there(report: &mut Report, storage: &Storage) -> bool {
    if storage.url.backend() == Backend::Memory {
        report.warn(
            Check::Database,
            "storage.backend is \"memory\": all trust data is lost when the server stops",
            "set storage.backend to a database that lasts",
        );
        return false;
    }
    let missing = storage.url.file().filter(|file| !file.exists());
    if let Some(file) = missing {
        report.warn(
            Check::Database,
            format!("the database {} does not exist yet", file.display()),
            "nothing, if the server was never started: it makes the database; else correct storage.db_url",
        );
    }
    missing.is_none()
}

/// Tells what `migrate` would do although the server can do without.
fn check_optional(report: &mut Report, survey: &Survey) {
    for step in &survey.steps {
        report.warn(
            Check::Database,
            format!(
                "the tables work, but `notary-server migrate` would {}",
                step.what
            ),
            "run it when it suits: it only adds",
        );
    }
}

/// Looks at the table that the chain of the audit log is stored in; an embedded database gets it at
/// the start.
async fn check_chains(report: &mut Report, connected: &Connected) {
    let survey = match chains::plan(connected).await {
        Ok(survey) if survey.is_complete() || matches!(connected, Connected::Sqlite(_)) => return,
        Ok(survey) => survey,
        Err(error) => {
            let cure = "let the user in storage.db_url read the tables of the database";
            return report.warn(Check::Database, error.to_string(), cure);
        }
    };
    let steps: Vec<_> = survey.steps.iter().map(|step| step.what.clone()).collect();
    let text = format!(
        "the newest line of the audit log is not stored in the database, so that lines that are cut \
         off would not be missed: it remains to {}",
        words::list(&[steps, survey.odd].concat())
    );
    let cure = "run `notary-server migrate` when it suits: it only adds";
    report.warn(Check::Database, text, cure);
}

/// Tells why a server would not work on the tables as they are.
fn unready(report: &mut Report, error: &OpenError, backend: Backend) {
    let OpenError::NotReady(survey) = error else {
        let cure = "start the program that made the tables, or restore the backup made before";
        return report.wrong(Check::Database, error.to_string(), cure);
    };
    if !survey.odd.is_empty() {
        return report.wrong(
            Check::Database,
            format!(
                "the tables are none that this version knows: {}",
                survey.odd.join("; ")
            ),
            "correct storage.db_url if it names the wrong database, else put right what is odd",
        );
    }
    let required = survey.steps.iter().filter(|step| step.is_required);
    let required: Vec<_> = required.map(|step| step.what.clone()).collect();
    let text = format!(
        "the tables of the database are not those of this version: it remains to {}",
        words::list(&required)
    );
    if backend.is_embedded() {
        let cure = "nothing: the server does it when it starts";
        report.warn(Check::Database, text, cure);
    } else {
        let cure = "run `notary-server migrate` (`notary-server migrate --plan` only says what it would do)";
        report.wrong(Check::Database, text, cure);
    }
}

impl Report {
    /// Notes that the database failed while it was read.
    pub(super) fn tell_failure(&mut self, error: &StoreError) {
        let cure = match error {
            StoreError::Database(cause) => fault(cause).cure(),
            _ => Fault::Other.cure(),
        };
        self.wrong(Check::Database, error.to_string(), cure);
    }
}

fn cure(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Failed { fault, .. } => fault.cure(),
        _ => "correct storage.db_url, or the folder it names",
    }
}

/// Compares this machine's clock with the newest change that was stored.
pub(super) async fn check_clock(report: &mut Report, store: &dyn TrustStore, now: OffsetDateTime) {
    let newest = store.changes(None, Page::Before { id: None, limit: 1 });
    let newest = match newest.await {
        Ok(changes) => changes.last().map(|change| change.created_at),
        Err(error) => return report.tell_failure(&error),
    };
    match newest {
        Some(newest) if newest > now + TOLERANCE => report.wrong(
            Check::Clock,
            format!(
                "this machine's clock is wrong: it says {}, but the newest change in the database was stored {} later",
                words::day(now),
                words::span(newest - now)
            ),
            "set the clock of this machine (NTP); if the change was stored by a server with a wrong clock, correct that one",
        ),
        _ => report.ok(
            Check::Clock,
            format!("it is {} UTC, and nothing in the database is later", words::day(now)),
        ),
    }
}
