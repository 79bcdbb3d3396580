//! `trust-the-ca.md`: for one person, for a whole Debian machine, for notary.

use anyhow::{Result, ensure};
use harness::{Cli, Collaborator, Pair, Sandbox, Trust};

use super::{Guide, Names, Reader};

/// An address for documentation: for a registry on loopback docker does not look at the certificate
/// of the trust server, and inspecting contacts no registry.
const REGISTRY: &str = "192.0.2.7:5000";

/// What the rest of the machine is not to notice: these mounts end with the shell that made them.
const PRIVATE_STORE: &str = "mkdir \"$HOME/certs\"
cp -a /etc/ssl/certs/. \"$HOME/certs\"
mount --bind \"$HOME/certs\" /etc/ssl/certs
mount -t tmpfs none /usr/local/share/ca-certificates
mount -t tmpfs none /etc/ca-certificates/update.d
cp /etc/ca-certificates.conf \"$HOME/ca-certificates.conf\"
mount --bind \"$HOME/ca-certificates.conf\" /etc/ca-certificates.conf
cp -a /usr/share/ca-certificates \"$HOME/authorities\"
mount --bind \"$HOME/authorities\" /usr/share/ca-certificates
";

/// What many pages say, and what has no effect on Debian.
const COPIED: &str = "mkdir /usr/share/ca-certificates/extra
cp fixtures/root-ca.crt /usr/share/ca-certificates/extra/notary.crt
update-ca-certificates
";

const INSPECT: &str = "docker trust inspect registry.example.com/team/app";

#[test]
fn each_way_to_trust_the_ca_lets_clients_in() -> Result<()> {
    harness::play(|sandbox| journey(sandbox, Cli::Debian))
}

mod newer_cli {
    use anyhow::Result;
    use harness::Cli;

    #[test]
    fn each_way_to_trust_the_ca_lets_clients_in() -> Result<()> {
        harness::play(|sandbox| super::journey(sandbox, Cli::Newer))
    }
}

fn journey(sandbox: &Sandbox, cli: Cli) -> Result<()> {
    let trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
    let gun = format!("{REGISTRY}/team/app");
    let publisher = Collaborator::new(sandbox, "publisher", &trust)?;
    publisher.does(&["init", &gun])?;
    publisher.publishes(&gun, "1.0")?;
    let names = Names::default()
        .and("notary.example.com:4443", &trust.host())
        .and("registry.example.com", REGISTRY);
    let guide = Guide::open("trust-the-ca.md")?;
    let person = |name| {
        let person = Reader::new(sandbox, name, cli, &names, trust.authority())?;
        let server = "export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443";
        person.types(server)?.succeeds()?;
        anyhow::Ok(person)
    };

    for_oneself(&person("somebody")?, &guide)?;
    for_the_machine(&person("everybody")?, &guide)?;
    listed_for_the_machine(&person("others")?, &guide)?;
    guide.is_done()
}

fn for_oneself(person: &Reader, guide: &Guide) -> Result<()> {
    let stranger = person.types(INSPECT)?;
    ensure!(!stranger.has("SignedTag"), "{stranger}");
    person.does(guide, "folder")?;
    let inspected = person.does(guide, "try")?;
    ensure!(inspected.contains(r#""SignedTag": "1.0""#), "{inspected}");
    for block in ["notary", "notary-config"] {
        let listed = person.does(guide, block)?;
        ensure!(listed.contains("1.0 "), "{listed}");
    }
    Ok(())
}

fn for_the_machine(person: &Reader, guide: &Guide) -> Result<()> {
    let block = guide.take("debian")?;
    let said = with_a_private_store(person, &format!("{block}{INSPECT}"))?;
    ensure!(
        said.contains("1 added") && said.contains(r#""SignedTag": "1.0""#),
        "{said}"
    );
    Ok(())
}

fn listed_for_the_machine(person: &Reader, guide: &Guide) -> Result<()> {
    let block = guide.take("listed")?;
    let tried = format!("{COPIED}{INSPECT} || true\necho WITH THE LINE\n{block}{INSPECT}");
    let said = with_a_private_store(person, &tried)?;
    let Some((before, after)) = said.split_once("WITH THE LINE") else {
        anyhow::bail!("{said}");
    };
    ensure!(
        before.contains("0 added") && !before.contains("SignedTag"),
        "{said}"
    );
    ensure!(
        after.contains("1 added") && after.contains(r#""SignedTag": "1.0""#),
        "{said}"
    );
    Ok(())
}

fn with_a_private_store(person: &Reader, lines: &str) -> Result<String> {
    let quoted = format!("{PRIVATE_STORE}{lines}").replace('\'', r"'\''");
    person
        .types(&format!("unshare --mount sh -euc '{quoted}'"))?
        .succeeds()
}
