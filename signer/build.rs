//! Makes a changed migration change the program.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/signer");
}
