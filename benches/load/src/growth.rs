//! Whether an operation costs the same when there is more: repositories, versions, targets.
//!
//! Repositories are copied by SQL, rows of files, feed and keys alike; versions are published by
//! programs of ours into each database, Notary's too, since these are faster.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use harness::{Owner as Program, Pair, Placement, Sandbox};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    client::{Connections, Target},
    drive::{Work, drive, runtime},
    measure::percentile,
    owner::{Expected, Owner, Pulled},
    stack::{Kind, Stack},
};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Axis {
    Repositories,
    Versions,
    Targets,
}

/// Microseconds of one operation, by the median, where there are so many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grown {
    pub(crate) axis: Axis,
    pub(crate) size: usize,
    pub(crate) stack: String,
    /// A pull of what is not remembered (of what is, for targets), and an update.
    pub(crate) pull: u32,
    pub(crate) update: u32,
}

impl Axis {
    pub(crate) const ALL: [Self; 3] = [Self::Repositories, Self::Versions, Self::Targets];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Versions => "versions",
            Self::Targets => "targets",
        }
    }

    fn sizes(self, is_quick: bool) -> &'static [usize] {
        match (self, is_quick) {
            (Self::Repositories, false) => &[100, 1_000, 10_000, 100_000],
            (Self::Versions | Self::Targets, false) => &[10, 100, 1_000, 10_000],
            (Self::Repositories, true) => &[100, 5_000],
            (Self::Versions, true) => &[10, 500],
            (Self::Targets, true) => &[10, 1_000],
        }
    }
}

/// Lets one service grow along `axis`, and adds what was measured to `grown`.
pub(crate) fn grow(
    sandbox: &Sandbox,
    stack: &mut Stack,
    axis: Axis,
    is_quick: bool,
    now: OffsetDateTime,
    grown: &mut Vec<Grown>,
) -> Result<()> {
    if stack.kind == Kind::Sqlite && axis != Axis::Targets {
        return Ok(());
    }
    let gun = format!("example.com/grown/{}", axis.name());
    let mut owner = create(stack, &gun, 10, now)?;
    let template = pull(stack, &owner)?;
    let mut before = 0;
    for &size in axis.sizes(is_quick) {
        let walk = match axis {
            Axis::Repositories => {
                fill(stack, &gun, before, size)?;
                stack.restart()?;
                stack.settle()?;
                walk_over(&template, &gun, size)
            }
            Axis::Versions => {
                age(sandbox, stack, &mut owner, size)?;
                stack.restart()?;
                stack.settle()?;
                vec![pull(stack, &owner)?.all(); SAMPLES]
            }
            Axis::Targets => {
                owner = create(stack, &format!("{gun}/{size}"), size, now)?;
                vec![pull(stack, &owner)?.all(); SAMPLES]
            }
        };
        let work = Work::Walk(walk.into());
        let (_, pulls) = drive(stack, vec![work], Connections::Kept, LONGEST)?;
        owner.prepare(if size > 1_000 && axis == Axis::Targets {
            20
        } else {
            SAMPLES
        });
        let work = Work::Update(Box::new(owner));
        let (mut works, updates) = drive(stack, vec![work], Connections::Kept, LONGEST)?;
        let Some(Work::Update(same)) = works.pop() else {
            anyhow::bail!("the owner is lost");
        };
        owner = *same;
        grown.push(Grown {
            axis,
            size,
            stack: stack.kind.name().to_owned(),
            pull: percentile(&pulls.took, 50),
            update: percentile(&updates.took, 50),
        });
        before = size;
    }
    Ok(())
}

/// How many pulls and updates are measured at each size, and for how long at most.
const SAMPLES: usize = 150;
const LONGEST: Duration = Duration::from_secs(6);

fn create(stack: &Stack, gun: &str, targets: usize, now: OffsetDateTime) -> Result<Owner> {
    let mut client = stack.target()?.client(Connections::Kept);
    runtime()?.block_on(Owner::create(&mut client, gun, targets, now))
}

