//! Whether pulls stay quick in a crowd: beside connections that do nothing, and beside publishes of
//! many repositories.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Scenario},
    client::{Client, Connections},
    drive::{drive, runtime},
    ground::Ground,
    measure::percentile,
    stack::{Kind, Stack},
};

/// How 8 clients fared that pulled all the time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Crowded {
    pub(crate) stack: String,
    pub(crate) crowd: Crowd,
    /// Pulls a second.
    pub(crate) rate: f64,
    /// Microseconds of a pull.
    pub(crate) p50: u32,
    pub(crate) p99: u32,
}

/// Who else is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crowd {
    Nobody,
    /// So many connections that have asked once.
    Idle(usize),
    /// So many clients, each of which publishes into a repository of its own all the time.
    Publishers(usize),
}

impl Crowd {
    pub(crate) fn title(self) -> String {
        match self {
            Self::Nobody => "nobody else".to_owned(),
            Self::Idle(count) => format!("{count} idle connections"),
            Self::Publishers(count) => format!("{count} publishers"),
        }
    }
}

const PULL: Case = Case {
    scenario: Scenario::Pull,
    clients: 8,
    is_quick: false,
    goal: None,
};

/// How long each measurement takes.
const TIME: Duration = Duration::from_secs(5);

pub(crate) fn measure(
    stack: &mut Stack,
    ground: &mut Ground,
    crowded: &mut Vec<Crowded>,
) -> Result<()> {
    let crowds: &[Crowd] = match stack.kind {
        // Its memory for connections is not what is compared here.
        Kind::Notary => &[Crowd::Nobody, Crowd::Publishers(100)],
        _ => &[
            Crowd::Nobody,
            Crowd::Idle(2_000),
            Crowd::Idle(10_000),
            Crowd::Publishers(100),
        ],
    };
    for &crowd in crowds {
        let took = match crowd {
            Crowd::Nobody => pull(stack, ground)?,
            Crowd::Idle(count) => {
                let runtime = runtime()?;
                let held = runtime.block_on(hold(stack, count))?;
                // Their ends are served by the runtime, which stands still meanwhile.
                let took = pull(stack, ground)?;
                drop(held);
                took
            }
            Crowd::Publishers(count) => pull_beside_publishers(stack, ground, count)?,
        };
        crowded.push(Crowded {
            stack: stack.kind.name().to_owned(),
            crowd,
            rate: f64::from(u32::try_from(took.len())?) / TIME.as_secs_f64(),
            p50: percentile(&took, 50),
            p99: percentile(&took, 99),
        });
    }
    Ok(())
}

/// Microseconds of each pull, sorted.
fn pull(stack: &Stack, ground: &mut Ground) -> Result<Vec<u32>> {
    let works = ground.works(stack, PULL, 0)?;
    Ok(drive(stack, works, Connections::Kept, TIME)?.1.took)
}

/// Connections that have asked once and are kept.
async fn hold(stack: &Stack, count: usize) -> Result<Vec<Client>> {
    let target = stack.target()?;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = target.client(Connections::Kept);
        client.get("/v2/").await?.ok()?;
        held.push(client);
    }
    Ok(held)
}

fn pull_beside_publishers(stack: &Stack, ground: &mut Ground, count: usize) -> Result<Vec<u32>> {
    const EACH: usize = 400;
    let case = Case {
        scenario: Scenario::Update { targets: 10 },
        clients: count,
        ..PULL
    };
    let publishes = ground.works(stack, case, EACH)?;
    let pulls = ground.works(stack, PULL, 0)?;
    let took = thread::scope(|scope| {
        let (begun, begins) = channel();
        let crowd = scope.spawn(move || {
            begun.send(Instant::now()).ok();
            // They begin before the pulls and end after them.
            drive(stack, publishes, Connections::Kept, TIME * 2)
        });
        begins.recv()?;
        thread::sleep(TIME / 2);
        let took = drive(stack, pulls, Connections::Kept, TIME)?.1.took;
        crowd
            .join()
            .map_err(|_| anyhow!("a publisher panicked"))??;
        anyhow::Ok(took)
    })?;
    ground.forget_owners();
    Ok(took)
}
