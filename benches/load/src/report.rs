//! What was measured, as a file of JSON, as tables, and in `docs/performance.md`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    case::{CASES, Case},
    counts::Counts,
    crowd::{Crowd, Crowded},
    growth::{Axis, Grown},
    instructions::Instructions,
    measure::{Measured, Round},
    plot,
    stack::Kind,
};

/// Everything that one run found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) when: String,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) measured: Vec<Measured>,
    pub(crate) counts: Vec<Counts>,
    pub(crate) grown: Vec<Grown>,
    pub(crate) started: Vec<Started>,
    #[serde(default)]
    pub(crate) crowded: Vec<Crowded>,
}

/// The time of one of the operations that were measured.
type Time = fn(&Grown) -> u32;

/// How a service starts, and what it takes of memory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) stack: String,
    /// Milliseconds until both programs run and the server has answered a request.
    pub(crate) milliseconds: f64,
    /// KiB of server and signer: after the first answer, and at most after all measurements.
    pub(crate) at_start: u32,
    pub(crate) after_load: u32,
}

impl Report {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| file.display().to_string())?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// The tables, each with the name of its place in the documentation.
    pub(crate) fn tables(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("machine", self.machine_text()?),
            ("ratios", self.ratios()?),
            ("latency", self.latency()?),
            ("cpu", self.cpu()?),
            ("databases", self.databases()?),
            ("counts", self.count_table()?),
            ("start", self.start_table()?),
            ("crowd", self.crowd_table()?),
            ("growth", self.growth_table()?),
        ])
    }

    /// Writes the figures, tables and plots into the documentation below `root`.
    pub(crate) fn document(&self, root: &Path) -> Result<()> {
        let page = root.join("docs/performance.md");
        let mut text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        for (name, table) in self.tables()? {
            text = replace_part(&text, name, &table)?;
        }
        fs::write(&page, text)?;
        let folder = root.join("docs/performance");
        fs::create_dir_all(&folder)?;
        self.write(&folder.join("figures.json"))?;
        for (name, drawing) in self.plots()? {
            fs::write(folder.join(format!("{name}.svg")), drawing)?;
        }
        Ok(())
    }

    fn median(&self, kind: Kind, case: &Case) -> Option<Round> {
        let found = self.measured.iter().find(|measured| {
            measured.stack == kind.name()
                && measured.scenario == case.scenario.name()
                && measured.clients == case.clients
        });
        found?.median().ok()
    }

    fn machine_text(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "Measured {} on {}:\n{} rounds of {} s, the services in turn.",
            self.when, self.machine, self.rounds, self.seconds
        )?;
        Ok(text)
    }

    /// Ours against Notary's, on the same MariaDB.
    fn ratios(&self) -> Result<String> {
        let mut text = String::from(
            "| scenario | clients | Notary /s | ours /s | rate factor | CPU factor | goal |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for case in &CASES {
            let ours = self.median(Kind::MariaDb, case);
            let theirs = self.median(Kind::Notary, case);
            let Some(ours) = ours else { continue };
            let goal = case.goal.map_or("–".to_owned(), |[rate, cpu]| {
                format!("{} / {}", short(rate), short(cpu))
            });
            let (title, clients) = (case.scenario.title(), case.clients);
            match theirs {
                Some(theirs) => writeln!(
                    text,
                    "| {title} | {clients} | {} | {} | {} | {} | {goal} |",
                    short(theirs.rate),
                    short(ours.rate),
                    short(ours.rate / theirs.rate),
                    short(theirs.cpu() / ours.cpu()),
                )?,
                None => writeln!(
                    text,
                    "| {title} | {clients} | – | {} | – | – | {goal} |",
                    short(ours.rate)
                )?,
            }
        }
        for measured in &self.measured {
            let Measured {
                stack,
                scenario,
                clients,
                crashes,
                failure,
                ..
            } = measured;
            if *crashes > 0 {
                writeln!(
                    text,
                    "\nAt {scenario} with {clients} clients, the server of {stack} ended by itself \
                     {crashes} times."
                )?;
            }
            if let Some(failure) = failure {
                writeln!(text, "\n{stack} failed at {scenario}: {failure}")?;
            }
        }
        text.push_str("\n![Factors by scenario](performance/factors.svg)\n");
        Ok(text)
    }

    fn latency(&self) -> Result<String> {
        let mut text = String::from(
            "| scenario | clients | Notary p50 / p95 / p99 | ours p50 / p95 / p99 | lost per \
             accepted, Notary / ours |\n| --- | ---: | ---: | ---: | ---: |\n",
        );
        for case in &CASES {
            let Some(ours) = self.median(Kind::MariaDb, case) else {
                continue;
            };
            let times = |round: &Round| {
                [round.p50, round.p95, round.p99]
                    .map(|micros| short(f64::from(micros) / 1e3))
                    .join(" / ")
            };
            let theirs = self.median(Kind::Notary, case);
            writeln!(
                text,
                "| {} | {} | {} | {} | {} / {} |",
                case.scenario.title(),
                case.clients,
                theirs.as_ref().map_or("–".to_owned(), times),
                times(&ours),
                theirs.map_or("–".to_owned(), |round| short(round.lost)),
                short(ours.lost),
            )?;
        }
        Ok(text)
    }

    fn cpu(&self) -> Result<String> {
        let mut text = String::from(
            "| scenario | clients | Notary server / signer / database | ours server / signer / \
             database | generator: each operation, cores |\n\
             | --- | ---: | ---: | ---: | ---: |\n",
        );
        for case in &CASES {
            let Some(ours) = self.median(Kind::MariaDb, case) else {
                continue;
            };
            let parts = |round: &Round| {
                [round.server, round.signer, round.database]
                    .map(short)
                    .join(" / ")
            };
            writeln!(
                text,
                "| {} | {} | {} | {} | {}, {} |",
                case.scenario.title(),
                case.clients,
                self.median(Kind::Notary, case)
                    .as_ref()
                    .map_or("–".to_owned(), parts),
                parts(&ours),
                short(ours.generator),
                short(ours.generator_cores),
            )?;
        }
        Ok(text)
    }

    /// Ours on each database.
    fn databases(&self) -> Result<String> {
        let mut text = String::from(
            "| scenario | clients | MariaDB /s | PostgreSQL /s | factor | SQLite /s | factor |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for case in &CASES {
            let Some(mariadb) = self.median(Kind::MariaDb, case) else {
                continue;
            };
            let beside = |kind| {
                self.median(kind, case)
                    .map_or(["–".to_owned(), "–".to_owned()], |round: Round| {
                        [short(round.rate), short(round.rate / mariadb.rate)]
                    })
            };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                case.scenario.title(),
                case.clients,
                short(mariadb.rate),
                beside(Kind::Postgres).join(" | "),
                beside(Kind::Sqlite).join(" | "),
            )?;
        }
        Ok(text)
    }

    fn count_table(&self) -> Result<String> {
        let mut text = String::from(
            "| operation | programs | statements | round trips | prepares | pings | commits | \
             connections | signatures |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for counts in &self.counts {
            let figures = [
                counts.statements,
                counts.round_trips,
                counts.prepares,
                counts.pings,
                counts.commits,
                counts.connections,
                counts.signer_calls,
            ];
            writeln!(
                text,
                "| {} | {} | {} |",
                counts.scenario,
                counts.stack,
                figures.map(short).join(" | ")
            )?;
        }
        Ok(text)
    }

    fn start_table(&self) -> Result<String> {
        let mut text = String::from(
            "| programs | start to first answer, ms | memory at start, MiB | at most, MiB |\n\
             | --- | ---: | ---: | ---: |\n",
        );
        for started in &self.started {
            writeln!(
                text,
                "| {} | {} | {} | {} |",
                started.stack,
                short(started.milliseconds),
                short(f64::from(started.at_start) / 1024.0),
                short(f64::from(started.after_load) / 1024.0),
            )?;
        }
        Ok(text)
    }

    fn crowd_table(&self) -> Result<String> {
        let mut text = String::from(
            "| programs | beside | pulls /s | p50, ms | p99, ms | p99 by that alone |\n\
             | --- | --- | ---: | ---: | ---: | ---: |\n",
        );
        for crowded in &self.crowded {
            let alone = self
                .crowded
                .iter()
                .find(|other| other.stack == crowded.stack && other.crowd == Crowd::Nobody);
            let factor = alone.map_or("–".to_owned(), |alone| {
                short(f64::from(crowded.p99) / f64::from(alone.p99.max(1)))
            });
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {factor} |",
                crowded.stack,
                crowded.crowd.title(),
                short(crowded.rate),
                short(f64::from(crowded.p50) / 1e3),
                short(f64::from(crowded.p99) / 1e3),
            )?;
        }
        Ok(text)
    }

    fn growth_table(&self) -> Result<String> {
        let mut text = String::from(
            "| what grows | programs | operation | milliseconds by size | factor |\n\
             | --- | --- | --- | --- | ---: |\n",
        );
        for (axis, stack, grown) in self.lines() {
            let operations: [(&str, Time); 2] = [
                ("pull", |grown| grown.pull),
                ("update", |grown| grown.update),
            ];
            for (operation, time) in operations {
                let times = grown.iter().map(|grown| {
                    let time = short(f64::from(time(grown)) / 1e3);
                    format!("{}: {time}", grown.size)
                });
                let factor = grown
                    .first()
                    .zip(grown.last())
                    .map_or(0.0, |(first, last)| {
                        f64::from(time(last)) / f64::from(time(first))
                    });
                writeln!(
                    text,
                    "| {} | {stack} | {operation} | {} | {} |",
                    axis.name(),
                    times.collect::<Vec<_>>().join(", "),
                    short(factor),
                )?;
            }
        }
        for axis in Axis::ALL.map(Axis::name) {
            writeln!(text, "\n![Growth of {axis}](performance/growth-{axis}.svg)")?;
        }
        Ok(text)
    }

    /// What grew, by axis and service.
    fn lines(&self) -> Vec<(Axis, &'static str, Vec<&Grown>)> {
        let mut lines = Vec::new();
        for axis in Axis::ALL {
            for kind in Kind::ALL {
                let of = |grown: &&Grown| grown.axis == axis && grown.stack == kind.name();
                let grown: Vec<&Grown> = self.grown.iter().filter(of).collect();
                if !grown.is_empty() {
                    lines.push((axis, kind.name(), grown));
                }
            }
        }
        lines
    }

    fn plots(&self) -> Result<Vec<(String, String)>> {
        let mut bars = Vec::new();
        for case in &CASES {
            let both = self
                .median(Kind::MariaDb, case)
                .zip(self.median(Kind::Notary, case));
            if let Some((ours, theirs)) = both {
                bars.push(plot::Bars {
                    label: format!("{}, {}", case.scenario.title(), case.clients),
                    values: [ours.rate / theirs.rate, theirs.cpu() / ours.cpu()],
                    goal: case.goal,
                });
            }
        }
        let mut plots = vec![("factors".to_owned(), plot::bars(&bars)?)];
        for axis in Axis::ALL {
            let mut curves = Vec::new();
            for (_, stack, grown) in self.lines().into_iter().filter(|line| line.0 == axis) {
                let curve = |operation: &str, time: Time| plot::Curve {
                    label: format!("{operation}, {stack}"),
                    points: grown
                        .iter()
                        .map(|grown| {
                            let size = u32::try_from(grown.size).map_or(f64::MAX, f64::from);
                            [size, f64::from(time(grown)) / 1e3]
                        })
                        .collect(),
                };
                curves.push(curve("pull", |grown| grown.pull));
                curves.push(curve("update", |grown| grown.update));
            }
            plots.push((
                format!("growth-{}", axis.name()),
                plot::curves(axis.name(), &curves)?,
            ));
        }
        Ok(plots)
    }
}

