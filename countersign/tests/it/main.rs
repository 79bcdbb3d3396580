//! The data folder and the command as a person meets them.

mod certificates;
mod command;
mod folder;
mod manual;
mod prepare;
mod processes;
mod service;
mod set;

use std::path::Path;

use countersign::setup::{Place, Setup, SetupError, UpOptions};
use time::{OffsetDateTime, macros::datetime};

/// The moment of the first start in these tests.
const FIRST: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn prepare(folder: &Path, now: OffsetDateTime) -> Result<Setup, SetupError> {
    Setup::prepare(
        Place::find(Some(folder), Path::new("/")),
        &UpOptions::default(),
        now,
    )
}
