//! What a service holds for the measurements, and the work made of it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, Result};
use fixtures::Publisher;
use time::OffsetDateTime;

use crate::{
    case::{Case, Scenario},
    client::{Client, Connections},
    drive::{Outcome, Work, drive, runtime},
    owner::{Contested, Owner, Pulled, path_of, version_of},
    stack::Stack,
};

/// Repositories that each client pulls for the first time.
const COLD: usize = 40;

/// Entries of the pages of the changefeed that are asked for.
const PAGE: usize = 100;

/// The repositories of one service.
pub(crate) struct Ground {
    now: OffsetDateTime,
    /// Owners by number of targets and client, unless they are at work.
    owners: HashMap<(usize, usize), Owner>,
    contested: Option<Contested>,
    created: usize,
    cold: Vec<Pulled>,
    has_feed: bool,
    /// Operations a second, by case, as the last round had it.
    rates: HashMap<(String, usize), f64>,
}

impl Ground {
    pub(crate) fn new(now: OffsetDateTime) -> Self {
        Self {
            now,
            owners: HashMap::new(),
            contested: None,
            created: 0,
            cold: Vec::new(),
            has_feed: false,
            rates: HashMap::new(),
        }
    }

    /// Forgets the repositories that publishes may have left half known.
    pub(crate) fn forget_owners(&mut self) {
        self.owners.clear();
    }

    /// Measures one round of `case` on `stack`.
    pub(crate) fn round(
        &mut self,
        stack: &mut Stack,
        case: Case,
        time: Duration,
    ) -> Result<Outcome> {
        let key = (case.scenario.name(), case.clients);
        let rate = self.rates.get(&key).copied();
        let connections = match case.scenario {
            Scenario::PullAsDocker => Connections::New,
            _ => Connections::Kept,
        };
        let works = self.works(stack, case, wanted(case, time, rate))?;
        if case.scenario == Scenario::PullCold {
            stack.restart()?;
            stack.settle()?;
        }
        let (works, outcome) = drive(stack, works, connections, time)?;
        self.take_back(case, works);
        let done = u32::try_from(outcome.took.len()).unwrap_or(u32::MAX);
        self.rates.insert(key, f64::from(done) / outcome.seconds);
        Ok(outcome)
    }

    /// Work for every client of `case`, enough for `count` operations of each.
    pub(crate) fn works(&mut self, stack: &Stack, case: Case, count: usize) -> Result<Vec<Work>> {
        let runtime = runtime()?;
        let mut client = stack.target()?.client(Connections::Kept);
        let clients = 0..case.clients;
        runtime.block_on(async {
            match case.scenario {
                Scenario::Pull => self.pulls(&mut client, case.clients, Pulled::all).await,
                Scenario::PullAsDocker => {
                    let parts = Pulled::for_docker;
                    self.pulls(&mut client, case.clients, parts).await
                }
                Scenario::Timestamp => {
                    let parts = |pulled: Pulled| vec![pulled.timestamp];
                    self.pulls(&mut client, case.clients, parts).await
                }
                Scenario::PullCold => {
                    self.fill_cold(&mut client).await?;
                    let all = || self.cold.iter().cloned().map(Pulled::all);
                    Ok(clients.map(|_| Work::Walk(all().collect())).collect())
                }
                Scenario::Absence => {
                    let path = |number| path_of(&format!("example.com/none/{number}"), "root.json");
                    let paths: Vec<String> = (0..1000).map(path).collect();
                    let work = |number| Work::Miss {
                        paths: paths.clone(),
                        turn: number * 100,
                    };
                    Ok(clients.map(work).collect())
                }
                Scenario::Changefeed => {
                    self.fill_feed(&mut client).await?;
                    let work = |_| Work::Feed {
                        path: format!("/v2/_trust/changefeed?change_id=0&records={PAGE}"),
                        count: format!("\"count\":{PAGE}"),
                    };
                    Ok(clients.map(work).collect())
                }
                Scenario::Update { targets } => {
                    let mut works = Vec::new();
                    for number in clients {
                        let mut owner = self.owner(&mut client, targets, number).await?;
                        owner.prepare(count);
                        works.push(Work::Update(Box::new(owner)));
                    }
                    Ok(works)
                }
                Scenario::Race => self.race(&mut client, case.clients, count).await,
                Scenario::NewRepository => Ok(clients
                    .map(|_| Work::Create(self.new_repositories(count)))
                    .collect()),
            }
        })
    }

