//! The commands `backup`, `restore` and `verify-backup`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use archive::{Emptiness, Header, Kind, Transfer, escrow::PrivateKey};
use clap::{Arg, ArgAction, ArgMatches, builder::PathBufValueParser};
use daemon::{Flags, clock, words};
use database::{Backend, Connected, OpenMode};
use trust::store::{self, Storage, TrustRow};

use super::Environment;
use crate::backup::verify::{self, KeySet, Verified};

/// What `program` in the header of an archive says.
const PROGRAM: &str = concat!("notary-server ", env!("CARGO_PKG_VERSION"));

/// What the command line asks for that needs the database.
enum Task {
    /// Write all trust data to a new file.
    Backup(PathBuf, Emptiness),
    /// Fill the empty database from a file.
    Restore(PathBuf),
}

/// Seeing whether a backup could be restored, and whether clients could go on then. Needs neither
/// database nor configuration.
struct Verification {
    file: PathBuf,
    /// The signer's archive of the same set.
    keys: Option<PathBuf>,
    /// What opens that one, if it is sealed.
    escrow_key: Option<PathBuf>,
    /// Whether there may be nothing in it.
    emptiness: Emptiness,
}

/// The commands, for the help.
pub(super) fn commands() -> [clap::Command; 3] {
    let file = || {
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(PathBufValueParser::new())
    };
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(PathBufValueParser::new())
            .help(help)
    };
    let allow_empty = || {
        Arg::new("allow-empty")
            .long("allow-empty")
            .action(ArgAction::SetTrue)
            .help("Accept a backup without a single row")
    };
    [
        clap::Command::new("backup")
            .about("Write all trust data to a file, while the server runs; the signer's backup comes after")
            .arg(file().help("The new file, or - for standard output"))
            .arg(allow_empty()),
        clap::Command::new("restore")
            .about("Fill an empty database from a backup, of whatever kind of database")
            .arg(file().help("The backup, or - for standard input")),
        clap::Command::new("verify-backup")
            .about("Check a backup, and that clients could follow every repository in it")
            .arg(file().help("The backup"))
            .arg(option("keys", "FILE", "The signer's backup of the same set: does it have the keys?"))
            .arg(
                option("escrow-key", "FILE", "The private escrow key, if the signer's backup is sealed")
                    .requires("keys"),
            )
            .arg(allow_empty()),
    ]
}

/// Runs the command `name`, which is one of [`commands`].
pub(super) async fn run(
    name: &str,
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<()> {
    let task = match name {
        "backup" => Task::Backup(file(arguments), emptiness(arguments)),
        "restore" => Task::Restore(file(arguments)),
        _ => return Verification::of(arguments).run().await,
    };
    let config = super::load(flags.config_file()?, flags, environment)?;
    let connected = transferable(&config.storage, task.open_mode()).await?;
    let outcome = task.run(&*store::transfer(&connected)).await;
    connected.close().await;
    outcome
}

/// The database as something to copy from or into, with the tables of this version.
async fn transferable(storage: &Storage, mode: OpenMode) -> Result<Connected> {
    if storage.url.backend() == Backend::Memory {
        bail!(
            "storage.backend is memory: nothing in it lasts, so there is nothing to back up or to restore"
        );
    }
    Ok(store::open_pool(storage, mode).await?)
}

impl Task {
    /// Whether it may make the database.
    fn open_mode(&self) -> OpenMode {
        match self {
            Self::Backup(..) => OpenMode::MustExist,
            Self::Restore(_) => OpenMode::MayCreate,
        }
    }

    /// Does it, with the database behind `store`.
    async fn run(self, store: &dyn Transfer<TrustRow>) -> Result<()> {
        match self {
            Self::Backup(file, emptiness) => backup(store, &file, emptiness).await,
            Self::Restore(file) => restore(store, &file).await,
        }
    }
}

impl Verification {
    fn of(arguments: &ArgMatches) -> Self {
        Self {
            file: file(arguments),
            keys: arguments.get_one("keys").cloned(),
            escrow_key: arguments.get_one("escrow-key").cloned(),
            emptiness: emptiness(arguments),
        }
    }

    /// Does it, and prints what is found; an error if the backup is not in order.
    async fn run(self) -> Result<()> {
        let emptiness = self.emptiness;
        let verified = tokio::task::spawn_blocking(move || self.verify()).await;
        report(&verified.context("verifying panicked")??, emptiness)
    }

    fn verify(&self) -> Result<Verified> {
        let keys = self
            .keys
            .as_deref()
            .map(|keys| key_set(keys, self.escrow_key.as_deref()))
            .transpose()?;
        verify::verify(&self.file, keys.as_ref()).with_context(|| self.file.display().to_string())
    }
}

fn file(arguments: &ArgMatches) -> PathBuf {
    let file: Option<&PathBuf> = arguments.get_one("file");
    file.expect("clap requires it").clone()
}

fn emptiness(arguments: &ArgMatches) -> Emptiness {
    Emptiness::allowed_if(arguments.get_flag("allow-empty"))
}

async fn backup(store: &dyn Transfer<TrustRow>, file: &Path, emptiness: Emptiness) -> Result<()> {
    let header = Header {
        kind: Kind::TrustData,
        taken_at: clock::now(),
        program: PROGRAM.to_owned(),
    };
    let rows = archive::backup(store, file, header, None, emptiness)
        .await
        .with_context(|| file.display().to_string())?;
    eprintln!(
        "{} written to {}; to complete the set, run `notary-signer backup` now",
        words::count(rows, "row", "rows"),
        file.display()
    );
    Ok(())
}

async fn restore(store: &dyn Transfer<TrustRow>, file: &Path) -> Result<()> {
    let context = || file.display().to_string();
    let (reader, size) = archive::open(file, None).with_context(context)?;
    let taken_at = reader.header().moment();
    let rows = archive::restore(store, reader, size)
        .await
        .with_context(context)?;
    let rows = words::count(rows, "row", "rows");
    eprintln!("{rows} restored, as of {taken_at}");
    Ok(())
}

fn key_set(file: &Path, escrow_key: Option<&Path>) -> Result<KeySet> {
    let escrow_key = escrow_key
        .map(|path| PrivateKey::read(path).with_context(|| path.display().to_string()))
        .transpose()?;
    KeySet::read(file, escrow_key.as_ref()).with_context(|| file.display().to_string())
}

fn report(verified: &Verified, emptiness: Emptiness) -> Result<()> {
    for remark in &verified.remarks {
        println!("note: {remark}");
    }
    for fault in &verified.faults {
        println!("WRONG: {fault}");
    }
    let Verified {
        rows,
        repositories,
        taken_at,
        faults,
        ..
    } = verified;
    let taken_at = archive::moment(*taken_at);
    println!(
        "{}, {}, as they were at {taken_at}",
        words::count(*rows, "row", "rows"),
        words::count(*repositories as u64, "repository", "repositories"),
    );
    if !faults.is_empty() {
        bail!("the backup is not in order: {} faults", faults.len());
    }
    emptiness.check(*rows)?;
    println!("the backup is whole, and clients can follow every repository in it");
    Ok(())
}
