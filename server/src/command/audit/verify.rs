//! `audit verify`: names the first line that is missing or was changed.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use audit_trail::{
    name_log,
    verify::{Report, Source, Verifier},
};
use clap::ArgMatches;
use database::OpenMode;
use trust::store::{
    self,
    chains::{self, ChainRow},
};

use super::{Configuration, files, files_of, open, switch};
use crate::config::Config;

pub(super) fn command() -> clap::Command {
    clap::Command::new("verify")
        .about("Name the first line of the audit log that is missing or was changed")
        .long_about(
            "Follows the chain of the audit lines through the files, and compares it with the newest \
             lines that servers stored in the database. Files hold audit lines and nothing else; on \
             standard input (-) other lines may stand between them. The status is 0 if nothing is \
             missing or changed, 1 if something is, and 2 if it cannot be told.",
        )
        .arg(files(
            "Files with audit lines, oldest first, compressed by gzip or not; - for a log on standard input \
             [default: logging.audit_file]",
        ))
        .args([
            switch("offline", "Do not ask the database: then a tail that is cut off is not missed"),
            switch("complete", "Demand every chain from its first line on, and nothing before"),
            switch("json", "Print what is found as JSON"),
        ])
}

pub(super) async fn run(
    configuration: Configuration<'_>,
    arguments: &ArgMatches,
) -> Result<ExitCode> {
    let (rows, log, files) = if arguments.get_flag("offline") {
        (None, None, files_of(arguments, || configuration.read())?)
    } else {
        let config = configuration
            .read()
            .context("to compare with the database (--offline does without)")?;
        // Before the files are read: they hold at least what the database knows.
        let rows = rows(&config).await?;
        let log = config
            .audit_file
            .as_deref()
            .map(|file| name_log(Some(file)));
        (Some(rows), log, files_of(arguments, || Ok(config))?)
    };
    let is_log = files.iter().any(|file| file == Path::new("-"));
    let verifier = Verifier::new(rows)
        .complete(arguments.get_flag("complete"))
        .of_log(log.filter(|_| !is_log));
    let read = move || {
        let mut verifier = verifier;
        for file in files {
            let source = match file.to_str() {
                Some("-") => Source::Log,
                _ => Source::AuditFile,
            };
            let (name, mut reader) = open(&file)?;
            let outcome = verifier.read(&name, &mut reader, source);
            outcome.with_context(|| name.clone())?;
        }
        Ok::<Report, anyhow::Error>(verifier.finish())
    };
    let report = tokio::task::spawn_blocking(read)
        .await
        .context("verifying panicked")??;
    if arguments.get_flag("json") {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::from(u8::from(!report.ok)))
}

/// What the database knows.
async fn rows(config: &Config) -> Result<Vec<ChainRow>> {
    let connected = store::connect(&config.storage, OpenMode::MustExist).await?;
    let rows = chains::open(&connected).all().await;
    connected.close().await;
    rows.context(
        "cannot read what the database knows of the audit log (`notary-server migrate` makes the \
         table; --offline does without)",
    )
}
