//! The binary: hands command line and environment to the library.

use std::{env, process::ExitCode};

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "here the program starts")]
async fn main() -> ExitCode {
    signer::run(env::args_os(), env::vars_os()).await
}
