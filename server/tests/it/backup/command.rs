//! The commands, as they are run from a shell.

use std::{
    fs,
    process::{Command, Output},
};

use server::store::MIGRATIONS;
use tempfile::TempDir;

use super::GUN;
use crate::support::TestServer;

struct Setup(TempDir);

impl Setup {
    /// A folder with a configuration for the database `name`.
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = if name == "memory" { name } else { "sqlite3" };
        let text = serde_json::json!({
            "server": {"http_addr": "127.0.0.1:0"},
            "trust_service": {"type": "local"},
            "storage": {"backend": backend, "db_url": folder.path().join(name)},
        });
        fs::write(folder.path().join("server.json"), text.to_string()).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(self.0.path());
        command.args(["-config", "server.json"]).args(arguments);
        command.output().unwrap()
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[tokio::test]
async fn a_trial_moves_to_another_database_by_three_commands() {
    let from = Setup::new("from.db");
    let url = from.0.path().join("from.db");
    let pool = database::connect_sqlite(url.to_str().unwrap())
        .await
        .unwrap();
    database::migrate(&pool, &MIGRATIONS).await.unwrap();
    let server = TestServer::start().await.moved(pool.clone());
    server.published(GUN).await;
    pool.close().await;

    let to = Setup::new("to.db");
    let file = to.0.path().join("backup");
    let file = file.to_str().unwrap();
    let backup = from.run(&["backup", file]);
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    assert!(text(&backup.stderr).contains("run `notary-signer backup` now"));

    let verified = to.run(&["verify-backup", file]);
    let said = text(&verified.stdout);
    assert!(
        verified.status.success(),
        "{said}{}",
        text(&verified.stderr)
    );
    assert!(said.contains("5 rows, 1 repositories"), "{said}");

    let restored = to.run(&["restore", file]);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert!(text(&restored.stderr).contains("5 rows were restored"));
    let again = to.run(&["restore", file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("the database is not empty"));

    let taken = from.run(&["backup", file]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(text(&taken.stderr).contains("is there already"));
}

#[test]
fn an_archive_goes_through_standard_output_and_input() {
    let from = Setup::new("from.db");
    let backup = from.run(&["backup", "-"]);
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    assert!(backup.stdout.starts_with(b"countersign archive 1\n"));

    let to = Setup::new("to.db");
    fs::write(to.0.path().join("piped"), &backup.stdout).unwrap();
    let piped = fs::File::open(to.0.path().join("piped")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
    command.env_clear().current_dir(to.0.path()).stdin(piped);
    let restored = command
        .args(["-config", "server.json", "restore", "-"])
        .output();
    let restored = restored.unwrap();
    assert!(restored.status.success(), "{}", text(&restored.stderr));
}

#[test]
fn a_backup_that_is_not_in_order_ends_with_an_error() {
    let setup = Setup::new("server.db");
    fs::write(setup.0.path().join("backup"), "Dear Sir or Madam").unwrap();
    let verified = setup.run(&["verify-backup", "backup"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stderr).contains("not an archive"));
}

#[test]
fn what_is_only_in_memory_is_not_backed_up() {
    let backup = Setup::new("memory").run(&["backup", "file"]);
    assert_eq!(backup.status.code(), Some(1));
    assert!(text(&backup.stderr).contains("storage.backend is memory"));
}
