//! What is found in a backup before it is needed.

use std::path::{Path, PathBuf};

use archive::{ArchiveError, Fingerprint, Kind, ReadRow, Row, Writer};
use database::Pool;
use serde_json::{Value, json};
use server::backup::verify::{KeySet, Verified, verify};
use sqlx::Sqlite;
use time::{Duration, OffsetDateTime};

use super::{GUN, backed_up, execute, header};
use crate::support::TestServer;

async fn verified(pool: &Pool<Sqlite>) -> Verified {
    let (_folder, file) = backed_up(pool).await;
    verify(&file, None).unwrap()
}

/// The id of the timestamp key that the root of `gun` names.
async fn timestamp_key(server: &TestServer, gun: &str) -> String {
    let root = server.file(gun, "root.json").await.ok().json();
    let id = &root["signed"]["roles"]["timestamp"]["keyids"][0];
    id.as_str().unwrap().to_owned()
}

/// A key as the signer's archives have it.
pub(super) struct Key(Value);

impl Key {
    pub(super) fn new(row: i64, id: &str) -> Self {
        Self(json!({
            "id": row,
            "created_at": null,
            "updated_at": null,
            "deleted_at": null,
            "key_id": id,
            "encryption_alg": "A256GCM",
            "keywrap_alg": "PBES2-HS256+A128KW",
            "algorithm": "ecdsa",
            "passphrase_alias": "one",
            "public": "",
            "gun": GUN,
            "role": "timestamp",
            "last_used": null,
        }))
    }
}

impl ReadRow for Key {
    const KIND: Kind = Kind::Keys;

    fn read(_: u8, columns: &[u8], _: Vec<u8>) -> Option<serde_json::Result<Self>> {
        Some(serde_json::from_slice(columns).map(Self))
    }
}

impl Row for Key {
    fn id(&self) -> i64 {
        self.0["id"].as_i64().unwrap()
    }

    fn table(&self) -> u8 {
        b'K'
    }

    fn columns(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.0)
    }

    fn body(&self) -> &[u8] {
        b"a.b.c.d.e"
    }

    fn add_to(&self, _: &mut Fingerprint) {}
}

/// A signer's archive with these keys.
fn keys(folder: &Path, taken_at: OffsetDateTime, ids: &[String], is_deleted: bool) -> PathBuf {
    let file = folder.join("signer.backup");
    let mut header = header(Kind::Keys);
    header.taken_at = taken_at;
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for (row, id) in (1..).zip(ids) {
        let mut key = Key::new(row, id);
        if is_deleted {
            key.0["deleted_at"] = json!("2026-11-22T12:00:00Z");
        }
        writer.write(&key).unwrap();
    }
    std::fs::write(&file, writer.finish().unwrap()).unwrap();
    file
}

#[tokio::test]
async fn a_backup_of_repositories_that_clients_can_follow_is_in_order() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    server.published("example.com/other").await;
    publisher.rotate_root();
    let update = publisher.next(&["root", "targets"]);
    server.publish(GUN, &update).await.ok();

    let verified = verified(&server.pool).await;
    assert_eq!(verified.faults, [""; 0]);
    assert_eq!(verified.remarks, [""; 0]);
    assert_eq!(verified.repositories, 2);
    assert_eq!(verified.taken_at, header(Kind::TrustData).taken_at);
    let files = server.rows("tuf_files").await + server.rows("changefeed").await;
    assert_eq!(verified.rows, u64::try_from(files).unwrap());
}

#[tokio::test]
async fn a_file_that_is_missing_or_was_altered_in_the_database_is_a_fault() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.published("example.com/fine").await;
    execute(
        &server.pool,
        "DELETE FROM tuf_files WHERE gun = 'example.com/team/app' AND role = 'targets'",
    )
    .await;
    let verdict = verified(&server.pool).await;
    assert_eq!(verdict.faults.len(), 1);
    let fault = &verdict.faults[0];
    assert!(
        fault.starts_with("example.com/team/app: version with checksum"),
        "{fault}"
    );
    assert!(fault.ends_with("of targets is missing"), "{fault}");

    execute(
        &server.pool,
        "UPDATE tuf_files SET data = CAST('{}' AS BLOB) \
         WHERE gun = 'example.com/fine' AND role = 'snapshot'",
    )
    .await;
    let faults = verified(&server.pool).await.faults;
    assert_eq!(
        faults[0],
        "example.com/fine: version 1 of snapshot is not what its checksum says: it was altered in the \
         database"
    );
}

