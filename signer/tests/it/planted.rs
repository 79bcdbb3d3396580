//! No secret of the signer's own is in anything that it prints, whether the secret is as it should
//! be or not.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pki::{Pki, ServerAuth};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

const URL: &str = "NOTARY_SIGNER_STORAGE_DB_URL";

/// Where a secret may be planted in what says where the database is, and by whom it is read.
const URLS: [(&str, &str); 9] = [
    ("mysql", "me:SECRET@tcp(127.0.0.1:1)/x?parseTime=True"),
    ("mysql", "me@tcp(127.0.0.1:1)/x?tls=SECRET"),
    ("mysql", "SECRET"),
    ("postgres", "postgres://me:SECRET@127.0.0.1:1/x"),
    ("postgres", "postgres://me:/SECRET@127.0.0.1:1/x"),
    ("postgres", "postgres://me@127.0.0.1:1/x?passfile=SECRET"),
    ("postgres", "u:SECRET"),
    ("sqlite3", "me:SECRET@tcp(127.0.0.1:1)/x"),
    ("papyrus", "me:SECRET@tcp(127.0.0.1:1)/x"),
];

/// A configuration with which no signer starts: its address belongs to no interface.
struct Stage {
    pki: Pki,
    file: Value,
    variables: Vec<(String, String)>,
}

impl Stage {
    fn new(backend: &str) -> Self {
        let pki = Pki::new();
        let server = pki.issue("signer", &[ServerAuth]);
        let file = json!({
            "server": {"grpc_addr": "192.0.2.1:7899", "tls_cert_file": server.cert,
                       "tls_key_file": server.key},
            "logging": {"level": "debug"},
            "storage": {"backend": backend, "db_url": "signer.db", "default_alias": "one"},
        });
        Self {
            pki,
            file,
            variables: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        }
    }

    fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// What is printed by all that read the configuration; each must end by itself.
    fn print_all(&self) -> String {
        let folder = self.pki.path();
        fs::write(folder.join("signer.json"), self.file.to_string()).unwrap();
        let mut printed = String::new();
        for arguments in [
            &["config", "check"][..],
            &["key", "check"],
            &[],
            &["migrate"],
        ] {
            let output = fs::File::create(folder.join("printed")).unwrap();
            let mut child = Command::new(env!("CARGO_BIN_EXE_notary-signer"))
                .env_clear()
                .envs(self.variables.iter().cloned())
                .current_dir(folder)
                .args(["-config", "signer.json"])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output)
                .spawn()
                .unwrap();
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if started.elapsed() > PATIENCE {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    panic!("{arguments:?} does not end");
                }
                thread::sleep(Duration::from_millis(5));
            }
            printed += &fs::read_to_string(folder.join("printed")).unwrap();
        }
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
    fn a_password_of_a_database_is_nowhere_in_what_is_printed(
        (secret, core) in secret(),
        turn in 0_usize..4,
    ) {
        for (at, (backend, form)) in URLS.into_iter().enumerate() {
            let url = form.replace("SECRET", &secret);
            let mut stage = Stage::new(backend);
            let planted = stage.pki.file("planted", &url);
            let planted = planted.display();
            match (at + turn) % 4 {
                0 => stage.set(URL, &url),
                1 => stage.set(&format!("{URL}_COMMAND"), &format!("cat {planted}")),
                2 => stage.file["storage"]["db_url"] = url.into(),
                _ => stage.file["storage"]["db_url"] = json!([url]),
            }
            let printed = stage.print_all();
            prop_assert!(printed.contains("fatal"), "{printed}");
            prop_assert!(!printed.contains(&core), "{form}: {printed}");
        }
    }

    #[test]
    fn a_passphrase_is_nowhere_in_what_is_printed((secret, core) in secret()) {
        for ending in ["", "_FILE", "_COMMAND", "_COMMAND failing", "both"] {
            let mut stage = Stage::new("sqlite3");
            let planted = stage.pki.file("planted", &secret);
            let planted = planted.to_str().unwrap();
            match ending {
                "" => stage.set("NOTARY_SIGNER_ONE", &secret),
                "_FILE" => stage.set("NOTARY_SIGNER_ONE_FILE", planted),
                "_COMMAND" => stage.set("NOTARY_SIGNER_ONE_COMMAND", &format!("cat {planted}")),
                "both" => {
                    stage.set("NOTARY_SIGNER_ONE", &secret);
                    stage.set("NOTARY_SIGNER_ONE_FILE", planted);
                }
                _ => stage.set("NOTARY_SIGNER_ONE_COMMAND", &format!("cat {planted}; false")),
            }
            stage.set("NOTARY_SIGNER_STORAGE_PASSWORD", &secret);
            let printed = stage.print_all();
            prop_assert!(printed.contains("fatal"), "{printed}");
            prop_assert!(!printed.contains(&core), "{ending}: {printed}");
        }
    }
}

#[test]
fn a_pipe_where_a_file_should_be_is_said_and_keeps_nobody_waiting() {
    for setting in ["passphrase", "configured", "url", "certificate"] {
        let mut stage = Stage::new("sqlite3");
        let pipe = stage.pki.path().join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let path = pipe.to_str().unwrap();
        match setting {
            "passphrase" => stage.set("NOTARY_SIGNER_ONE_FILE", path),
            "configured" => stage.file["storage"]["passphrase_files"] = json!({"one": path}),
            "url" => {
                stage.file["storage"]
                    .as_object_mut()
                    .unwrap()
                    .remove("db_url");
                stage.set(&format!("{URL}_FILE"), path);
            }
            _ => {
                stage.set("NOTARY_SIGNER_ONE", "passphrase");
                stage.file["server"]["tls_cert_file"] = path.into();
            }
        }
        let printed = stage.print_all();
        assert!(
            printed.contains("it is a pipe (FIFO); only regular files are read"),
            "{setting}: {printed}"
        );
    }
}
