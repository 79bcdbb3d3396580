//! The data folder: made once, found again, and one sentence for what is wrong with it.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use countersign::setup::{Instructions, Place, Setup, UpOptions};
use serde_json::{Value, json};
use time::Duration;

use crate::{FIRST, prepare};

/// Every file below `folder` with its permissions and content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            found.insert(path.clone(), (mode, fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_second_start_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = prepare(&data, FIRST).unwrap();
    assert!(!first.news.is_empty());
    let lines = Instructions(&first).to_string();
    drop(first);
    let before = contents(&data);

    let second = prepare(&data, FIRST + Duration::days(30)).unwrap();

    assert_eq!(second.news, Vec::<String>::new());
    assert_eq!(Instructions(&second).to_string(), lines);
    assert_eq!(contents(&data), before);
}

#[test]
fn secrets_are_their_owner_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    prepare(&data, FIRST).unwrap();

    let contents = contents(&data);
    for name in [
        "ca.key",
        "server.key",
        "signer.key",
        "client.key",
        "passphrases/development",
        "signer.json",
    ] {
        assert_eq!(contents[&data.join(name)].0, 0o600, "{name}");
    }
    for secret in [&data, &data.join("passphrases")] {
        assert_eq!(
            fs::metadata(secret).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
    assert_eq!(contents[&data.join("ca.crt")].0, 0o644);
    assert_eq!(contents[&data.join(".gitignore")].1, b"*\n");
}

#[test]
fn passphrases_are_long_random_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = |name: &str| {
        let data = folder.path().join(name);
        prepare(&data, FIRST).unwrap();
        let secret = fs::read_to_string(data.join("passphrases/development")).unwrap();
        let elsewhere = contents(&data).into_iter().filter(|(path, (_, content))| {
            !path.starts_with(data.join("passphrases"))
                && content
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes())
        });
        assert_eq!(elsewhere.count(), 0);
        secret
    };
    let (one, other) = (passphrase("one"), passphrase("other"));
    assert_eq!(one.len(), 64);
    assert_ne!(one, other);
}

#[test]
fn the_configuration_files_are_notary_s_and_lead_to_the_files_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap()
    };
    let (server, signer) = (read("server.json"), read("signer.json"));
    assert_eq!(server["server"]["http_addr"], "127.0.0.1:4443");
    assert_eq!(server["trust_service"]["type"], "remote");
    assert_eq!(server["trust_service"]["port"], "7899");
    assert_eq!(signer["server"]["grpc_addr"], "127.0.0.1:7899");
    assert_eq!(signer["storage"]["default_alias"], "development");
    for file in [
        &server["server"]["tls_cert_file"],
        &server["server"]["tls_key_file"],
        &server["trust_service"]["tls_ca_file"],
        &server["trust_service"]["tls_client_cert"],
        &server["trust_service"]["tls_client_key"],
        &signer["server"]["tls_cert_file"],
        &signer["server"]["tls_key_file"],
        &signer["server"]["client_ca_file"],
        &signer["storage"]["passphrase_files"]["development"],
    ] {
        assert!(
            folder.path().join(file.as_str().unwrap()).is_file(),
            "{file}"
        );
    }
    assert_eq!(server["storage"]["db_url"], json!("server.db"));
    assert_eq!(signer["storage"]["db_url"], json!("signer.db"));
}

#[test]
fn an_edited_address_stays_and_is_what_people_are_told() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let path = folder.path().join("server.json");
    let edited = fs::read_to_string(&path)
        .unwrap()
        .replace("127.0.0.1:4443", "0.0.0.0:5443");
    fs::write(&path, &edited).unwrap();

    let setup = prepare(folder.path(), FIRST).unwrap();

    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    assert!(
        Instructions(&setup)
            .to_string()
            .contains("https://localhost:5443\n")
    );
}

