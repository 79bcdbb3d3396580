//! The layered configuration.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use daemon::{Settings, SettingsError, settings::Section};
use serde_json::{Value, json};

use crate::certificates::Folder;

/// Leaves the password out of `user:password@place`, and shows nothing of any other text.
pub(crate) fn without_password(text: &str) -> Option<String> {
    let (credentials, place) = text.rsplit_once('@')?;
    let (user, _) = credentials.split_once(':')?;
    Some(format!("{user}:********@{place}"))
}

daemon::section! {
    /// Outside of any section.
    struct Root at "" {
        /// A switch.
        flag: bool,
    }
}

daemon::section! {
    /// What listens.
    struct Server at "server" {
        /// Where to listen. Required.
        http_addr: String,
        /// The certificate; without it, plain HTTP.
        tls_cert_file: PathBuf,
    }
}

daemon::section! {
    /// The signer.
    struct TrustService at "trust_service" {
        /// Its port.
        port: String,
        /// The kind of new keys.
        key_algorithm: String,
        /// Its make.
        kind as "type": String,
    }
}

daemon::section! {
    /// The database.
    struct Storage at "storage" {
        /// Where it is.
        #[setting(secret_inside(without_password))]
        db_url: String,
        /// The password.
        #[setting(secret)]
        password: String,
    }
}

daemon::section! {
    /// How long proxies keep answers.
    struct MaxAge at "caching.max_age" {
        /// For a current version.
        #[setting(default(300), between(0, 31_536_000), unit("seconds"))]
        current_metadata: u32,
        /// For another.
        #[setting(between(1, 5))]
        other: Option<usize>,
    }
}

daemon::section! {
    /// Which repositories are served.
    struct Repositories at "repositories" {
        /// The prefixes of their names.
        gun_prefixes: Vec<String>,
    }
}

daemon::section! {
    /// The callers.
    struct Auth at "auth" {
        /// The options of tokens.
        options: BTreeMap<String, Value>,
        /// The administrator.
        #[setting(secret, variable("NOTARY_AUTH"))]
        administrator: String,
        /// The names of registries.
        #[setting(keeping_case)]
        registries: BTreeMap<String, Value>,
        /// The name of the realm.
        #[setting(default_text("notary-server"))]
        realm: String,
    }
}

const SECTIONS: &[Section] = &[
    Server::SECTION,
    TrustService::SECTION,
    Storage::SECTION,
    MaxAge::SECTION,
    Repositories::SECTION,
    Root::SECTION,
    Auth::SECTION,
];

fn load(name: &str, content: &str, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let file = Folder::new();
    let file = file.write(name, content);
    load_file(&file, env)
}

fn load_file(file: &Path, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let env = env
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Settings::load(file, "NOTARY_SERVER", SECTIONS, env)
}

#[test]
fn the_three_formats_say_the_same() {
    let json = r#"{"Server": {"HTTP_Addr": ":4443"}, "trust_service": {"port": 7899},
        "caching": {"max_age": {"current_metadata": "60"}}, "flag": "T",
        "repositories": {"gun_prefixes": ["a/", "b/"]}, "auth": {"options": {"Realm": "R", "autoredirect": true}}}"#;
    let yaml = "Server:\n  HTTP_Addr: ':4443'\ntrust_service:\n  port: 7899\n\
        caching:\n  max_age:\n    current_metadata: 60\nflag: true\n\
        repositories:\n  gun_prefixes: [a/, b/]\nauth:\n  options:\n    Realm: R\n    autoredirect: true\n";
    let toml = "flag = 1\n[Server]\nHTTP_Addr = ':4443'\n[trust_service]\nport = '7899'\n\
        [caching.max_age]\ncurrent_metadata = 60\n[repositories]\ngun_prefixes = 'a/ b/'\n\
        [auth.options]\nRealm = 'R'\nautoredirect = true\n";
    for (name, content) in [
        ("c.json", json),
        ("c", json),
        ("c.yaml", yaml),
        ("c.YML", yaml),
        ("c.toml", toml),
    ] {
        let settings = load(name, content, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            Server::of(&settings).http_addr.text(),
            Some(":4443"),
            "{name}"
        );
        assert_eq!(
            TrustService::of(&settings).port.text(),
            Some("7899"),
            "{name}"
        );
        assert_eq!(
            MaxAge::of(&settings).current_metadata.get().unwrap(),
            60,
            "{name}"
        );
        assert!(Root::of(&settings).flag.get().unwrap(), "{name}");
        assert_eq!(
            Repositories::of(&settings).gun_prefixes.get().unwrap(),
            ["a/", "b/"],
            "{name}"
        );
        let options = Auth::of(&settings).options.get();
        assert_eq!(options["realm"], json!("R"), "{name}");
        assert_eq!(options["autoredirect"], json!(true), "{name}");
        assert!(settings.unknown_paths().is_empty(), "{name}");
    }
}

