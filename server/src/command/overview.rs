//! `notary-server overview rebuild`, and what the commands on the inventory have in common.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use archive::Progress;
use daemon::{Flags, clock, words};
use database::{Backend, Connected, OpenMode};
use inventory::{Follower, Freshness, Tables};
use trust::store::{self, Storage, StoreError, TrustStore};

use super::{Environment, terminal};

/// The name of the command.
pub(super) const NAME: &str = "overview";

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Look after the tables behind `inventory` and `expiry`")
        .subcommand_required(true)
        .subcommand(clap::Command::new("rebuild").about(
            "Compute everything again from the stored files; servers may run and go on publishing",
        ))
}

/// Computes all rows again.
pub(super) async fn run(flags: &Flags, environment: Environment) -> Result<()> {
    let config = super::load(flags.config_file()?, flags, environment)?;
    let opened = Opened::open(&config.storage).await?;
    let outcome = rebuild(&opened).await;
    opened.close().await;
    let count = outcome?;
    let count = words::count(count, "repository", "repositories");
    eprintln!("computed again from the files: {count}");
    Ok(())
}

async fn rebuild(opened: &Opened) -> Result<u64> {
    let mut progress = Progress::new("rebuild", "repositories", None);
    let mut count = 0;
    let mut step = |done| {
        count = done;
        progress.step();
    };
    opened.follower.rebuild(&mut step).await?;
    Ok(count)
}

/// The trust data of a database, for a command that needs no inventory.
pub(super) async fn open_store(storage: &Storage) -> Result<Arc<dyn TrustStore>> {
    Ok(store::on(&connect(storage).await?))
}

async fn connect(storage: &Storage) -> Result<Connected> {
    if storage.url.backend() == Backend::Memory {
        bail!(
            "storage.backend is memory: only the running server sees what is in it, so there is \
             nothing to list"
        );
    }
    Ok(store::open_pool(storage, OpenMode::MustExist).await?)
}

/// The inventory of a database, for one command.
pub(super) struct Opened {
    /// What is asked.
    pub(super) tables: Arc<dyn Tables>,
    /// What it was computed from.
    pub(super) store: Arc<dyn TrustStore>,
    follower: Follower,
}

impl Opened {
    /// Opens the database; an embedded one gets the tables.
    pub(super) async fn open(storage: &Storage) -> Result<Self> {
        let connected = connect(storage).await?;
        match Self::on(storage, &connected).await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                connected.close().await;
                Err(error)
            }
        }
    }

    async fn on(storage: &Storage, connected: &Connected) -> Result<Self> {
        if storage.url.backend().is_embedded() {
            inventory::migrate(connected)
                .await
                .context("make the tables of the inventory")?;
        }
        let survey = inventory::plan(connected).await?;
        if !survey.is_ready() {
            bail!(
                "the tables of the inventory are missing in this database: run `notary-server \
                 migrate`, as a user who may create tables (it only adds; `--plan` says what)"
            );
        }
        let (store, tables) = (store::on(connected), inventory::tables(connected));
        Ok(Self {
            follower: Follower::new(Arc::clone(&store), Arc::clone(&tables), clock::now),
            tables,
            store,
        })
    }

    /// Opens the database and brings the inventory up to date. If that fails, it says how old the
    /// answer is, and how to refresh it.
    pub(super) async fn refresh(storage: &Storage) -> Result<Self> {
        let opened = Self::open(storage).await?;
        let outcome = opened.catch_up().await;
        if let Err(error) = outcome {
            opened.close().await;
            return Err(error);
        }
        Ok(opened)
    }

    /// Brings the tables up to date as far as that is possible: how up to date they are then, and
    /// what failed.
    pub(super) async fn freshen(&self) -> Result<(Freshness, Option<StoreError>)> {
        let mut progress = Progress::new("inventory", "repositories", None);
        let failed = self.follower.catch_up(&mut |_| progress.step()).await.err();
        drop(progress);
        Ok((self.follower.freshness().await?, failed))
    }

    async fn catch_up(&self) -> Result<()> {
        match self.freshen().await? {
            (Freshness::Current, _) => {}
            (Freshness::Since(since), failed) => {
                let since = since.map_or_else(
                    || "the inventory was never filled".to_owned(),
                    |since| format!("what follows is as of {}", terminal::moment(since)),
                );
                let reason = failed.map_or_else(
                    || "others are publishing just now".to_owned(),
                    |error| error.to_string(),
                );
                eprintln!(
                    "note: {since}: {reason}. A running server refreshes it within seconds, and \
                     `notary-server overview rebuild` computes it again"
                );
            }
        }
        Ok(())
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        self.store.close().await;
    }
}
