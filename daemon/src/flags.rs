//! The command line: Notary's flags as Go reads them, and sub-commands.
//!
//! Go's flags have one or two dashes alike, and a boolean may carry its value (`-debug=false`).
//! They are brought into the one form that clap reads, before or after the sub-command.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process,
};

use clap::{Arg, ArgAction, ArgMatches, builder::TypedValueParser as _, error::ErrorKind};
use clap_complete::Shell;

use crate::{logging::LogFormat, settings::go_bool};

/// What the command line says of a program that the caller knows.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of the binary, `notary-server`.
    pub name: &'static str,
    /// One line on what it does, for its help.
    pub about: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit it was built from; may be empty.
    pub commit: &'static str,
    /// The compiler that built it; may be empty.
    pub rust: &'static str,
    /// Sub-commands beside `serve`, `migrate`, `config check` and `completions`; their arguments
    /// are long flags and plain values.
    pub commands: Vec<clap::Command>,
}

impl Program {
    /// A program of this workspace: all are of one version, built from one commit by one compiler.
    #[must_use]
    pub fn new(name: &'static str, about: &'static str, commands: Vec<clap::Command>) -> Self {
        Self {
            name,
            about,
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("COUNTERSIGN_COMMIT"),
            rust: env!("COUNTERSIGN_RUSTC"),
            commands,
        }
    }

    /// The first line of the log and, after the program's name, the answer to `-version`.
    #[must_use]
    pub fn version_line(&self) -> String {
        let Self {
            version,
            commit,
            rust,
            ..
        } = self;
        format!("Version: {version}, Git commit: {commit}, Rust version: {rust}")
    }
}

/// What the operator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run until told to stop; what a command line without a command means.
    Serve,
    /// Bring the database to this version's schema, and end.
    Migrate {
        /// Only say what was found and what would be done.
        plan: bool,
    },
    /// Print the configuration without its secrets, and whether it is valid; and end.
    ConfigCheck {
        /// Also print the defaults.
        all: bool,
    },
    /// A command of the program itself.
    Other {
        /// Its name.
        name: String,
        /// What it was given.
        arguments: ArgMatches,
    },
}

/// The command line of a program.
#[derive(Clone, Debug)]
pub struct Flags {
    /// `-config`: the configuration file.
    pub config: Option<PathBuf>,
    /// `-debug`: open the debug listener.
    pub debug: bool,
    /// `-logf`: the form of the log lines.
    pub log_format: LogFormat,
    /// `-bootstrap`: Notary's way to set up storage; only `RethinkDB` ever had a use for it.
    pub bootstrap: bool,
    /// What to do.
    pub command: Command,
}

/// A command line that ends the program before it began: help, version, or a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// 0, or 2 after a mistake, as Go's flag package has it.
    pub code: i32,
    /// What to print: on standard output if `code` is 0, else on standard error.
    pub text: String,
}

/// What is wrong if a command needs a configuration and none is named.
pub const NO_CONFIGURATION: &str = "no configuration file is named: use -config FILE";

/// No configuration file is named.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{NO_CONFIGURATION}")]
pub struct NoConfiguration;

impl Flags {
    /// Reads `arguments`, the program's name first. Prints and ends the process if they ask for
    /// help or the version, or are wrong.
    pub fn parse(program: &Program, arguments: impl IntoIterator<Item = OsString>) -> Self {
        match Self::try_parse(program, arguments) {
            Ok(flags) => flags,
            Err(exit) => {
                if exit.code == 0 {
                    println!("{}", exit.text.trim_end());
                } else {
                    eprintln!("{}", exit.text.trim_end());
                }
                process::exit(exit.code)
            }
        }
    }