#[test]
fn exactly_the_file_that_is_named_is_read() {
    let folder = Folder::new();
    folder.write("c.json", "not JSON");
    let file = folder.write("c.toml", "[server]\nhttp_addr = 'x:1'");
    assert_eq!(
        Server::of(&load_file(&file, &[]).unwrap()).http_addr.text(),
        Some("x:1")
    );
}

#[test]
fn variables_beat_the_file_and_empty_ones_do_not_count() {
    let content = r#"{"server": {"http_addr": "file:1"}, "trust_service": {"port": 1}}"#;
    let env = [
        ("NOTARY_SERVER_SERVER_HTTP_ADDR", "env:1"),
        ("NOTARY_SERVER_TRUST_SERVICE_PORT", ""),
        ("NOTARY_SERVER_TRUST_SERVICE_KEY_ALGORITHM", "ecdsa"),
        ("NOTARY_SERVER_CACHING_MAX_AGE_CURRENT_METADATA", "7"),
        ("NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES", "a/ b/"),
        ("NOTARY_SERVER_AUTH_OPTIONS", "no"),
        ("NOTARY_SERVER_STORAGE", "hides nothing"),
    ];
    let settings = load("c.json", content, &env).unwrap();
    assert_eq!(Server::of(&settings).http_addr.text(), Some("env:1"));
    assert_eq!(TrustService::of(&settings).port.text(), Some("1"));
    assert_eq!(
        TrustService::of(&settings).key_algorithm.text(),
        Some("ecdsa")
    );
    assert_eq!(MaxAge::of(&settings).current_metadata.get().unwrap(), 7);
    assert_eq!(
        Repositories::of(&settings).gun_prefixes.get().unwrap(),
        ["a/", "b/"]
    );
    assert!(Auth::of(&settings).options.get().is_empty());
}

#[test]
fn a_variable_that_is_not_unicode_is_an_error_that_names_it() {
    let folder = Folder::new();
    let file = folder.write("c.json", "{}");
    let env = [(
        "NOTARY_SERVER_SERVER_HTTP_ADDR".into(),
        OsString::from_vec(vec![0xff]),
    )];
    let error = Settings::load(&file, "NOTARY_SERVER", SECTIONS, env).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("environment variable NOTARY_SERVER_SERVER_HTTP_ADDR:"),
        "{error}"
    );
}

#[test]
fn relative_paths_are_taken_from_the_folder_of_the_file() {
    let folder = Folder::new();
    let file = folder.write("c.json", r#"{"server": {"tls_cert_file": "./a.crt"}}"#);
    let settings = load_file(&file, &[]).unwrap();
    assert_eq!(
        Server::of(&settings).tls_cert_file.path(),
        Some(folder.path("./a.crt"))
    );
    let absolute = [("NOTARY_SERVER_SERVER_TLS_CERT_FILE", "/b.crt")];
    let settings = load_file(&file, &absolute).unwrap();
    assert_eq!(
        Server::of(&settings).tls_cert_file.path().as_deref(),
        Some(Path::new("/b.crt"))
    );
}

#[test]
fn empty_texts_and_nulls_count_as_unset() {
    let content = r#"{"server": {"http_addr": ""}, "storage": null, "trust_service": {"port": null},
        "auth": {"options": ""}, "flag": ""}"#;
    let settings = load("c.json", content, &[]).unwrap();
    assert_eq!(Server::of(&settings).http_addr.text(), None);
    assert_eq!(TrustService::of(&settings).port.text(), None);
    assert!(!Root::of(&settings).flag.is_set());
    let error = Server::of(&settings)
        .http_addr
        .require()
        .unwrap_err()
        .to_string();
    assert!(error.ends_with(
        "c.json: server.http_addr is missing (and NOTARY_SERVER_SERVER_HTTP_ADDR is not set); it is: where to listen"
    ), "{error}");
}

