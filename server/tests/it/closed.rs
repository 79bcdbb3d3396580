//! A server that does not start says why, at once, and its other commands agree.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, sections: &Value) {
        let mut file = json!({
            "server": {"http_addr": "127.0.0.1:0"},
            "trust_service": {"type": "local"},
            "storage": {"backend": "memory"},
        });
        for (name, section) in sections.as_object().unwrap() {
            for (key, value) in section.as_object().unwrap() {
                file[name][key] = value.clone();
            }
        }
        fs::write(self.path("server.json"), file.to_string()).unwrap();
    }

    /// Whether the command succeeded, and what it printed; it must end by itself.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
        let printed = fs::File::create(self.path("printed")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_notary-server"))
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .args(["-config", "server.json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(printed.try_clone().unwrap())
            .stderr(printed)
            .spawn()
            .unwrap();
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments:?} with {variables:?} does not end");
            }
            thread::sleep(Duration::from_millis(10));
        };
        let printed = fs::read_to_string(self.path("printed")).unwrap();
        (status.success(), printed)
    }
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The certificate and key of a server.
fn certify(stage: &Stage) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(stage.path("server.crt"), certificate.pem()).unwrap();
    fs::write(stage.path("server.key"), key.serialize_pem()).unwrap();
}

#[test]
fn a_server_that_would_be_open_by_accident_does_not_start_and_every_command_says_so() {
    let stage = Stage::new();
    stage.configure(&json!({}));
    let published = (
        "NOTARY_SERVER_SERVER_PUBLISHED_ADDRESSES",
        "127.0.0.1,192.0.2.7",
    );
    let refusal = "server.published_addresses: 192.0.2.7 is reachable from other machines";
    for arguments in [&[][..], &["config", "check"], &["doctor"]] {
        let (is_well, printed) = stage.run(arguments, &[published]);
        assert!(!is_well && printed.contains(refusal), "{printed}");
    }
    for way in [
        ("NOTARY_AUTH", "YWRtaW46c2VjcmV0"),
        ("NOTARY_SERVER_AUTH_TYPE", "none"),
    ] {
        let (is_well, printed) = stage.run(&["config", "check"], &[published, way]);
        assert!(is_well && !printed.contains(refusal), "{printed}");
        let (_, printed) = stage.run(&["doctor"], &[published, way]);
        let wrong: Vec<_> = printed
            .lines()
            .filter(|line| line.starts_with("WRONG"))
            .collect();
        // Nothing but that no server runs here.
        assert!(
            matches!(wrong[..], [only] if only.starts_with("WRONG    server ")),
            "{printed}"
        );
    }
}

#[test]
fn a_server_that_has_lost_its_authentication_does_not_start_and_every_command_says_so() {
    let stage = Stage::new();
    stage.configure(&json!({}));
    let note = ("NOTARY_SERVER_SERVER_AUTHENTICATION_NOTE", "noted");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let ends = ("NOTARY_SERVER_SERVER_HTTP_ADDR", taken.as_str());
    let administrator = ("NOTARY_AUTH", "YWRtaW46c2VjcmV0");
    // It notes so before it listens, which ends it here, and other commands note nothing.
    stage.run(&["config", "check"], &[note, administrator]);
    assert!(!stage.path("noted").exists());
    let (_, printed) = stage.run(&[], &[note, ends, administrator]);
    assert!(stage.path("noted").exists(), "{printed}");
    let refusal = "server.authentication_note: authentication was on at an earlier start";
    for arguments in [&[][..], &["config", "check"], &["doctor"], &["migrate"]] {
        let (is_well, printed) = stage.run(arguments, &[note]);
        assert!(!is_well && printed.contains(refusal), "{printed}");
    }
    let off = ("NOTARY_SERVER_AUTH_TYPE", "none");
    let (is_well, printed) = stage.run(&["config", "check"], &[note, off]);
    assert!(is_well, "{printed}");
    stage.run(&[], &[note, ends, off]);
    assert!(!stage.path("noted").exists());
}

#[test]
fn a_pipe_where_a_file_should_be_is_said_and_keeps_nobody_waiting() {
    let token = |bundle: &str, jwks: Option<&str>| {
        let mut options = json!({"realm": "https://a.example.com/token", "service": "s", "issuer": "i",
            "rootcertbundle": bundle});
        if let Some(jwks) = jwks {
            options["jwks"] = jwks.into();
        }
        json!({"auth": {"type": "token", "options": options}})
    };
    let users = json!({"type": "htpasswd", "htpasswd_file": "users"});
    let with_rules =
        json!({"type": "htpasswd", "htpasswd_file": "users", "rules_file": "pipe.yaml"});
    for sections in [
        json!({"auth": {"type": "htpasswd", "htpasswd_file": "pipe"}}),
        json!({"auth": with_rules}),
        json!({"auth": users, "server": {"tls_cert_file": "pipe", "tls_key_file": "server.key"}}),
        json!({"server": {"tls_cert_file": "server.crt", "tls_key_file": "pipe"}}),
        json!({"server": {"tls_cert_file": "server.crt", "tls_key_file": "server.key", "client_ca_file": "pipe"}}),
        json!({"auth": {"administrator_file": "pipe"}}),
        json!({"storage": {"db_url_file": "pipe"}}),
        token("pipe", None),
        token("server.crt", Some("pipe")),
    ] {
        let stage = Stage::new();
        certify(&stage);
        for name in ["pipe", "pipe.yaml"] {
            make_fifo(&stage.path(name));
        }
        let hash = "alice:$2y$05$y2rQFFx8qO8pKjT3FGrMSuMzYdpTjAVW9pUn3uD2VJfMpsMDrnP5O\n";
        fs::write(stage.path("users"), hash).unwrap();
        stage.configure(&sections);
        for arguments in [&[][..], &["config", "check"], &["doctor"]] {
            let (is_well, printed) = stage.run(arguments, &[]);
            assert!(!is_well, "{sections}: {printed}");
            assert!(
                printed.contains("it is a pipe (FIFO); only regular files are read"),
                "{sections}: {printed}"
            );
        }
    }
}
