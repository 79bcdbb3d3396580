//! The program itself: what it prints and how it ends.

use std::process::{Command, Output};

use serde_json::Value;

use super::stage::{Stage, publish, store};

async fn doctor(stage: &Stage, arguments: &'static [&'static str]) -> (Output, String) {
    let file = stage.configuration_file();
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_notary-server"))
            .env_clear()
            .arg("-config")
            .arg(file)
            .arg("doctor")
            .args(arguments)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// The server of a stage, until it is dropped.
struct Running(std::process::Child);

impl Running {
    /// Starts it, and waits until it answers.
    async fn start(stage: &Stage) -> Self {
        let file = stage.configuration_file();
        let command = move |name: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
            command.env_clear().arg("-config").arg(&file).arg(name);
            command
        };
        let server = command("serve").stderr(std::process::Stdio::null()).spawn();
        let server = Self(server.unwrap());
        let wait = move || while !command("health").output().unwrap().status.success() {};
        tokio::task::spawn_blocking(wait).await.unwrap();
        server
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn one_line_a_finding_is_printed_and_success_means_nothing_is_wrong() {
    let mut stage = Stage::healthy().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    stage.set("server", "http_addr", address);
    let (output, text) = doctor(&stage, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{text}");
    let mut last = text.lines().rev();
    assert_eq!(last.next(), Some("1 wrong, 1 warning"), "{text}");
    let finding = last.next().unwrap();
    assert!(
        finding.starts_with("WRONG    server         the server does not run: "),
        "{text}"
    );

    let _server = Running::start(&stage).await;
    let (output, text) = doctor(&stage, &[]).await;
    assert!(output.status.success(), "{text}");
    assert!(
        text.starts_with("ok       configuration  the configuration makes sense\n"),
        "{text}"
    );
    for sentence in [
        "what is published can be stored",
        "MiB are free on the disk of the database",
        "the server runs and is well",
        "and expires on 20",
    ] {
        assert!(text.contains(sentence), "{text}");
    }
    let off = text.lines().filter(|line| line.contains("auth section"));
    assert_eq!(off.count(), 1, "told once: {text}");
    assert!(!text.contains("authentication is off"), "{text}");
    assert!(text.ends_with("\nnothing is wrong, 1 warning\n"), "{text}");

    stage.set("trust_service", "tls_ca_file", "/nowhere/ca.crt");
    let (output, text) = doctor(&stage, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let line = text.lines().find(|line| line.starts_with("WRONG"));
    let line = line.expect("something is wrong");
    assert!(
        line.starts_with("WRONG    certificates   ") && line.contains(" → correct "),
        "{line}"
    );
}

#[tokio::test]
async fn json_says_the_same() {
    let mut stage = Stage::healthy().await;
    stage.set("trust_service", "tls_ca_file", "/nowhere/ca.crt");
    let (output, text) = doctor(&stage, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["ok"], false);
    let findings = json["findings"].as_array().unwrap();
    let wrong = findings
        .iter()
        .find(|finding| finding["verdict"] == "wrong");
    let wrong = wrong.expect("something is wrong");
    assert_eq!(wrong["check"], "certificates");
    assert!(wrong["cure"].is_string());
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_the_first_finding_and_the_last() {
    let mut stage = Stage::healthy().await;
    stage.set("storage", "backend", "papyrus");
    let (output, text) = doctor(&stage, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("WRONG    configuration  "), "{text}");
    assert!(text.contains("storage.backend"), "{text}");
}

#[tokio::test]
async fn one_repository_is_examined_by_its_name() {
    let stage = Stage::healthy().await;
    publish(&store(&stage).await, "example.com/app", fixtures::clock()).await;
    let (_, text) = doctor(&stage, &["gun", "example.com/app", "--from", "0", "-json"]).await;
    let json: Value = serde_json::from_str(&text).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let sentences: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding["sentence"].as_str())
        .collect();
    assert!(
        sentences.contains(&"a client whose root is version 1 or later gets to version 1"),
        "{sentences:?}"
    );
}
