//! The two configuration files, in the form that Notary gave them: a production service starts from
//! copies of these.

use std::{ffi::OsStr, path::Path};

use serde_json::{Value, json};

use super::{ALIAS, Place, SetupError, UpOptions, known::DATABASES};
use crate::{
    address::{Address, InvalidAddress},
    files::{self, Access, make_once},
};

/// Writes both configuration files unless they are there, and answers where the programs listen.
pub(super) fn make(place: &Place, options: &UpOptions) -> Result<(Address, Address), SetupError> {
    let server = options.listen.clone().unwrap_or_else(|| local(4443));
    let signer = options.signer_listen.clone().unwrap_or_else(|| local(7899));
    let found = make_configuration(place, "signer.json", &signer_configuration(&signer))?;
    let signer = match &options.signer_listen {
        Some(asked) => asked.clone(),
        None => listens(place, "signer.json", &found, "grpc_addr", signer)?,
    };
    let new = server_configuration(&server, &signer);
    let found = make_configuration(place, "server.json", &new)?;
    let server = match &options.listen {
        Some(asked) => asked.clone(),
        None => listens(place, "server.json", &found, "http_addr", server)?,
    };
    Ok((server, signer))
}

fn make_configuration(place: &Place, name: &str, new: &Value) -> Result<Value, SetupError> {
    let path = place.file(name);
    let text = make_once(&path, Access::Owner, || format!("{new:#}\n").into_bytes())?;
    serde_json::from_slice(&text).map_err(|cause| SetupError::Configuration {
        path,
        cause: cause.to_string(),
    })
}

/// Names the databases of this folder relative to it, in configuration files that have their whole
/// paths: a copied or moved folder would otherwise use the databases of the old place. Says what it
/// did.
pub(super) fn make_relative(place: &Place) -> Result<Vec<String>, SetupError> {
    let mut news = Vec::new();
    for (configuration, database) in DATABASES {
        let path = place.file(configuration);
        let Some(text) = files::read(&path)? else {
            continue;
        };
        let Some(url) = whole_path(&text, database) else {
            continue;
        };
        let own = place.file(database);
        if is_same(Path::new(&url), &own) {
            let text = String::from_utf8_lossy(&text);
            let text = text.replace(&quote(&url), &quote(database));
            files::write(&path, text.as_bytes(), Access::Owner)?;
            news.push(format!(
                "{configuration} now names {database} relative to its folder"
            ));
        } else if own.exists() {
            return Err(SetupError::OtherFolder {
                configuration: path,
                named: url.into(),
                own: database,
            });
        }
    }
    Ok(news)
}

/// The database in a configuration file, if it is named by a whole path that ends in `database`.
fn whole_path(text: &[u8], database: &str) -> Option<String> {
    let configuration: Value = serde_json::from_slice(text).ok()?;
    let storage = &configuration["storage"];
    let url = storage["db_url"].as_str()?;
    let path = Path::new(url);
    let is_whole = storage["backend"] == "sqlite3"
        && path.is_absolute()
        && path.file_name() == Some(OsStr::new(database));
    is_whole.then(|| url.to_owned())
}

/// Whether both paths lead to one file, which need not be there.
fn is_same(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(|folder| folder.canonicalize().ok());
    one == other || folder(one).is_some_and(|one| folder(other) == Some(one))
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// Whether `server.json` says where other machines reach the server.
pub(super) fn says_what_is_published(place: &Place) -> bool {
    let text = files::read(&place.file("server.json")).ok().flatten();
    let configuration = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    configuration.is_some_and(|found| !found["server"]["published_addresses"].is_null())
}

/// The address in a configuration file. One without an address is the program's own to refuse.
fn listens(
    place: &Place,
    name: &str,
    configuration: &Value,
    key: &str,
    otherwise: Address,
) -> Result<Address, SetupError> {
    configuration["server"][key]
        .as_str()
        .map_or(Ok(otherwise), |text| {
            text.parse()
                .map_err(|cause: InvalidAddress| SetupError::Configuration {
                    path: place.file(name),
                    cause: format!("server.{key}: {cause}"),
                })
        })
}

fn server_configuration(server: &Address, signer: &Address) -> Value {
    json!({
        "server": {
            "http_addr": server.to_string(),
            "tls_cert_file": "server.crt",
            "tls_key_file": "server.key",
            // Once a password was set by a variable, a start without it is refused.
            "authentication_note": "authentication",
        },
        "trust_service": {
            "type": "remote",
            "hostname": signer.reachable_host(),
            "port": signer.port.to_string(),
            "key_algorithm": "ecdsa",
            "tls_ca_file": "ca.crt",
            "tls_client_cert": "client.crt",
            "tls_client_key": "client.key",
        },
        "storage": {"backend": "sqlite3", "db_url": "server.db"},
        // Also on another database, if it is put there later.
        "caching": {"mode": "sole"},
        "logging": {"level": "info"},
    })
}

fn signer_configuration(signer: &Address) -> Value {
    json!({
        "server": {
            "grpc_addr": signer.to_string(),
            "tls_cert_file": "signer.crt",
            "tls_key_file": "signer.key",
            "client_ca_file": "ca.crt",
        },
        "storage": {
            "backend": "sqlite3",
            "db_url": "signer.db",
            "default_alias": ALIAS,
            "passphrase_files": {ALIAS: format!("passphrases/{ALIAS}")},
        },
        "logging": {"level": "info"},
    })
}

/// The address that only this machine reaches.
pub(super) fn local(port: u16) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port,
    }
}
