//! Trust data that moves from one kind of database to another.

use std::{io::Cursor, path::Path, sync::Arc};

use anyhow::Result;
use archive::{
    Header, Kind, Reader, RestoreError, Row as _, Transfer, TransferError, Writer, backup,
};
use database::{Connected, with_pool};
use harness::Fresh;
use time::{OffsetDateTime, macros::datetime};
use tokio::sync::mpsc::channel;
use trust::store::{self, ChangeRow, FileRow, Page, SqlStore, TrustRow};
use tuf::{File, Gun, MetadataFormat, Role};

use crate::support::{Server, connect, on_both, open};

on_both![
    what_sqlite_held_is_held_to_the_last_byte_and_ids_go_on,
    the_tables_of_notary_take_a_backup_as_well,
    a_backup_shows_one_moment_while_others_publish,
    what_is_there_is_not_mixed_with_a_backup,
];

fn header() -> Header {
    Header {
        kind: Kind::TrustData,
        taken_at: datetime!(2026-11-22 12:00 UTC),
        program: "test".to_owned(),
    }
}

fn file(id: i64, gun: &str, version: i32, sha256: Option<&str>, data: &[u8]) -> TrustRow {
    let at: OffsetDateTime = datetime!(2020-01-02 03:04:05 UTC);
    TrustRow::File(FileRow {
        id,
        created_at: Some(at),
        updated_at: (id > 1).then_some(at),
        deleted_at: (id == 2).then_some(at),
        gun: gun.to_owned(),
        role: "targets/releases".to_owned(),
        version,
        sha256: sha256.map(str::to_owned),
        data: data.to_vec(),
    })
}

fn change(id: i64, version: i32, sha256: &str, category: &str) -> TrustRow {
    TrustRow::Change(ChangeRow {
        id,
        created_at: Some(datetime!(2020-01-02 03:04:05 UTC)),
        gun: "example.com/a".to_owned(),
        version,
        sha256: Some(sha256.to_owned()),
        category: category.to_owned(),
    })
}

/// Rows as years leave them: gaps between ids, binary data, no checksum, marked as deleted.
fn rows() -> Vec<TrustRow> {
    let sha256 = "5f".repeat(32);
    vec![
        file(1, "example.com/a", 1, None, b"{}"),
        file(
            2,
            "example.com/a",
            2,
            Some(&sha256),
            &[0, 255, b'\\', b'\''],
        ),
        file(
            70_000,
            "example.com/\u{e9}",
            i32::MAX,
            Some(&sha256),
            &[b'x'; 200_000],
        ),
        change(3, 1, &sha256, "update"),
        change(900, 0, "", "deletion"),
    ]
}

fn archive_of(rows: &[TrustRow]) -> Result<Reader<Cursor<Vec<u8>>>> {
    let mut writer = Writer::new(Vec::new(), &header())?;
    for row in rows {
        writer.write(row)?;
    }
    Ok(Reader::new(Cursor::new(writer.finish()?))?)
}

async fn restore(
    store: &dyn Transfer<TrustRow>,
    rows: &[TrustRow],
) -> Result<Result<u64, RestoreError>> {
    Ok(archive::restore(store, archive_of(rows)?, None).await)
}

