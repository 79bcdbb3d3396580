//! `doctor --all`: the check-up of the whole, and of every repository.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use archive::Progress;
use clap::ArgMatches;
use daemon::{clock, words};
use serde_json::json;

use super::{configuration, running};
use crate::{
    command::terminal::escape,
    config::Config,
    doctor::{Finding, Report, Verdict, examine, examine_all},
};

/// The status for a command line that makes no sense.
const MISUSE: u8 = 2;

/// Examines everything, and prints what it finds as it finds it; of repositories, only what there
/// is to see to.
pub(super) async fn run(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
    arguments: &ArgMatches,
) -> ExitCode {
    if arguments.subcommand().is_some() {
        eprintln!("error: --all looks at every repository: leave out `gun NAME`");
        return ExitCode::from(MISUSE);
    }
    let is_json = arguments.get_flag("json");
    let outcome = match configuration::read(file, environment.clone()) {
        Err(report) => Printer::new(is_json).finish(&report),
        Ok(config) => {
            let mut report = examine(&config, clock::now()).await;
            if let Some(file) = file {
                running::check(&mut report, file, environment).await;
            }
            look(&config, report, is_json).await
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // That the reader of a pipe has seen enough is no answer.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Whether all is well.
async fn look(config: &Config, report: Report, is_json: bool) -> io::Result<bool> {
    let mut printer = Printer::new(is_json);
    printer.begin(&report)?;
    let mut progress = Progress::new("doctor", "repositories", None);
    let mut failed = None;
    let mut see = |gun: &str, found: Report| {
        if failed.is_none() {
            failed = progress.suspend(|| printer.add(gun, &found)).err();
        }
        progress.step();
    };
    let outcome = examine_all(config, clock::now(), &mut see).await;
    drop(progress);
    if let Some(error) = failed {
        return Err(error);
    }
    let cut_off = outcome.err();
    printer.end(&report, cut_off.as_ref())
}

/// Prints what is found, in either form.
struct Printer {
    is_json: bool,
    looked_at: u64,
    wrong: u64,
    warned: u64,
    printed: u64,
}

impl Printer {
    fn new(is_json: bool) -> Self {
        Self {
            is_json,
            looked_at: 0,
            wrong: 0,
            warned: 0,
            printed: 0,
        }
    }

    /// Prints a report after which there is nothing to look at.
    fn finish(self, report: &Report) -> io::Result<bool> {
        self.begin(report)?;
        self.end(report, None)
    }

    fn begin(&self, report: &Report) -> io::Result<()> {
        let mut output = io::stdout();
        if self.is_json {
            let findings = json!(report.findings);
            write!(output, r#"{{"findings":{findings},"repositories":["#)?;
        } else {
            write!(output, "{report}")?;
        }
        output.flush()
    }

    fn add(&mut self, gun: &str, found: &Report) -> io::Result<()> {
        self.looked_at += 1;
        if !found.is_well() {
            self.wrong += 1;
        } else if !found.is_calm() {
            self.warned += 1;
        }
        let findings = found.findings.iter();
        for finding in findings.filter(|finding| finding.verdict > Verdict::Ok) {
            self.print(gun, finding)?;
        }
        Ok(())
    }

    fn print(&mut self, gun: &str, finding: &Finding) -> io::Result<()> {
        let mut output = io::stdout();
        if self.is_json {
            let separator = if self.printed == 0 { "\n" } else { ",\n" };
            let mut shown = json!(finding);
            shown["gun"] = json!(gun);
            write!(output, "{separator}{shown}")?;
        } else {
            let shown = Finding {
                sentence: escape(&format!("{gun}: {}", finding.sentence)),
                cure: finding.cure.as_deref().map(escape),
                ..finding.clone()
            };
            writeln!(output, "{shown}")?;
        }
        self.printed += 1;
        output.flush()
    }

    /// Whether all is well, once that is printed.
    fn end(self, report: &Report, cut_off: Option<&Report>) -> io::Result<bool> {
        let mut output = io::stdout();
        let is_well = report.is_well() && self.wrong == 0 && cut_off.is_none();
        if self.is_json {
            let shown = json!({
                "looked_at": self.looked_at,
                "wrong": self.wrong,
                "with_warnings": self.warned,
                "cut_off_by": cut_off.map(|report| &report.findings),
                "ok": is_well,
            });
            let shown = shown.to_string();
            let members = shown.trim_start_matches('{');
            writeln!(output, "\n],{members}")?;
        } else {
            if let Some(cut_off) = cut_off {
                for finding in &cut_off.findings {
                    writeln!(output, "{finding}")?;
                }
                writeln!(output, "the other repositories could not be looked at")?;
            }
            let count = words::count(self.looked_at, "repository", "repositories");
            writeln!(
                output,
                "{count} looked at: {} wrong, {} with warnings",
                self.wrong, self.warned
            )?;
        }
        output.flush()?;
        Ok(is_well)
    }
}
