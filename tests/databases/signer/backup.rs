//! Keys that move from one kind of database to another.

use std::{io::Cursor, sync::Arc};

use anyhow::Result;
use archive::{
    Emptiness, Header, Kind, Reader, RestoreError, Transfer, TransferError, Writer, backup,
    escrow::PrivateKey, restore,
};
use database::{Backend, DatabaseUrl, OpenMode, PoolLimits};
use signer::{
    config::Storage,
    keystore::{ArchivedKey, Purpose},
    open,
};
use time::macros::datetime;
use tuf::KeyAlgorithm;

use crate::support::{ALIAS, PASSPHRASE, Server, keys, on_both, storage};

on_both![
    keys_move_here_and_back_to_sqlite_unchanged_and_go_on_signing,
    a_database_with_keys_takes_no_backup,
];

fn header() -> Header {
    Header {
        kind: Kind::Keys,
        taken_at: datetime!(2026-11-22 12:00 UTC),
        program: "test".to_owned(),
    }
}

/// A row as years leave them: deleted ones, pending ones, none of the times set.
fn key(id: i64, name: &str) -> ArchivedKey {
    let at = datetime!(2020-01-02 03:04:05 UTC);
    ArchivedKey {
        id,
        created_at: (id > 1).then_some(at),
        updated_at: (id > 2).then_some(at),
        deleted_at: (id == 500).then_some(at),
        key_id: name.repeat(64),
        encryption_alg: "A256GCM".to_owned(),
        keywrap_alg: "PBES2-HS256+A128KW".to_owned(),
        algorithm: "ecdsa".to_owned(),
        passphrase_alias: "Pass-Alias.v2".to_owned(),
        public: vec![0, 255, b'\\', b'\''],
        gun: "example.com/\u{e9}".to_owned(),
        role: "timestamp".to_owned(),
        last_used: (id == 2).then_some(at),
        private: b"a.b.c.d.e".to_vec(),
    }
}

fn rows() -> Vec<ArchivedKey> {
    vec![key(1, "0"), key(2, "1"), key(500, "2")]
}

fn archive_of(rows: &[ArchivedKey]) -> Result<Reader<Cursor<Vec<u8>>>> {
    let mut writer = Writer::new(Vec::new(), &header())?;
    for row in rows {
        writer.write(row)?;
    }
    Ok(Reader::new(Cursor::new(writer.finish()?))?)
}

/// The rows of a sealed backup of `store`.
async fn backed_up(store: &dyn Transfer<ArchivedKey>) -> Result<Vec<ArchivedKey>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("backup");
    let escrow = PrivateKey::generate()?;
    backup(
        store,
        &path,
        header(),
        Some(escrow.public()),
        Emptiness::Refused,
    )
    .await?;
    let (mut reader, _) = archive::open(&path, Some(&escrow))?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

async fn keys_move_here_and_back_to_sqlite_unchanged_and_go_on_signing(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    let there = transfer(&storage(&fresh)).await?;
    restore(&*there, archive_of(&rows())?, None).await?;
    let taken = backed_up(&*there).await?;
    assert_eq!(taken, rows());

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("signer.db");
    let sqlite = Storage::Database {
        url: DatabaseUrl::parse(Backend::Sqlite, &file.to_string_lossy())?,
        limits: PoolLimits::default(),
        default_alias: ALIAS.to_owned(),
        passphrase_files: Vec::new(),
    };
    let sqlite = transfer(&sqlite).await?;
    restore(&*sqlite, archive_of(&taken)?, None).await?;
    assert_eq!(backed_up(&*sqlite).await?, rows());

    let keys = keys(&fresh, &[PASSPHRASE]).await?;
    let purpose = Purpose {
        algorithm: KeyAlgorithm::Ecdsa,
        gun: "example.com/new".to_owned(),
        role: "snapshot".to_owned(),
    };
    keys.create(purpose).await?;
    let newest = keys.store().list(500, 9).await?;
    assert_eq!(newest.len(), 1, "the new key has an id above all others");
    Ok(())
}

async fn transfer(storage: &Storage) -> Result<Arc<dyn Transfer<ArchivedKey>>> {
    let connected = open::open_pool(storage, OpenMode::MayCreate).await?;
    Ok(open::transfer(&connected))
}

async fn a_database_with_keys_takes_no_backup(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let there = transfer(&storage(&fresh)).await?;
    // One that is marked as deleted is one.
    restore(&*there, archive_of(&rows()[2..])?, None).await?;
    let outcome = restore(&*there, archive_of(&rows())?, None).await;
    assert!(matches!(
        outcome,
        Err(RestoreError::Transfer(TransferError::NotEmpty(
            "private_keys"
        )))
    ));
    assert_eq!(backed_up(&*there).await?, rows()[2..]);
    Ok(())
}