    /// Reads `arguments`, the program's name first.
    ///
    /// # Errors
    ///
    /// [`Exit`] says what to print instead of going on.
    pub fn try_parse(
        program: &Program,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Exit> {
        let mut command = command_line(program);
        let arguments = with_words(as_long_flags(arguments));
        let matches = command
            .try_get_matches_from_mut(arguments)
            .map_err(|error| {
                let text = error.to_string();
                if error.kind() == ErrorKind::DisplayHelp {
                    return Exit { code: 0, text };
                }
                let mut text = text.trim_end().to_owned();
                if !text.contains("Usage:") {
                    text = format!("{text}\n\n{}", command.render_usage());
                }
                if !text.contains("--help") {
                    text += "\n\nFor more information, try '--help'.";
                }
                Exit { code: 2, text }
            })?;
        if matches.get_flag("version") {
            let text = format!("{} {}", program.name, program.version_line());
            return Err(Exit { code: 0, text });
        }
        if let Some(("completions", arguments)) = matches.subcommand() {
            let shell = arguments.get_one("shell").expect("clap requires it");
            let text = completions(&mut command, *shell);
            return Err(Exit { code: 0, text });
        }
        Ok(Self::from_matches(&matches))
    }

    /// The configuration file, for commands that need one.
    ///
    /// # Errors
    ///
    /// If none is named.
    pub fn config_file(&self) -> Result<&Path, NoConfiguration> {
        self.config.as_deref().ok_or(NoConfiguration)
    }

    fn from_matches(matches: &ArgMatches) -> Self {
        let command = match matches.subcommand() {
            None | Some(("serve", _)) => Command::Serve,
            Some(("migrate", arguments)) => Command::Migrate {
                plan: arguments.get_flag("plan"),
            },
            Some(("config", arguments)) => Command::ConfigCheck {
                all: arguments
                    .subcommand()
                    .is_some_and(|(_, arguments)| arguments.get_flag("all")),
            },
            Some((name, arguments)) => Command::Other {
                name: name.to_owned(),
                arguments: arguments.clone(),
            },
        };
        // The log of a service is for machines; what a command says is for the person who typed it.
        let form = match command {
            Command::Serve => LogFormat::Json,
            _ => LogFormat::Sentence,
        };
        Self {
            config: matches.get_one::<PathBuf>("config").cloned(),
            debug: matches.get_flag("debug"),
            log_format: matches.get_one("logf").copied().unwrap_or(form),
            bootstrap: matches.get_flag("bootstrap"),
            command,
        }
    }
}

/// Flags that take a value, so that `-config -x` can be told from two flags.
const WITH_VALUE: [&str; 2] = ["config", "logf"];

/// The arguments with every flag in the form `--name` or `--name=value`.
fn as_long_flags(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut long = Vec::from_iter(arguments.next());
    while let Some(argument) = arguments.next() {
        let Some(name) = argument.to_str().and_then(flag_name) else {
            long.push(argument);
            continue;
        };
        let mut flag = OsString::from(format!("--{name}"));
        if WITH_VALUE.contains(&name)
            && let Some(value) = arguments.next()
        {
            flag.push("=");
            flag.push(value);
        }
        long.push(flag);
    }
    long
}

/// The same, with the words `help` and `version` in the place of a command as the flags they stand
/// for:
/// `help key` is `key --help`.
fn with_words(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_flag = |argument: &OsString| argument.to_str().is_some_and(|it| it.starts_with('-'));
    let first = arguments
        .iter()
        .skip(1)
        .position(|argument| !is_flag(argument));
    if let Some(place) = first.map(|place| place + 1) {
        match arguments[place].to_str() {
            Some("help") => {
                arguments.remove(place);
                arguments.push("--help".into());
            }
            Some("version") => arguments[place] = "--version".into(),
            _ => {}
        }
    }
    arguments
}

/// What follows the dashes of a flag; Go's `-h` is short for `-help`.
fn flag_name(argument: &str) -> Option<&str> {
    let name = argument.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    match name {
        "" => None,
        "h" => Some("help"),
        name => Some(name),
    }
}

/// The script that completes `command` in `shell`.
#[must_use]
pub fn completions(command: &mut clap::Command, shell: Shell) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    String::from_utf8(script).expect("a script is text")
}

/// The command line of `program`.
#[must_use]
pub fn command_line(program: &Program) -> clap::Command {
    clap::Command::new(program.name)
        .about(program.about)
        .disable_version_flag(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args([
            Arg::new("help")
                .long("help")
                .help("Print this help")
                .action(ArgAction::Help)
                .global(true),
            value(
                "config",
                "FILE",
                "The configuration file (.json, .yaml, .toml)",
            )
            .value_parser(clap::value_parser!(PathBuf)),
            value(
                "logf",
                "FORMAT",
                "The form of log lines: json (default), logfmt or human",
            )
            .value_parser(
                clap::builder::NonEmptyStringValueParser::new()
                    .try_map(|text| text.parse::<LogFormat>()),
            ),
        ])
        .args(of_the_service())
        .subcommands([
            clap::Command::new("serve").about("Run until told to stop (the default)"),
            clap::Command::new("migrate")
                .about("Bring the database up to this version and end")
                .arg(
                    Arg::new("plan")
                        .long("plan")
                        .action(ArgAction::SetTrue)
                        .help("Only print what was found and what would be done"),
                ),
            clap::Command::new("config")
                .about("Check the configuration")
                .subcommand_required(true)
                .subcommand(
                    clap::Command::new("check")
                        .about("Print what is configured, without secrets, and whether it is valid")
                        .arg(
                            Arg::new("all")
                                .long("all")
                                .action(ArgAction::SetTrue)
                                .help("Also print the settings that have their default"),
                        ),
                ),
            clap::Command::new("completions")
                .about("Print the script that completes this command in a shell")
                .arg(
                    Arg::new("shell")
                        .value_name("SHELL")
                        .required(true)
                        .value_parser(clap::value_parser!(Shell)),
                ),
        ])
        .subcommands(program.commands.iter().cloned())
        .mut_subcommands(|command| match command.get_name() {
            "serve" => command,
            _ => hide_service_flags(command),
        })
}

/// The flags that mean something to the service alone. Notary takes them everywhere.
fn of_the_service() -> [Arg; 3] {
    [
        switch(
            "debug",
            "Serve /debug/health and /metrics on localhost:8080",
        ),
        switch(
            "bootstrap",
            "Set up storage and end (for RethinkDB only; use migrate)",
        ),
        switch("version", "Print the version and end"),
    ]
}

/// Leaves the flags of the service out of the help of `command` and of all below it.
fn hide_service_flags(command: clap::Command) -> clap::Command {
    command
        .args(of_the_service().map(|flag| flag.hide(true)))
        .mut_subcommands(hide_service_flags)
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    // As with Go, the last one counts.
    Arg::new(name)
        .long(name)
        .value_name(placeholder)
        .help(help)
        .global(true)
        .require_equals(true)
        .overrides_with(name)
}

/// A boolean that may carry its value after `=`.
fn switch(name: &'static str, help: &'static str) -> Arg {
    let parser = clap::builder::StringValueParser::new()
        .try_map(|text| go_bool(&text).ok_or("a boolean is true or false"));
    Arg::new(name)
        .long(name)
        .help(help)
        .global(true)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .value_name("BOOL")
        .overrides_with(name)
        .value_parser(parser)
}
