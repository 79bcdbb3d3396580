//! Notes what the programs are built from, for their version lines.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo talks to build scripts by variables"
)]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RUSTC");
    println!("cargo::rerun-if-env-changed=COUNTERSIGN_COMMIT");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version = version.unwrap_or_default();
    let version = version.split_whitespace().nth(1).unwrap_or_default();
    println!("cargo::rustc-env=COUNTERSIGN_RUSTC={version}");
    let commit = std::env::var("COUNTERSIGN_COMMIT").unwrap_or_default();
    println!("cargo::rustc-env=COUNTERSIGN_COMMIT={commit}");
}
