//! The Go program that reads files as Notary's client does.

use std::{
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::reading::Reading;

/// Where Debian puts the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// The program, running.
pub(crate) struct Oracle(Child);

impl Oracle {
    /// Builds the program, which takes no time if it is built already, and starts it.
    pub(crate) fn build_and_start() -> Result<Self> {
        let program = build()?;
        let child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(child))
    }

    /// What Go finds in each file, or why it finds nothing.
    pub(crate) fn ask(
        &mut self,
        files: &[(&str, Vec<u8>)],
    ) -> Result<Vec<Result<Reading, String>>> {
        let lines = files.iter();
        let lines = lines.map(|(role, file)| format!("{role} {}\n", STANDARD.encode(file)));
        let questions: String = lines.collect();
        let mut input = self.0.stdin.as_ref().context("its input is open")?;
        let output = self.0.stdout.as_mut().context("its output is open")?;
        let mut output = BufReader::new(output);
        let answers: Result<Vec<_>> = thread::scope(|scope| {
            scope.spawn(move || input.write_all(questions.as_bytes()));
            files.iter().map(|_| answer(&mut output)).collect()
        });
        answers
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends with its input; there is nothing to do if it does not.
        let _ = self.0.wait();
    }
}

fn answer(output: &mut impl BufRead) -> Result<Result<Reading, String>> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let value: Value = serde_json::from_str(&line).context("the Go program ended")?;
    Ok(match value["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(Reading::of_go(value)),
    })
}

/// Builds from Debian's packages alone, without a network.
fn build() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../target/readings");
    let program = folder.join(format!("oracle-{}", std::process::id()));
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(here.join("readings/oracle/main.go"))
        .envs([
            ("GO111MODULE", "off"),
            ("GOPATH", PACKAGES),
            ("GOFLAGS", ""),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ])
        .env("GOCACHE", folder.join("cache"))
        .output()
        .context("cannot run go: apt-get install golang-go golang-github-docker-notary-dev")?;
    let errors = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "the Go program does not build: {errors}"
    );
    let name = folder.join("oracle");
    std::fs::rename(&program, &name)?;
    Ok(name)
}
