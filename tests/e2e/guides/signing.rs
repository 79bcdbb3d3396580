//! `signing.md`: an owner, two signers and a reader, from the first key to the last resort.

use anyhow::{Result, ensure};
use harness::{Cli, Engine, Pair, Sandbox, Trust};

use super::{Guide, Names, Reader};

#[test]
fn keys_are_made_handed_on_revoked_rotated_and_lost() -> Result<()> {
    harness::play(|sandbox| journey(sandbox, Cli::Debian))
}

mod newer_cli {
    use anyhow::Result;
    use harness::Cli;

    #[test]
    fn keys_are_made_handed_on_revoked_rotated_and_lost() -> Result<()> {
        harness::play(|sandbox| super::journey(sandbox, Cli::Newer))
    }
}

/// What the guide asks for before it begins.
const SETTINGS: &str = "export DOCKER_CONTENT_TRUST=1
export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443
mkdir -p ~/.docker/tls/notary.example.com:4443
cp fixtures/root-ca.crt ~/.docker/tls/notary.example.com:4443/ca.crt";

struct Team {
    _trust: Trust,
    _engine: Engine,
    guide: Guide,
    owner: Reader,
    alice: Reader,
    bob: Reader,
    reader: Reader,
}

fn journey(sandbox: &Sandbox, cli: Cli) -> Result<()> {
    let mut team = Team::meet(sandbox, cli)?;
    team.let_alice_sign()?;
    team.revoke()?;
    team.replace_alices_key()?;
    team.remove_bob()?;
    team.rotate()?;
    team.begin_anew()?;
    team.guide.is_done()
}

impl Team {
    fn meet(sandbox: &Sandbox, cli: Cli) -> Result<Self> {
        let (trust, engine) = (
            Trust::start(sandbox, Pair::COUNTERSIGN)?,
            Engine::start(sandbox)?,
        );
        let names = Names::of(&trust, &engine);
        let person = |name| {
            let person = Reader::new(sandbox, name, cli, &names, trust.authority())?;
            person.types(SETTINGS)?.succeeds()?;
            anyhow::Ok(person)
        };
        Ok(Self {
            owner: person("owner")?,
            alice: person("alice")?,
            bob: person("bob")?,
            reader: person("reader")?,
            guide: Guide::open("signing.md")?,
            _trust: trust,
            _engine: engine,
        })
    }

    fn let_alice_sign(&self) -> Result<()> {
        let Self {
            guide,
            owner,
            alice,
            reader,
            ..
        } = self;
        image(owner, "1.0")?;
        owner.does(guide, "first-push")?;
        let keys = owner.does(guide, "list")?;
        ensure!(
            keys.contains("role: root") && keys.contains("role: targets"),
            "{keys}"
        );
        owner.does(guide, "copy")?;
        owner.does(guide, "offline")?;
        alice.does(guide, "generate")?;
        owner.brings(alice, "alice.pub")?;
        owner.does(guide, "add")?;
        image(alice, "1.1")?;
        alice.does(guide, "sign")?;

        let inspected = reader.does(guide, "inspect")?;
        ensure!(inspected.contains("alice"), "{inspected}");
        let digest = reader.does(guide, "digest")?;
        ensure!(digest.starts_with("sha256:"), "{digest}");
        let pulled = reader.does(guide, "pull")?;
        ensure!(pulled.contains(digest.trim()), "{digest} {pulled}");
        Ok(())
    }

    fn revoke(&self) -> Result<()> {
        self.alice.does(&self.guide, "revoke")?;
        self.reader
            .fails(&self.guide, "revoked", "No valid trust data for 1.1")?;
        pull(&self.reader, "1.0")?;
        set_up_notary(&self.owner)?;
        self.owner.does(&self.guide, "revoke-early")?;
        refuses(&self.reader, "1.0")
    }

