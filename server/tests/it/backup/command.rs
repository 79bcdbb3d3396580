//! The commands, as they are run from a shell.

use std::{
    fs,
    process::{Command, Output},
};

use tempfile::TempDir;
use trust::store::MIGRATIONS;

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

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
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
    assert!(said.contains("5 rows, 1 repository,"), "{said}");

    let restored = to.run(&["restore", file]);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert!(text(&restored.stderr).contains("5 rows restored"));
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
    assert!(from.run(&["migrate"]).status.success());
    let backup = from.run(&["backup", "-", "--allow-empty"]);
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

#[test]
fn commands_that_only_read_make_no_database() {
    let setup = Setup::new("typo.db");
    for arguments in [&["backup", "file"][..], &["migrate", "--plan"]] {
        let output = setup.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains("typo.db does not exist"), "{said}");
    }
    assert!(text(&setup.run(&["doctor"]).stdout).contains("does not exist"));
    let files = fs::read_dir(setup.0.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["server.json"]);
}

#[test]
fn a_database_without_rows_is_backed_up_only_if_that_is_asked_for() {
    let setup = Setup::new("server.db");
    assert!(setup.run(&["migrate"]).status.success());
    let refused = setup.run(&["backup", "file"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("0 rows") && said.contains("--allow-empty"),
        "{said}"
    );
    assert!(!setup.0.path().join("file").exists());

    let asked = setup.run(&["backup", "file", "--allow-empty"]);
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    let verified = setup.run(&["verify-backup", "file"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stderr).contains("0 rows"));
    let verified = setup.run(&["verify-backup", "file", "--allow-empty"]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}

#[test]
fn commands_leave_one_file_that_holds_the_whole_database() {
    let setup = Setup::new("server.db");
    assert!(setup.run(&["migrate"]).status.success());
    assert!(
        setup
            .run(&["backup", "file", "--allow-empty"])
            .status
            .success()
    );
    assert!(setup.run(&["doctor"]).status.code().is_some());
    let files = fs::read_dir(setup.0.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file", "server.db", "server.json"]);
}

#[tokio::test]
async fn the_database_of_a_signer_is_refused_and_left_alone() {
    let setup = Setup::new("signer.db");
    let url = setup.0.path().join("signer.db");
    let pool = database::connect_sqlite(url.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("CREATE TABLE private_keys (id INTEGER PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    for arguments in [
        &["migrate"][..],
        &["migrate", "--plan"],
        &[],
        &["backup", "file"],
        &["doctor"],
    ] {
        let output = setup.run(arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("this is a notary-signer database"), "{said}");
    }
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(tables, 1, "nothing was added");
}

#[test]
fn a_relative_path_starts_at_the_configuration_file_and_hides_no_database() {
    let setup = Setup::new("server.db");
    let from_elsewhere = |working: &std::path::Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(working);
        command.env("NOTARY_SERVER_STORAGE_DB_URL", "relative.db");
        command
            .arg("-config")
            .arg(setup.0.path().join("server.json"));
        command.args(arguments).output().unwrap()
    };
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("relative.db"), "").unwrap();
    let refused = from_elsewhere(elsewhere.path(), &["migrate"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("write its whole path"), "{said}");
    fs::remove_file(elsewhere.path().join("relative.db")).unwrap();
    assert!(
        from_elsewhere(elsewhere.path(), &["migrate"])
            .status
            .success()
    );
    assert!(setup.0.path().join("relative.db").exists());
}

#[test]
fn a_command_speaks_to_people_and_not_in_json() {
    let setup = Setup::new("server.db");
    let refused = setup.run(&["backup", "file"]);
    let said = text(&refused.stderr);
    let whole = setup.0.path().join("server.db");
    assert_eq!(
        said,
        format!(
            "error: the database {} does not exist: correct storage.db_url, or create the \
             database with `serve`, `migrate` or `restore`\n",
            whole.display()
        )
    );
    let mistake = setup.run(&["bakcup", "file"]);
    assert_eq!(mistake.status.code(), Some(2));
    let said = text(&mistake.stderr);
    assert!(
        said.contains("Usage:") && said.contains("try '--help'"),
        "{said}"
    );
    assert!(said.lines().count() < 12, "{said}");
    for word in ["help", "version"] {
        assert!(setup.run(&[word]).status.success(), "{word}");
    }
    let json = setup.run(&["backup", "file", "-logf", "json"]);
    assert!(text(&json.stderr).starts_with('{'));
}
