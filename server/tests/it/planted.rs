//! No secret of the server's own is in anything that it prints, whether the secret is as it should
//! be or not: one is planted in each setting that may hold one, and everything that the program
//! writes is searched for it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    sync::LazyLock,
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

const URL: &str = "NOTARY_SERVER_STORAGE_DB_URL";

/// Where a secret may be planted in what says where the database is, and by whom it is read.
const URLS: [(&str, &str); 26] = [
    ("mysql", "me:SECRET@tcp(127.0.0.1:1)/x?parseTime=True"),
    ("mysql", "SECRET@tcp(127.0.0.1:1)/x"),
    ("mysql", "me:SECRET@tcp(127.0.0.1:1)"),
    ("mysql", "me:SECRET@udp(127.0.0.1:1)/x"),
    ("mysql", "me:SECRET"),
    ("mysql", "me@tcp(127.0.0.1:1)/x?tls=SECRET"),
    ("mysql", "me@tcp(127.0.0.1:1)/x?password=SECRET"),
    ("mysql", "me@tcp(127.0.0.1:1)/x?timeout=SECRET"),
    ("mysql", "mysql://me:SECRET@127.0.0.1:1/x"),
    ("mysql", "postgres://me:SECRET@127.0.0.1:1/x"),
    ("mysql", "SECRET"),
    ("postgres", "postgres://me:SECRET@127.0.0.1:1/x"),
    ("postgres", "postgres://me:/SECRET@127.0.0.1:1/x"),
    ("postgres", "postgres://me:7/SECRET@127.0.0.1:1/x"),
    ("postgres", "postgres://me:SECRET127.0.0.1:1/x"),
    ("postgres", "postgres://me@127.0.0.1:1/x?passfile=SECRET"),
    ("postgres", "postgres://me@127.0.0.1:1/x?sslmode=SECRET"),
    ("postgres", "postgres://me:SECRET@127.0.0.1:99999/x"),
    ("postgres", "host=127.0.0.1 port=1 dbname=x password=SECRET"),
    (
        "postgres",
        "host=127.0.0.1 port=1 dbname=x password='SECRET",
    ),
    ("postgres", "u:SECRET"),
    ("postgres", "SECRET"),
    ("sqlite3", "me:SECRET@tcp(127.0.0.1:1)/x"),
    ("sqlite3", "host=127.0.0.1 password=SECRET dbname=x"),
    ("sqlite3", "u:SECRET"),
    ("papyrus", "me:SECRET@tcp(127.0.0.1:1)/x"),
];

/// The ways by which a secret comes to a program.
#[derive(Clone, Copy, Debug)]
enum Way {
    Variable,
    File,
    Command,
    FailingCommand,
    Configuration,
    /// In a list, where a text should be.
    List,
}

const WAYS: [Way; 6] = [
    Way::Variable,
    Way::File,
    Way::Command,
    Way::FailingCommand,
    Way::Configuration,
    Way::List,
];

/// An address at which no server can listen, because this test does. `doctor` asks it whether a
/// server runs there, and is turned away at once; an address elsewhere could let it wait.
static TAKEN: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    address
});

/// A configuration with which no server starts: its address is taken.
struct Stage {
    folder: tempfile::TempDir,
    file: Value,
    variables: Vec<(String, String)>,
}

impl Stage {
    fn new(backend: &str) -> Self {
        let file = json!({
            "server": {"http_addr": TAKEN.to_string()},
            "trust_service": {"type": "local"},
            "storage": {"backend": backend},
            "logging": {"level": "debug"},
        });
        Self {
            folder: tempfile::tempdir().unwrap(),
            file,
            variables: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        }
    }

    /// Plants `text` as the value of `section.key`, whose variable is `variable`.
    fn plant(mut self, way: Way, (section, key): (&str, &str), variable: &str, text: &str) -> Self {
        let path = self.folder.path().join("planted");
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let mut set = |ending: &str, value: &str| {
            let name = format!("{variable}{ending}");
            self.variables.push((name, value.to_owned()));
        };
        match way {
            Way::Variable => set("", text),
            Way::File => set("_FILE", path),
            Way::Command => set("_COMMAND", &format!("cat {path}")),
            Way::FailingCommand => set("_COMMAND", &format!("cat {path}; false")),
            Way::Configuration => self.file[section][key] = text.into(),
            Way::List => self.file[section][key] = json!([text, {"password": text}]),
        }
        self
    }

