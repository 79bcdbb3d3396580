//! Moving rows between a store and an archive, when either of them fails.

use std::sync::Mutex;

use archive::{
    Emptiness, Incoming, Kind, Reader, RestoreError, Transfer, TransferError, backup, restore,
};
use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::{TestRow, header, rows, written, written_as};

/// A database in a vector. What it is given is stored when the end has come.
#[derive(Default)]
struct Shelf {
    rows: Mutex<Vec<TestRow>>,
    fails_behind: Option<usize>,
}

impl Shelf {
    fn of(rows: Vec<TestRow>) -> Self {
        Self {
            rows: Mutex::new(rows),
            fails_behind: None,
        }
    }

    fn rows(&self) -> Vec<TestRow> {
        self.rows.lock().unwrap().clone()
    }

    fn failing(self, behind: usize) -> Self {
        Self {
            fails_behind: Some(behind),
            ..self
        }
    }

    fn check(&self, done: usize) -> Result<(), TransferError> {
        if self.fails_behind == Some(done) {
            return Err(TransferError::Database("it is away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Transfer<TestRow> for Shelf {
    async fn extent(&self) -> Result<u64, TransferError> {
        Ok(9)
    }

    async fn export(&self, rows: Sender<TestRow>) -> Result<(), TransferError> {
        for (done, row) in self.rows().into_iter().enumerate() {
            self.check(done)?;
            if rows.send(row).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn import(&self, mut rows: Receiver<Incoming<TestRow>>) -> Result<(), TransferError> {
        let mut taken = Vec::new();
        while let Some(incoming) = rows.recv().await {
            match incoming {
                Incoming::Row(row) => taken.push(*row),
                Incoming::End => {
                    *self.rows.lock().unwrap() = taken;
                    return Ok(());
                }
            }
            self.check(taken.len())?;
        }
        Err(TransferError::Interrupted)
    }
}

/// More rows than are on their way at once.
fn many() -> Vec<TestRow> {
    rows().into_iter().cycle().take(100).collect()
}

#[tokio::test]
async fn what_was_backed_up_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let header = header(Kind::TrustData);
    let count = backup(&Shelf::of(many()), &path, header, None, Emptiness::Refused).await;
    assert_eq!(count.unwrap(), 100);

    let (reader, size) = archive::open(&path, None).unwrap();
    let empty = Shelf::default();
    let count = restore(&empty, reader, size).await;
    assert_eq!(count.unwrap(), 100);
    assert_eq!(empty.rows(), many());
}

#[tokio::test]
async fn a_database_that_fails_leaves_no_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let shelf = Shelf::of(many()).failing(50);
    let error = backup(&shelf, &path, header(Kind::Keys), None, Emptiness::Refused).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "the database failed: it is away"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_archive_that_is_cut_off_stores_nothing_and_is_named_as_the_cause() {
    let mut archive = written(&many());
    archive.truncate(archive.len() - 20);
    let reader = Reader::new(std::io::Cursor::new(archive)).unwrap();
    let empty = Shelf::default();
    let error = restore(&empty, reader, None).await;
    let error = error.unwrap_err();
    assert!(matches!(error, RestoreError::Archive(_)), "{error}");
    assert!(error.to_string().contains("cut off behind row 100"));
    assert!(empty.rows().is_empty());
}

#[tokio::test]
async fn a_database_that_refuses_rows_ends_the_restoring() {
    let reader = Reader::new(std::io::Cursor::new(written(&many()))).unwrap();
    let shelf = Shelf::default().failing(3);
    let error = restore(&shelf, reader, None).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "the database failed: it is away"
    );
}

#[tokio::test]
async fn the_archive_of_the_other_program_is_refused() {
    let archive = std::io::Cursor::new(written_as(Kind::Keys, &many()));
    let reader = Reader::new(archive).unwrap();
    let error = restore(&Shelf::default(), reader, None).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("not the trust data of notary-server"),
        "{error}"
    );
}
