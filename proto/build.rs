//! Compiles `signer.proto` without `protoc`.

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=signer.proto");
    let descriptors = protox::compile(["signer.proto"], [Path::new(env!("CARGO_MANIFEST_DIR"))])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
