//! The commands on the inventory, as they are run from a shell.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use trust::store::MIGRATIONS;

use crate::support::TestServer;

const GUN: &str = "example.com/team/app";

/// A folder with a configuration, and a database with repositories.
struct Setup(TempDir);

impl Setup {
    async fn with(guns: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.db");
        let text = serde_json::json!({
            "server": {"http_addr": "127.0.0.1:1"},
            "trust_service": {"type": "local"},
            "storage": {"backend": "sqlite3", "db_url": file},
        });
        fs::write(folder.path().join("server.json"), text.to_string()).unwrap();
        let setup = Self(folder);
        setup.publish(guns).await;
        setup
    }

    async fn publish(&self, guns: &[&str]) {
        let file = self.0.path().join("server.db");
        let pool = database::connect_sqlite(file.to_str().unwrap())
            .await
            .unwrap();
        database::migrate(&pool, &MIGRATIONS).await.unwrap();
        let server = TestServer::start().await.moved(pool.clone());
        // The commands know no other clock than the machine's.
        server.advance(daemon::clock::now() - server.now());
        for gun in guns {
            let mut publisher = server.published(gun).await;
            publisher.add_target("targets", "1.0\u{1b}[2J", b"image");
            server
                .publish(gun, &publisher.next(&["targets"]))
                .await
                .ok();
        }
        pool.close().await;
    }

    /// Takes the targets of `gun` away, and all that tells the inventory of it.
    async fn damage(&self, gun: &str) {
        let file = self.0.path().join("server.db");
        let pool = database::connect_sqlite(file.to_str().unwrap())
            .await
            .unwrap();
        let statements = [
            "DELETE FROM tuf_files WHERE gun = ? AND role = 'targets'",
            "DELETE FROM countersign_overview WHERE CAST(gun AS TEXT) = ?",
            "DELETE FROM countersign_position WHERE ? <> ''",
        ];
        for statement in statements {
            // Without tables there is nothing that was told.
            let _ = sqlx::query(statement).bind(gun).execute(&pool).await;
        }
        pool.close().await;
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(self.0.path());
        command.args(["-config", "server.json"]).args(arguments);
        command.output().unwrap()
    }

    /// What it prints if it ends with `status`.
    fn say(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {errors}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, status: i32, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.say(status, arguments)).unwrap()
    }
}

