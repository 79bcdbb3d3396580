//! The commands under `auth`, as they are run from a shell.

mod explain;
mod hash;
mod token;

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a configuration.
struct Setup(TempDir);

impl Setup {
    fn new(auth: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = json!({
            "server": {"http_addr": "127.0.0.1:0"},
            "trust_service": {"type": "local"},
            "storage": {"backend": "memory"},
            "auth": auth,
        });
        fs::write(folder.path().join("server.json"), text.to_string()).unwrap();
        Self(folder)
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(self.0.path());
        command.args(["-config", "server.json", "auth"]);
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.run_with("", arguments)
    }

    /// Runs a command that reads `input`.
    fn run_with(&self, input: &str, arguments: &str) -> Output {
        let mut command = self.command();
        command.args(arguments.split_whitespace());
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses its arguments does not wait for input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
