//! Several servers and signers on one database at the same time: replicas of ours, and ours beside
//! Notary's during a rolling upgrade.

use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use fixtures::{Key, Named, Part, Publisher, lists};
use harness::{Database, Make, Pair, Sandbox, Trust, http::Answer, rows::FeedFaults};

use crate::renewal::an_expired_timestamp_is_renewed_once;

/// Makes one test of a scenario for each database that several programs can share, and for who is
/// beside ours.
macro_rules! beside_each_other {
    ($($scenario:ident),* $(,)?) => {
        beside_each_other!(@module two_of_ours_on_postgres Postgres COUNTERSIGN $($scenario)*);
        beside_each_other!(@module two_of_ours_on_mariadb MariaDb COUNTERSIGN $($scenario)*);
        beside_each_other!(@module ours_and_gos_on_postgres Postgres NOTARY $($scenario)*);
        beside_each_other!(@module ours_and_gos_on_mariadb MariaDb NOTARY $($scenario)*);
    };
    (@module $module:ident $backend:ident $pair:ident $($scenario:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() -> anyhow::Result<()> {
                    harness::play_beside_notary(harness::Backend::$backend, |sandbox| {
                        super::$scenario(&super::Replicas::start(sandbox, harness::Pair::$pair)?)
                    })
                }
            )*
        }
    };
}

beside_each_other![
    one_of_many_publishes_of_a_version_wins_and_the_others_are_told,
    publishes_of_different_roles_lose_nothing,
    an_expired_timestamp_is_renewed_once,
    what_one_acknowledges_the_other_serves_at_once,
    new_keys_are_made_and_used_by_either,
];

/// Two services on one database.
pub(crate) struct Replicas {
    pub(crate) ours: Trust,
    other: Trust,
    beside: Make,
}

/// One of several publishes at the same moment.
struct Rival {
    publisher: Publisher,
    /// The role that is published.
    role: String,
    /// The bytes of that role.
    file: Vec<u8>,
    server: Make,
    answer: Answer,
}

impl Replicas {
    fn start(sandbox: &Sandbox, beside: Pair) -> Result<Self> {
        let ours = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        Ok(Self {
            other: ours.beside(sandbox, beside)?,
            ours,
            beside: beside.server,
        })
    }

    pub(crate) fn database(&self) -> Result<&Database> {
        self.ours.database()
    }

    /// The two in turn, with who made them.
    fn nth(&self, number: usize) -> (&Trust, Make) {
        if number.is_multiple_of(2) {
            (&self.ours, Make::Countersign)
        } else {
            (&self.other, self.beside)
        }
    }

    /// A repository whose snapshot and timestamp the servers sign, ready to be published.
    pub(crate) fn repository(&self, gun: &str) -> Result<Publisher> {
        let mut publisher = Publisher::new(gun);
        for role in ["timestamp", "snapshot"] {
            let key = self.ours.metadata(gun, &format!("{role}.key"))?;
            publisher = publisher.with_server_key_document(role, &key);
        }
        Ok(publisher)
    }

    /// Publishes everything at the same time, by turns through one and the other.
    fn publish_at_once(&self, updates: Vec<(Publisher, String)>) -> Result<Vec<Rival>> {
        thread::scope(|scope| {
            let publishing: Vec<_> = updates
                .into_iter()
                .enumerate()
                .map(|(number, (publisher, role))| {
                    let (trust, server) = self.nth(number);
                    scope.spawn(move || Rival::publish(trust, server, publisher, role))
                })
                .collect();
            publishing
                .into_iter()
                .map(|rival| rival.join().map_err(|_| anyhow!("a rival panicked"))?)
                .collect()
        })
    }

    /// Asks for the same thing at the same time, by turns from one and the other.
    pub(crate) fn read_at_once(&self, count: usize, path: &str) -> Result<Vec<(Make, Answer)>> {
        thread::scope(|scope| {
            let reading: Vec<_> = (0..count)
                .map(|number| {
                    let (trust, server) = self.nth(number);
                    scope.spawn(move || Ok((server, trust.get(path)?)))
                })
                .collect();
            reading
                .into_iter()
                .map(|reader| reader.join().map_err(|_| anyhow!("a reader panicked"))?)
                .collect()
        })
    }

    /// Checks that every timestamp is in the feed, and once.
    ///
    /// Of two writers at the same moment, Notary 0.7 sometimes takes the other's row for its own
    /// and feeds what it did not store; no such thing may come from ours.
    pub(crate) fn feed_is_true(&self) -> Result<()> {
        let mut faults = FeedFaults::find(self.database()?)?;
        if self.beside == Make::Notary {
            faults.invented.clear();
        }
        ensure!(faults == FeedFaults::default(), "{faults:?}");
        Ok(())
    }
}

impl Rival {
    fn publish(
        trust: &Trust,
        server: Make,
        mut publisher: Publisher,
        role: String,
    ) -> Result<Self> {
        let parts = publisher.next(&[role.as_str()]);
        let answer = trust.publish(publisher.gun(), &parts)?;
        let (_, file) = parts.into_iter().next().context("nothing to publish")?;
        Ok(Self {
            publisher,
            role,
            file,
            server,
            answer,
        })
    }
}