/// The rows of a backup of `store`, made as the file `name` in `folder`.
async fn backed_up(
    store: &dyn Transfer<TrustRow>,
    folder: &Path,
    name: &str,
) -> Result<Vec<TrustRow>> {
    let path = folder.join(name);
    backup(store, &path, header(), None, archive::Emptiness::Allowed).await?;
    let (mut reader, _) = archive::open(&path, None)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

fn transfer(connected: Connected) -> Arc<dyn Transfer<TrustRow>> {
    with_pool!(connected, pool => Arc::new(SqlStore::new(pool)))
}

/// The tables of this version.
async fn ours(server: &Server) -> Result<Fresh> {
    let fresh = server.empty()?;
    store::migrate(&connect(&fresh).await?).await?;
    Ok(fresh)
}

async fn what_sqlite_held_is_held_to_the_last_byte_and_ids_go_on(server: Server) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sqlite = database::connect_sqlite("memory").await?;
    database::migrate(&sqlite, &store::MIGRATIONS).await?;
    let sqlite = SqlStore::new(sqlite);
    restore(&sqlite, &rows()).await??;
    let from_sqlite = backed_up(&sqlite, folder.path(), "sqlite").await?;
    assert_eq!(from_sqlite, rows());

    let fresh = ours(&server).await?;
    let there = transfer(connect(&fresh).await?);
    restore(&*there, &from_sqlite).await??;
    assert_eq!(backed_up(&*there, folder.path(), "there").await?, rows());

    let store = open(&fresh).await?;
    let gun = Gun::parse("example.com/new")?;
    let timestamp = File::parse(
        MetadataFormat::NOTARY,
        Role::Timestamp,
        r#"{"signed":{"version":1}}"#.into(),
    )?;
    let now = datetime!(2026-11-22 12:00 UTC);
    store.publish(&gun, None, &[timestamp], now).await?;
    let page = Page::After { id: 900, limit: 9 };
    let fed = store.changes(None, page).await?;
    assert_eq!(fed.len(), 1);
    let rows = backed_up(&*there, folder.path(), "later").await?;
    assert!(rows.iter().any(|row| row.id() > 70_000));
    Ok(())
}

async fn the_tables_of_notary_take_a_backup_as_well(server: Server) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fresh = server.notarys()?;
    let there = transfer(connect(&fresh).await?);
    restore(&*there, &rows()).await??;
    assert_eq!(backed_up(&*there, folder.path(), "there").await?, rows());

    let other = server.notarys()?;
    let there = transfer(connect(&other).await?);
    let alike = [
        file(1, "example.com/a", 1, None, b"{}"),
        file(2, "Example.com/A", 1, None, b"{}"),
    ];
    let outcome = restore(&*there, &alike).await?;
    match server {
        Server::Postgres(_) => assert_eq!(outcome?, 2),
        Server::MariaDb(_) => assert!(matches!(
            outcome,
            Err(RestoreError::Transfer(TransferError::Clash(_)))
        )),
    }
    Ok(())
}

async fn a_backup_shows_one_moment_while_others_publish(server: Server) -> Result<()> {
    let fresh = ours(&server).await?;
    let there = transfer(connect(&fresh).await?);
    restore(&*there, &rows()).await??;

    let (sender, mut received) = channel(1);
    let export = tokio::spawn(async move { there.export(sender).await });
    let mut seen = Vec::from_iter(received.recv().await);
    let gun = Gun::parse("example.com/new")?;
    let timestamp = File::parse(
        MetadataFormat::NOTARY,
        Role::Timestamp,
        r#"{"signed":{"version":1}}"#.into(),
    )?;
    let now = datetime!(2026-11-22 12:00 UTC);
    open(&fresh)
        .await?
        .publish(&gun, None, &[timestamp], now)
        .await?;
    while let Some(row) = received.recv().await {
        seen.push(row);
    }
    export.await??;
    assert_eq!(seen, rows());
    Ok(())
}

async fn what_is_there_is_not_mixed_with_a_backup(server: Server) -> Result<()> {
    let fresh = ours(&server).await?;
    let there = transfer(connect(&fresh).await?);
    restore(&*there, &rows()[3..]).await??;
    let outcome = restore(&*there, &rows()).await?;
    assert!(matches!(
        outcome,
        Err(RestoreError::Transfer(TransferError::NotEmpty(
            "changefeed"
        )))
    ));
    let folder = tempfile::tempdir()?;
    let left = backed_up(&*there, folder.path(), "left").await?;
    assert_eq!(left, rows()[3..]);
    Ok(())
}
