//! `notary-signer key`: lists, checks and reseals stored keys. No command shows a private key.

use anyhow::{Context, bail};
use archive::Progress;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches};
use daemon::{Flags, words};
use database::OpenMode;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Environment, print};
use crate::{
    config::Storage,
    custody::custody_name,
    keys::Keys,
    keystore::{KeyId, ListedKey},
    open,
    rotation::{self, Rotated},
    trial::{self, Checked},
};

/// The name of the command.
pub(super) const NAME: &str = "key";

/// How many keys are listed at a time.
const PAGE: u16 = 500;

/// What `notary-signer key` understands.
pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("List and checks stored keys, and changes their passphrase")
        .subcommand_required(true)
        .subcommand(clap::Command::new("list").about("List stored keys, without secrets"))
        .subcommand(clap::Command::new("check").about(
            "Checks that every key opens with the configured passphrases; names those that do not",
        ))
        .subcommand(rotate_command())
}

fn rotate_command() -> clap::Command {
    clap::Command::new("rotate-passphrase")
        .about(
            "Encrypts stored keys under the passphrase of another alias; signers may go on \
             running, and the same command continues an interrupted run",
        )
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("ALIAS")
                .required(true)
                .help("The new alias; every running signer must have its passphrase already"),
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
        .group(ArgGroup::new("which").args(["key", "all"]).required(true))
}

/// Does what `arguments` say with the keys of the configuration.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> anyhow::Result<()> {
    let config = super::load(flags, &environment)?;
    if matches!(config.storage, Storage::Memory) {
        bail!("storage.backend is memory: there are no stored keys");
    }
    let keys = open::open(&config, environment, OpenMode::MustExist).await?;
    let outcome = run_on(&keys, arguments).await;
    keys.store().close().await;
    outcome
}

async fn run_on(keys: &Keys, arguments: &ArgMatches) -> anyhow::Result<()> {
    match arguments.subcommand() {
        Some(("list", _)) => list(keys).await,
        Some(("check", _)) => check(keys).await,
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
    print("GUN\tROLE\tKEY ID\tALGORITHM\tALIAS\tCREATED\tLAST USED")?;
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
    let fields = [
        &key.gun,
        &key.role,
        &key.id,
        &key.algorithm,
        &key.alias,
        &time(key.created, "unknown")?,
        &time(key.last_used, "pending")?,
    ];
    Ok(fields
        .map(|field| field.escape_debug().to_string())
        .join("\t"))
}

fn time(time: Option<OffsetDateTime>, none: &str) -> anyhow::Result<String> {
    Ok(match time {
        Some(time) => time.format(&Rfc3339)?,
        None => none.to_owned(),
    })
}

/// Names the keys that do not open, on standard output, and fails if there are any.
async fn check(keys: &Keys) -> anyhow::Result<()> {
    let mut progress = Progress::new("check", "keys", Some(keys.store().count().await?));
    let mut printed = Ok(());
    let checked = trial::check_all(keys, |key, problem| {
        if let Some(problem) = problem {
            let line = format!("key {} ({} of {}): {problem}", key.id, key.role, key.gun);
            let line = progress.suspend(|| print(&line.escape_debug().to_string()));
            printed = std::mem::replace(&mut printed, Ok(())).and(line);
        }
        progress.step();
    })
    .await?;
    drop(progress);
    printed?;
    let Checked { usable, unusable } = checked;
    if unusable > 0 {
        let all = usable + unusable;
        bail!(
            "{}, of {all}",
            words::count(unusable as u64, "key does not open", "keys do not open")
        );
    }
    // A signer without keys must be able to make one.
    let custody = keys.custodies().for_new_keys();
    custody.check_new_keys(keys.store()).await?;
    print(&match usable {
        0 => "there are no keys yet".to_owned(),
        1 => "the only key opens".to_owned(),
        _ => format!("all {usable} keys open"),
    })
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
    let default = keys.custodies().encrypted().default_alias();
    if default != to {
        eprintln!(
            "signers go on putting new keys under {default}: set storage.default_alias to {to}"
        );
    }
    let mut progress = Progress::new("rotate", "keys", Some(keys.store().count().await?));
    let rotated = rotation::rotate_all(keys, to, |_, problem| {
        if let Some(problem) = problem {
            progress.suspend(|| eprintln!("left as it was: {problem}"));
        }
        progress.step();
    })
    .await?;
    drop(progress);
    let Rotated {
        moved,
        untouched,
        failed,
    } = rotated;
    print(&format!(
        "{} moved to {to}, {untouched} left alone, {failed} failed",
        words::count(moved as u64, "key", "keys")
    ))?;
    if failed > 0 {
        bail!(
            "{} still under the old alias",
            words::count(failed as u64, "key is", "keys are")
        );
    }
    print_remaining(keys, to).await
}

/// Says which other passphrases are still needed: keys may have been made after the last page.
async fn print_remaining(keys: &Keys, to: &str) -> anyhow::Result<()> {
    let mut others = keys.store().aliases().await?;
    others.retain(|alias| alias != to && custody_name(alias).is_none());
    if others.is_empty() {
        return print("no key needs another passphrase now");
    }
    print(&format!(
        "new keys were made meanwhile under {}: run this again",
        others.join(", ")
    ))
}