    /// Keeps what the clients have left.
    pub(crate) fn take_back(&mut self, case: Case, works: Vec<Work>) {
        let Scenario::Update { targets } = case.scenario else {
            return;
        };
        for (number, work) in works.into_iter().enumerate() {
            if let Work::Update(owner) = work {
                self.owners.insert((targets, number), *owner);
            }
        }
    }

    /// The owner of a repository of this size; who is at work is replaced by a new one.
    pub(crate) async fn owner(
        &mut self,
        client: &mut Client,
        targets: usize,
        number: usize,
    ) -> Result<Owner> {
        if let Some(owner) = self.owners.remove(&(targets, number)) {
            return Ok(owner);
        }
        self.created += 1;
        let gun = format!("example.com/sized/{targets}/{number}/{}", self.created);
        Owner::create(client, &gun, targets, self.now).await
    }

    async fn pulls(
        &mut self,
        client: &mut Client,
        clients: usize,
        parts: impl Fn(Pulled) -> Vec<(String, bytes::Bytes)>,
    ) -> Result<Vec<Work>> {
        // A size of its own, so that no other case publishes into them.
        const TARGETS: usize = 11;
        let mut works = Vec::new();
        for number in 0..clients {
            let owner = self.owner(client, TARGETS, number).await?;
            works.push(Work::Fetch(parts(owner.pull(client).await?)));
            self.owners.insert((TARGETS, number), owner);
        }
        Ok(works)
    }

    async fn fill_cold(&mut self, client: &mut Client) -> Result<()> {
        while self.cold.len() < COLD {
            let gun = format!("example.com/cold/{}", self.cold.len());
            let owner = Owner::create(client, &gun, 10, self.now).await?;
            self.cold.push(owner.pull(client).await?);
        }
        Ok(())
    }

    async fn fill_feed(&mut self, client: &mut Client) -> Result<()> {
        if !self.has_feed {
            let mut owner = self.owner(client, 10, 0).await?;
            owner.prepare(PAGE);
            while let Some(body) = owner.next() {
                client.publish(owner.gun(), body).await?.ok()?;
            }
            self.owners.insert((10, 0), owner);
            self.has_feed = true;
        }
        Ok(())
    }

    async fn race(
        &mut self,
        client: &mut Client,
        writers: usize,
        count: usize,
    ) -> Result<Vec<Work>> {
        const GUN: &str = "example.com/contested";
        if self.contested.is_none() {
            let made = Contested::create(client, GUN, writers, self.now).await?;
            self.contested = Some(made);
        }
        let contested = self.contested.as_mut().context("just made")?;
        let current = client.get(&path_of(GUN, "targets.json")).await?.ok()?;
        contested.prepare(version_of(&current)? + 1, count);
        Ok(contested.rivals().into_iter().map(Work::Race).collect())
    }

    fn new_repositories(&mut self, count: usize) -> VecDeque<Publisher> {
        let make = |_| {
            self.created += 1;
            Publisher::at(&format!("example.com/new/{}", self.created), self.now)
        };
        (0..count).map(make).collect()
    }
}

/// How many operations a client may come to within `time`: half more than at the `rate` of the
/// last round, or what the first round is given.
fn wanted(case: Case, time: Duration, rate: Option<f64>) -> usize {
    const FIRST: f64 = 400.0;
    if matches!(case.scenario, Scenario::Update { targets: 10_000.. }) {
        return 6;
    }
    // In a race all versions are each client's.
    let clients = match case.scenario {
        Scenario::Race => 1,
        _ => u32::try_from(case.clients).unwrap_or(1),
    };
    let each = rate.unwrap_or(FIRST) * 1.5 * time.as_secs_f64() / f64::from(clients);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand at most, and above 0"
    )]
    let each = each as usize;
    each.clamp(16, 20_000)
}
