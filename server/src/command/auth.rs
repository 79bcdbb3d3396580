//! The commands under `auth`: hashing a password, and saying which rule decides.

mod explain;
mod hash;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches};
use daemon::logging::Causes;

/// The name of the command.
pub(crate) const NAME: &str = "auth";

/// The status of a command that could not do what it was asked for; 1 means that it did, and that
/// the answer is no.
const MISUSE: u8 = 2;

/// What the command line of the program has to know of it.
pub(crate) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Hash passwords, and explain who may do what")
        .subcommand_required(true)
        .subcommand(hash::command())
        .subcommand(explain::command())
}

/// Does what `arguments` ask for: 0 for done or granted, 1 for refused, 2 for what cannot be done.
pub(crate) async fn run(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
    arguments: &ArgMatches,
) -> ExitCode {
    let outcome = match arguments.subcommand() {
        Some((hash::NAME, arguments)) => hash::run(arguments).map(|()| ExitCode::SUCCESS),
        Some((_, arguments)) => explain::run(file, environment, arguments).await,
        None => unreachable!("clap requires one"),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{}", Causes(error.as_ref()));
        ExitCode::from(MISUSE)
    })
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}
