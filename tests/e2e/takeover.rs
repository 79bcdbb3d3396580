//! Taking over what Notary has run so far, in place, and giving it back: the same files, the same
//! databases, and users of them who may do no more than change rows.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use fixtures::Publisher;
use harness::{
    Cli, Collaborator, Engine, Pair, Person, Sandbox, Trust,
    balancer::Balancer,
    rows::{FeedFaults, Rows},
};

use crate::delegations;

on_databases_of_notary![
    a_service_is_taken_over_in_place_and_given_back,
    the_programs_are_exchanged_one_at_a_time,
    a_service_is_taken_over_without_a_pause_and_given_back,
];

/// Repositories beside those that people work on: too many to sign them again.
const CROWD: usize = 100;

fn a_service_is_taken_over_in_place_and_given_back(sandbox: &Sandbox) -> Result<()> {
    let mut trust = Trust::start(sandbox, Pair::NOTARY)?;
    let mut images = Images::made(sandbox, &trust)?;
    let mut people = People::at_work(sandbox, &trust)?;
    let mut crowd = Crowd::published(&trust, CROWD)?;

    for (word, pair) in [("ours", Pair::COUNTERSIGN), ("back", Pair::NOTARY)] {
        hand_over(&mut trust, pair, |trust| {
            crowd.is_as_it_was(trust)?;
            people.go_on(sandbox, trust, word)?;
            images.go_on(sandbox, trust, word)?;
            crowd.goes_on(trust)
        })
        .with_context(|| format!("with {pair:?}"))?;
    }
    Ok(())
}

fn the_programs_are_exchanged_one_at_a_time(sandbox: &Sandbox) -> Result<()> {
    let mut trust = Trust::start(sandbox, Pair::NOTARY)?;
    let mut people = People::at_work(sandbox, &trust)?;

    for (word, pair) in [
        ("signer", Pair::OUR_SIGNER),
        ("server", Pair::COUNTERSIGN),
        ("mixed", Pair::OUR_SERVER),
        ("back", Pair::NOTARY),
    ] {
        hand_over(&mut trust, pair, |trust| people.go_on(sandbox, trust, word))
            .with_context(|| format!("with {pair:?}"))?;
    }
    Ok(())
}

fn a_service_is_taken_over_without_a_pause_and_given_back(sandbox: &Sandbox) -> Result<()> {
    let mut trust = Trust::start(sandbox, Pair::NOTARY)?;
    let balancer = Balancer::start(sandbox, trust.address())?;
    trust.put_behind(balancer.address());
    let mut people = People::at_work(sandbox, &trust)?;
    let mut crowd = Crowd::published(&trust, CROWD / 5)?;
    let ours = trust.beside(sandbox, Pair::COUNTERSIGN)?;

    for (word, servers) in [
        ("both", vec![trust.address(), ours.address()]),
        ("ours", vec![ours.address()]),
        ("back", vec![trust.address()]),
    ] {
        balancer.balance(servers);
        let rows = Rows::read(trust.database()?)?;
        crowd.is_as_it_was(&trust)?;
        people.go_on(sandbox, &trust, word)?;
        crowd.goes_on(&trust)?;
        changed_nothing(&rows, &trust).with_context(|| word)?;
    }
    Ok(())
}

/// Exchanges the programs and lets `life` go on: nothing that was stored or configured before may
/// change by it, and the changefeed has to stay true.
fn hand_over(trust: &mut Trust, pair: Pair, life: impl FnOnce(&Trust) -> Result<()>) -> Result<()> {
    let (rows, files) = (Rows::read(trust.database()?)?, configuration(trust)?);
    trust.hand_over_to(pair)?;

    life(trust)?;

    changed_nothing(&rows, trust)?;
    ensure!(configuration(trust)? == files, "a file was changed");
    Ok(())
}

/// Checks that all tables have grown since `before`, that no row is another, and that the
/// changefeed is true.
fn changed_nothing(before: &Rows, trust: &Trust) -> Result<()> {
    let later = Rows::read(trust.database()?)?;
    before.are_kept_in(&later)?;
    let counts = (before.counts(), later.counts());
    ensure!(
        counts
            .0
            .iter()
            .zip(&counts.1)
            .all(|(before, after)| before < after),
        "something was not used: from {counts:?}"
    );
    let faults = FeedFaults::find(trust.database()?)?;
    ensure!(faults == FeedFaults::default(), "{faults:?}");
    Ok(())
}

