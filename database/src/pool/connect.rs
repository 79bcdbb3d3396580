//! How a request comes by a connection: by one that waits for work, or by a new one.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use sqlx::ConnectOptions as _;
use tokio::time::{timeout, timeout_at};

use super::{
    CONNECT, DEADLINE, Pool, Reach, TURN,
    idle::{Counted, Held, Purpose},
    lease::{Lease, Permit},
    silence,
};
use crate::{Dialect, Fault, fault};

impl<DB: Dialect> Pool<DB> {
    /// A connection for several statements that are no transaction. It is closed when it is
    /// dropped, unless it is [given back](Lease::give_back).
    pub(crate) async fn lease(&self) -> Result<Lease<DB>, sqlx::Error> {
        self.watch(self.take(Purpose::Statement)).await
    }

    /// Waits for a connection. For a statement, one that waited for long has to show that it lives.
    pub(super) async fn take(&self, purpose: Purpose) -> Result<Lease<DB>, sqlx::Error> {
        let shared = &self.shared;
        let mut permit = Some(self.permit().await.inspect_err(|error| {
            if matches!(error, sqlx::Error::PoolTimedOut) {
                shared.note(error);
            }
        })?);
        while let Some(held) = shared.pop(purpose) {
            let mut lease = Lease {
                held: Some(held),
                permit: permit.take(),
                pool: self.clone(),
                was_idle: true,
            };
            if lease.is_usable(purpose == Purpose::Statement).await? {
                return Ok(lease);
            }
            permit = lease.permit.take();
            // What one has lost, the others have lost as well.
            shared.retire_all();
        }
        let pool = self.clone();
        let opening = async move {
            Ok(Lease {
                held: Some(pool.connect().await?),
                permit,
                pool,
                was_idle: false,
            })
        };
        match shared.source.reach {
            // A file that is being opened is opened to the end and closed again, if the request is
            // given up meanwhile.
            Reach::File => match tokio::spawn(opening).await {
                Ok(opened) => opened,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The program ends.
                    Err(_) => Err(sqlx::Error::PoolClosed),
                },
            },
            Reach::Network | Reach::Memory => opening.await,
        }
    }

    /// Waits for a place in the lane of this task, and then for one of the connections.
    async fn permit(&self) -> Result<Permit, sqlx::Error> {
        let shared = &self.shared;
        let until = tokio::time::Instant::now() + shared.limits.wait;
        let lane = shared.lanes.enter(until).await?;
        let connection = timeout_at(until, Arc::clone(&shared.permits).acquire_owned()).await;
        let connection = connection.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Ok(Permit {
            _lane: lane,
            _connection: connection.map_err(|_| sqlx::Error::PoolClosed)?,
        })
    }

    /// Makes a connection. While the database is away, one request at a time tries, and those that
    /// waited for it share its answer.
    async fn connect(&self) -> Result<Held<DB>, sqlx::Error> {
        let shared = &self.shared;
        let arrived = Instant::now();
        let mut turn = None;
        if shared.is_unreachable.load(Ordering::Relaxed) {
            match timeout(TURN, shared.turn.lock()).await {
                Ok(last) if last.is_none_or(|last| last < arrived) => turn = Some(last),
                _ => return Err(silence()),
            }
        }
        let limit = match shared.source.reach {
            Reach::Network => CONNECT,
            // It waits for others by itself, and for no longer than it is told to.
            Reach::File | Reach::Memory => DEADLINE,
        };
        let opened = timeout(limit, Box::pin(self.open())).await;
        let opened = opened.unwrap_or_else(|_| Err(silence()));
        let is_away = matches!(&opened, Err(error) if fault(error) == Fault::Away);
        shared.is_unreachable.store(is_away, Ordering::Relaxed);
        if let Some(mut turn) = turn {
            *turn = is_away.then(Instant::now);
        }
        opened.inspect_err(|error| {
            // Others use up the connections, while those that are open here go on serving.
            if fault(error) == Fault::Busy && shared.open.load(Ordering::Relaxed) > 0 {
                shared.note(error);
            } else {
                shared.note_unconnected(error);
            }
        })
    }

    pub(super) async fn open(&self) -> Result<Held<DB>, sqlx::Error> {
        let source = &self.shared.source;
        let generation = self.shared.generation.load(Ordering::Acquire);
        let mut connection = source.options.connect().await?;
        if let Some(session) = &source.session {
            DB::run_script(&mut connection, session.clone()).await?;
        }
        let now = Instant::now();
        Ok(Held {
            connection,
            generation,
            opened: now,
            since: now,
            is_unsettled: false,
            has_written: false,
            _counted: Counted::new(&self.shared.open),
        })
    }
}
