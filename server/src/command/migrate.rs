//! `notary-server migrate`: brings the database up to this version.

use anyhow::{Result, bail};
use database::{
    Connected, Fault, OpenMode,
    adopt::{AdoptError, Survey},
    fault,
};
use trust::store::{self, Storage, chains};

/// Brings the database up to date, or only says what that would mean.
pub(super) async fn run(storage: &Storage, only_plan: bool) -> Result<()> {
    let mode = if only_plan {
        OpenMode::MustExist
    } else {
        OpenMode::MayCreate
    };
    let connected = store::connect(&storage.for_migration(), mode).await?;
    let outcome = report(&connected, storage, only_plan).await;
    connected.close().await;
    outcome
}

async fn report(connected: &Connected, storage: &Storage, only_plan: bool) -> Result<()> {
    if only_plan {
        let survey = store::plan(connected).await?;
        print!("{survey}");
        for step in chains::plan(connected).await?.steps {
            println!("to do, not urgent: {}", step.what);
        }
        for step in inventory::plan(connected).await?.steps {
            println!("to do, for the inventory: {}", step.what);
        }
        for step in webhooks::plan(connected).await?.steps {
            println!("to do, for webhooks: {}", step.what);
        }
        return if survey.odd.is_empty() {
            Ok(())
        } else {
            bail!("this database is not one that can be taken over")
        };
    }
    let survey = store::migrate(connected).await?;
    for found in &survey.found {
        println!("found: {found}");
    }
    for step in &survey.steps {
        println!("done: {}", step.what);
    }
    tell_own(chains::migrate(connected).await, "the ends of audit logs")?;
    tell_own(inventory::migrate(connected).await, "the inventory")?;
    tell_own(webhooks::migrate(connected).await, "webhooks")?;
    println!("the database {} is up to date", storage.url);
    Ok(())
}

/// Tells what became of tables that Notary does not have. A user who may not make them has a server
/// that works.
fn tell_own(migrated: Result<Survey, AdoptError>, purpose: &str) -> Result<()> {
    match migrated {
        Ok(survey) => {
            for step in survey.steps {
                println!("done: {}", step.what);
            }
        }
        Err(AdoptError::Step { what, error }) if fault(&error) == Fault::Denied => {
            eprintln!(
                "note: could not {what} for {purpose}: {error}; the server works without it; run \
                 `notary-server migrate` as a user who may create tables to have it"
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
