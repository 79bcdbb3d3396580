//! The command line: what each command does and what it prints.

mod backup;
mod health;
mod keys;

use std::{ffi::OsString, io::Write, iter, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use daemon::{Command, Flags, Level, LogControl, Program, Settings, logging, memory};
use database::OpenMode;

use crate::{
    config::{Config, ENVIRONMENT, SECTIONS, Storage},
    custody::encrypted::passphrases::Passphrases,
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

fn program() -> Program {
    Program::new(
        "notary-signer",
        "Holds the timestamp and snapshot keys of notary-server and signs with them",
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
    let file = flags
        .config
        .context("no configuration file is named: use -config FILE")?;
    let settings = Settings::load(&file, ENVIRONMENT, SECTIONS, environment.iter().cloned())?;
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
        Command::ConfigCheck => check(&settings, &config, environment),
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

fn check(
    settings: &Settings,
    config: &Config,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<()> {
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    print(settings.effective_with_defaults().trim_end())?;
    check_passphrases(config, environment)
}

/// Says where the passphrases are whose aliases the configuration names. None is read.
fn check_passphrases(
    config: &Config,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<()> {
    let Storage::Database {
        default_alias,
        passphrase_files: files,
        ..
    } = &config.storage
    else {
        return Ok(());
    };
    let passphrases = Passphrases::new(environment, files.clone());
    // The configuration has them in lower case, the default as it was written.
    let default = default_alias.to_lowercase();
    let others = files.iter().map(|(alias, _)| alias);
    let others = others.filter(|alias| alias.to_lowercase() != default);
    for alias in iter::once(default_alias).chain(others) {
        print(&passphrases.describe(alias)?)?;
    }
    Ok(())
}

/// Prints a line; a reader that went away is an error, not a panic.
fn print(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