#[tokio::test]
async fn a_checksum_that_an_old_database_lacks_is_no_fault() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    for statement in [
        "UPDATE tuf_files SET sha256 = NULL",
        "UPDATE tuf_files SET sha256 = ''",
    ] {
        execute(&server.pool, statement).await;
        assert_eq!(verified(&server.pool).await.faults, [""; 0], "{statement}");
    }
}

#[tokio::test]
async fn rows_that_nobody_reads_are_not_verified() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    execute(
        &server.pool,
        "INSERT INTO tuf_files (deleted_at, gun, role, version, sha256, data) \
         VALUES ('2017-01-02 03:04:05', 'old', 'targets', 3, 'nonsense', x'00')",
    )
    .await;
    let verified = verified(&server.pool).await;
    assert_eq!(verified.faults, [""; 0]);
    assert_eq!(verified.repositories, 1);
}

#[tokio::test]
async fn what_had_expired_before_is_remarked_upon() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    publisher.expire("targets", fixtures::clock() + Duration::minutes(1));
    let parts = publisher.first_publish();
    server.publish(GUN, &parts).await.ok();
    let verified = verified(&server.pool).await;
    assert_eq!(verified.faults, [""; 0]);
    assert_eq!(
        verified.remarks,
        ["example.com/team/app: targets had expired (its publisher has to renew it)"]
    );
}

#[tokio::test]
async fn the_keys_of_the_set_have_to_be_there() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let key = timestamp_key(&server, GUN).await;
    let (folder, file) = backed_up(&server.pool).await;
    let later = header(Kind::TrustData).taken_at + Duration::seconds(1);
    let faults = |ids: &[String], is_deleted| {
        let keys = keys(folder.path(), later, ids, is_deleted);
        let keys = KeySet::read(&keys, None).unwrap();
        let verified = verify(&file, Some(&keys)).unwrap();
        assert_eq!(verified.remarks, [""; 0]);
        verified.faults
    };
    assert_eq!(faults(std::slice::from_ref(&key), false), [""; 0]);
    let missing = format!("{GUN}: the backup of the keys lacks the one for timestamps ({key})");
    assert_eq!(faults(&["00".repeat(32)], false), [missing.as_str()]);
    assert_eq!(faults(&[key], true), [missing.as_str()]);
}

#[tokio::test]
async fn keys_that_were_backed_up_first_are_remarked_upon() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let key = timestamp_key(&server, GUN).await;
    let (folder, file) = backed_up(&server.pool).await;
    let earlier = header(Kind::TrustData).taken_at - Duration::seconds(1);
    let keys = KeySet::read(&keys(folder.path(), earlier, &[key], false), None).unwrap();
    let remarks = verify(&file, Some(&keys)).unwrap().remarks;
    assert!(remarks[0].contains("back up the keys last"), "{remarks:?}");
}

#[tokio::test]
async fn an_archive_that_is_cut_off_or_of_the_other_program_is_an_error() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let (folder, file) = backed_up(&server.pool).await;
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        verify(&file, None),
        Err(ArchiveError::CutOff { .. })
    ));
    let keys = keys(folder.path(), fixtures::clock(), &[], false);
    assert!(matches!(
        verify(&keys, None),
        Err(ArchiveError::Kind { .. })
    ));
    assert!(verify(Path::new("-"), None).is_err());
}

#[tokio::test]
async fn a_repository_that_clients_cannot_read_is_named_with_the_cure() {
    let server = TestServer::start().await;
    server.keep_unreadable(GUN).await;
    let verified = verified(&server.pool).await;
    let [fault] = verified.faults.as_slice() else {
        panic!("{:?}", verified.faults);
    };
    let cause = format!("{GUN}: clients cannot read root version 1, or read it otherwise: ");
    assert!(fault.starts_with(&cause), "{fault}");
    assert!(fault.contains("Cure: "), "{fault}");
}
