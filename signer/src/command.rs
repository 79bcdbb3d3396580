//! The command line: what each command does and what it prints.

use std::{ffi::OsString, io::Write, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches};
use daemon::{Command, Flags, Level, LogControl, Program, Settings, logging};
use time::format_description::well_known::Rfc3339;

use crate::{
    config::{Config, ENVIRONMENT, KEYS, Storage},
    keys::Keys,
    keystore::{KeyId, ListedKey},
    open, rotation, serve,
};

/// How many keys are listed at a time.
const PAGE: u16 = 500;

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
        vec![key_command()],
    )
}

fn key_command() -> clap::Command {
    let rotate = clap::Command::new("rotate-passphrase")
        .about("Encrypts stored keys anew under the passphrase of another alias")
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("ALIAS")
                .required(true)
                .help("The new alias"),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("ID")
                .help("This key only"),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Every key"),
        )
        .group(ArgGroup::new("which").args(["key", "all"]).required(true));
    clap::Command::new("key")
        .about("Looks after stored keys")
        .subcommand_required(true)
        .subcommand(clap::Command::new("list").about("Lists stored keys, without secrets"))
        .subcommand(rotate)
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
    let file = flags
        .config
        .context("no configuration file is named: use -config FILE")?;
    let settings = Settings::load(&file, ENVIRONMENT, KEYS, environment.iter().cloned())?;
    let config = Config::read(&settings, file.parent().unwrap_or(Path::new("")))?;
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
        Command::Migrate => print(&open::migrate_store(&config.storage).await?),
        Command::ConfigCheck => check(&settings, &config),
        Command::Other { arguments, .. } => {
            if config.storage == Storage::Memory {
                bail!("storage.backend is memory: there are no stored keys");
            }
            keys_command(&arguments, &open::open(&config, environment).await?).await
        }
    }
}

fn check(settings: &Settings, config: &Config) -> anyhow::Result<()> {
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    print(settings.effective().trim_end())
}

async fn keys_command(arguments: &ArgMatches, keys: &Arc<Keys>) -> anyhow::Result<()> {
    match arguments.subcommand() {
        Some(("list", _)) => list(keys).await,
        Some(("rotate-passphrase", arguments)) => {
            let to: &String = arguments.get_one("to").expect("clap requires it");
            match arguments.get_one::<String>("key") {
                Some(id) => rotate_one(keys, id, to).await,
                None => rotate_all(keys, to).await,
            }
        }
        _ => unreachable!("clap requires one of the sub-commands"),
    }
}

async fn list(keys: &Keys) -> anyhow::Result<()> {
    print("KEY ID\tROLE\tGUN\tALGORITHM\tALIAS\tLAST USED")?;
    let mut after = 0;
    loop {
        let page = keys.store().list(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.row;
        for key in &page {
            print(&line(key)?)?;
        }
    }
}

/// A key on one line; names are free text and may hold anything, line ends included.
fn line(key: &ListedKey) -> anyhow::Result<String> {
    let used = match key.last_used {
        Some(time) => time.format(&Rfc3339)?,
        None => "pending".to_owned(),
    };
    let fields = [
        &key.id,
        &key.role,
        &key.gun,
        &key.algorithm,
        &key.alias,
        &used,
    ];
    Ok(fields
        .map(|field| field.escape_debug().to_string())
        .join("\t"))
}

async fn rotate_one(keys: &Keys, id: &str, to: &str) -> anyhow::Result<()> {
    let id = KeyId::parse(id).context("--key wants the 64 hex digits of a key ID")?;
    let rotated = rotation::rotate_one(keys, &id, to)
        .await
        .with_context(|| format!("key {id}"))?;
    print(match rotated.moved {
        0 => "the key was under this alias already",
        _ => "1 key moved",
    })
}

async fn rotate_all(keys: &Keys, to: &str) -> anyhow::Result<()> {
    let rotated = rotation::rotate_all(keys, to, |so_far, problem| {
        if let Some(problem) = problem {
            eprintln!("left as it was: {problem}");
        }
        let done = so_far.moved + so_far.untouched + so_far.failed;
        if done.is_multiple_of(100) {
            eprintln!("{done} keys done");
        }
    })
    .await?;
    let rotation::Rotated {
        moved,
        untouched,
        failed,
    } = rotated;
    print(&format!(
        "{moved} keys moved to {to}, {untouched} left alone, {failed} failed"
    ))?;
    if failed > 0 {
        bail!("{failed} keys are still under their old alias");
    }
    Ok(())
}

/// Writes a line for whoever called the command; a reader that went away is an error, no panic.
fn print(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
