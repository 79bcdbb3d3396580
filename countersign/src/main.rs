//! `countersign`: a whole content-trust service with one command, for a laptop or a first try.

mod operate_command;
mod prepare_command;
mod reference_command;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use countersign::{
    address::Address,
    names::Name,
    prepare::{self, PrepareError},
    set::{Set, SetError},
    setup::{Place, UpOptions},
    up::Up,
};
use operate_command::{Both, Operated};
use prepare_command::PrepareArguments;
use rustix::process::{Signal, getpid, kill_process};

/// Runs a content-trust service for docker and notary on this machine.
///
/// The first start makes a development CA, certificates, passphrases, configuration files and
/// databases in one data folder; later ones find them there. It ends by printing what to paste into
/// a shell to use the service.
#[derive(Parser)]
#[command(name = "countersign", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    up: UpArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Set up and run server and signer; the default without a command.
    Up(UpArguments),
    /// Back up trust data and keys into a folder, and verify the backup; the service may run.
    Backup {
        #[command(flatten)]
        set: SetArguments,
        /// Seal keys, passphrases and settings, so that only the private half of this escrow key
        /// opens them.
        #[arg(long, value_name = "PUBLIC")]
        escrow: Option<PathBuf>,
    },
    /// Check whether a backup can be restored, and whether clients could then continue.
    VerifyBackup {
        #[command(flatten)]
        set: SetArguments,
        /// The private escrow key, if the backup is sealed.
        #[arg(long, value_name = "PRIVATE")]
        escrow_key: Option<PathBuf>,
    },
    /// Restore a backup into the empty databases of a stopped service, or into a new service.
    Restore {
        #[command(flatten)]
        set: SetArguments,
        /// The private escrow key, if the backup is sealed.
        #[arg(long, value_name = "PRIVATE")]
        escrow_key: Option<PathBuf>,
    },
    /// Ask the running service for its health, as containers do; status 0 if it is healthy, 1 if
    /// not.
    Health(HealthArguments),
    /// Find what is wrong with the service, with one repository (`doctor gun NAME`) or with all
    /// (`doctor --all`), and how to cure it.
    #[command(disable_help_flag = true)]
    Doctor(Operated),
    /// Show on one screen whether all is well, what is stored, what is broken and what is due;
    /// status 0 if all is well.
    #[command(disable_help_flag = true)]
    Status(Operated),
    /// List what is stored: repositories, who signs them, what expires, and what is wrong.
    #[command(disable_help_flag = true)]
    Inventory(Operated),
    /// List what expires soon, who has to act, and the command to type; status 1 if anything is
    /// due.
    #[command(disable_help_flag = true)]
    Expiry(Operated),
    /// Tell what the tags of a repository named before, and who moved them: `history GUN TAG`.
    #[command(disable_help_flag = true)]
    History(Operated),
    /// Look after the tables behind the inventory: `overview rebuild`.
    #[command(disable_help_flag = true)]
    Overview(Operated),
    /// Look after the receivers of events: `webhook list`, `webhook test`, `webhook retry`.
    #[command(disable_help_flag = true)]
    Webhook(Operated),
    /// Look after the signer's keys: `key list`, `key check`, `key rotate-passphrase`.
    #[command(disable_help_flag = true)]
    Key(Operated),
    /// Look after users and rules: `auth hash`, `auth explain`.
    #[command(disable_help_flag = true)]
    Auth(Operated),
    /// Print the audit log, or verify that nothing in it is missing or changed: `audit verify
    /// FILE…`.
    #[command(disable_help_flag = true)]
    Audit(Operated),
    /// Make the key that backups are sealed to: `escrow-key generate PRIVATE PUBLIC`.
    #[command(disable_help_flag = true)]
    EscrowKey(Operated),
    /// Bring both databases up to this version.
    Migrate {
        #[command(flatten)]
        both: Both,
        /// Only print what was found and what would be done.
        #[arg(long)]
        plan: bool,
    },
    /// Check the configuration of both programs.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make certificates, passwords and passphrases for the services of docker-compose.yml.
    Prepare(PrepareArguments),
    /// Copy a certificate to a place where other programs and people can read it.
    CopyCertificate {
        /// The certificate, in PEM.
        source: PathBuf,
        /// The copy.
        target: PathBuf,
    },
    /// Print the script that completes this command in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the version.
    Version,
    /// Run the server alone: `notary-server` with its own arguments.
    #[command(disable_help_flag = true)]
    Server(Passed),
    /// Run the signer alone: `notary-signer` with its own arguments.
    #[command(disable_help_flag = true)]
    Signer(Passed),
    /// Write the manual pages and completions of all three programs into a folder, for packages.
    #[command(hide = true)]
    Reference {
        /// The folder.
        folder: PathBuf,
    },
    /// Run a program that stops when its standard input ends.
    #[command(hide = true, disable_help_flag = true)]
    Child {
        /// Which one.
        program: Program,
        #[command(flatten)]
        passed: Passed,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print what is configured, without secrets, and whether it is valid.
    Check {
        #[command(flatten)]
        both: Both,
        /// Also print the settings that have their default.
        #[arg(long)]
        all: bool,
    },
}

