//! The layered configuration.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path};

use daemon::{Key, Kind, Settings, SettingsError};
use serde_json::json;

use crate::certificates::Folder;

const KEYS: &[Key] = &[
    Key::new("server.http_addr", Kind::Text, "where to listen"),
    Key::new(
        "server.tls_cert_file",
        Kind::Path,
        "certificate; default: plain HTTP",
    ),
    Key::new("trust_service.port", Kind::Text, "port of the signer"),
    Key::new(
        "trust_service.key_algorithm",
        Kind::Text,
        "kind of new keys",
    ),
    Key::new("storage.db_url", Kind::Text, "the database").secret_inside(),
    Key::new("storage.password", Kind::Text, "password").secret(),
    Key::new(
        "caching.max_age.current_metadata",
        Kind::Integer,
        "seconds; default 300",
    ),
    Key::new("repositories.gun_prefixes", Kind::List, "allowed prefixes"),
    Key::new("auth.options", Kind::Map, "token options"),
    Key::new("flag", Kind::Boolean, "a switch"),
    Key::new("auth.administrator", Kind::Text, "who may do everything")
        .secret()
        .variable("NOTARY_AUTH"),
    Key::new(
        "auth.registries",
        Kind::Map,
        "what registries call themselves",
    )
    .keeping_case(),
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
    Settings::load(file, "NOTARY_SERVER", KEYS, env)
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
        assert_eq!(settings.text("server.http_addr"), Some(":4443"), "{name}");
        assert_eq!(settings.text("trust_service.port"), Some("7899"), "{name}");
        assert_eq!(
            settings
                .integer("caching.max_age.current_metadata")
                .unwrap(),
            Some(60),
            "{name}"
        );
        assert_eq!(settings.boolean("flag").unwrap(), Some(true), "{name}");
        assert_eq!(
            settings.list("repositories.gun_prefixes").unwrap(),
            ["a/", "b/"],
            "{name}"
        );
        let options = settings.map("auth.options");
        assert_eq!(options["realm"], json!("R"), "{name}");
        assert_eq!(options["autoredirect"], json!(true), "{name}");
        assert!(settings.unknown().is_empty(), "{name}");
    }
}

#[test]
fn exactly_the_file_that_is_named_is_read() {
    let folder = Folder::new();
    folder.write("c.json", "not JSON");
    let file = folder.write("c.toml", "[server]\nhttp_addr = 'x:1'");
    assert_eq!(
        load_file(&file, &[]).unwrap().text("server.http_addr"),
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
    assert_eq!(settings.text("server.http_addr"), Some("env:1"));
    assert_eq!(settings.text("trust_service.port"), Some("1"));
    assert_eq!(settings.text("trust_service.key_algorithm"), Some("ecdsa"));
    assert_eq!(
        settings
            .integer("caching.max_age.current_metadata")
            .unwrap(),
        Some(7)
    );
    assert_eq!(
        settings.list("repositories.gun_prefixes").unwrap(),
        ["a/", "b/"]
    );
    assert!(settings.map("auth.options").is_empty());
}

#[test]
fn a_variable_that_is_not_unicode_is_an_error_that_names_it() {
    let folder = Folder::new();
    let file = folder.write("c.json", "{}");
    let env = [(
        "NOTARY_SERVER_SERVER_HTTP_ADDR".into(),
        OsString::from_vec(vec![0xff]),
    )];
    let error = Settings::load(&file, "NOTARY_SERVER", KEYS, env).unwrap_err();
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
        settings.path("server.tls_cert_file"),
        Some(folder.path("./a.crt"))
    );
    let absolute = [("NOTARY_SERVER_SERVER_TLS_CERT_FILE", "/b.crt")];
    let settings = load_file(&file, &absolute).unwrap();
    assert_eq!(
        settings.path("server.tls_cert_file").as_deref(),
        Some(Path::new("/b.crt"))
    );
}

#[test]
fn empty_texts_and_nulls_count_as_unset() {
    let content = r#"{"server": {"http_addr": ""}, "storage": null, "trust_service": {"port": null},
        "auth": {"options": ""}, "flag": ""}"#;
    let settings = load("c.json", content, &[]).unwrap();
    assert_eq!(settings.text("server.http_addr"), None);
    assert_eq!(settings.text("trust_service.port"), None);
    assert_eq!(settings.boolean("flag").unwrap(), None);
    let error = settings
        .required_text("server.http_addr")
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
        settings.unknown(),
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
    let error = settings.refused_unknown("server.htp_addr").to_string();
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
    let error = settings
        .invalid("server.http_addr", "HOST:PORT such as 127.0.0.1:4443")
        .to_string();
    assert!(error.ends_with(
        "/c.json: server.http_addr: \"foo\" is not valid; accepted: HOST:PORT such as 127.0.0.1:4443"
    ), "{error}");
    let settings = load("c.json", "{}", &[("NOTARY_SERVER_SERVER_HTTP_ADDR", "bar")]).unwrap();
    let error = settings.invalid("server.http_addr", "x").to_string();
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
            .unwrap()
            .integer_in(key, 0..=31_536_000, 300)
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
        settings
            .boolean("flag")
            .unwrap_err()
            .to_string()
            .ends_with("accepted: true or false")
    );
    assert!(settings.list("repositories.gun_prefixes").is_err());
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
    let text = settings.effective();
    assert!(!text.contains("hunter2"), "{text}");
    for line in [
        "server.http_addr = \":1\" (file)",
        "trust_service.port = \"7899\" (environment, NOTARY_SERVER_TRUST_SERVICE_PORT)",
        "storage.db_url = \"me:********@tcp(db)/x\" (file)",
        "storage.password = (hidden) (file)",
        "auth.options = {\"password\":\"********\",\"realm\":\"R\"} (file)",
        "caching.max_age.current_metadata is not set (default; seconds; default 300)",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    for path in ["storage.password", "storage.db_url"] {
        let error = settings.invalid(path, "x").to_string();
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
    assert_eq!(settings.text("auth.administrator"), Some("c2VjcmV0"));
    let effective = settings.effective();
    assert!(
        effective.contains("auth.administrator = (hidden) (environment, NOTARY_AUTH)"),
        "{effective}"
    );
    let settings = load("c.json", "{}", &env[1..]).unwrap();
    assert!(!settings.is_set("auth.administrator"));
}

#[test]
fn a_section_or_list_without_content_is_not_set() {
    let json = r#"{"auth": {"options": {}}, "repositories": {"gun_prefixes": []}, "flag": false}"#;
    let settings = load("c.json", json, &[]).unwrap();
    assert!(!settings.is_set("auth.options"));
    assert!(!settings.is_set("repositories.gun_prefixes"));
    assert!(settings.is_set("flag"));
}

#[test]
fn a_refusal_names_who_set_the_key_and_keeps_its_value() {
    let settings = load("c.json", "{}", &[("NOTARY_AUTH", "hunter2")]).unwrap();
    let error = settings
        .refused("auth.administrator", "does not fit")
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
    assert_eq!(settings.map("auth.registries")["My Registry"], "a/");
    assert_eq!(settings.map("auth.options")["realm"], "r");
}
