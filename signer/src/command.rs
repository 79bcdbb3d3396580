//! The command line: what each command does and what it prints.

mod keys;

use std::{ffi::OsString, io::Write, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use daemon::{Command, Flags, Level, LogControl, Program, Settings, logging};

use crate::{
    backup,
    config::{Config, ENVIRONMENT, KEYS, Storage},
    open, serve,
};

/// Runs the program whose command line is `arguments` (its name first) in `environment`.
pub(crate) async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Vec<(OsString, OsString)>,
) -> ExitCode {
    let program = program();
    let flags = Flags::parse(&program, arguments);
    // The level of the file is not known yet: until then, what is wrong is said.
    let log = logging::init(flags.log_format, Level::default());
    match dispatch(&program, flags, &log, environment).await {
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
        [keys::command()]
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
    let settings = Settings::load(&file, ENVIRONMENT, KEYS, environment.iter().cloned())?;
    let config = Config::read(&settings, file.parent().unwrap_or(Path::new("")))?;
    if let Some(task) = backup::Task::of(&flags.command) {
        return task.run(&config, environment).await;
    }
    match flags.command {
        Command::Serve => {
            log.set(config.level);
            tracing::info!(target: logging::STARTUP, "{}", program.version_line());
            for warning in &config.warnings {
                tracing::warn!(target: logging::STARTUP, "{warning}");
            }
            let keys = open::open(&config, environment).await?;
            serve::serve(config, flags.debug, log.clone(), keys).await
        }
        Command::Migrate { plan } => print(&open::migrate_store(&config.storage, plan).await?),
        Command::ConfigCheck => check(&settings, &config),
        Command::Other { arguments, .. } => {
            if matches!(config.storage, Storage::Memory) {
                bail!("storage.backend is memory: there are no stored keys");
            }
            let keys = open::open(&config, environment).await?;
            keys::run(&arguments, &keys).await
        }
    }
}

fn check(settings: &Settings, config: &Config) -> anyhow::Result<()> {
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    print(settings.effective().trim_end())
}

/// Writes a line for whoever called the command; a reader that went away is an error, no panic.
fn print(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
