//! Compiles the protocols without `protoc`.

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let protocols = ["signer.proto", "key_origin.proto", "sealing.proto"];
    for protocol in protocols {
        println!("cargo::rerun-if-changed={protocol}");
    }
    let descriptors = protox::compile(protocols, [Path::new(env!("CARGO_MANIFEST_DIR"))])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
