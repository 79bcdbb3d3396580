//! The commands `backup`, `restore`, `verify-backup` and `escrow-key`.
//!
//! Keys leave the database as they are in it, encrypted under the passphrases of their aliases;
//! sealed to an escrow key, an archive does not even tell which keys there are. Beside a backup of
//! the server this one is made last: it then has every key that the other names.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use archive::{Emptiness, Header, Kind, Output, Transfer, escrow};
use clap::{Arg, ArgAction, ArgMatches, builder::PathBufValueParser};
use daemon::{Flags, clock, words};
use database::{Connected, OpenMode};

use super::Environment;
use crate::{
    config::{Config, Storage},
    custody::registry::Custodies,
    keystore::ArchivedKey,
    open,
    trial::{Tried, try_keys},
};

/// What `program` in the header of an archive says.
const PROGRAM: &str = concat!("notary-signer ", env!("CARGO_PKG_VERSION"));

/// What the command line asks for that needs the configuration.
enum Task {
    /// Write all keys to a new file.
    Backup {
        file: PathBuf,
        /// The public escrow key to seal it to.
        escrow: Option<PathBuf>,
        /// Whether there may be no keys.
        emptiness: Emptiness,
    },
    /// Fill the empty database from a file.
    Restore(Sealed),
    /// See whether a file could be restored, and whether its keys open.
    Verify(Sealed, Emptiness),
}

/// An archive that may be sealed.
struct Sealed {
    file: PathBuf,
    /// The private escrow key that opens it.
    key: Option<PathBuf>,
}

/// The commands, for the help.
pub(super) fn commands() -> [clap::Command; 4] {
    let path = |name: &'static str, value: &'static str| {
        Arg::new(name)
            .value_name(value)
            .value_parser(PathBufValueParser::new())
    };
    let file = |help: &'static str| path("file", "FILE").required(true).help(help);
    let key = || {
        path("escrow-key", "PRIVATE")
            .long("escrow-key")
            .help("The private escrow key, if the backup is sealed")
    };
    let allow_empty = || {
        Arg::new("allow-empty")
            .long("allow-empty")
            .action(ArgAction::SetTrue)
            .help("Accept a backup without a single key")
    };
    let generate = clap::Command::new("generate")
        .about("Make an escrow key: the public half for the signer, the private half for a safe")
        .arg(
            path("private", "PRIVATE")
                .required(true)
                .help("The new file for the private half"),
        )
        .arg(
            path("public", "PUBLIC")
                .required(true)
                .help("The new file for the public half"),
        );
    [
        clap::Command::new("backup")
            .about(
                "Write all keys, encrypted as they are, to a file; after the backup of the server",
            )
            .arg(file("The new file, or - for standard output"))
            .arg(
                path("escrow", "PUBLIC").long("escrow").help(
                    "Seal the backup, so that only the private half of this escrow key opens it",
                ),
            )
            .arg(allow_empty()),
        clap::Command::new("restore")
            .about("Fill an empty database from a backup, of whatever kind of database")
            .arg(file("The backup, or - for standard input"))
            .arg(key()),
        clap::Command::new("verify-backup")
            .about("Check a backup, and that every key in it opens with the configured passphrases")
            .arg(file("The backup, or - for standard input"))
            .arg(key())
            .arg(allow_empty()),
        clap::Command::new("escrow-key")
            .about("Make the keys that backups are sealed to")
            .subcommand_required(true)
            .subcommand(generate),
    ]
}