    /// What is printed by everything that reads the configuration, none of which succeeds for long.
    fn printed(&self) -> String {
        let text = self.file.to_string();
        fs::write(self.folder.path().join("server.json"), text).unwrap();
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let mut printed = String::new();
        for arguments in [&["config", "check"][..], &["doctor"], &[], &["migrate"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
            command.env_clear().current_dir(self.folder.path());
            command.envs(variables.clone());
            command.args(["-config", "server.json"]).args(arguments);
            let output = command.output().unwrap();
            for bytes in [&output.stdout, &output.stderr] {
                printed += &String::from_utf8_lossy(bytes);
            }
        }
        assert!(printed.contains("fatal"), "{printed}");
        printed
    }
}

fn secret() -> impl Strategy<Value = (String, String)> {
    // What only this test knows, behind characters that mean something to one format or another.
    ("[A-Za-z0-9+/=!?&#%:.-]{0,6}", "[a-z0-9]{6}").prop_map(|(begin, end)| {
        let core = format!("Zq7x{end}");
        (format!("{begin}{core}"), core)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn a_password_of_a_database_is_nowhere_in_what_is_printed((secret, core) in secret(), turn in 0_usize..6) {
        for (at, (backend, form)) in URLS.into_iter().enumerate() {
            let way = WAYS[(at + turn) % WAYS.len()];
            let url = form.replace("SECRET", &secret);
            let stage = Stage::new(backend).plant(way, ("storage", "db_url"), URL, &url);
            let printed = stage.printed();
            prop_assert!(!printed.contains(&core), "{form} by {way:?}: {printed}");
        }
    }

    #[test]
    fn other_secrets_are_nowhere_in_what_is_printed((secret, core) in secret()) {
        let right = BASE64_STANDARD.encode(format!("root:{secret}"));
        for (place, variable, text) in [
            (("auth", "administrator"), "NOTARY_AUTH", right.as_str()),
            (("auth", "administrator"), "NOTARY_AUTH", &secret),
            (("auth", "administrator"), "NOTARY_AUTH", &format!("root:{secret}")),
            (("storage", "password"), "NOTARY_SERVER_STORAGE_PASSWORD", &secret),
            (("reporting", "bugsnag"), "NOTARY_SERVER_REPORTING_BUGSNAG_API_KEY", &secret),
        ] {
            for way in WAYS {
                if place.0 == "reporting" && matches!(way, Way::Configuration | Way::List) {
                    continue;
                }
                let printed = Stage::new("memory").plant(way, place, variable, text).printed();
                prop_assert!(!printed.contains(&core), "{variable} by {way:?}: {printed}");
                prop_assert!(!printed.contains(&right), "{variable} by {way:?}: {printed}");
            }
        }
    }
}

#[test]
fn a_file_of_the_wrong_kind_is_not_quoted() {
    for text in [
        r#"{"storage": {"db_url": "me:Zq7x-planted}"#,
        r#"{"storage": {"db_url": Zq7x-planted}}"#,
        r#"{"storage": "Zq7x-planted"}"#,
        r#"{"auth": {"administrator": "a", "administrator": "Zq7x-planted"}}"#,
        "Zq7x-planted",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.json");
        fs::write(&file, text).unwrap();
        for arguments in [&["config", "check"][..], &["doctor"], &[]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
            let output = command.arg("-config").arg(&file).args(arguments).output();
            let output = output.unwrap();
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8(printed).unwrap();
            assert!(
                !printed.is_empty() && !printed.contains("Zq7x"),
                "{printed}"
            );
        }
    }
}

#[test]
fn what_an_address_of_keys_has_behind_its_question_mark_is_not_shown() {
    let mut stage = Stage::new("memory");
    stage.file["auth"] = json!({"type": "token", "rules_file": "rules.yaml", "options": {
        "realm": "https://auth.example.com/token", "service": "s", "issuer": "i",
        "jwks": "http://127.0.0.1:1/keys?key=Zq7x-planted",
    }});
    let rules = "rules: [{who: anonymous, may: pull, on: a/}]";
    fs::write(stage.folder.path().join("rules.yaml"), rules).unwrap();
    let printed = stage.printed();
    assert!(printed.contains("http://127.0.0.1:1/keys"), "{printed}");
    assert!(!printed.contains("Zq7x"), "{printed}");
}

/// The connection errors of drivers have the words of the database in them.
#[test]
fn what_a_database_would_quote_is_refused_before_it_is_asked() {
    for (backend, url) in [
        ("postgres", "postgres://me@127.0.0.1:1/x?password=ab&Zq7x"),
        ("postgres", "postgres://me@127.0.0.1:1/x?sslpassword=Zq7x"),
        ("postgres", "host=127.0.0.1 dbname=x a@Zq7x=b"),
        ("mysql", "me@tcp(127.0.0.1:1)/x?tls=true&password=Zq7x"),
        ("mysql", "mysql://me@127.0.0.1:1/x?Zq7x"),
    ] {
        let stage = Stage::new(backend).plant(Way::Variable, ("storage", "db_url"), URL, url);
        let printed = stage.printed();
        let expected = "storage.db_url: (hidden) is not valid";
        assert!(printed.contains(expected), "{url}: {printed}");
        assert!(!printed.contains("Zq7x"), "{printed}");
        assert!(!printed.contains("does not answer"), "{printed}");
    }
}

#[test]
fn the_reason_why_a_url_is_refused_is_said_without_it() {
    for (backend, url, reason) in [
        (
            "mysql",
            "SECRET",
            "there is no `/` before the database name",
        ),
        ("mysql", "me@tcp(db)/x?tls=SECRET", "its `tls` is not true"),
        (
            "postgres",
            "u:SECRET",
            "neither a URL nor made of `key=value` words",
        ),
        (
            "postgres",
            "postgres://me:SECRET@db:99999/x",
            "port is not a number",
        ),
        ("postgres", "postgres://me:/SECRET@db/x", "is written `%2F`"),
        (
            "postgres",
            "postgres://me@db/x?passfile=SECRET",
            "parameters is not known",
        ),
        (
            "sqlite3",
            "me:SECRET@tcp(db)/x",
            "looks like the URL of a server",
        ),
    ] {
        let stage = Stage::new(backend).plant(Way::Variable, ("storage", "db_url"), URL, url);
        let printed = stage.printed();
        assert!(printed.contains(reason), "{url}: {printed}");
        assert!(!printed.contains("SECRET"), "{printed}");
        assert!(no_files(stage.folder.path()), "nothing is made of it");
    }
}

fn no_files(folder: &Path) -> bool {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name != "server.json" && name != "planted")
        .count()
        == 0
}