/// The two programs inside this one.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Program {
    /// `notary-server`
    Server,
    /// `notary-signer`
    Signer,
}

impl Program {
    /// The name under which it explains itself.
    fn binary(self) -> &'static str {
        match self {
            Self::Server => "notary-server",
            Self::Signer => "notary-signer",
        }
    }

    /// The word for it in commands and names of files.
    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Signer => "signer",
        }
    }
}

#[derive(clap::Args)]
struct UpArguments {
    /// The data folder [default: .countersign here, or in the checkout]
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    data: Option<OsString>,
    /// Where the server listens this time [default: as in server.json, at first 127.0.0.1:4443]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// Where the signer listens this time [default: as in signer.json, at first 127.0.0.1:7899]
    #[arg(long, value_name = "HOST:PORT")]
    signer_listen: Option<Address>,
    /// A name or address by which other machines reach the server: its certificate gets it and
    /// keeps it. Several with commas; those given before are replaced [default: as given before, at
    /// first this machine's own]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    host: Vec<Name>,
    /// The log level of both this time [default: as in their files, at first info]
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warning", "info", "debug", "trace"])]
    log: Option<String>,
}

#[derive(clap::Args)]
struct SetArguments {
    /// The folder with the two files of the backup.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The data folder of the service [default: .countersign here, or in the checkout]
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    data: Option<OsString>,
    /// Accept a backup without a single row or key.
    #[arg(long)]
    allow_empty: bool,
}

impl SetArguments {
    fn run(self, escrow: Option<PathBuf>, task: fn(&Set) -> Result<(), SetError>) -> ExitCode {
        let (executable, current) = match whereabouts() {
            Ok(place) => place,
            Err(error) => return fail(&error),
        };
        let set = Set {
            place: Place::find(data_folder(self.data).as_deref(), &current),
            folder: self.folder,
            executable,
            escrow,
            allow_empty: self.allow_empty,
            now: daemon::clock::now(),
        };
        task(&set).map_or_else(|error| fail(&error.to_string()), |()| ExitCode::SUCCESS)
    }
}

#[derive(clap::Args)]
struct HealthArguments {
    /// The data folder of the service [default: .countersign here, or in the checkout]
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    data: Option<OsString>,
}

impl HealthArguments {
    /// Asks the server, which asks the signer all the time.
    fn run(self) -> ExitCode {
        let current = match whereabouts() {
            Ok((_, current)) => current,
            Err(error) => return fail(&error),
        };
        let place = Place::find(data_folder(self.data).as_deref(), &current);
        let configuration = place.file("server.json");
        let arguments = ["health".into(), "-config".into(), configuration.into()];
        run_program(Program::Server, arguments.into())
    }
}