/// Runs the command `name`, which is one of [`commands`].
pub(super) async fn run(
    name: &str,
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> anyhow::Result<()> {
    let sealed = || Sealed {
        file: required_path(arguments, "file"),
        key: arguments.get_one("escrow-key").cloned(),
    };
    let task = match name {
        "backup" => Task::Backup {
            file: required_path(arguments, "file"),
            escrow: arguments.get_one("escrow").cloned(),
            emptiness: emptiness(arguments),
        },
        "restore" => Task::Restore(sealed()),
        "verify-backup" => Task::Verify(sealed(), emptiness(arguments)),
        _ => return generate(arguments),
    };
    let config = super::load(flags, &environment)?;
    task.run(&config, environment).await
}

/// Makes an escrow key. Needs no configuration.
fn generate(arguments: &ArgMatches) -> anyhow::Result<()> {
    let Some(("generate", arguments)) = arguments.subcommand() else {
        unreachable!("clap requires the sub-command");
    };
    let key = escrow::PrivateKey::generate()?;
    let (private, public) = (
        required_path(arguments, "private"),
        required_path(arguments, "public"),
    );
    // The private half first: a public one alone would seal backups that no key opens.
    write(&private, &key.to_pem())?;
    write(&public, &key.public().to_pem())?;
    println!(
        "{}: seal backups with `backup --escrow {0}`",
        public.display()
    );
    println!(
        "{}: keep it in a safe and not on this machine; nothing else opens a sealed backup",
        private.display()
    );
    Ok(())
}

impl Task {
    /// Does it, with the database and the passphrases that `config` and `environment` name.
    async fn run(self, config: &Config, environment: Environment) -> anyhow::Result<()> {
        match self {
            Self::Backup {
                file,
                escrow,
                emptiness,
            } => {
                let connected = connect(config, OpenMode::MustExist).await?;
                let store = open::transfer(&connected);
                let outcome = backup(&*store, &file, escrow.as_deref(), emptiness).await;
                connected.close().await;
                outcome
            }
            Self::Restore(sealed) => {
                let connected = connect(config, OpenMode::MayCreate).await?;
                let outcome = restore(&*open::transfer(&connected), &sealed).await;
                connected.close().await;
                outcome
            }
            Self::Verify(sealed, emptiness) => {
                let passphrases = open::passphrases(&config.storage, environment);
                let custodies = open::custodies(config, passphrases);
                verify(&custodies, &sealed, emptiness).await
            }
        }
    }
}

fn required_path(arguments: &ArgMatches, name: &str) -> PathBuf {
    let path: Option<&PathBuf> = arguments.get_one(name);
    path.expect("clap requires it").clone()
}

fn emptiness(arguments: &ArgMatches) -> Emptiness {
    Emptiness::allowed_if(arguments.get_flag("allow-empty"))
}

async fn connect(config: &Config, mode: OpenMode) -> anyhow::Result<Connected> {
    if matches!(config.storage, Storage::Memory) {
        bail!(
            "storage.backend is memory: no key lasts, so there is nothing to back up or to restore"
        );
    }
    open::open_pool(&config.storage, mode).await
}

async fn backup(
    store: &dyn Transfer<ArchivedKey>,
    file: &Path,
    escrow: Option<&Path>,
    emptiness: Emptiness,
) -> anyhow::Result<()> {
    let escrow = escrow
        .map(|path| escrow::PublicKey::read(path).with_context(|| path.display().to_string()))
        .transpose()?;
    let header = Header {
        kind: Kind::Keys,
        taken_at: clock::now(),
        program: PROGRAM.to_owned(),
    };
    let rows = archive::backup(store, file, header, escrow, emptiness)
        .await
        .with_context(|| file.display().to_string())?;
    let keys = words::count(rows, "key", "keys");
    eprintln!("{keys} written to {}", file.display());
    Ok(())
}

async fn restore(store: &dyn Transfer<ArchivedKey>, sealed: &Sealed) -> anyhow::Result<()> {
    let (reader, size) = sealed.open()?;
    let taken_at = reader.header().moment();
    let rows = archive::restore(store, reader, size)
        .await
        .with_context(|| sealed.file.display().to_string())?;
    let keys = words::count(rows, "key", "keys");
    eprintln!("{keys} restored, as of {taken_at}");
    Ok(())
}

async fn verify(
    custodies: &Custodies,
    sealed: &Sealed,
    emptiness: Emptiness,
) -> anyhow::Result<()> {
    let (reader, size) = sealed.open()?;
    let taken_at = reader.header().moment();
    let tried = try_keys(custodies, reader, size)
        .await
        .with_context(|| sealed.file.display().to_string())?;
    let mut out = std::io::stdout();
    for fault in &tried.faults {
        writeln!(out, "WRONG: {fault}")?;
    }
    let Tried {
        open,
        deleted,
        elsewhere,
        faults,
    } = tried;
    writeln!(
        out,
        "{}, {} not, and {deleted} had been deleted, as of {taken_at}",
        words::count(open as u64, "key opens", "keys open"),
        faults.len()
    )?;
    if elsewhere > 0 {
        writeln!(
            out,
            "{} NOT in the backup: the private half never leaves the device that its row names",
            words::count(elsewhere as u64, "key is", "keys are")
        )?;
    }
    if !faults.is_empty() {
        bail!(
            "the configured passphrases do not open every key of the backup: add those that the \
             signer had when the keys were made"
        );
    }
    Ok(emptiness.check(u64::try_from(open + deleted + elsewhere)?)?)
}

impl Sealed {
    fn open(&self) -> anyhow::Result<(archive::Reader<archive::Input>, Option<u64>)> {
        let key = self
            .key
            .as_deref()
            .map(|path| escrow::PrivateKey::read(path).with_context(|| path.display().to_string()))
            .transpose()?;
        archive::open(&self.file, key.as_ref()).with_context(|| self.file.display().to_string())
    }
}

/// A new file with a key, readable by its owner alone.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut output = Output::create(file)?;
        output.write_all(text.as_bytes())?;
        output.commit()
    };
    write().with_context(|| file.display().to_string())
}
