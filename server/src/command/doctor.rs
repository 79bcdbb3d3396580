//! `notary-server doctor`: finds what is wrong, and prints it.

mod all;
pub(super) mod configuration;
pub(super) mod running;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches};
use daemon::clock;

use crate::{
    config::Config,
    doctor::{Report, examine, examine_repository},
};

/// The name of the command.
pub(crate) const NAME: &str = "doctor";

/// What the command line of the program has to know of it.
pub(crate) fn command() -> clap::Command {
    let json = Arg::new("json")
        .long("json")
        .help("Print the findings as JSON")
        .action(ArgAction::SetTrue)
        .global(true);
    let from = Arg::new("from")
        .long("from")
        .value_name("N")
        .help("Look only at clients whose root is N versions old (default: all that are stored)")
        .value_parser(clap::value_parser!(u32));
    let name = Arg::new("name")
        .value_name("NAME")
        .help("Its GUN, such as docker.io/library/alpine")
        .required(true);
    clap::Command::new(NAME)
        .about(
            "Look for what is wrong with configuration, database, disks, clock, certificates, access, signer and the running server",
        )
        .arg(json)
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Look at every repository as well, as `doctor gun` does"),
        )
        .subcommand(
            clap::Command::new("gun")
                .about("Look at one repository as its clients would")
                .arg(name)
                .arg(from),
        )
}

/// Examines what `arguments` ask for, prints what it finds, and succeeds if nothing is wrong.
pub(crate) async fn run(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
    arguments: &ArgMatches,
) -> ExitCode {
    let asking = environment.clone();
    if arguments.get_flag("all") {
        return all::run(file, environment, arguments).await;
    }
    let (report, json) = match configuration::read(file, environment) {
        Err(report) => (report, arguments.get_flag("json")),
        Ok(config) => {
            let (mut report, json) = examine_as_asked(&config, arguments).await;
            if let (Some(file), None) = (file, arguments.subcommand()) {
                running::check(&mut report, file, asking).await;
            }
            (report, json)
        }
    };
    if json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn examine_as_asked(config: &Config, arguments: &ArgMatches) -> (Report, bool) {
    let now = clock::now();
    match arguments.subcommand() {
        Some((_, gun)) => {
            let name = gun
                .get_one::<String>("name")
                .map_or("", |name| name.as_str());
            let behind = gun.get_one("from").copied();
            let report = examine_repository(config, name, behind, now).await;
            (report, gun.get_flag("json"))
        }
        None => (examine(config, now).await, arguments.get_flag("json")),
    }
}
