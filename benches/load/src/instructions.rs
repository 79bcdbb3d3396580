//! Instructions and allocations of one operation, counted by valgrind: figures that another machine
//! finds too.
//!
//! The programs have to run under callgrind, which `benches/instructions` sees to. It counts while
//! a few operations run one after the other, and writes what it counted into a file for each
//! process.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Scenario},
    client::Connections,
    drive::{Work, drive},
    ground::Ground,
    stack::Stack,
};

/// What one operation takes of one build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instructions {
    /// Which build this is.
    pub(crate) build: String,
    pub(crate) scenario: String,
    pub(crate) server: Effort,
    pub(crate) signer: Effort,
}

/// Instructions and allocations of one process for one operation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Effort {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// The scenarios, and how many of their operations are counted.
const COUNTED: [(Scenario, usize); 3] = [
    (Scenario::Pull, 40),
    (Scenario::Update { targets: 10 }, 40),
    (Scenario::NewRepository, 20),
];

/// Counts on `stack`, whose programs write their files into `folder`.
pub(crate) fn count(
    stack: &Stack,
    ground: &mut Ground,
    folder: &Path,
    build: &str,
) -> Result<Vec<Instructions>> {
    let programs = [stack.trust.server()?.id(), stack.trust.signer()?.id()];
    COUNTED
        .into_iter()
        .map(|(scenario, count)| {
            let case = Case {
                scenario,
                clients: 1,
                is_quick: true,
                goal: None,
            };
            // Once for what only the first operations need.
            run(stack, ground, case, 8)?;
            for process in programs {
                control(process, &["-i", "on"])?;
                control(process, &["-z"])?;
            }
            run(stack, ground, case, count)?;
            let mut efforts = Vec::new();
            for process in programs {
                control(process, &["-d"])?;
                control(process, &["-i", "off"])?;
                efforts.push(Effort::read(&newest(folder, process)?, count)?);
            }
            Ok(Instructions {
                build: build.to_owned(),
                scenario: scenario.name(),
                server: efforts[0],
                signer: efforts[1],
            })
        })
        .collect()
}

/// Runs exactly `count` operations.
fn run(stack: &Stack, ground: &mut Ground, case: Case, count: usize) -> Result<()> {
    let works = ground.works(stack, case, count)?;
    let works = works
        .into_iter()
        .map(|work| match work {
            Work::Fetch(expected) => Work::Walk(vec![expected; count].into()),
            work => work,
        })
        .collect();
    let (works, outcome) = drive(stack, works, Connections::Kept, crate::LONG)?;
    ground.take_back(case, works);
    let done = outcome.took.len();
    ensure!(done == count, "{done} operations instead of {count}");
    Ok(())
}

/// Tells callgrind in a process what to do.
fn control(process: u32, command: &[&str]) -> Result<()> {
    let done = Command::new("callgrind_control")
        .args(command)
        .arg(process.to_string())
        .output()
        .context("callgrind_control is missing: apt-get install valgrind")?;
    ensure!(
        done.status.success(),
        "callgrind_control {command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

/// The file that callgrind wrote last for a process.
fn newest(folder: &Path, process: u32) -> Result<PathBuf> {
    let prefix = format!("callgrind.{process}.");
    let number = |path: &PathBuf| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(&prefix)?.parse().ok()
    };
    fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| number(path).is_some())
        .max_by_key(number)
        .with_context(|| format!("callgrind wrote nothing for process {process}"))
}

impl Effort {
    /// Reads a file of callgrind's about `count` operations.
    fn read(file: &Path, count: usize) -> Result<Self> {
        const ALLOCATIONS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];
        let text = fs::read_to_string(file)?;
        let (mut instructions, mut allocations): (u64, u64) = (0, 0);
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut callee = "";
        for line in text.lines() {
            if let Some(total) = line.strip_prefix("summary: ") {
                instructions += total.trim().parse::<u64>()?;
            } else if let Some(name) = line.strip_prefix("fn=").or(line.strip_prefix("cfn=")) {
                // A name is written once, after its number.
                let (number, name) = name.split_once(' ').unwrap_or((name, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                if line.starts_with('c') {
                    callee = names.get(number).copied().unwrap_or_default();
                }
            } else if let Some(calls) = line.strip_prefix("calls=")
                && ALLOCATIONS.contains(&callee)
            {
                let calls = calls.split(' ').next().unwrap_or_default();
                allocations += calls.parse::<u64>()?;
            }
        }
        ensure!(instructions > 0, "{} counts nothing", file.display());
        let count = u64::try_from(count)?;
        Ok(Self {
            instructions: instructions / count,
            allocations: allocations / count,
        })
    }
}