#[derive(clap::Args)]
struct Passed {
    /// Passed on unchanged.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    if let Err(error) = daemon::memory::hide() {
        return fail(&error.to_string());
    }
    let arguments = Arguments::parse();
    match arguments.command {
        None => run_up(arguments.up),
        Some(Command::Up(up)) => run_up(up),
        Some(Command::Backup { set, escrow }) => set.run(escrow, Set::backup),
        Some(Command::VerifyBackup { set, escrow_key }) => set.run(escrow_key, Set::verify),
        Some(Command::Restore { set, escrow_key }) => set.run(escrow_key, Set::restore),
        Some(Command::Health(health)) => health.run(),
        Some(Command::Doctor(operated)) => operate(Program::Server, "doctor", operated),
        Some(Command::Status(operated)) => operate(Program::Server, "status", operated),
        Some(Command::Inventory(operated)) => operate(Program::Server, "inventory", operated),
        Some(Command::Expiry(operated)) => operate(Program::Server, "expiry", operated),
        Some(Command::History(operated)) => operate(Program::Server, "history", operated),
        Some(Command::Overview(operated)) => operate(Program::Server, "overview", operated),
        Some(Command::Webhook(operated)) => operate(Program::Server, "webhook", operated),
        Some(Command::Auth(operated)) => operate(Program::Server, "auth", operated),
        Some(Command::Audit(operated)) => operate(Program::Server, "audit", operated),
        Some(Command::Key(operated)) => operate(Program::Signer, "key", operated),
        Some(Command::EscrowKey(operated)) => operate(Program::Signer, "escrow-key", operated),
        Some(Command::Migrate { both, plan: true }) => run_both(both, &["migrate", "--plan"]),
        Some(Command::Migrate { both, plan: false }) => run_both(both, &["migrate"]),
        Some(Command::Config(ConfigCommand::Check { both, all: true })) => {
            run_both(both, &["config", "check", "--all"])
        }
        Some(Command::Config(ConfigCommand::Check { both, all: false })) => {
            run_both(both, &["config", "check"])
        }
        Some(Command::Prepare(prepare)) => exit_code(prepare.run()),
        Some(Command::CopyCertificate { source, target }) => {
            exit_code(prepare::copy_certificate(&source, &target))
        }
        Some(Command::Completions { shell }) => {
            let script = daemon::flags::completions(&mut Arguments::command(), shell);
            print!("{script}");
            ExitCode::SUCCESS
        }
        Some(Command::Reference { folder }) => {
            let written = reference_command::write(&folder, Arguments::command());
            written.map_or_else(|error| fail(&error.to_string()), |()| ExitCode::SUCCESS)
        }
        Some(Command::Version) => {
            println!("countersign {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(Command::Server(passed)) => run_program(Program::Server, passed.arguments),
        Some(Command::Signer(passed)) => run_program(Program::Signer, passed.arguments),
        Some(Command::Child { program, passed }) => run_child(program, passed.arguments),
    }
}

/// A command of one of the programs, for the service of this command unless it names another.
fn operate(program: Program, name: &str, operated: Operated) -> ExitCode {
    let data = environment().find(|(variable, _)| variable == "COUNTERSIGN_DATA");
    let arguments = whereabouts().and_then(|(_, current)| {
        operated.of(program, name, data.map(|(_, folder)| folder), &current)
    });
    arguments.map_or_else(
        |error| fail(&error),
        |arguments| run_program(program, arguments),
    )
}

fn run_both(both: Both, arguments: &[&str]) -> ExitCode {
    let outcome =
        whereabouts().and_then(|(executable, current)| both.run(arguments, &executable, &current));
    outcome.unwrap_or_else(|error| fail(&error))
}

/// A program of [`Up`]: ends as by SIGTERM when the pipe to its parent closes.
fn run_child(program: Program, arguments: Vec<OsString>) -> ExitCode {
    std::thread::spawn(|| {
        // Nothing is ever sent: reading ends when the parent closes the pipe or is gone. If the
        // pipe cannot be read, stopping is the safe answer too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        kill_process(getpid(), Signal::TERM).expect("a process may signal itself");
    });
    run_program(program, arguments)
}

/// One of the two programs, as its own binary would run it.
fn run_program(program: Program, arguments: Vec<OsString>) -> ExitCode {
    let arguments = std::iter::once(program.binary().into()).chain(arguments);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the operating system reported: {error}")),
    };
    match program {
        Program::Server => runtime.block_on(server::run(arguments, environment())),
        Program::Signer => runtime.block_on(signer::run(arguments, environment())),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the signer starts here, and is handed its settings"
)]
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

fn run_up(arguments: UpArguments) -> ExitCode {
    let UpArguments {
        data,
        listen,
        signer_listen,
        host,
        log,
    } = arguments;
    let data = data_folder(data);
    let (executable, current) = match whereabouts() {
        Ok(place) => place,
        Err(error) => return fail(&error),
    };
    let options = UpOptions {
        data,
        listen,
        signer_listen,
        hosts: host,
    };
    let up = Up {
        options,
        log,
        executable,
        current,
        is_published_by_environment: environment().any(|(name, value)| {
            name == "NOTARY_SERVER_SERVER_PUBLISHED_ADDRESSES" && !value.is_empty()
        }),
        now: daemon::clock::now,
    };
    // One thread: there is little to do, and children belong to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime
            .block_on(up.run())
            .map_err(|error| error.to_string()),
        Err(error) => Err(format!("the operating system reported: {error}")),
    };
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// An empty variable is as good as none; an empty path would be the current folder.
fn data_folder(asked: Option<OsString>) -> Option<PathBuf> {
    asked.filter(|data| !data.is_empty()).map(PathBuf::from)
}

/// This very program, and the folder it was started in.
fn whereabouts() -> Result<(PathBuf, PathBuf), String> {
    std::env::current_exe()
        .and_then(|exe| Ok((exe, std::env::current_dir()?)))
        .map_err(|error| format!("cannot find this program's own file: {error}"))
}

fn exit_code(outcome: Result<(), PrepareError>) -> ExitCode {
    outcome.map_or_else(|error| fail(&error.to_string()), |()| ExitCode::SUCCESS)
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("countersign: {sentence}");
    ExitCode::FAILURE
}