    fn replace_alices_key(&mut self) -> Result<()> {
        sign(&self.alice, "1.2")?;
        let Self {
            guide,
            owner,
            alice,
            reader,
            ..
        } = self;
        set_up_notary(alice)?;
        alice.does(guide, "generate-again")?;
        owner.brings(alice, "alice-2.pub")?;
        owner.does(guide, "add-again")?;
        alice.does(guide, "witness")?;
        let old = alice.does(guide, "old-key")?;
        owner.learns("OLD_KEY_ID", old.trim());
        owner.does(guide, "purge")?;

        pull(reader, "1.2")?;
        let inspected = inspect(reader)?;
        ensure!(!inspected.contains(&old[..12]), "{old} in {inspected}");
        Ok(())
    }

    fn remove_bob(&mut self) -> Result<()> {
        let Self {
            guide,
            owner,
            alice,
            bob,
            reader,
            ..
        } = self;
        bob.types("docker trust key generate bob")?.succeeds()?;
        owner.brings(bob, "bob.pub")?;
        owner
            .types("docker trust signer add --key bob.pub bob registry.example.com/team/app")?
            .succeeds()?;
        sign(bob, "1.3")?;
        let id = bob
            .types("basename ~/.docker/trust/private/*.key .key")?
            .succeeds()?;
        owner.learns("BOBS_KEY_ID", id.trim());
        owner.does(guide, "remove")?;

        refuses(reader, "1.3")?;
        let inspected = inspect(reader)?;
        ensure!(!inspected.contains("bob"), "{inspected}");
        alice.does(guide, "repair")?;
        pull(reader, "1.3")
    }

    fn rotate(&self) -> Result<()> {
        let administrative = || {
            let inspected = inspect(&self.reader)?;
            let (_, keys) = inspected
                .split_once("Administrative keys")
                .unwrap_or_default();
            anyhow::Ok(keys.to_owned())
        };
        let before = administrative()?;
        self.owner.does(&self.guide, "bring-back")?;
        self.owner.does(&self.guide, "rotate")?;
        self.owner.does(&self.guide, "rotate-root")?;
        let after = administrative()?;
        for (old, new) in before
            .lines()
            .zip(after.lines())
            .filter(|(old, _)| old.contains(":\t"))
        {
            ensure!(old != new, "not rotated: {old}");
        }
        pull(&self.reader, "1.3")
    }

    fn begin_anew(&self) -> Result<()> {
        self.owner.does(&self.guide, "delete")?;
        self.owner.does(&self.guide, "begin-anew")?;
        self.reader.fails(
            &self.guide,
            "mismatch",
            "could not rotate trust to a new trusted root",
        )?;
        self.reader.does(&self.guide, "forget")?;
        Ok(())
    }
}

/// Makes the local image `tag`.
fn image(person: &Reader, tag: &str) -> Result<()> {
    person
        .types(&format!(
            "mkdir -p app && echo {tag} >app/version
            printf 'FROM scratch\\nCOPY version /\\n' >app/Dockerfile
            docker build --tag registry.example.com/team/app:{tag} app"
        ))?
        .succeeds()?;
    Ok(())
}

fn sign(person: &Reader, tag: &str) -> Result<()> {
    image(person, tag)?;
    let sign = format!("docker trust sign registry.example.com/team/app:{tag}");
    person.types(&sign)?.succeeds()?;
    Ok(())
}

fn pull(person: &Reader, tag: &str) -> Result<()> {
    let pull = format!("docker pull registry.example.com/team/app:{tag}");
    person.types(&pull)?.succeeds()?;
    Ok(())
}

fn refuses(person: &Reader, tag: &str) -> Result<()> {
    let pull = format!("docker pull registry.example.com/team/app:{tag}");
    let reason = format!("No valid trust data for {tag}");
    person.types(&pull)?.fails_saying(&reason)
}

fn inspect(person: &Reader) -> Result<String> {
    person
        .types("docker trust inspect --pretty registry.example.com/team/app")?
        .succeeds()
}

/// As the guide to the CA says, to which this guide sends its readers.
fn set_up_notary(person: &Reader) -> Result<()> {
    let guide = Guide::open("trust-the-ca.md")?;
    person.does(&guide, "notary-config")?;
    Ok(())
}
