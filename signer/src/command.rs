//! The command line: what each command does and what it prints.

mod backup;
mod config;
mod health;
mod keys;

use std::{ffi::OsString, io::Write, path::Path, process::ExitCode, sync::Arc};

use anyhow::bail;
use daemon::{Command, Flags, Level, LogControl, Program, Settings, logging, memory};
use database::OpenMode;

use crate::{
    config::{Config, ENVIRONMENT, SECTIONS, Storage},
    open, serve,
};

/// The crates whose lines belong into the log at every level.
const LOGGED_CRATES: &[&str] = &["signer", "archive", "database", "proto", "tuf"];

/// Runs the program whose command line is `arguments` (its name first) in `environment`.
pub(crate) async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Vec<(OsString, OsString)>,
) -> ExitCode {
    let hidden = memory::hide();
    let program = program();
    let flags = Flags::parse(&program, arguments);
    // The level of the file is not known yet: until then, what is wrong is said.
    let log = logging::init(LOGGED_CRATES, flags.log_format, Level::default());
    if matches!(&flags.command, Command::Other { name, .. } if name == health::NAME) {
        return health::run(flags.config.as_deref(), environment).await;
    }
    let outcome = match hidden {
        Ok(()) => dispatch(&program, flags, &log, environment).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// The program, as its command line describes it.
pub(crate) fn program() -> Program {
    Program::new(
        "notary-signer",
        "Hold the timestamp and snapshot keys of notary-server, and sign with them",
        [health::command(), keys::command()]
            .into_iter()
            .chain(backup::commands())
            .collect(),
    )
}

async fn dispatch(
    program: &Program,
    flags: Flags,
    log: &LogControl,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<()> {
    if flags.bootstrap {
        bail!("store does not support bootstrapping: `notary-signer migrate` sets up the database");
    }
    if backup::generate(&flags.command)? {
        return Ok(());
    }
    let file = flags.config_file()?;
    let settings = Settings::load(file, ENVIRONMENT, SECTIONS, environment.iter().cloned())?;
    let config = Config::read(&settings, file.parent().unwrap_or(Path::new("")))?;
    if let Some(task) = backup::Task::of(&flags.command) {
        return task.run(&config, environment).await;
    }
    match flags.command {
        Command::Serve => {
            // Wiped: nothing needs their secrets any more.
            drop(settings);
            log.set(config.level);
            tracing::info!(target: logging::STARTUP, "{}", program.version_line());
            for warning in &config.warnings {
                tracing::warn!(target: logging::STARTUP, "{warning}");
            }
            let keys = open::open(&config, environment, OpenMode::MayCreate).await?;
            let outcome = serve::serve(config, flags.debug, log.clone(), Arc::clone(&keys)).await;
            keys.store().close().await;
            outcome
        }
        Command::Migrate { plan } => print(&open::migrate_store(&config.storage, plan).await?),
        Command::ConfigCheck { all } => config::check(&settings, &config, all, environment),
        Command::Other { arguments, .. } => {
            if matches!(config.storage, Storage::Memory) {
                bail!("storage.backend is memory: there are no stored keys");
            }
            let keys = open::open(&config, environment, OpenMode::MustExist).await?;
            let outcome = keys::run(&arguments, &keys).await;
            keys.store().close().await;
            outcome
        }
    }
}

/// Prints a line; a reader that went away is an error, not a panic.
fn print(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
