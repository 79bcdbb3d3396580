//! Compares Countersign with Notary 0.7, and with itself on other databases, on this machine.
//!
//! Every service runs on databases of its own; the two on MariaDB share one server of it, with its
//! durable defaults. Rounds alternate between the services, so that whatever else the machine does
//! meets all of them. Everything that is published is signed before the clock starts, and
//! everything that is read is compared byte for byte with files whose signatures were checked.

mod case;
mod client;
mod counts;
mod crowd;
mod drive;
mod ground;
mod growth;
mod instructions;
mod measure;
mod owner;
mod plot;
mod process;
mod report;
mod stack;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use case::{CASES, Case};
use clap::Parser;
use drive::Outcome;
use ground::Ground;
use growth::Axis;
use harness::{Callgrind, Sandbox, play};
use measure::{Measured, Round};
use report::{Report, Started};
use stack::{Kind, Stack};
use time::{OffsetDateTime, macros::format_description};

/// Compare Countersign with Notary 0.7 on this machine.
#[derive(Debug, Parser)]
#[command(name = "load")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    /// Measure fewer scenarios, for a shorter time, on MariaDB only
    #[arg(long)]
    quick: bool,
    /// Measure this scenario only (may be given several times)
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Measure these services only: notary, mariadb, postgres, sqlite
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// How many rounds; the median counts
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// How long a round takes
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Measure growth and crowds also if scenarios are chosen
    #[arg(long)]
    growth: bool,
    /// Leave out how operations slow down in a crowd, and as repositories, versions and targets grow
    #[arg(long)]
    no_growth: bool,
    /// Write all figures into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/performance.md and its drawings
    #[arg(long)]
    document: bool,
    /// Measure nothing: take the figures from a file that --json wrote
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Take our notary-server and notary-signer from this folder, to compare two builds
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Count instructions, under valgrind, and note them as those of this build
    #[arg(long, value_name = "BUILD")]
    instructions: Option<String>,
}

/// Longer than any measurement that ends by itself.
const LONG: Duration = Duration::from_mins(10);

/// What has to be installed, and the Debian package that brings it.
const NEEDED: [(&str, &str); 7] = [
    ("/usr/bin/notary-server", "notary"),
    ("/usr/bin/notary-signer", "notary"),
    ("/usr/sbin/mariadbd", "mariadb-server"),
    ("/usr/bin/mariadb", "mariadb-client"),
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/bin/curl", "curl"),
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(build) = &arguments.instructions {
        return count_instructions(build, arguments.programs.as_deref());
    }
    let report = match &arguments.from {
        Some(file) => Report::read(file)?,
        None => measure_all(&arguments)?,
    };
    for (_, table) in report.tables()? {
        println!("{table}");
    }
    if let Some(file) = &arguments.json {
        report.write(file)?;
    }
    if arguments.document {
        report.document(&report::repository())?;
    }
    Ok(())
}

fn measure_all(arguments: &Arguments) -> Result<Report> {
    check_programs(arguments.programs.as_deref())?;
    let plan = Plan::of(arguments)?;
    let mut report = Report {
        machine: process::machine(),
        when: plan
            .now
            .format(format_description!("[year]-[month]-[day]"))?,
        seconds: plan.time.as_secs_f64(),
        rounds: plan.rounds,
        ..Report::default()
    };
    play(|sandbox| plan.run(sandbox, &mut report))?;
    Ok(report)
}

/// Counts the instructions of the programs in `folder`, or of those built with this one.
fn count_instructions(build: &str, folder: Option<&Path>) -> Result<()> {
    check_programs(folder)?;
    let server = harness::pair::find_built("notary-server")?;
    let folder = match folder {
        Some(folder) => folder.canonicalize()?,
        None => server.parent().context("it is in a folder")?.to_owned(),
    };
    let mut counted = Vec::new();
    play(|sandbox| {
        let callgrind = Callgrind::wrap(&sandbox.path().join("callgrind"), &folder)?;
        let programs = callgrind.programs().to_owned();
        let stacks = Stack::start_all(sandbox, &[Kind::MariaDb], Some(&programs))?;
        let stack = stacks.first().context("one was started")?;
        let mut ground = Ground::new(now());
        counted = instructions::count(stack, &mut ground, &callgrind, build)?;
        Ok(())
    })?;
    report::note_instructions(&report::repository(), counted)
}

