//! Moving all rows of a database into an archive, and back into an empty one.

use std::{error::Error, io, path::Path};

use async_trait::async_trait;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::{JoinError, JoinHandle, spawn_blocking},
};

use crate::{
    ArchiveError, Fingerprint, Header, Output, Progress, Reader, Row, Writer, escrow::PublicKey,
    sealed::Sealer,
};

/// How many rows are on their way at once; a row may be as large as the largest upload.
const ON_THE_WAY: usize = 16;

/// A database whose rows can be taken out and put in as a whole.
#[async_trait]
pub trait Transfer<T: Row>: Send + Sync {
    /// About how high the numbers of its rows go, all tables together: what progress is measured
    /// by.
    async fn extent(&self) -> Result<u64, TransferError>;

    /// Sends every row of every table, as all of them were in one moment, table by table in the
    /// order of their ids. Stops without an error when the receiver is gone.
    async fn export(&self, rows: Sender<T>) -> Result<(), TransferError>;

    /// Puts rows in, with their ids and times: all of them once [`Incoming::End`] has come, or
    /// none. Rows that are made afterwards get ids above theirs.
    ///
    /// # Errors
    ///
    /// [`TransferError::NotEmpty`] if there is any row already, [`TransferError::Interrupted`] if
    /// the channel closes before the end has come, [`TransferError::Altered`] if what is read back
    /// has another [`Fingerprint`](crate::Fingerprint).
    async fn import(&self, rows: Receiver<Incoming<T>>) -> Result<(), TransferError>;
}

/// What goes into a database.
#[derive(Debug)]
pub enum Incoming<T> {
    /// A row.
    Row(Box<T>),
    /// That was all of them.
    End,
}

/// Where the rows go that a database reads out.
pub enum Sink<T> {
    /// To the task that writes them.
    Channel(Sender<T>),
    /// Nowhere: they are only compared.
    Fingerprint(Fingerprint),
}

impl<T: Row> Sink<T> {
    /// Takes a row; answers whether more are wanted.
    pub async fn take(&mut self, row: T) -> bool {
        match self {
            Self::Channel(rows) => rows.send(row).await.is_ok(),
            Self::Fingerprint(fingerprint) => {
                fingerprint.add(&row);
                true
            }
        }
    }

    /// Fails unless the rows that came here are those that `given` took in.
    pub fn compare(&self, given: &Fingerprint) -> Result<(), TransferError> {
        match self {
            Self::Fingerprint(kept) if kept.sum() != given.sum() => Err(TransferError::Altered),
            _ => Ok(()),
        }
    }
}

/// Why rows could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It would be guesswork to mix what is there with what comes.
    #[error(
        "the database is not empty (there are rows in {0}): a backup is restored only into a new one, so \
         that nothing is overwritten or mixed"
    )]
    NotEmpty(&'static str),
    /// Two rows that the database they come from could tell apart.
    #[error(
        "{0} is taken for one that is there already: this database holds names for the same that the \
         one of the backup does not; restore into a database that compares them exactly"
    )]
    Clash(String),
    /// What went in does not come out again.
    #[error(
        "the database does not keep the rows as they are (a name is too long for its column, or holds a \
         letter that its character set lacks); nothing was stored"
    )]
    Altered,
    /// Reading stopped before the end; nothing was stored.
    #[error("the archive ended early; nothing was stored")]
    Interrupted,
    /// The database failed; nothing was stored.
    #[error("the database failed: {0}")]
    Database(#[source] Box<dyn Error + Send + Sync>),
}

/// Whether a backup may hold no rows. A database in the wrong place is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// It is an error.
    Refused,
    /// It was asked for, by `--allow-empty`.
    Allowed,
}

impl Emptiness {
    /// [`Allowed`](Self::Allowed) if `allowed`.
    #[must_use]
    pub fn allowed_if(allowed: bool) -> Self {
        if allowed {
            Self::Allowed
        } else {
            Self::Refused
        }
    }

    /// Fails if `rows` is none although there have to be some.
    pub fn check(self, rows: u64) -> Result<(), Empty> {
        if rows == 0 && self == Self::Refused {
            return Err(Empty);
        }
        Ok(())
    }
}