/// Keeps what was counted, in place of what was counted of the same build, and writes it into the
/// documentation.
pub(crate) fn note_instructions(root: &Path, counted: Vec<Instructions>) -> Result<()> {
    let folder = root.join("docs/performance");
    let file = folder.join("instructions.json");
    let mut all: Vec<Instructions> = match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => Vec::new(),
    };
    all.retain(|old| counted.iter().all(|new| new.build != old.build));
    all.extend(counted);
    fs::create_dir_all(&folder)?;
    fs::write(&file, serde_json::to_vec_pretty(&all)?)?;
    let table = instruction_table(&all)?;
    println!("{table}");
    let page = root.join("docs/performance.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    fs::write(&page, replace_part(&text, "instructions", &table)?)?;
    Ok(())
}

fn instruction_table(all: &[Instructions]) -> Result<String> {
    let mut text = String::from(
        "| operation | build | server: 1,000 instructions | allocations | signer: 1,000 \
         instructions | allocations |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    let mut rows: Vec<&Instructions> = all.iter().collect();
    rows.sort_by_key(|row| row.scenario.clone());
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.scenario,
            row.build,
            row.server.instructions / 1000,
            row.server.allocations,
            row.signer.instructions / 1000,
            row.signer.allocations,
        )?;
    }
    Ok(text)
}

/// A number with about three digits.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Puts `content` between the marks of the part `name`.
fn replace_part(text: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    let (before, after) =
        parts.with_context(|| format!("docs/performance.md lacks the marks of {name}"))?;
    Ok(format!(
        "{before}{begin}\n{}\n\n{end}{after}",
        content.trim_end()
    ))
}

/// The root of the repository that this was built in.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