/// The configuration of both programs.
fn configuration(trust: &Trust) -> Result<[Vec<u8>; 2]> {
    let read = |name| fs::read(trust.folder().join(name));
    Ok([read("server.json")?, read("signer.json")?])
}

/// Collaborators with the notary CLI.
struct People {
    /// Delegates hold a key each, and the server the snapshot key.
    team: delegations::Scene,
    /// Every key was rotated before; the owner holds the snapshot key.
    veteran: Repository,
    /// The snapshot key changes hands between owner and server.
    shared: Repository,
    /// What the team's repository holds, by name, with the role that signed it.
    team_targets: BTreeMap<String, String>,
    /// Repositories begun after a change of programs.
    begun: Vec<Repository>,
    server_holds_snapshot: bool,
}

/// A repository with its owner, and a reader who has known it from the beginning.
struct Repository {
    gun: String,
    owner: Collaborator,
    reader: Collaborator,
    targets: Vec<String>,
}

impl Repository {
    fn begun(sandbox: &Sandbox, trust: &Trust, name: &str) -> Result<Self> {
        let mut repository = Self {
            gun: format!("example.com/{name}"),
            owner: Collaborator::new(sandbox, &format!("owner-{name}"), trust)?,
            reader: Collaborator::new(sandbox, &format!("reader-{name}"), trust)?,
            targets: Vec::new(),
        };
        repository.owner.does(&["init", &repository.gun])?;
        repository.publishes("first")?;
        repository.is_read_by(&repository.reader)?;
        Ok(repository)
    }

    fn publishes(&mut self, target: &str) -> Result<()> {
        self.owner.publishes(&self.gun, target)?;
        self.targets.push(format!("{target}:targets"));
        self.targets.sort();
        Ok(())
    }

    fn rotates(&self, role: &str, server_managed: bool) -> Result<()> {
        let rotate = ["key", "rotate", &self.gun, role, "--server-managed"];
        let arguments = if server_managed {
            &rotate[..]
        } else {
            &rotate[..4]
        };
        self.owner.does(arguments).map(drop)
    }

    fn is_read_by(&self, person: &Collaborator) -> Result<()> {
        person.sees(&self.gun, &self.targets)
    }

    /// The old reader and a new one read what the owner has published since.
    fn goes_on(&mut self, sandbox: &Sandbox, trust: &Trust, word: &str) -> Result<()> {
        self.is_read_by(&self.reader)?;
        self.publishes(word)?;
        let stranger = format!("stranger-{word}-{}", self.gun.replace('/', "-"));
        self.is_read_by(&Collaborator::new(sandbox, &stranger, trust)?)?;
        self.is_read_by(&self.reader)
    }
}

impl People {
    fn at_work(sandbox: &Sandbox, trust: &Trust) -> Result<Self> {
        let team = delegations::Scene::on(sandbox, trust)?;
        let veteran = Repository::begun(sandbox, trust, "veteran")?;
        for (role, server_managed) in [("root", false), ("timestamp", true), ("targets", false)] {
            veteran.rotates(role, server_managed)?;
        }
        let shared = Repository::begun(sandbox, trust, "shared")?;
        shared.rotates("snapshot", true)?;
        let team_targets = BTreeMap::from([("release".to_owned(), "targets".to_owned())]);
        Ok(Self {
            team,
            veteran,
            shared,
            team_targets,
            begun: Vec::new(),
            server_holds_snapshot: true,
        })
    }

    /// Everybody reads, publishes and rotates keys; `word` tells this time from others.
    fn go_on(&mut self, sandbox: &Sandbox, trust: &Trust, word: &str) -> Result<()> {
        self.team_goes_on(sandbox, trust, word)?;
        // The reader has missed the newest root and comes after it is replaced.
        self.veteran.rotates("root", false)?;
        self.veteran.rotates("timestamp", true)?;
        self.veteran.goes_on(sandbox, trust, word)?;
        self.server_holds_snapshot = !self.server_holds_snapshot;
        self.shared
            .rotates("snapshot", self.server_holds_snapshot)?;
        self.shared.goes_on(sandbox, trust, word)?;
        for repository in &mut self.begun {
            repository.goes_on(sandbox, trust, word)?;
        }
        let begun = Repository::begun(sandbox, trust, &format!("begun-{word}"))?;
        self.begun.push(begun);
        Ok(())
    }