fn one_of_many_publishes_of_a_version_wins_and_the_others_are_told(
    replicas: &Replicas,
) -> Result<()> {
    const ROUNDS: usize = 12;
    const RIVALS: usize = 6;
    const GUN: &str = "example.com/contested";
    let mut publisher = replicas.repository(GUN)?;
    let first = publisher.first_publish();
    replicas.ours.publish(GUN, &first)?.ok()?;

    for round in 0..ROUNDS {
        let updates = (0..RIVALS).map(|rival| {
            let mut publisher = publisher.clone();
            publisher.add_target("targets", &format!("{round}-{rival}"), b"content");
            (publisher, "targets".to_owned())
        });
        let rivals = replicas.publish_at_once(updates.collect())?;

        let version = publisher.targets.version() + 1;
        let stored = replicas
            .ours
            .metadata(GUN, &format!("{version}.targets.json"))?;
        for rival in &rivals {
            let (won, told) = (rival.file == stored, rival.answer.status == 200);
            if rival.server == Make::Countersign {
                ensure!(won == told, "won: {won}, but told {}", rival.answer);
                ensure!(
                    told || rival.answer.refuses_with("VERSION"),
                    "{}",
                    rival.answer
                );
            }
        }
        let winner = rivals.into_iter().find(|rival| rival.file == stored);
        publisher = winner.context("nobody won")?.publisher;
    }
    replicas.feed_is_true()
}

fn publishes_of_different_roles_lose_nothing(replicas: &Replicas) -> Result<()> {
    const ROUNDS: usize = 6;
    const GUN: &str = "example.com/shared";
    const DELEGATES: [&str; 4] = ["a", "b", "c", "d"];
    let mut owner = replicas.repository(GUN)?;
    for name in DELEGATES {
        owner.delegate("targets", name, &[Key::throw_away_ecdsa()], &[""], 1);
    }
    let first = owner.first_publish();
    replicas.ours.publish(GUN, &first)?.ok()?;

    let mut delegates = DELEGATES.map(|name| (owner.clone(), format!("targets/{name}")));
    for round in 0..ROUNDS {
        for (publisher, role) in &mut delegates {
            publisher.add_target(role, &format!("v{round}"), b"content");
        }
        let rivals = replicas.publish_at_once(delegates.to_vec())?;
        for (rival, delegate) in rivals.iter().zip(&mut delegates) {
            if rival.server == Make::Countersign {
                ensure!(
                    rival.answer.status == 200,
                    "{}: {}",
                    rival.role,
                    rival.answer
                );
            }
            // A publisher that Notary refused tries again with the next round.
            if rival.answer.status == 200 {
                delegate.0 = rival.publisher.clone();
            }
        }
        let snapshot = replicas.ours.metadata(GUN, "snapshot.json")?;
        for rival in rivals
            .iter()
            .filter(|rival| rival.server == Make::Countersign)
        {
            ensure!(
                lists(&snapshot, &rival.role, &rival.file),
                "{} was lost",
                rival.role
            );
        }
    }
    replicas.feed_is_true()
}

fn what_one_acknowledges_the_other_serves_at_once(replicas: &Replicas) -> Result<()> {
    const ROUNDS: usize = 10;
    const GUN: &str = "example.com/watched";
    let mut publisher = replicas.repository(GUN)?;
    let mut parts = publisher.first_publish();
    for round in 0..ROUNDS {
        let ((one, _), (other, reader)) = (replicas.nth(round), replicas.nth(round + 1));
        one.publish(GUN, &parts)?.ok()?;
        for (role, file) in &parts {
            let served = other.metadata(GUN, &format!("{role}.json"))?;
            ensure!(served == *file, "{reader:?} serves an older {role}");
        }
        publisher.add_target("targets", &format!("v{round}"), b"content");
        parts = publisher.next(&["targets"]);
    }

    replicas.other.delete(GUN)?.ok()?;
    for file in ["root.json", "timestamp.json", "targets.json", "1.root.json"] {
        let path = format!("/v2/{GUN}/_trust/tuf/{file}");
        ensure!(
            replicas.ours.read(&path)?.is_none(),
            "{file} is still there"
        );
    }
    // A new one begins from the start, on both.
    let mut anew = replicas.repository(GUN)?;
    let parts = anew.first_publish();
    replicas.ours.publish(GUN, &parts)?.ok()?;
    served_by_both(replicas, GUN, &parts)
}

fn served_by_both(replicas: &Replicas, gun: &str, parts: &[Part]) -> Result<()> {
    for trust in [&replicas.ours, &replicas.other] {
        for (role, file) in parts {
            let served = trust.metadata(gun, &format!("{role}.json"))?;
            ensure!(served == *file, "another {role} is served");
        }
    }
    Ok(())
}

fn new_keys_are_made_and_used_by_either(replicas: &Replicas) -> Result<()> {
    const READERS: usize = 6;
    for round in 0..4 {
        let gun = format!("example.com/new/{round}");
        let answers =
            replicas.read_at_once(READERS, &format!("/v2/{gun}/_trust/tuf/timestamp.key"))?;
        let keys: Vec<Vec<u8>> = answers
            .into_iter()
            .map(|(_, answer)| answer.ok())
            .collect::<Result<_>>()?;
        // Notary 0.7 may make several keys at the same moment; all of them can be used.
        if replicas.beside == Make::Countersign {
            let one: Named = Named::from_document(&serde_json::from_slice(&keys[0])?);
            for key in &keys {
                let key = Named::from_document(&serde_json::from_slice(key)?);
                ensure!(key == one, "two keys were made for {gun}");
            }
        }
        // Handed out by one, used by the other.
        let mut publisher = replicas
            .repository(&gun)?
            .with_server_key_document("timestamp", keys.last().context("no key")?);
        let parts = publisher.first_publish();
        replicas.nth(round).0.publish(&gun, &parts)?.ok()?;
        served_by_both(replicas, &gun, &parts)?;
        let next = publisher.next(&["targets"]);
        replicas.nth(round + 1).0.publish(&gun, &next)?.ok()?;
        let timestamp = replicas.ours.metadata(&gun, "timestamp.json")?;
        ensure!(
            publisher.trusts("timestamp", &timestamp),
            "it is badly signed"
        );
    }
    Ok(())
}