/// There are no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is nothing in it: 0 rows; make sure that storage.db_url names the database in use, or \
     say --allow-empty if it is to be empty"
)]
pub struct Empty;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive cannot be written.
    #[error("the archive cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The rows cannot be read.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// There are no rows.
    #[error("the database was not backed up: {0}")]
    Empty(#[from] Empty),
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive is not in order.
    #[error("{0}; nothing was stored")]
    Archive(#[from] ArchiveError),
    /// The rows cannot be stored.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

/// An archive on its way into a file, sealed or not.
enum Outgoing {
    Plain(Writer<Output>),
    Sealed(Box<Writer<Sealer<Output>>>),
}

impl Outgoing {
    fn new(path: &Path, header: &Header, escrow: Option<&PublicKey>) -> io::Result<Self> {
        let output = Output::create(path)?;
        Ok(match escrow {
            None => Self::Plain(Writer::new(output, header)?),
            Some(key) => {
                let sealer = Sealer::new(output, key)?;
                Self::Sealed(Box::new(Writer::new(sealer, header)?))
            }
        })
    }

    fn write(&mut self, row: &impl Row) -> io::Result<u64> {
        match self {
            Self::Plain(writer) => writer.write(row).map(|()| writer.rows()),
            Self::Sealed(writer) => writer.write(row).map(|()| writer.rows()),
        }
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Plain(writer) => writer.rows(),
            Self::Sealed(writer) => writer.rows(),
        }
    }

    /// Completes the archive; answers how many rows it holds.
    fn finish(self) -> io::Result<u64> {
        let (rows, output) = match self {
            Self::Plain(writer) => (writer.rows(), writer.finish()?),
            Self::Sealed(writer) => (writer.rows(), writer.finish()?.finish()?),
        };
        output.commit()?;
        Ok(rows)
    }
}

/// Writes everything in `store` to the new file `path`, sealed to `escrow` if there is one. Answers
/// how many rows that were; after an error there is no file.
///
/// # Errors
///
/// [`BackupError::Empty`] if there are no rows and `emptiness` does not allow that.
pub async fn backup<T: Row>(
    store: &dyn Transfer<T>,
    path: &Path,
    header: Header,
    escrow: Option<PublicKey>,
    emptiness: Emptiness,
) -> Result<u64, BackupError> {
    let mut outgoing = Outgoing::new(path, &header, escrow.as_ref())?;
    let mut progress = Progress::new("backup", "rows", Some(store.extent().await?));
    let (sender, mut rows) = channel::<T>(ON_THE_WAY);
    let writing = spawn_blocking(move || {
        let mut tables = Tables::default();
        while let Some(row) = rows.blocking_recv() {
            let count = outgoing.write(&row)?;
            progress.at(tables.done(&row), count);
        }
        Ok::<_, io::Error>(outgoing)
    });
    let exported = store.export(sender).await;
    // Its failure is the cause when both failed: the receiver of the rows was gone.
    let outgoing = expect_joined(writing.await)?;
    exported?;
    emptiness.check(outgoing.rows())?;
    Ok(expect_joined(
        spawn_blocking(move || outgoing.finish()).await,
    )?)
}

/// Puts everything that `reader` reads into `store`, which must be empty: all or nothing. `size` is
/// how many bytes there are to read, if that is known. Answers how many rows that were.
pub async fn restore<T: Row, R: io::Read + Send + 'static>(
    store: &dyn Transfer<T>,
    reader: Reader<R>,
    size: Option<u64>,
) -> Result<u64, RestoreError> {
    reader.expect(T::KIND)?;
    let (rows, reading) = stream(reader, Progress::new("restore", "rows", size));
    let imported = store.import(rows).await;
    // An archive that is not in order is the cause when both failed.
    let rows = reading.outcome().await?;
    imported?;
    Ok(rows)
}

/// Reads an archive on a thread of its own. The rows come through the channel, [`Incoming::End`]
/// behind the last one if the archive is whole; how reading went is known when the channel is
/// through.
#[must_use]
pub fn stream<T: Row, R: io::Read + Send + 'static>(
    mut reader: Reader<R>,
    mut progress: Progress,
) -> (Receiver<Incoming<T>>, Reading) {
    let (sender, rows) = channel::<Incoming<T>>(ON_THE_WAY);
    let reading = spawn_blocking(move || {
        while let Some(row) = reader.next_row()? {
            if sender.blocking_send(Incoming::Row(Box::new(row))).is_err() {
                return Ok(reader.rows());
            }
            progress.at(reader.position(), reader.rows());
        }
        // The side that hung up has said why.
        let _ = sender.blocking_send(Incoming::End);
        Ok(reader.rows())
    });
    (rows, Reading(reading))
}

/// An archive that is being read.
pub struct Reading(JoinHandle<Result<u64, ArchiveError>>);

impl Reading {
    /// How many rows were read, or what is wrong with the archive.
    pub async fn outcome(self) -> Result<u64, ArchiveError> {
        expect_joined(self.0.await)
    }
}

/// How far through all tables a row is, going by ids.
#[derive(Default)]
struct Tables {
    current: Option<u8>,
    before: u64,
    highest: u64,
}

impl Tables {
    fn done(&mut self, row: &impl Row) -> u64 {
        let table = row.table();
        if self.current.replace(table) != Some(table) {
            self.before += self.highest;
        }
        self.highest = u64::try_from(row.id()).unwrap_or_default();
        self.before + self.highest
    }
}

fn expect_joined<T>(outcome: Result<T, JoinError>) -> T {
    outcome.expect("reading and writing archives does not panic")
}
