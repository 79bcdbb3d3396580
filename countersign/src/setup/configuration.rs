//! The two configuration files, in the form that Notary gave them: a production service starts from
//! copies of these.

use serde_json::{Value, json};

use super::{ALIAS, Place, SetupError, Wishes};
use crate::address::{Address, InvalidAddress};
use crate::files::{Access, make_once};

/// Writes both configuration files unless they are there, and answers where the programs listen.
pub(super) fn make(place: &Place, wishes: &Wishes) -> Result<(Address, Address), SetupError> {
    let server = wishes.listen.clone().unwrap_or_else(|| local(4443));
    let signer = wishes.signer_listen.clone().unwrap_or_else(|| local(7899));
    let found = make_configuration(place, "signer.json", &signer_configuration(place, &signer))?;
    let signer = match &wishes.signer_listen {
        Some(asked) => asked.clone(),
        None => listens(place, "signer.json", &found, "grpc_addr", signer)?,
    };
    let new = server_configuration(place, &server, &signer);
    let found = make_configuration(place, "server.json", &new)?;
    let server = match &wishes.listen {
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

fn server_configuration(place: &Place, server: &Address, signer: &Address) -> Value {
    json!({
        "server": {
            "http_addr": server.to_string(),
            "tls_cert_file": "server.crt",
            "tls_key_file": "server.key",
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
        "storage": {"backend": "sqlite3", "db_url": place.file("server.db")},
        "logging": {"level": "info"},
    })
}

fn signer_configuration(place: &Place, signer: &Address) -> Value {
    json!({
        "server": {
            "grpc_addr": signer.to_string(),
            "tls_cert_file": "signer.crt",
            "tls_key_file": "signer.key",
            "client_ca_file": "ca.crt",
        },
        "storage": {
            "backend": "sqlite3",
            "db_url": place.file("signer.db"),
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