#[test]
fn an_address_that_is_asked_for_holds_for_this_start_alone() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let place = Place::find(Some(folder.path()), Path::new("/"));
    let options = UpOptions {
        listen: Some("127.0.0.1:6443".parse().unwrap()),
        ..UpOptions::default()
    };
    assert_eq!(
        Setup::prepare(place, &options, FIRST).unwrap().server.port,
        6443
    );
    assert_eq!(prepare(folder.path(), FIRST).unwrap().server.port, 4443);
}

#[test]
fn names_for_other_machines_stay_in_the_certificate_and_in_what_is_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::find(Some(folder.path()), Path::new("/"));
    let with = |names: &[&str]| {
        let options = UpOptions {
            hosts: names.iter().map(|name| name.parse().unwrap()).collect(),
            ..UpOptions::default()
        };
        Setup::prepare(place.clone(), &options, FIRST).unwrap()
    };
    let certificate = || fs::read(folder.path().join("server.crt")).unwrap();
    with(&["*.example.com", "Trust.Example.com", "192.0.2.7"]);
    let first = certificate();

    let again = with(&[]);

    assert_eq!(certificate(), first, "the names were kept");
    assert_eq!(again.news, Vec::<String>::new());
    let lines = Instructions(&again).to_string();
    assert!(
        lines.contains("https://trust.example.com:4443\n"),
        "{lines}"
    );
    assert!(
        lines.ends_with("~/.docker/tls/trust.example.com:4443/ca.crt"),
        "{lines}"
    );
    drop(again);
    assert_eq!(with(&["other.example.com"]).news, ["renewed server.crt"]);

    fs::write(folder.path().join("hosts"), "https://other.example.com\n").unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
    assert!(error.contains("--host") && error.contains("://"), "{error}");
}

#[test]
fn three_lines_tell_docker_what_it_has_to_know() {
    let folder = tempfile::tempdir().unwrap();
    let setup = prepare(folder.path(), FIRST).unwrap();
    let ca = folder.path().join("root-ca.crt");
    let expected = format!(
        "export DOCKER_CONTENT_TRUST=1\n\
         export DOCKER_CONTENT_TRUST_SERVER=https://localhost:4443\n\
         mkdir -p ~/.docker/tls/localhost:4443 && cp {} ~/.docker/tls/localhost:4443/ca.crt",
        ca.display()
    );
    assert_eq!(Instructions(&setup).to_string(), expected);
    assert_eq!(
        fs::read(ca).unwrap(),
        fs::read(folder.path().join("ca.crt")).unwrap()
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_one_sentence_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    let error = prepare(&folder.path().join("file/data"), FIRST)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("file/data cannot be written") && error.contains("--data"),
        "{error}"
    );
}

#[test]
fn a_folder_whose_name_is_no_text_is_turned_down() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    let error = prepare(&data, FIRST).unwrap_err().to_string();
    assert!(
        error.contains("is not UTF-8") && error.contains("--data"),
        "{error}"
    );
    assert!(!data.exists());
}

#[test]
fn a_second_countersign_on_the_same_folder_is_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let running = prepare(folder.path(), FIRST).unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
    assert!(
        error.starts_with("another countersign is running"),
        "{error}"
    );
    drop(running);
    prepare(folder.path(), FIRST).unwrap();
}

#[test]
fn a_busy_port_is_named_with_the_program_and_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = Place::find(Some(folder.path()), Path::new("/"));
    let options = UpOptions {
        signer_listen: Some(address.to_string().parse().unwrap()),
        ..UpOptions::default()
    };
    let setup = Setup::prepare(place, &options, FIRST).unwrap();

    let error = setup.check_ports().unwrap_err().to_string();

    assert!(
        error.starts_with(&format!("the signer cannot listen on {address}: ")),
        "{error}"
    );
    assert!(
        error.ends_with("choose another address with --signer-listen."),
        "{error}"
    );
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let path = folder.path().join("server.db");
    fs::write(&path, b"").unwrap();
    prepare(folder.path(), FIRST).expect("an empty file is a new database");

    fs::write(&path, b"SQLite format 2\0 and so on").unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();

    assert!(
        error.contains("server.db is damaged") && error.contains("backup"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"SQLite format 2\0 and so on");
}