#[tokio::test]
async fn the_inventory_is_listed_without_a_running_server() {
    let setup = Setup::with(&[GUN, "example.com/other"]).await;
    let table = setup.say(0, &["inventory"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("GUN "), "{table}");
    assert!(lines[1].starts_with("example.com/other "), "{table}");
    assert!(
        lines[2].starts_with(GUN) && lines[2].contains(" ok "),
        "{table}"
    );

    let listed = setup.json(0, &["inventory", "--json", "--prefix", "example.com/team/"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["gun"], GUN);
    let key = listed[0]["roles"][0]["keys"][0].as_str().unwrap();
    assert_eq!(
        setup.json(0, &["inventory", "--json", "--signer", key])[0]["gun"],
        GUN
    );
    assert_eq!(
        setup.say(0, &["inventory", "--tag", "none"]),
        "no repositories\n"
    );
    // What was published since shows up: the command follows the feed by itself.
    setup.publish(&["example.com/third"]).await;
    assert_eq!(setup.say(0, &["inventory"]).lines().count(), 4);
    assert!(setup.say(0, &["overview", "rebuild"]).is_empty());
    assert_eq!(setup.say(0, &["inventory"]).lines().count(), 4);
}

#[tokio::test]
async fn one_repository_is_shown_with_roles_signers_and_tags_that_cannot_move_the_cursor() {
    let setup = Setup::with(&[GUN]).await;
    let shown = setup.say(0, &["inventory", GUN]);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(
        shown.contains(r"1.0\u{1b}[2J  targets    sha256:"),
        "{shown}"
    );
    assert!(shown.contains("timestamp"), "{shown}");
    let object = setup.json(0, &["inventory", GUN, "--json"]);
    assert_eq!(object["tags"][0]["name"], "1.0\u{1b}[2J");
    assert_eq!(object["signers"].as_array().unwrap().len(), 4);
    let output = setup.run(&["inventory", "example.com/\u{1b}none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&output.stderr).contains('\u{1b}'));
}

#[tokio::test]
async fn what_is_due_ends_with_one_and_names_the_command() {
    let setup = Setup::with(&[GUN]).await;
    let none = setup.say(0, &["expiry", "--within", "0d"]);
    assert_eq!(
        none,
        "nothing expires within 0 days that people have to renew\n"
    );
    assert_eq!(
        setup.json(0, &["expiry", "--within", "0d", "--json"]),
        serde_json::json!([])
    );
    let due = setup.json(1, &["expiry", "--within", "36500d", "--json"]);
    let find = |role: &str| {
        let due = due.as_array().unwrap().iter();
        due.clone().find(|expiry| expiry["role"] == role).cloned()
    };
    let targets = find("targets").unwrap();
    assert_eq!(targets["gun"], GUN);
    assert_eq!(targets["owner"], "publisher");
    assert_eq!(targets["cure"], format!("notary witness {GUN} targets -p"));
    assert_eq!(
        find("root").unwrap()["cure"],
        format!("notary key rotate {GUN} targets")
    );
    let table = setup.say(1, &["expiry", "--within", "36500d"]);
    assert!(
        table.contains(&format!("notary witness {GUN} targets -p")),
        "{table}"
    );
    let ask = || setup.say(1, &["expiry", "--within", "36500d", "--ics"]);
    let calendar = ask();
    assert_eq!(calendar, ask());
    assert!(calendar.starts_with("BEGIN:VCALENDAR\r\n"), "{calendar}");
    let unfolded = calendar.replace("\r\n ", "");
    assert!(unfolded.contains(&format!("notary witness {GUN} targets -p")));
    assert_eq!(unfolded.matches("BEGIN:VEVENT").count(), 2, "{unfolded}");
    assert_eq!(
        setup.run(&["expiry", "--within", "soon"]).status.code(),
        Some(2)
    );
}

#[tokio::test]
async fn the_status_says_that_the_server_is_down_and_what_is_stored() {
    let setup = Setup::with(&[GUN, "example.com/other"]).await;
    let screen = setup.say(1, &["status"]);
    assert!(screen.contains("the server does not run"), "{screen}");
    assert!(screen.contains("answers and has its tables"), "{screen}");
    assert!(
        screen.contains("2: 2 ok, 0 with warnings, 0 broken"),
        "{screen}"
    );
    assert!(
        screen.contains("example.com/other got timestamp 2"),
        "{screen}"
    );
    assert!(
        screen.contains("0 for people, 0 that the server"),
        "{screen}"
    );
    assert!(screen.lines().count() < 20, "{screen}");

    setup.damage("example.com/other").await;
    let screen = setup.say(1, &["status"]);
    assert!(
        screen.contains("1 ok, 0 with warnings, 1 broken"),
        "{screen}"
    );
    assert!(screen.contains("\nexample.com/other  "), "{screen}");
    let json = setup.json(1, &["status", "--json"]);
    assert_eq!(json["ok"], false);
    assert_eq!(json["inventory"]["as_of"], Value::Null);
    assert_eq!(json["repositories"]["whole"], 1);
    assert_eq!(json["broken"][0]["gun"], "example.com/other");
    assert_eq!(json["due"]["count"], 0);
    assert_eq!(json["last_change"]["deleted"], false);
    let server = &json["findings"][0];
    assert_eq!(
        (&server["check"], &server["verdict"]),
        (&"server".into(), &"wrong".into())
    );
}

#[tokio::test]
async fn the_status_of_an_unreadable_configuration_is_not_known() {
    let setup = Setup::with(&[]).await;
    fs::write(setup.0.path().join("server.json"), "{").unwrap();
    let json = setup.json(2, &["status", "--json"]);
    assert_eq!(json["findings"][0]["check"], "configuration");
}

#[tokio::test]
async fn the_doctor_looks_at_all_repositories() {
    let setup = Setup::with(&["example.com/a", "example.com/b", "example.com/c"]).await;
    setup.damage("example.com/b").await;
    let text = setup.say(1, &["doctor", "--all"]);
    let last = text.lines().last().unwrap();
    assert_eq!(last, "3 repositories looked at: 1 wrong, 0 with warnings");
    assert!(text.contains("example.com/b: "), "{text}");
    assert!(!text.contains("example.com/a: "), "{text}");

    let json = setup.json(1, &["doctor", "--all", "--json"]);
    assert_eq!((&json["looked_at"], &json["wrong"]), (&3.into(), &1.into()));
    let found = json["repositories"].as_array().unwrap();
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|finding| finding["gun"] == "example.com/b")
    );
    assert!(json["findings"].as_array().unwrap().len() > 3);
    setup.say(2, &["doctor", "--all", "gun", "example.com/a"]);
}

#[tokio::test]
async fn the_history_of_a_tag_names_what_it_was_before() {
    let setup = Setup::with(&[GUN]).await;
    let tag = "1.0\u{1b}[2J";
    let json = setup.json(0, &["history", GUN, tag, "--json"]);
    let [past] = &json.as_array().unwrap()[..] else {
        panic!("{json}");
    };
    assert_eq!(
        (&past["role"], &past["version"]),
        (&"targets".into(), &2.into())
    );
    assert_eq!(past["signed_by"][0].as_str().unwrap().len(), 64);
    let change = &past["changes"][0];
    assert_eq!(
        (&change["tag"], &change["from"]),
        (&tag.into(), &Value::Null)
    );
    assert!(change["to"].as_str().unwrap().starts_with("sha256:"));
    let table = setup.say(0, &["history", GUN]);
    assert!(table.contains("  1.0\\u{1b}[2J  "), "{table}");
    setup.say(1, &["history", GUN, "9.9"]);
    setup.say(1, &["history", "example.com/none"]);
}
