//! Authentication that was on is not lost with a variable.

use std::{ffi::OsString, fs, path::Path};

use serde_json::{Value, json};
use server::config::{self, Config};

use super::MINIMAL;

const ADMINISTRATOR: (&str, &str) = ("NOTARY_AUTH", "YWRtaW46c2VjcmV0");
const OFF: (&str, &str) = ("NOTARY_SERVER_AUTH_TYPE", "none");

/// A configuration in a folder that stays, as a container's volume does.
fn start(folder: &Path, auth: Option<Value>, env: &[(&str, &str)]) -> Result<(), String> {
    let mut file: Value = serde_json::from_str(MINIMAL).unwrap();
    file["server"]["authentication_note"] = json!("data/authentication");
    if let Some(auth) = auth {
        file["auth"] = auth;
    }
    let path = folder.join("server.json");
    fs::write(&path, file.to_string()).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let settings = config::load(&path, env).map_err(|error| error.to_string())?;
    let config = Config::read(&settings).map_err(|error| error.to_string())?;
    let note = config.authentication_note.expect("it is configured");
    note.keep().map_err(|error| error.to_string())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    folder
}

#[test]
fn whatever_switched_authentication_on_its_loss_stops_the_next_start() {
    let options = json!({"realm": "https://a.example.com/token", "service": "s", "issuer": "i",
        "rootcertbundle": "/bundle.pem"});
    let token = json!({"type": "token", "options": options});
    let passwords = json!({"type": "htpasswd", "htpasswd_file": "users"});
    for (auth, env) in [
        (None, &[ADMINISTRATOR][..]),
        (Some(passwords), &[]),
        (Some(token), &[]),
    ] {
        let folder = folder();
        start(folder.path(), None, &[]).expect("it was never on");
        start(folder.path(), auth.clone(), env).unwrap();
        start(folder.path(), auth.clone(), env).expect("nothing was lost");
        let error = start(folder.path(), None, &[]).unwrap_err();
        for words in [
            "server.authentication_note: authentication was on",
            "data/authentication",
            "NOTARY_AUTH_FILE or NOTARY_AUTH",
            "NOTARY_SERVER_AUTH_TYPE=none",
        ] {
            assert!(error.contains(words), "{error}");
        }
        start(folder.path(), auth, env).expect("what was lost is back");
    }
}

#[test]
fn an_empty_variable_is_a_lost_one() {
    let folder = folder();
    start(folder.path(), None, &[ADMINISTRATOR]).unwrap();
    let empty = [("NOTARY_AUTH", ""), ("NOTARY_SERVER_AUTH_TYPE", "")];
    assert!(start(folder.path(), None, &empty).is_err());
}

#[test]
fn authentication_can_be_switched_off_on_purpose() {
    let folder = folder();
    start(folder.path(), None, &[ADMINISTRATOR]).unwrap();
    start(folder.path(), None, &[OFF]).unwrap();
    start(folder.path(), None, &[]).expect("nothing is lost that was switched off");
}

#[test]
fn a_note_that_cannot_be_read_or_written_stops_the_start() {
    let folder = folder();
    fs::remove_dir(folder.path().join("data")).unwrap();
    start(folder.path(), None, &[ADMINISTRATOR]).unwrap_err();
    fs::write(folder.path().join("data"), "a file").unwrap();
    let error = start(folder.path(), None, &[]).unwrap_err();
    assert!(
        error.contains("cannot tell whether authentication was on"),
        "{error}"
    );
}