    fn team_goes_on(&mut self, sandbox: &Sandbox, trust: &Trust, word: &str) -> Result<()> {
        for (person, role, target) in [
            (&self.team.owner, "targets", format!("release-{word}")),
            (&self.team.qa, "targets/qa", format!("checked-{word}")),
            (
                &self.team.night,
                "targets/qa/night",
                format!("nightly-{word}"),
            ),
        ] {
            delegations::publishes(person, role, &target)?;
            self.team_targets.insert(target, role.to_owned());
        }
        let all: Vec<String> = self
            .team_targets
            .iter()
            .map(|(target, role)| format!("{target}:{role}"))
            .collect();
        let stranger = Collaborator::new(sandbox, &format!("stranger-{word}-team"), trust)?;
        for person in [&self.team.reader, &self.team.night, &stranger] {
            person.sees(delegations::GUN, &all)?;
        }
        Ok(())
    }
}

/// Images that the docker CLI has signed.
struct Images {
    engine: Engine,
    publisher: Person,
    /// Pulled before the programs changed, and so has an old cache.
    customer: Person,
    /// Every image that was signed, with its digest.
    signed: Vec<(String, String)>,
}

impl Images {
    fn made(sandbox: &Sandbox, trust: &Trust) -> Result<Self> {
        let engine = Engine::start(sandbox)?;
        let person = |name| Person::new(sandbox, name, Cli::Debian, &engine, &trust.url());
        let (publisher, customer) = (person("publisher")?, person("customer")?);
        let mut images = Self {
            engine,
            publisher,
            customer,
            signed: Vec::new(),
        };
        images.signs("first")?;
        images.are_pulled_by(&images.customer)?;
        Ok(images)
    }

    fn signs(&mut self, tag: &str) -> Result<()> {
        let image = self.engine.image(&format!("team/app:{tag}"));
        self.publisher.makes_image(&image, tag)?;
        let digest = self.publisher.pushes_signed(&image)?;
        self.signed.push((image, digest));
        Ok(())
    }

    fn are_pulled_by(&self, person: &Person) -> Result<()> {
        for (image, digest) in &self.signed {
            let said = person.does(&["pull", image])?;
            ensure!(said.contains(digest), "{digest} was signed, but:\n{said}");
        }
        Ok(())
    }

    fn go_on(&mut self, sandbox: &Sandbox, trust: &Trust, word: &str) -> Result<()> {
        self.are_pulled_by(&self.customer)?;
        self.signs(word)?;
        let name = format!("customer-{word}");
        let newcomer = Person::new(sandbox, &name, Cli::Debian, &self.engine, &trust.url())?;
        self.are_pulled_by(&newcomer)?;
        self.are_pulled_by(&self.customer)
    }
}

/// Many repositories, each with the files that it answered when it was last published.
struct Crowd {
    members: Vec<(Publisher, Vec<Vec<u8>>)>,
}

impl Crowd {
    fn published(trust: &Trust, count: usize) -> Result<Self> {
        let members = (0..count).map(|number| {
            let gun = format!("example.com/crowd/{number:03}");
            let mut publisher = Publisher::new(&gun);
            for role in ["timestamp", "snapshot"] {
                let key = trust.metadata(&gun, &format!("{role}.key"))?;
                publisher = publisher.with_server_key_document(role, &key);
            }
            publisher.add_target("targets", "first", gun.as_bytes());
            trust.publish(&gun, &publisher.first_publish())?.ok()?;
            let files = served(trust, &gun)?;
            Ok((publisher, files))
        });
        Ok(Self {
            members: members.collect::<Result<_>>()?,
        })
    }

    fn is_as_it_was(&self, trust: &Trust) -> Result<()> {
        for (publisher, files) in &self.members {
            let gun = publisher.gun();
            ensure!(
                served(trust, gun)? == *files,
                "{gun} answers something else"
            );
        }
        Ok(())
    }

    /// Every third publishes again.
    fn goes_on(&mut self, trust: &Trust) -> Result<()> {
        for (publisher, files) in self.members.iter_mut().step_by(3) {
            let gun = publisher.gun().to_owned();
            publisher.add_target("targets", "again", gun.as_bytes());
            trust.publish(&gun, &publisher.next(&["targets"]))?.ok()?;
            *files = served(trust, &gun)?;
            for (role, file) in ["timestamp", "snapshot"].iter().zip(files.iter()) {
                ensure!(
                    publisher.trusts(role, file),
                    "{role} of {gun} is badly signed"
                );
            }
        }
        Ok(())
    }
}

/// The current files of a repository.
fn served(trust: &Trust, gun: &str) -> Result<Vec<Vec<u8>>> {
    [
        "timestamp.json",
        "snapshot.json",
        "root.json",
        "targets.json",
    ]
    .iter()
    .map(|file| trust.metadata(gun, file))
    .collect()
}
