//! Settings whose secrets are in files, or printed by commands.

use std::{collections::BTreeMap, ffi::OsString, fs};

use daemon::{Settings, SettingsError, settings::Section};
use serde_json::Value;

use crate::{certificates::Folder, settings::without_password};

/// Stands in nothing but secrets.
const SEEDED: &str = "xyzzy-seeded";

daemon::section! {
    /// The database.
    struct Storage at "storage" {
        /// Where it is.
        #[setting(secret_inside(without_password))]
        db_url: String,
    }
}

daemon::section! {
    /// The callers.
    struct Auth at "auth" {
        /// The administrator.
        #[setting(secret, variable("NOTARY_AUTH"))]
        administrator: String,
        /// The options of tokens.
        #[setting(secret)]
        options: BTreeMap<String, Value>,
    }
}

daemon::section! {
    /// What listens.
    struct Server at "server" {
        /// Where to listen.
        http_addr: String,
    }
}

const SECTIONS: &[Section] = &[Storage::SECTION, Auth::SECTION, Server::SECTION];

const URL: &str = "NOTARY_SERVER_STORAGE_DB_URL";

/// A folder with a configuration file and a file that holds a secret.
struct Stage(Folder);

impl Stage {
    fn new() -> Self {
        let folder = Folder::new();
        folder.write("secret", &format!("{SEEDED}\n"));
        Self(folder)
    }

    fn secret(&self) -> String {
        self.0.path("secret").to_str().unwrap().to_owned()
    }

    fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        let own = |(name, value): &(&str, &str)| (name.into(), value.into());
        variables.iter().map(own).collect()
    }

    fn load(&self, json: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let file = self.0.write("c.json", json);
        Settings::load(
            &file,
            "NOTARY_SERVER",
            SECTIONS,
            Self::environment(variables),
        )
    }

    fn refused(&self, json: &str, variables: &[(&str, &str)]) -> String {
        let error = self.load(json, variables).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SEEDED), "{text}");
        error.to_string()
    }
}

#[test]
fn a_secret_is_taken_from_a_variable_a_file_or_a_command_and_named_by_where_it_was() {
    let stage = Stage::new();
    let path = stage.secret();
    let command = format!("cat {path}");
    let by_file = format!("(file {path} (named by NOTARY_AUTH_FILE))");
    for (variable, value, origin) in [
        ("NOTARY_AUTH", SEEDED, "(environment, NOTARY_AUTH)"),
        ("NOTARY_AUTH_FILE", &path, &by_file),
        (
            "NOTARY_AUTH_COMMAND",
            &command,
            "(command in NOTARY_AUTH_COMMAND)",
        ),
    ] {
        let settings = stage.load("{}", &[(variable, value)]).unwrap();
        assert_eq!(Auth::of(&settings).administrator.text(), Some(SEEDED));
        let effective = settings.effective();
        let line = format!("auth.administrator = (hidden) {origin}");
        assert!(effective.lines().any(|found| found == line), "{effective}");
        for text in [
            effective,
            Auth::of(&settings).administrator.invalid("x").to_string(),
            Auth::of(&settings).administrator.refuse("x").to_string(),
            format!("{settings:?}"),
        ] {
            assert!(!text.contains(SEEDED), "{text}");
        }
    }
}

#[test]
fn nothing_is_shown_of_a_url_that_a_file_or_a_command_gave() {
    let stage = Stage::new();
    let (path, command) = (stage.secret(), format!("echo {SEEDED}"));
    for (ending, value) in [("_FILE", &path), ("_COMMAND", &command)] {
        let settings = stage
            .load("{}", &[(&format!("{URL}{ending}"), value)])
            .unwrap();
        assert_eq!(Storage::of(&settings).db_url.text(), Some(SEEDED));
        let shown = settings.effective() + &Storage::of(&settings).db_url.invalid("x").to_string();
        assert!(
            !shown.contains(SEEDED) && shown.contains("storage.db_url = (hidden)"),
            "{shown}"
        );
    }
}

#[test]
fn a_file_and_a_command_may_stand_in_the_configuration() {
    let stage = Stage::new();
    let json =
        r#"{"auth": {"Administrator_File": "secret"}, "storage": {"db_url_command": "echo a"}}"#;
    let settings = stage.load(json, &[]).unwrap();
    assert_eq!(Auth::of(&settings).administrator.text(), Some(SEEDED));
    assert_eq!(Storage::of(&settings).db_url.text(), Some("a"));
    assert!(settings.unknown_paths().is_empty());
    let effective = settings.effective();
    assert!(
        effective.contains("(named by auth.administrator_file in "),
        "{effective}"
    );
    assert!(
        effective.contains("(command in storage.db_url_command in "),
        "{effective}"
    );
}

#[test]
fn a_variable_of_any_form_counts_instead_of_what_the_file_says() {
    let stage = Stage::new();
    let path = stage.secret();
    for json in [
        r#"{"storage": {"db_url": "b"}}"#,
        r#"{"storage": {"db_url_file": "/does/not/exist"}}"#,
        r#"{"storage": {"db_url_command": "exit 1"}}"#,
    ] {
        let settings = stage.load(json, &[(URL, "a")]).unwrap();
        assert_eq!(Storage::of(&settings).db_url.text(), Some("a"));
        let settings = stage
            .load(json, &[(&format!("{URL}_FILE"), &path)])
            .unwrap();
        assert_eq!(Storage::of(&settings).db_url.text(), Some(SEEDED));
    }
}

