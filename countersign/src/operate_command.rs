//! The operator's commands of both programs under one name that no other package has: Debian's
//! `notary` brings a `notary-server` and a `notary-signer` of its own, which would start serving
//! instead.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use countersign::setup::Place;

use crate::Program;

/// What was typed behind the command, handed on as it is but for `--data`.
#[derive(clap::Args)]
pub(crate) struct Operated {
    /// Arguments of the command; `--data FOLDER` names the data folder of another service, `-config
    /// FILE` the configuration of a service without a data folder.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<OsString>,
}

/// Both programs, for a service of this command.
#[derive(clap::Args)]
pub(crate) struct Both {
    /// The data folder of the service [default: .countersign here, or in the checkout]
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    data: Option<OsString>,
}

impl Operated {
    /// The arguments of `program` for its command `name`: with the configuration of the service, if
    /// the command needs one and none was named.
    pub(crate) fn of(
        self,
        program: Program,
        name: &str,
        data: Option<OsString>,
        current: &Path,
    ) -> Result<Vec<OsString>, String> {
        let (asked, mut arguments) = without_data(self.arguments)?;
        let is_help = |argument: &OsString| argument == "--help" || argument == "-h";
        let needs_none = ["escrow-key"].contains(&name) || arguments.iter().any(is_help);
        arguments.insert(0, name.into());
        if !needs_none && !arguments.iter().any(|argument| is_config(argument)) {
            let is_named = asked.is_some();
            match configuration(program, asked.or(data), current) {
                Ok(configuration) => {
                    arguments.extend(["-config".into(), configuration.into()]);
                }
                // Files may be from elsewhere; the command says so if it needs a configuration.
                Err(_) if name == "audit" && !is_named => {}
                Err(error) => return Err(error),
            }
        }
        Ok(arguments)
    }
}

impl Both {
    /// Runs the command `arguments` of the server, then that of the signer; both are run whatever
    /// the first one finds.
    pub(crate) fn run(
        self,
        arguments: &[&str],
        executable: &Path,
        current: &Path,
    ) -> Result<ExitCode, String> {
        let mut is_well = true;
        for program in [Program::Server, Program::Signer] {
            let configuration = configuration(program, self.data.clone(), current)?;
            eprintln!("{}:", program.binary());
            let status = Command::new(executable)
                .args([program.word(), "-config"])
                .arg(configuration)
                .args(arguments)
                .status()
                .map_err(|error| format!("the operating system reported: {error}"))?;
            is_well &= status.success();
        }
        Ok(if is_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// The configuration file of `program` in the folder of the service.
fn configuration(
    program: Program,
    data: Option<OsString>,
    current: &Path,
) -> Result<PathBuf, String> {
    let data = data.filter(|data| !data.is_empty()).map(PathBuf::from);
    let place = Place::find(data.as_deref(), current);
    let file = place.file(&format!("{}.json", program.word()));
    if file.exists() {
        return Ok(file);
    }
    Err(format!(
        "there is no service in {}: name its folder with --data FOLDER, or another configuration with \
         `countersign {} … -config FILE`",
        place.data.display(),
        program.word()
    ))
}

/// The value of `--data`, and all other arguments.
fn without_data(arguments: Vec<OsString>) -> Result<(Option<OsString>, Vec<OsString>), String> {
    let (mut data, mut others) = (None, Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--data" {
            data = Some(
                arguments
                    .next()
                    .ok_or("--data needs the name of a folder")?,
            );
        } else if let Some(folder) = argument.to_str().and_then(|it| it.strip_prefix("--data=")) {
            data = Some(folder.into());
        } else {
            others.push(argument);
        }
    }
    Ok((data, others))
}

fn is_config(argument: &OsStr) -> bool {
    let Some(text) = argument.to_str() else {
        return false;
    };
    let name = text.split('=').next().unwrap_or_default();
    ["-config", "--config"].contains(&name)
}
