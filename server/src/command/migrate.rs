//! `notary-server migrate`: brings the database up to this version.

use anyhow::{Result, bail};
use database::{Connected, OpenMode};
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
    // Trust data is served without this table, and a user of the database may not be allowed more
    // than Notary's.
    match chains::migrate(connected).await {
        Ok(survey) => {
            for step in survey.steps {
                println!("done: {}", step.what);
            }
        }
        Err(error) => println!("not done, and not urgent: {error}"),
    }
    for step in inventory::migrate(connected).await?.steps {
        println!("done: {}", step.what);
    }
    println!("the database {} is up to date", storage.url);
    Ok(())
}
