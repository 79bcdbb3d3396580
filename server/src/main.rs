//! The `notary-server` program.

use std::{env, process::ExitCode};

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "here the program starts")]
async fn main() -> ExitCode {
    server::run(env::args_os(), env::vars_os()).await
}