#[test]
fn a_lost_passphrase_is_not_replaced_while_keys_depend_on_it() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let passphrase = folder.path().join("passphrases/development");
    fs::remove_file(&passphrase).unwrap();
    fs::write(folder.path().join("signer.db"), b"SQLite format 3\0").unwrap();

    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();

    assert!(
        error.contains("passphrases/development is missing"),
        "{error}"
    );
    assert!(!passphrase.exists());
}

#[test]
fn a_configuration_file_that_is_no_json_is_named() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    fs::write(folder.path().join("signer.json"), b"{").unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
    assert!(error.contains("signer.json is invalid: EOF"), "{error}");
}

/// Names the databases by their whole paths in `named`, as older versions did.
fn with_whole_paths(folder: &Path, named: &Path) {
    for name in ["server", "signer"] {
        let path = folder.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap();
        let whole = json!(named.join(format!("{name}.db"))).to_string();
        fs::write(&path, text.replace(&format!("\"{name}.db\""), &whole)).unwrap();
    }
}

#[test]
fn whole_paths_of_an_older_version_become_relative() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let read = || fs::read_to_string(folder.path().join("signer.json")).unwrap();
    let relative = read();
    with_whole_paths(folder.path(), folder.path());
    assert_ne!(read(), relative);
    let setup = prepare(folder.path(), FIRST).unwrap();
    assert_eq!(setup.news.len(), 2, "{:?}", setup.news);
    assert_eq!(read(), relative);
}

#[test]
fn a_copied_folder_does_not_use_the_databases_of_the_original() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for place in [&folder, &copy] {
        prepare(place.path(), FIRST).unwrap();
        fs::write(place.path().join("server.db"), b"SQLite format 3\0").unwrap();
    }
    with_whole_paths(copy.path(), folder.path());
    let error = prepare(copy.path(), FIRST).unwrap_err().to_string();
    assert!(
        error.contains("names the database of another folder"),
        "{error}"
    );
    assert!(error.contains(r#""db_url": "server.db""#), "{error}");
}

#[test]
fn a_lost_database_does_not_come_back_empty() {
    for name in ["server.db", "signer.db"] {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path(), FIRST).unwrap();
        let database = folder.path().join(name);
        fs::write(&database, b"SQLite format 3\0").unwrap();
        prepare(folder.path(), FIRST).unwrap();
        for empty in [false, true] {
            fs::remove_file(&database).unwrap();
            if empty {
                fs::write(&database, b"").unwrap();
            }
            let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
            assert!(error.contains(&format!("{name} is missing")), "{error}");
            assert!(error.contains("countersign restore"), "{error}");
            fs::write(&database, b"").unwrap();
        }
        fs::remove_file(folder.path().join("known")).unwrap();
        prepare(folder.path(), FIRST).expect("an empty start was asked for");
    }
}

#[test]
fn a_database_elsewhere_is_not_missed_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let database = folder.path().join("server.db");
    fs::write(&database, b"SQLite format 3\0").unwrap();
    prepare(folder.path(), FIRST).unwrap();
    fs::remove_file(&database).unwrap();
    let path = folder.path().join("server.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("\"sqlite3\"", "\"mysql\"");
    fs::write(
        &path,
        text.replace("\"server.db\"", "\"me@tcp(db:3306)/trust\""),
    )
    .unwrap();
    prepare(folder.path(), FIRST).unwrap();
}

#[test]
fn a_lost_configuration_does_not_come_back_without_its_authentication() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let path = folder.path().join("server.json");
    fs::remove_file(&path).unwrap();
    prepare(folder.path(), FIRST).expect("there was none that could be lost");
    let text = fs::read_to_string(&path).unwrap();
    let auth = r#"{"auth": {"type": "htpasswd", "htpasswd_file": "htpasswd"},"#;
    fs::write(&path, text.replacen('{', auth, 1)).unwrap();
    prepare(folder.path(), FIRST).unwrap();
    fs::remove_file(&path).unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
    assert!(error.contains("it had an `auth` section"), "{error}");
    assert!(!path.exists());
}
