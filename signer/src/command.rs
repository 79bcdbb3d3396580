//! The command line: what each command does and what it prints.

mod backup;
mod config;
mod health;
mod keys;

use std::{ffi::OsString, io::Write, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use clap::ArgMatches;
use daemon::{Command, Flags, Level, LogControl, Program, Settings, logging, memory};
use database::OpenMode;

use crate::{
    config::{Config, ENVIRONMENT, SECTIONS},
    open, serve,
};

/// The crates whose lines belong into the log at every level.
const LOGGED_CRATES: &[&str] = &["signer", "archive", "database", "proto", "tuf"];

/// What the process was told by its environment.
type Environment = Vec<(OsString, OsString)>;

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

/// Runs the program whose command line is `arguments` (its name first) in `environment`.
pub(crate) async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
) -> ExitCode {
    let hidden = memory::hide();
    let program = program();
    let flags = Flags::parse(&program, arguments);
    // The level of the file is not known yet: until then, what is wrong is said.
    let log = logging::init(LOGGED_CRATES, flags.log_format, Level::default());
    if let Err(error) = hidden {
        logging::fatal(&error);
        return ExitCode::FAILURE;
    }
    match &flags.command {
        Command::Other { name, arguments } => run_own(name, arguments, &flags, environment).await,
        _ => exit_code(Box::pin(run_common(&program, &flags, log, environment)).await),
    }
}

/// Runs a command that only this program has.
async fn run_own(
    name: &str,
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> ExitCode {
    match name {
        health::NAME => health::run(flags.config.as_deref(), environment).await,
        keys::NAME => exit_code(keys::run(arguments, flags, environment).await),
        _ => exit_code(backup::run(name, arguments, flags, environment).await),
    }
}

fn exit_code(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that both programs have.
async fn run_common(
    program: &Program,
    flags: &Flags,
    log: LogControl,
    environment: Environment,
) -> Result<()> {
    let (settings, config) = load_both(flags, &environment)?;
    match flags.command {
        Command::Migrate { plan } => print(&open::migrate_store(&config.storage, plan).await?),
        Command::ConfigCheck { all } => config::check(&settings, &config, all, environment),
        _ => {
            // Wiped: nothing needs their secrets any more.
            drop(settings);
            log.set(config.level);
            tracing::info!(target: logging::STARTUP, "{}", program.version_line());
            for warning in &config.warnings {
                tracing::warn!(target: logging::STARTUP, "{warning}");
            }
            let _gathering = logging::gather();
            let keys = open::open(&config, environment, OpenMode::MayCreate).await?;
            let outcome = serve::serve(config, flags.debug, log, Arc::clone(&keys)).await;
            keys.store().close().await;
            outcome
        }
    }
}

/// The configuration of a command that only this program has.
fn load(flags: &Flags, environment: &Environment) -> Result<Config> {
    let (_, config) = load_both(flags, environment)?;
    Ok(config)
}

/// The settings, and the configuration that they make.
fn load_both(flags: &Flags, environment: &Environment) -> Result<(Settings, Config)> {
    if flags.bootstrap {
        bail!("store does not support bootstrapping: `notary-signer migrate` sets up the database");
    }
    let file = flags.config_file()?;
    let settings = Settings::load(file, ENVIRONMENT, SECTIONS, environment.iter().cloned())?;
    let config = Config::read(&settings, file.parent().unwrap_or(Path::new("")))?;
    Ok((settings, config))
}

/// Prints a line; a reader that went away is an error, not a panic.
fn print(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