#[test]
fn two_ways_to_one_secret_are_refused_wherever_they_stand() {
    let stage = Stage::new();
    let path = stage.secret();
    let error = stage.refused(
        "{}",
        &[("NOTARY_AUTH", SEEDED), ("NOTARY_AUTH_FILE", &path)],
    );
    assert_eq!(
        error,
        "auth.administrator: NOTARY_AUTH and NOTARY_AUTH_FILE are both set: set one of the two"
    );
    let url_file = format!("{URL}_FILE");
    let url_command = format!("{URL}_COMMAND");
    let error = stage.refused("{}", &[(&url_file, &path), (&url_command, SEEDED)]);
    assert!(
        error.contains(&url_file) && error.contains(&url_command),
        "{error}"
    );
    for json in [
        r#"{"storage": {"db_url": "xyzzy-seeded", "db_url_file": "secret"}}"#,
        r#"{"storage": {"db_url": "xyzzy-seeded", "db_url_command": "true"}}"#,
        r#"{"storage": {"db_url_command": "true", "db_url_file": "secret"}}"#,
    ] {
        let error = stage.refused(json, &[]);
        assert!(
            error.contains("storage.db_url_") && error.contains("are both set"),
            "{error}"
        );
    }
}

#[test]
fn a_secret_that_cannot_be_had_stops_the_start_and_names_who_asked_for_it() {
    let stage = Stage::new();
    stage.0.write("empty", "\n");
    let (empty, failing) = (stage.0.path("empty"), format!("echo {SEEDED}; exit 3"));
    let binary = stage.0.path("binary");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    for (variable, value, reason) in [
        ("NOTARY_AUTH_FILE", "/does/not/exist", "No such file"),
        ("NOTARY_AUTH_FILE", empty.to_str().unwrap(), "it is empty"),
        (
            "NOTARY_AUTH_FILE",
            binary.to_str().unwrap(),
            "not valid UTF-8",
        ),
        ("NOTARY_AUTH_COMMAND", &failing, "exit status: 3"),
    ] {
        let error = stage.refused("{}", &[(variable, value)]);
        let start = error.starts_with("auth.administrator: ");
        assert!(
            start && error.contains(variable) && error.contains(reason),
            "{error}"
        );
    }
    let error = stage.refused(r#"{"auth": {"administrator_file": ["xyzzy-seeded"]}}"#, &[]);
    assert!(error.contains("auth.administrator_file"), "{error}");
}

#[test]
fn what_is_no_secret_or_a_whole_section_is_in_no_file_and_of_no_command() {
    let stage = Stage::new();
    let json = r#"{"server": {"http_addr_file": "secret"}, "auth": {"options_command": "true"}}"#;
    let variables = [
        ("NOTARY_SERVER_SERVER_HTTP_ADDR_FILE", "/does/not/exist"),
        ("NOTARY_SERVER_AUTH_OPTIONS_COMMAND", "exit 1"),
    ];
    let settings = stage.load(json, &variables).unwrap();
    assert_eq!(
        settings.unknown_paths(),
        ["auth.options_command", "server.http_addr_file"]
    );
    assert!(!Server::of(&settings).http_addr.is_set() && !Auth::of(&settings).options.is_set());
}

#[test]
fn settings_without_secrets_ask_no_file_and_no_command() {
    let stage = Stage::new();
    let mark = stage.0.path("mark");
    let json =
        r#"{"server": {"http_addr": ":1"}, "auth": {"administrator_file": "/does/not/exist"}}"#;
    let file = stage.0.write("c.json", json);
    let command = format!("touch {}", mark.display());
    let variables = Stage::environment(&[(&format!("{URL}_COMMAND"), &command)]);
    let settings =
        Settings::load_without_secrets(&file, "NOTARY_SERVER", SECTIONS, variables).unwrap();
    assert_eq!(Server::of(&settings).http_addr.text(), Some(":1"));
    assert!(!Storage::of(&settings).db_url.is_set() && !mark.exists());
}

#[test]
fn a_reference_that_nothing_has_resolved_is_refused_wherever_it_stands() {
    let stage = Stage::new();
    let reference = format!("op://{SEEDED}/item/url");
    let file = stage.0.write("reference", &reference);
    let url_file = format!("{URL}_FILE");
    let in_file = format!(r#"{{"storage": {{"db_url": "{reference}"}}}}"#);
    for (json, variable, value) in [
        ("{}", URL, reference.as_str()),
        ("{}", &url_file, file.to_str().unwrap()),
        (&in_file, "UNRELATED", "x"),
    ] {
        let error = stage.refused(json, &[(variable, value)]);
        assert!(error.starts_with("storage.db_url: "), "{error}");
        assert!(error.contains("a reference (op://…)"), "{error}");
        assert!(error.contains("`op run --`"), "{error}");
    }
    let resolved = stage.load(&in_file, &[(URL, "postgres://db/notary")]);
    assert!(resolved.is_ok(), "what counts is what the variable says");
}
