//! `notary-server audit`: prints the audit log, and verifies that it is whole.

mod print;
mod verify;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, builder::PathBufValueParser};
use daemon::{flags, logging::Causes};
use flate2::bufread::MultiGzDecoder;

use crate::config::{self, Config};

/// The name of the command.
pub(crate) const NAME: &str = "audit";

/// The status of a command that could not do what it was asked for; 1 means that it did, and that
/// the log is not as it was written.
const MISUSE: u8 = 2;

/// How files begin that gzip made, which logrotate has do it.
const GZIP: &[u8] = b"\x1f\x8b";

/// How other compressed files begin, and what decompresses them.
const COMPRESSED: [(&[u8], &str); 3] = [
    (b"\xfd7zXZ", "xzcat -f"),
    (b"BZh", "bzcat -f"),
    (b"\x28\xb5\x2f\xfd", "zstdcat -f"),
];

/// What the command line of the program has to know of it.
pub(crate) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Print the audit log: who changed what, tags with old and new digest")
        .long_about(
            "Prints the audit lines of the files, or of the file of the configuration, as a table. \
             Other lines are left out. It does not verify them: `audit verify` does.",
        )
        .args_conflicts_with_subcommands(true)
        .arg(files(
            "Files with audit lines, oldest first, compressed by gzip or not; - for standard input",
        ))
        .args([
            value("gun", "GUN", "Only lines about this repository"),
            value(
                "since",
                "DATE",
                "Only lines since 2026-11-22 or 2026-11-22T10:20:30Z (UTC)",
            ),
            value("user", "NAME", "Only what this caller did"),
            value(
                "action",
                "EVENT",
                "Only these events, such as publish, delete or key.rotate",
            ),
            switch("json", "Print the lines as JSON"),
        ])
        .subcommand(verify::command())
}

/// Does what `arguments` ask for: 0 for done and well, 1 if the log is not as it was written, 2 for
/// what cannot be done.
pub(crate) async fn run(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
    arguments: &ArgMatches,
) -> ExitCode {
    let configuration = Configuration { file, environment };
    let outcome = match arguments.subcommand() {
        Some((_, arguments)) => verify::run(configuration, arguments).await,
        None => print::run(configuration, arguments).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", Causes(error.as_ref()));
        ExitCode::from(MISUSE)
    })
}

/// Where the configuration is, for what needs it.
struct Configuration<'c> {
    file: Option<&'c Path>,
    environment: Vec<(OsString, OsString)>,
}

impl Configuration<'_> {
    fn read(self) -> Result<Config> {
        let file = self.file.context(flags::NO_CONFIGURATION)?;
        Ok(Config::read(&config::load(file, self.environment)?)?)
    }
}

/// The files that are named, or else that of the configuration.
fn files_of(
    arguments: &ArgMatches,
    config: impl FnOnce() -> Result<Config>,
) -> Result<Vec<PathBuf>> {
    if let Some(files) = arguments.get_many::<PathBuf>("file") {
        return Ok(files.cloned().collect());
    }
    match config()?.audit_file {
        Some(file) => Ok(vec![file]),
        None => bail!(
            "logging.audit_file is not set: name files, or - for the program's log on standard input"
        ),
    }
}

/// A source of lines, and what it is called.
fn open(path: &Path) -> Result<(String, Box<dyn BufRead>)> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return Ok((
            "standard input".to_owned(),
            Box::new(BufReader::new(io::stdin())),
        ));
    }
    let mut file = File::open(path).with_context(|| name.clone())?;
    let mut begin = Vec::new();
    file.by_ref()
        .take(8)
        .read_to_end(&mut begin)
        .with_context(|| name.clone())?;
    for (magic, tool) in COMPRESSED {
        if begin.starts_with(magic) {
            bail!("{name} is compressed: use `{tool} FILE… | notary-server audit … -`");
        }
    }
    let is_gzip = begin.starts_with(GZIP);
    let reader = BufReader::new(io::Cursor::new(begin).chain(file));
    if is_gzip {
        // Read as it is decompressed, so a small file that holds much takes no more memory.
        return Ok((name, Box::new(BufReader::new(MultiGzDecoder::new(reader)))));
    }
    Ok((name, Box::new(reader)))
}

fn files(help: &'static str) -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .num_args(0..)
        .value_parser(PathBufValueParser::new())
        .help(help)
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}