fn pull(stack: &Stack, owner: &Owner) -> Result<Pulled> {
    let mut client = stack.target()?.client(Connections::Kept);
    runtime()?.block_on(owner.pull(&mut client))
}

/// Pulls of copies of a repository, spread over all of them, so that hardly any is remembered.
fn walk_over(template: &Pulled, gun: &str, size: usize) -> Vec<Vec<Expected>> {
    // Coprime to every size, so that no repository comes twice.
    const STRIDE: usize = 7_919;
    (0..SAMPLES.min(size))
        .map(|number| {
            let copy = copy_of(gun, (number * STRIDE) % size + 1);
            let moved = |(path, bytes): (String, Bytes)| (path.replacen(gun, &copy, 1), bytes);
            template.clone().all().into_iter().map(moved).collect()
        })
        .collect()
}

fn copy_of(gun: &str, number: usize) -> String {
    format!("{gun}/copy/{number}")
}

/// Copies the rows of `gun` until there are `size` copies of it, `before` of which are there.
fn fill(stack: &Stack, gun: &str, before: usize, size: usize) -> Result<()> {
    const AT_ONCE: usize = 5_000;
    let database = stack.database()?;
    let is_postgres = stack.kind == Kind::Postgres;
    let mut statements = [String::new(), String::new()];
    let mut first = before + 1;
    while first <= size {
        let last = (first + AT_ONCE - 1).min(size);
        let numbers = if is_postgres {
            format!("(SELECT generate_series({first}, {last}) AS seq) AS numbers")
        } else {
            format!("seq_{first}_to_{last} AS numbers")
        };
        let copy = "CONCAT(t.gun, '/copy/', numbers.seq)";
        let id = if is_postgres {
            "encode(sha256(convert_to(CONCAT(t.key_id, numbers.seq), 'UTF8')), 'hex')"
        } else {
            "SHA2(CONCAT(t.key_id, numbers.seq), 256)"
        };
        // In the order in which it would have been published: repository by repository.
        writeln!(
            statements[0],
            "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, data, sha256)
             SELECT t.created_at, t.updated_at, {copy}, t.role, t.version, t.data, t.sha256
             FROM tuf_files t CROSS JOIN {numbers} WHERE t.gun = '{gun}' AND t.version = 1
             ORDER BY numbers.seq;
             INSERT INTO changefeed (created_at, gun, version, sha256, category)
             SELECT t.created_at, {copy}, t.version, t.sha256, t.category
             FROM changefeed t CROSS JOIN {numbers} WHERE t.gun = '{gun}' AND t.version = 1
             ORDER BY numbers.seq;"
        )?;
        writeln!(
            statements[1],
            "INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, \
             keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, last_used)
             SELECT t.created_at, t.updated_at, {id}, t.encryption_alg, t.keywrap_alg, \
             t.algorithm, t.passphrase_alias, t.public, t.private, {copy}, t.role, t.last_used
             FROM private_keys t CROSS JOIN {numbers} WHERE t.gun = '{gun}'
             ORDER BY numbers.seq;"
        )?;
        first = last + 1;
    }
    database.administer(Program::Server, &statements[0])?;
    database.administer(Program::Signer, &statements[1])?;
    Ok(())
}

/// Publishes until the repository has `size` versions.
fn age(sandbox: &Sandbox, stack: &Stack, owner: &mut Owner, size: usize) -> Result<()> {
    let missing = i64::try_from(size)?.saturating_sub(owner.version());
    let Ok(missing @ 1..) = usize::try_from(missing) else {
        return Ok(());
    };
    let helper = Placement {
        name: format!("{}-helper", stack.kind.name()),
        database: stack.database.clone(),
        settings: json!({"server": {"key_requests_per_minute": 0}}),
        ..Placement::default()
    };
    let helper = harness::Trust::place(sandbox, Pair::COUNTERSIGN, helper)?;
    let mut client = Target::new(helper.address(), helper.authority())?.client(Connections::Kept);
    runtime()?.block_on(async {
        for _ in 0..missing {
            owner.prepare(1);
            let body = owner.next().context("just made")?;
            client.publish(owner.gun(), body).await?.ok()?;
        }
        Ok(())
    })
}
