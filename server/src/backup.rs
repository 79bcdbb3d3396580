//! The commands `backup`, `restore` and `verify-backup`.
//!
//! Server and signer have a database each, and a set is an archive of either. The server's comes first:
//! a key is stored by the signer before any root that names it is published, so every key that this
//! archive names is in one that the signer makes later, and no longer pending there.

pub mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use archive::{Emptiness, Header, Kind, Transfer, escrow::PrivateKey};
use clap::{Arg, ArgAction, ArgMatches, builder::PathBufValueParser};
use daemon::{Command, clock};
use database::OpenMode;
use trust::store::TrustRow;

use verify::{KeySet, Verified};

/// What `program` in the header of an archive says.
const PROGRAM: &str = concat!("notary-server ", env!("CARGO_PKG_VERSION"));

/// What the command line asks for that needs the database.
pub(crate) enum Task {
    /// Write all trust data to a new file.
    Backup(PathBuf, Emptiness),
    /// Fill the empty database from a file.
    Restore(PathBuf),
}

/// Seeing whether a backup could be restored, and whether clients could go on then. Needs neither
/// database nor configuration.
pub(crate) struct Verification {
    file: PathBuf,
    /// The signer's archive of the same set.
    keys: Option<PathBuf>,
    /// What opens that one, if it is sealed.
    escrow_key: Option<PathBuf>,
    /// Whether there may be nothing in it.
    emptiness: Emptiness,
}

/// The commands, for the help.
pub(crate) fn commands() -> [clap::Command; 3] {
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
            .help("A backup without a single row is no error")
    };
    [
        clap::Command::new("backup")
            .about("Writes all trust data to a file, while the server runs; the signer's backup comes after")
            .arg(file().help("The new file, or - for standard output"))
            .arg(allow_empty()),
        clap::Command::new("restore")
            .about("Fills an empty database from a backup, of whatever kind of database")
            .arg(file().help("The backup, or - for standard input")),
        clap::Command::new("verify-backup")
            .about("Checks a backup, and that clients could follow every repository in it")
            .arg(file().help("The backup"))
            .arg(option("keys", "FILE", "The signer's backup of the same set: does it have the keys?"))
            .arg(
                option("escrow-key", "FILE", "The private escrow key, if the signer's backup is sealed")
                    .requires("keys"),
            )
            .arg(allow_empty()),
    ]
}

impl Task {
    /// What `command` asks for, if it is one of these.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Other { name, arguments } if name == "backup" => {
                Some(Self::Backup(file(arguments), emptiness(arguments)))
            }
            Command::Other { name, arguments } if name == "restore" => {
                Some(Self::Restore(file(arguments)))
            }
            _ => None,
        }
    }

    /// Whether it may make the database.
    pub(crate) fn open_mode(&self) -> OpenMode {
        match self {
            Self::Backup(..) => OpenMode::MustExist,
            Self::Restore(_) => OpenMode::MayCreate,
        }
    }

    /// Does it, with the database behind `store`.
    pub(crate) async fn run(self, store: &dyn Transfer<TrustRow>) -> Result<()> {
        match self {
            Self::Backup(file, emptiness) => backup(store, &file, emptiness).await,
            Self::Restore(file) => restore(store, &file).await,
        }
    }
}

impl Verification {
    /// What `command` asks for, if it is this.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Other { name, arguments } if name == "verify-backup" => Some(Self {
                file: file(arguments),
                keys: arguments.get_one("keys").cloned(),
                escrow_key: arguments.get_one("escrow-key").cloned(),
                emptiness: emptiness(arguments),
            }),
            _ => None,
        }
    }

    /// Does it, and prints what is found; an error if the backup is not in order.
    pub(crate) async fn run(self) -> Result<()> {
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
        "{rows} rows were written to {}; to complete the set, run `notary-signer backup` now",
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
    eprintln!("{rows} rows were restored, as they were at {taken_at}");
    Ok(())
}

fn key_set(file: &Path, escrow_key: Option<&Path>) -> Result<KeySet> {
    let escrow_key = escrow_key
        .map(|path| PrivateKey::read(path).with_context(|| path.display().to_string()))
        .transpose()?;
    KeySet::read(file, escrow_key.as_ref()).with_context(|| file.display().to_string())
}

/// `count` of something, by its name for one and for several.
fn counted(count: impl Into<u64>, one: &str, several: &str) -> String {
    let count = count.into();
    format!("{count} {}", if count == 1 { one } else { several })
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
        counted(*rows, "row", "rows"),
        counted(*repositories as u64, "repository", "repositories"),
    );
    if !faults.is_empty() {
        bail!("the backup is not in order: {} faults", faults.len());
    }
    emptiness.check(*rows)?;
    println!("the backup is whole, and clients can follow every repository in it");
    Ok(())
}
