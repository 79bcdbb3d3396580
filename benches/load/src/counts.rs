//! What an operation costs in statements, round trips, commits and signatures: both programs reach
//! their database through a wiretap while a few operations run one after the other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Routes, Wiretap};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Scenario},
    client::Connections,
    drive::drive,
    ground::Ground,
    stack::{Kind, Stack},
};

/// How long operations are counted, and how many there may be.
const TIME: Duration = Duration::from_millis(400);
const ENOUGH: usize = 1000;

/// What one operation costs on average, of both programs together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) stack: String,
    pub(crate) scenario: String,
    pub(crate) statements: f64,
    pub(crate) round_trips: f64,
    pub(crate) prepares: f64,
    pub(crate) pings: f64,
    pub(crate) commits: f64,
    pub(crate) connections: f64,
    pub(crate) signer_calls: f64,
}

/// The scenarios whose counts say something of their own.
const COUNTED: [Scenario; 6] = [
    Scenario::Pull,
    Scenario::Timestamp,
    Scenario::Absence,
    Scenario::Changefeed,
    Scenario::Update { targets: 10 },
    Scenario::NewRepository,
];

/// Counts every scenario on `stack`; nothing where there is no database server to listen to.
pub(crate) fn count(stack: &mut Stack, ground: &mut Ground) -> Result<Vec<Counts>> {
    if stack.kind == Kind::Sqlite {
        return Ok(Vec::new());
    }
    let tap = Wiretap::before(stack.database()?)?;
    stack.reroute(Routes {
        database: Some(tap.address()),
        ..Routes::default()
    })?;
    let counts = COUNTED
        .into_iter()
        .map(|scenario| count_one(stack, ground, &tap, scenario))
        .collect();
    stack.reroute(Routes::default())?;
    counts
}

fn count_one(
    stack: &Stack,
    ground: &mut Ground,
    tap: &Wiretap,
    scenario: Scenario,
) -> Result<Counts> {
    let case = Case {
        scenario,
        clients: 1,
        is_quick: true,
        goal: None,
    };
    // Once for what only the first operation needs.
    let mut counts = None;
    for _ in 0..2 {
        let works = ground.works(stack, case, ENOUGH)?;
        let (calls, before) = (stack.signer_calls()?, tap.talk());
        let (works, outcome) = drive(stack, works, Connections::Kept, TIME)?;
        let talk = tap.talk() - before;
        let calls = stack.signer_calls()? - calls;
        ground.take_back(case, works);
        let each = |total: u64| {
            let whole = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from);
            whole(total) / whole(u64::try_from(outcome.took.len()).unwrap_or(u64::MAX))
        };
        counts = Some(Counts {
            stack: stack.kind.name().to_owned(),
            scenario: scenario.name(),
            statements: each(talk.statements),
            round_trips: each(talk.round_trips),
            prepares: each(talk.prepares),
            pings: each(talk.pings),
            commits: each(talk.commits),
            connections: each(talk.connections),
            signer_calls: each(calls),
        });
    }
    counts.context("it was counted twice")
}
