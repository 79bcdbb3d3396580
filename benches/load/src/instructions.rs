//! Instructions and allocations of one operation, counted by valgrind: figures that another machine
//! finds too. It counts while a few operations run one after the other.

use anyhow::{Result, ensure};
use harness::{Callgrind, Effort};
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
    pub(crate) server: Each,
    pub(crate) signer: Each,
}

/// Instructions and allocations of one process for one operation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Each {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// The scenarios, and how many of their operations are counted.
const COUNTED: [(Scenario, usize); 3] = [
    (Scenario::Pull, 40),
    (Scenario::Update { targets: 10 }, 40),
    (Scenario::NewRepository, 20),
];

/// Counts on `stack`, whose programs run under `callgrind`.
pub(crate) fn count(
    stack: &Stack,
    ground: &mut Ground,
    callgrind: &Callgrind,
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
                callgrind.begin(process)?;
            }
            run(stack, ground, case, count)?;
            let [server, signer] = programs.map(|process| callgrind.end(process));
            Ok(Instructions {
                build: build.to_owned(),
                scenario: scenario.name(),
                server: Each::of(server?, count)?,
                signer: Each::of(signer?, count)?,
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

impl Each {
    fn of(all: Effort, count: usize) -> Result<Self> {
        let count = u64::try_from(count)?;
        Ok(Self {
            instructions: all.instructions / count,
            allocations: all.allocations / count,
        })
    }
}
