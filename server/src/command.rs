//! The command line: what each command does and what it prints.

mod audit;
mod auth;
mod backup;
mod config;
mod doctor;
mod expiry;
mod health;
mod history;
mod inventory;
mod migrate;
mod overview;
mod status;
mod terminal;
mod webhook;

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use clap::ArgMatches;
use daemon::{Command, Flags, Level, LogControl, Program, logging, memory};

use crate::{
    config::{self as configuration, Config},
    serve,
};

/// The crates whose lines belong into the log at every level.
const LOGGED_CRATES: &[&str] = &[
    "server",
    "trust",
    "inventory",
    "insight",
    "audit_trail",
    "webhooks",
    "authn",
    "access",
    "archive",
    "database",
    "proto",
    "tuf",
];

/// What the process was told by its environment.
type Environment = Vec<(OsString, OsString)>;

/// The program, as its command line describes it.
pub(crate) fn program() -> Program {
    Program::new(
        "notary-server",
        "Store and serve signed trust data for repositories",
        [
            health::command(),
            status::command(),
            doctor::command(),
            auth::command(),
            audit::command(),
            inventory::command(),
            expiry::command(),
            history::command(),
            overview::command(),
            webhook::command(),
        ]
        .into_iter()
        .chain(backup::commands())
        .collect(),
    )
}

/// Runs the program with its command line, `arguments[0]` being its name, in `environment`, inside
/// a runtime of the caller, until its command is done or a signal ends it.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let hidden = memory::hide();
    let program = program();
    let flags = Flags::parse(&program, arguments);
    let log = logging::init(LOGGED_CRATES, flags.log_format, Level::default());
    if let Err(error) = hidden {
        logging::fatal(&error);
        return ExitCode::FAILURE;
    }
    let environment = environment.into_iter().collect();
    let outcome = match &flags.command {
        Command::Other { name, arguments } => {
            return run_own(name, arguments, &flags, environment).await;
        }
        _ => Box::pin(run_common(&program, &flags, log, environment)).await,
    };
    exit_code(outcome)
}

/// Runs a command that only this program has.
async fn run_own(
    name: &str,
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> ExitCode {
    let file = flags.config.as_deref();
    match name {
        health::NAME => health::run(file, environment).await,
        doctor::NAME => doctor::run(file, environment, arguments).await,
        auth::NAME => auth::run(file, environment, arguments).await,
        audit::NAME => audit::run(file, environment, arguments).await,
        inventory::NAME => exit_code(inventory::run(arguments, flags, environment).await),
        expiry::NAME => match expiry::run(arguments, flags, environment).await {
            Ok(code) => code,
            Err(error) => exit_code(Err(error)),
        },
        history::NAME => match history::run(arguments, flags, environment).await {
            Ok(code) => code,
            Err(error) => exit_code(Err(error)),
        },
        status::NAME => match status::run(arguments, flags, environment).await {
            Ok(code) => code,
            Err(error) => exit_code(Err(error)),
        },
        webhook::NAME => exit_code(webhook::run(arguments, flags, environment).await),
        overview::NAME => exit_code(overview::run(flags, environment).await),
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
    let settings = configuration::load(flags.config_file()?, environment)?;
    if let Command::ConfigCheck { all } = flags.command {
        return config::check(&settings, all).await;
    }
    let config = Config::read(&settings)?;
    // Wiped: nothing needs their secrets any more.
    drop(settings);
    if flags.command == Command::Serve {
        log.set(config.level);
        tracing::info!(target: logging::STARTUP, "{}", program.version_line());
        for warning in &config.warnings {
            tracing::warn!(target: logging::STARTUP, "{warning}");
        }
    }
    refuse_bootstrap(flags)?;
    if let Command::Migrate { plan } = flags.command {
        return migrate::run(&config.storage, plan).await;
    }
    let _gathering = logging::gather();
    serve::serve(&config, flags.debug, log).await
}

/// The configuration of a command that needs nothing else of the program.
fn load(file: &Path, flags: &Flags, environment: Environment) -> Result<Config> {
    let config = Config::read(&configuration::load(file, environment)?)?;
    refuse_bootstrap(flags)?;
    Ok(config)
}

fn refuse_bootstrap(flags: &Flags) -> Result<()> {
    if flags.bootstrap {
        bail!("store does not support bootstrapping: use `notary-server migrate`");
    }
    Ok(())
}