#[test]
fn unknown_keys_are_named_with_what_was_likely_meant() {
    let content = r#"{"server": {"htp_addr": "x", "tls_cert": "y"}, "sevrer": {"a": 1}, "loging": {"level": "x"}}"#;
    let settings = load("c.json", content, &[]).unwrap();
    assert_eq!(
        settings.unknown_paths(),
        ["loging", "server.htp_addr", "server.tls_cert", "sevrer"]
    );
    let warnings = settings.warnings();
    assert!(
        warnings[1].ends_with(
            "c.json: unknown key \"server.htp_addr\" is ignored; did you mean \"server.http_addr\"?"
        ),
        "{warnings:?}"
    );
    assert!(
        warnings[2].ends_with("did you mean \"server.tls_cert_file\"?"),
        "{warnings:?}"
    );
    assert!(warnings[0].ends_with("is ignored"), "{warnings:?}");
    assert!(
        warnings[3].ends_with("did you mean \"server\"?"),
        "{warnings:?}"
    );
    let error = settings.refuse_unknown("server.htp_addr").to_string();
    assert!(
        error.ends_with(
            "c.json: server.htp_addr: there is no such setting; did you mean \"server.http_addr\"?"
        ),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_an_error_that_names_who_set_it_the_key_the_value_and_what_is_accepted() {
    let settings = load("c.json", r#"{"server": {"http_addr": "foo"}}"#, &[]).unwrap();
    let error = Server::of(&settings)
        .http_addr
        .invalid("HOST:PORT such as 127.0.0.1:4443")
        .to_string();
    assert!(error.ends_with(
        "/c.json: server.http_addr: \"foo\" is not valid; accepted: HOST:PORT such as 127.0.0.1:4443"
    ), "{error}");
    let settings = load("c.json", "{}", &[("NOTARY_SERVER_SERVER_HTTP_ADDR", "bar")]).unwrap();
    let error = Server::of(&settings).http_addr.invalid("x").to_string();
    assert_eq!(
        error,
        "environment variable NOTARY_SERVER_SERVER_HTTP_ADDR: server.http_addr: \"bar\" is not valid; accepted: x"
    );
}

#[test]
fn numbers_must_be_whole_and_in_their_range() {
    let key = "caching.max_age.current_metadata";
    let read = |value: &str| {
        let content = format!(r#"{{"caching": {{"max_age": {{"current_metadata": {value}}}}}}}"#);
        load("c.json", &content, &[])
            .map(|settings| MaxAge::of(&settings).current_metadata.get())
            .unwrap()
    };
    assert_eq!(read("null").unwrap(), 300);
    assert_eq!(read("0").unwrap(), 0);
    assert_eq!(read("\"60\"").unwrap(), 60);
    for wrong in [
        "-1",
        "31536001",
        "1.5",
        "true",
        "\"x\"",
        "[1]",
        "9999999999999999999",
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(&format!("{key}: {wrong}")), "{error}");
        assert!(
            error.ends_with("accepted: a whole number between 0 and 31536000"),
            "{error}"
        );
    }
}

#[test]
fn values_of_the_wrong_shape_are_errors() {
    for (content, key) in [
        (r#"{"server": {"http_addr": [1]}}"#, "server.http_addr"),
        (r#"{"auth": {"options": "x"}}"#, "auth.options"),
        (r#"{"server": "x"}"#, "server"),
        (
            r#"{"server": {"http_addr": "a", "HTTP_ADDR": "b"}}"#,
            "server.http_addr",
        ),
    ] {
        let error = load("c.json", content, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("c.json: {key}")), "{error}");
    }
    let settings = load(
        "c.json",
        r#"{"flag": "yes", "repositories": {"gun_prefixes": [[]]}}"#,
        &[],
    )
    .unwrap();
    assert!(
        Root::of(&settings)
            .flag
            .get()
            .unwrap_err()
            .to_string()
            .ends_with("accepted: true or false")
    );
    assert!(Repositories::of(&settings).gun_prefixes.get().is_err());
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_never_quoted() {
    for (name, content) in [
        ("c.json", "{\"storage\": {\"password\": \"hunter2\"\n"),
        ("c.yaml", "storage:\n  password: [hunter2\n"),
        ("c.toml", "[storage]\npassword = 'hunter2\n"),
        ("c.json", "[\"hunter2\"]"),
        ("c.ini", "password=hunter2"),
    ] {
        let error = load(name, content, &[]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
    }
    let error = load_file(&Folder::new().path("absent.json"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("absent.json: could not read the configuration: No such file"),
        "{error}"
    );
}

#[test]
fn the_effective_configuration_names_sources_and_hides_secrets() {
    let content = r#"{"server": {"http_addr": ":1"}, "storage": {"db_url": "me:hunter2@tcp(db)/x", "password": "hunter2"},
        "auth": {"options": {"realm": "R", "password": "hunter2"}}}"#;
    let settings = load(
        "c.json",
        content,
        &[("NOTARY_SERVER_TRUST_SERVICE_PORT", "7899")],
    )
    .unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let text = settings.effective_with_defaults();
    assert!(!text.contains("hunter2"), "{text}");
    let short = settings.effective();
    let keys = SECTIONS.iter().map(|section| section.keys.len());
    assert_eq!(text.lines().count(), keys.sum::<usize>());
    assert_eq!(short.lines().count(), 5, "{short}");
    for line in [
        "server.http_addr = \":1\" (file)",
        "trust_service.port = \"7899\" (environment, NOTARY_SERVER_TRUST_SERVICE_PORT)",
        "storage.db_url = \"me:********@tcp(db)/x\" (file)",
        "storage.password = (hidden) (file)",
        "auth.options = {\"password\":\"********\",\"realm\":\"R\"} (file)",
        "caching.max_age.current_metadata = 300 (default)",
        "caching.max_age.other is not set",
        "auth.realm = \"notary-server\" (default)",
        "flag = false (default)",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    let storage = Storage::of(&settings);
    for setting in [&storage.password, &storage.db_url] {
        let error = setting.invalid("x").to_string();
        assert!(error.contains("(hidden) is not valid"), "{error}");
    }
    let content = r#"{"storage": {"db_url": ["hunter2"]}}"#;
    let error = load("c.json", content, &[]).unwrap_err().to_string();
    assert!(error.contains("(hidden) is not valid"), "{error}");
}

#[test]
fn a_variable_with_a_name_of_its_own_replaces_the_derived_one() {
    let env = [
        ("NOTARY_AUTH", "c2VjcmV0"),
        ("NOTARY_SERVER_AUTH_ADMINISTRATOR", "other"),
    ];
    let settings = load("c.json", "{}", &env).unwrap();
    assert_eq!(Auth::of(&settings).administrator.text(), Some("c2VjcmV0"));
    let effective = settings.effective();
    assert!(
        effective.contains("auth.administrator = (hidden) (environment, NOTARY_AUTH)"),
        "{effective}"
    );
    let settings = load("c.json", "{}", &env[1..]).unwrap();
    assert!(!Auth::of(&settings).administrator.is_set());
}

#[test]
fn a_section_or_list_without_content_is_not_set() {
    let json = r#"{"auth": {"options": {}}, "repositories": {"gun_prefixes": []}, "flag": false}"#;
    let settings = load("c.json", json, &[]).unwrap();
    assert!(!Auth::of(&settings).options.is_set());
    assert!(!Repositories::of(&settings).gun_prefixes.is_set());
    assert!(Root::of(&settings).flag.is_set());
}

#[test]
fn a_refusal_names_who_set_the_key_and_keeps_its_value() {
    let settings = load("c.json", "{}", &[("NOTARY_AUTH", "hunter2")]).unwrap();
    let error = Auth::of(&settings)
        .administrator
        .refuse("does not fit")
        .to_string();
    assert_eq!(
        error,
        "environment variable NOTARY_AUTH: auth.administrator: does not fit"
    );
}

#[test]
fn files_beside_the_configuration_keep_the_case_of_names() {
    let file = Path::new("rules.yaml");
    let content = daemon::settings::parse(file, "Groups:\n  Signers: [alice]\n").unwrap();
    assert_eq!(content, json!({"Groups": {"Signers": ["alice"]}}));
    let error = daemon::settings::parse(file, "- hunter2\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("rules.yaml") && !error.contains("hunter2"),
        "{error}"
    );
    assert!(daemon::settings::parse(Path::new("rules.txt"), "").is_err());
}

#[test]
fn a_name_that_is_there_twice_is_refused_in_every_format() {
    for (file, content) in [
        ("rules.json", r#"{"a": 1, "a": 1}"#),
        (
            "rules.json",
            r#"{"a": [{"hunter2": 1, "b": {}, "hunter2": 2}]}"#,
        ),
        ("rules.json", r#"{"a": {"b": null}, "\u0061": {}}"#),
        ("rules.yaml", "a: 1\na: 2\n"),
        ("rules.yaml", "a:\n- hunter2: 1\n  hunter2: 2\n"),
        ("rules.toml", "a = 1\na = 2\n"),
    ] {
        let error = daemon::settings::parse(Path::new(file), content)
            .expect_err(content)
            .to_string();
        assert!(
            error.contains(file) && !error.contains("hunter2"),
            "{error}"
        );
        assert!(load(file, content, &[]).is_err(), "{content}");
    }
    let content = r#"{"a": {"b": [1, -1, 0.5, "b", true, null]}, "b": {"a": 1, "b": 2}, "A": {}}"#;
    let read = daemon::settings::parse(Path::new("rules.json"), content).unwrap();
    assert_eq!(
        read,
        serde_json::from_str::<serde_json::Value>(content).unwrap()
    );
}

#[test]
fn names_in_a_section_have_no_case_unless_the_key_keeps_it() {
    let json = r#"{"Auth": {"Registries": {"My Registry": "a/"}, "Options": {"Realm": "r"}}}"#;
    let settings = load("c.json", json, &[]).unwrap();
    assert_eq!(Auth::of(&settings).registries.get()["My Registry"], "a/");
    assert_eq!(Auth::of(&settings).options.get()["realm"], "r");
}

#[test]
fn a_setting_that_is_not_set_is_its_default() {
    let settings = load("c.json", "{}", &[]).unwrap();
    assert_eq!(
        Auth::of(&settings).realm.require().unwrap(),
        "notary-server"
    );
    assert_eq!(MaxAge::of(&settings).current_metadata.get().unwrap(), 300);
    assert_eq!(MaxAge::of(&settings).other.get().unwrap(), None);
    assert!(!Root::of(&settings).flag.get().unwrap());
    let json = r#"{"caching": {"max_age": {"other": 6}}, "trust_service": {"type": "remote"}}"#;
    let settings = load("c.json", json, &[]).unwrap();
    assert_eq!(TrustService::of(&settings).kind.text(), Some("remote"));
    let error = MaxAge::of(&settings).other.get().unwrap_err().to_string();
    assert!(
        error.ends_with("accepted: a whole number between 1 and 5"),
        "{error}"
    );
}

#[test]
fn the_manual_has_the_type_the_default_the_variables_and_the_doc_comment() {
    let manual = daemon::settings::manual(SECTIONS, "NOTARY_SERVER");
    for entry in [
        "### `caching.max_age`\n\nHow long proxies keep answers.\n\n\
         #### `caching.max_age.current_metadata`\n\nFor a current version.\n\n\
         - Type: whole number of seconds, 0 to 31536000\n- Default: 300\n\
         - Variable: `NOTARY_SERVER_CACHING_MAX_AGE_CURRENT_METADATA`\n",
        "#### `flag`\n\nA switch.\n\n- Type: true or false\n- Default: false\n\
         - Variable: `NOTARY_SERVER_FLAG`\n",
        "#### `trust_service.type`\n",
        "- Variable: `NOTARY_AUTH`, or `NOTARY_AUTH_FILE` for a file that holds the value, or \
         `NOTARY_AUTH_COMMAND` for a command that prints it\n- Secret: never shown\n",
    ] {
        assert!(manual.contains(entry), "{entry} is not in\n{manual}");
    }
}