fn check_programs(programs: Option<&Path>) -> Result<()> {
    for (program, package) in NEEDED {
        ensure!(
            Path::new(program).exists(),
            "{program} is missing: apt-get install {package}"
        );
    }
    for name in ["notary-server", "notary-signer"] {
        match programs {
            Some(folder) => ensure!(
                folder.join(name).exists(),
                "{} is missing: --programs takes the folder of both programs",
                folder.join(name).display()
            ),
            None => drop(harness::pair::find_built(name)?),
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("This is a build without optimisation; benches/compare makes a better one.");
    }
    Ok(())
}

/// What is measured, and how.
struct Plan {
    kinds: Vec<Kind>,
    cases: Vec<Case>,
    rounds: usize,
    time: Duration,
    grows: bool,
    is_quick: bool,
    programs: Option<PathBuf>,
    now: OffsetDateTime,
}

impl Plan {
    fn of(arguments: &Arguments) -> Result<Self> {
        let names: Vec<String> = CASES.iter().map(|case| case.scenario.name()).collect();
        if let Some(wrong) = arguments.scenario.iter().find(|name| !names.contains(name)) {
            bail!(
                "there is no scenario {wrong}; there are: {}",
                names.join(", ")
            );
        }
        let kinds = Kind::ALL.map(Kind::name);
        if let Some(wrong) = arguments
            .service
            .iter()
            .find(|name| !kinds.contains(&name.as_str()))
        {
            bail!(
                "there is no service {wrong}; there are: {}",
                kinds.join(", ")
            );
        }
        let is_chosen = |kind: &Kind| match &arguments.service[..] {
            [] => !arguments.quick || matches!(kind, Kind::Notary | Kind::MariaDb),
            chosen => chosen.iter().any(|name| name == kind.name()),
        };
        let is_wanted = |case: &Case| match &arguments.scenario[..] {
            [] => !arguments.quick || case.is_quick,
            wanted => wanted.contains(&case.scenario.name()),
        };
        let (rounds, seconds) = if arguments.quick { (3, 1.0) } else { (5, 2.0) };
        Ok(Self {
            kinds: Kind::ALL.into_iter().filter(is_chosen).collect(),
            cases: CASES.into_iter().filter(is_wanted).collect(),
            rounds: arguments.rounds.unwrap_or(rounds).max(1),
            time: Duration::try_from_secs_f64(arguments.seconds.unwrap_or(seconds))?,
            grows: arguments.growth || (!arguments.no_growth && arguments.scenario.is_empty()),
            is_quick: arguments.quick,
            programs: arguments.programs.clone(),
            now: now(),
        })
    }

    fn run(&self, sandbox: &Sandbox, report: &mut Report) -> Result<()> {
        let begun = Instant::now();
        let say = |what: &str| {
            let time = begun.elapsed().as_secs();
            eprintln!("{:3}:{:02} {what}", time / 60, time % 60);
        };
        say("starting databases and programs");
        let mut stacks = Stack::start_all(sandbox, &self.kinds, self.programs.as_ref())?;
        let mut grounds: Vec<Ground> = stacks.iter().map(|_| Ground::new(self.now)).collect();
        for stack in &mut stacks {
            report.started.push(start(stack, self.rounds)?);
        }
        for &case in &self.cases {
            say(&format!(
                "{}, {} clients",
                case.scenario.title(),
                case.clients
            ));
            let measured = self.measure(case, &mut stacks, &mut grounds);
            report.measured.extend(measured);
        }
        for (stack, started) in stacks.iter().zip(&mut report.started) {
            started.after_load = stack.memory()?[1];
        }
        for (stack, ground) in stacks.iter_mut().zip(&mut grounds) {
            say(&format!("counts of {}", stack.kind.name()));
            report.counts.extend(counts::count(stack, ground)?);
        }
        for (stack, ground) in stacks.iter_mut().zip(&mut grounds).filter(|_| self.grows) {
            say(&format!("pulls in a crowd, {}", stack.kind.name()));
            if let Err(error) = crowd::measure(stack, ground, &mut report.crowded) {
                eprintln!("     {} failed: {error:#}", stack.kind.name());
                stack.revive()?;
            }
        }
        for axis in Axis::ALL {
            for stack in stacks.iter_mut().filter(|_| self.grows) {
                say(&format!("growth of {}, {}", axis.name(), stack.kind.name()));
                let all = &mut report.grown;
                let outcome = growth::grow(sandbox, stack, axis, self.is_quick, self.now, all);
                if let Err(error) = outcome {
                    eprintln!("     {} failed: {error:#}", stack.kind.name());
                    stack.revive()?;
                }
            }
        }
        say("done");
        Ok(())
    }

    /// Measures one case on all services in turn. One that fails is left out of further rounds.
    fn measure(&self, case: Case, stacks: &mut [Stack], grounds: &mut [Ground]) -> Vec<Measured> {
        let mut all: Vec<Measured> = stacks
            .iter()
            .map(|stack| Measured {
                stack: stack.kind.name().to_owned(),
                scenario: case.scenario.name(),
                clients: case.clients,
                rounds: Vec::new(),
                crashes: 0,
                failure: None,
            })
            .collect();
        for _ in 0..self.rounds {
            let services = stacks.iter_mut().zip(grounds.iter_mut());
            for ((stack, ground), measured) in services.zip(&mut all) {
                if measured.failure.is_some() {
                    continue;
                }
                match round(ground, stack, case, self.time, &mut measured.crashes) {
                    Ok(outcome) => measured.rounds.push(Round::of(&outcome)),
                    Err(error) => {
                        let failure = format!("{error:#}");
                        eprintln!("     {} failed: {failure}", measured.stack);
                        measured.failure = Some(failure);
                    }
                }
            }
        }
        for measured in &all {
            if let Ok(round) = measured.median() {
                eprintln!(
                    "       {:8} {:9.1}/s, p50 {:.2} ms, p99 {:.2} ms, CPU {:.0} µs, generator \
                     {:.0} µs and {:.2} cores",
                    measured.stack,
                    round.rate,
                    f64::from(round.p50) / 1e3,
                    f64::from(round.p99) / 1e3,
                    round.cpu(),
                    round.generator,
                    round.generator_cores,
                );
            }
        }
        all
    }
}

/// Measures a round of `case`, again if the programs end by themselves meanwhile.
fn round(
    ground: &mut Ground,
    stack: &mut Stack,
    case: Case,
    time: Duration,
    crashes: &mut u32,
) -> Result<Outcome> {
    const MOST: u32 = 5;
    loop {
        let error = match ground.round(stack, case, time) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        ground.forget_owners();
        if !stack.revive()? || *crashes == MOST {
            return Err(error);
        }
        *crashes += 1;
        eprintln!("     {} ended by itself: {error:#}", stack.kind.name());
    }
}

/// How long a service takes to start, by the median, and its memory then.
fn start(stack: &mut Stack, rounds: usize) -> Result<Started> {
    let mut times = Vec::new();
    for _ in 0..rounds.max(3) {
        times.push(stack.restart()?);
    }
    times.sort_unstable();
    Ok(Started {
        stack: stack.kind.name().to_owned(),
        milliseconds: times[times.len() / 2].as_secs_f64() * 1e3,
        at_start: stack.memory()?[0],
        after_load: 0,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, once, and handed down: files are signed as of today"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
