//! A connection that one request has for itself, and what becomes of it afterwards.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::Connection as _;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::timeout};

use super::{PING, Pool, Reach, idle::Held};
use crate::{Dialect, Fault, fault};

/// After waiting this long, a connection across a network has to show that it still lives.
const RESTED: Duration = Duration::from_secs(1);

/// The right to use one connection.
pub(super) struct Permit {
    pub(super) _lane: Option<OwnedSemaphorePermit>,
    pub(super) _connection: OwnedSemaphorePermit,
}

/// A connection that one request has for itself.
pub(crate) struct Lease<DB: Dialect> {
    /// There until the lease ends.
    pub(super) held: Option<Held<DB>>,
    /// One of the places in the pool; free again after the connection was kept or closed.
    pub(super) permit: Option<Permit>,
    pub(super) pool: Pool<DB>,
    /// Whether the connection has waited for work.
    pub(super) was_idle: bool,
}

impl<DB: Dialect> Lease<DB> {
    /// Keeps the connection. To be called when everything that was sent is answered, and no
    /// transaction is open.
    pub(crate) fn give_back(mut self) {
        self.pool.shared.outlook.note_answer();
        if let Some(held) = self.held.take() {
            self.pool.shared.keep(held);
        }
    }

    /// Notes that the connection has a transaction.
    pub(super) fn note_transaction(&mut self) {
        if let Some(held) = &mut self.held {
            held.has_written = true;
        }
    }

    /// Ends the lease after one statement: keeps the connection if the database has answered.
    pub(super) fn end<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &outcome {
            Ok(_) => self.give_back(),
            Err(error) => {
                self.pool.shared.note(error);
                if !breaks(error) {
                    self.give_back();
                }
            }
        }
        outcome
    }

    /// Whether the connection, which was idle, can be used.
    pub(super) async fn is_usable(&mut self, is_checked: bool) -> Result<bool, sqlx::Error> {
        let since = self.held.as_ref().map(|held| held.since);
        let has_rested = since.is_none_or(|since| since.elapsed() >= RESTED);
        match self.pool.shared.source.reach {
            Reach::Network if is_checked && has_rested => {
                Ok(matches!(timeout(PING, self.ping()).await, Ok(Ok(()))))
            }
            Reach::File | Reach::Network => Ok(true),
            Reach::Memory => {
                let held = self.held.as_mut().expect("a lease has a connection");
                if held.is_unsettled {
                    settle::<DB>(&mut held.connection).await?;
                    held.is_unsettled = false;
                }
                Ok(true)
            }
        }
    }
}

/// Ends whatever transaction `connection` is in.
async fn settle<DB: Dialect>(connection: &mut DB::Connection) -> Result<(), sqlx::Error> {
    // What was sent before may still be under way; it is through when this is answered.
    connection.ping().await?;
    // Mostly there is no transaction, which the database then says.
    drop(DB::run_script(connection, "ROLLBACK".to_owned()).await);
    Ok(())
}

impl<DB: Dialect> Deref for Lease<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        let held = self.held.as_ref();
        &held
            .expect("a lease has a connection until it ends")
            .connection
    }
}

impl<DB: Dialect> DerefMut for Lease<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        let held = self.held.as_mut();
        &mut held
            .expect("a lease has a connection until it ends")
            .connection
    }
}

impl<DB: Dialect> Drop for Lease<DB> {
    /// Closes the connection, whatever it was doing. Its place is free when that is done: a file is
    /// closed by another thread, and left unfinished where the program ends before.
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        match self.pool.shared.source.reach {
            Reach::Memory => {
                held.is_unsettled = true;
                self.pool.shared.keep(held);
            }
            Reach::Network => {}
            Reach::File => {
                let permit = self.permit.take();
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move {
                        drop(held.connection.close().await);
                        drop(permit);
                    });
                }
            }
        }
    }
}

/// Whether a connection cannot be used after `error`. What the database answers in full leaves a
/// connection in order, unless the database says that it is going, or that it is the wrong one.
pub(super) fn breaks(error: &sqlx::Error) -> bool {
    !matches!(error, sqlx::Error::Database(_))
        || matches!(fault(error), Fault::Away | Fault::ReadOnly)
}
