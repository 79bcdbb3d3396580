//! Transactions that end in an answered COMMIT or ROLLBACK, or with their connection.

use std::{fmt, time::Duration};

use tokio::time::timeout;

use super::{Lease, Runner};
use crate::{Backend, Dialect};

/// How long a database may take to roll back before the connection is closed instead.
const ROLLBACK: Duration = Duration::from_secs(2);

/// A transaction. Dropped before its end, it closes its connection, and the database rolls back.
#[must_use = "a transaction that is dropped is rolled back, and costs its connection"]
pub struct Transaction<DB: Dialect> {
    lease: Lease<DB>,
    /// Whether the connection is of no more use.
    is_broken: bool,
    has_failed: bool,
    /// What is sent along with COMMIT or ROLLBACK.
    at_end: String,
    content: Content,
}

/// What is in a transaction, which decides what its commit shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Statements that write: the database takes writes.
    Writes,
    /// A statement that may only read.
    AnyStatement,
}

impl<DB: Dialect> Transaction<DB> {
    pub(super) fn begun(lease: Lease<DB>) -> Self {
        Self {
            lease,
            is_broken: false,
            has_failed: false,
            at_end: String::new(),
            content: Content::Writes,
        }
    }

    /// The same transaction, around a statement that may only read.
    pub(super) fn around_any_statement(mut self) -> Self {
        self.content = Content::AnyStatement;
        self
    }

    /// What runs the next statement.
    pub fn executor(&mut self) -> Runner<'_, DB> {
        Runner {
            pool: self.lease.pool.clone(),
            is_broken: &mut self.is_broken,
            has_failed: &mut self.has_failed,
            connection: &mut self.lease,
        }
    }

    /// The connection, for statements that only know that.
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.lease
    }

    /// Has `statement` run right after the COMMIT or ROLLBACK, in the same round trip: for a lock
    /// that outlives the transaction. A connection on which it did not run is closed.
    pub fn run_at_end(&mut self, statement: &str) {
        self.at_end.push_str("; ");
        self.at_end.push_str(statement);
    }

    /// Makes everything in the transaction last.
    ///
    /// # Errors
    ///
    /// If the database refused, or did not answer; in the second case it may have committed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        if self.has_failed && DB::BACKEND == Backend::Postgres {
            // It would roll back, and call that a success.
            self.rollback().await;
            return Err(sqlx::Error::Protocol(
                "a statement of the transaction failed, so it cannot be committed".to_owned(),
            ));
        }
        let script = format!("COMMIT{}", self.at_end);
        match DB::run_script(&mut self.lease, script).await {
            Ok(()) => {
                if self.content == Content::Writes {
                    self.lease.pool.shared.outlook.note_write();
                }
                self.lease.give_back();
                Ok(())
            }
            Err(error) => {
                self.lease.pool.shared.note(&error);
                Err(error)
            }
        }
    }

    /// Takes everything in the transaction back.
    pub async fn rollback(mut self) {
        if self.is_broken {
            return;
        }
        let script = format!("ROLLBACK{}", self.at_end);
        let rolled_back = timeout(ROLLBACK, DB::run_script(&mut self.lease, script));
        // Without an answer the connection is closed, which does the same.
        if matches!(rolled_back.await, Ok(Ok(()))) {
            self.lease.give_back();
        }
    }

    /// Commits if `outcome` is a success, and rolls back if it is not.
    ///
    /// # Errors
    ///
    /// Those of `outcome` and of [`commit`](Self::commit).
    pub async fn finish<T, E>(self, outcome: Result<T, E>) -> Result<T, E>
    where
        E: From<sqlx::Error>,
    {
        match outcome {
            Ok(value) => {
                self.commit().await?;
                Ok(value)
            }
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }
}

impl<DB: Dialect> fmt::Debug for Transaction<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Transaction({:?})", self.lease.pool)
    }
}
