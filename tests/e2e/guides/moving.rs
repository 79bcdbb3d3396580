//! `moving.md` and `docker.md`: signing what is elsewhere, and the key that others pin.

use anyhow::{Result, ensure};
use harness::{Cli, Pair, Sandbox, Trust};

use super::{Guide, Names, Reader};

/// A digest of nothing that exists.
const DIGEST: &str = "28a7abc13638da43e87692909ecdf2fc44aaa12a6de6546c7a6cc55746f81ace";

/// The public half of the only root key in the reader's folder.
const ROOT_KEY: &str =
    "sed -e '/^role:/d' -e '/^$/d' \"$(grep -l '^role: root' ~/.docker/trust/private/*.key)\" |
    openssl pkey -passin env:NOTARY_ROOT_PASSPHRASE -pubout";

#[test]
fn digests_are_signed_without_images_and_the_root_key_is_there_to_be_pinned() -> Result<()> {
    harness::play(journey)
}

fn journey(sandbox: &Sandbox) -> Result<()> {
    let trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
    let names = Names::default()
        .and("notary.example.com:4443", &trust.host())
        .and("team/moved", "team/app")
        .and("DIGEST", DIGEST);
    let owner = Reader::new(sandbox, "owner", Cli::Debian, &names, trust.authority())?;
    let ca = Guide::open("trust-the-ca.md")?;
    owner.does(&ca, "folder")?;

    // The file first, without the reading that the guide ends it with: there is nothing to read
    // yet.
    let config = ca.take("notary-config")?;
    let (config, _) = config.split_once("notary list").unwrap_or((&config, ""));
    owner.types(config)?.succeeds()?;
    let moving = Guide::open("moving.md")?;
    owner.does(&moving, "by-digest")?;
    let listed = owner
        .types("notary list registry.example.com/team/app")?
        .succeeds()?;
    ensure!(listed.contains(DIGEST), "{listed}");
    moving.is_done()?;

    let docker = Guide::open("docker.md")?;
    let pinned = owner.does(&docker, "root-key")?;
    let root = owner.types(ROOT_KEY)?.succeeds()?;
    ensure!(
        pinned == root && root.contains("PUBLIC KEY"),
        "{pinned}\n{root}"
    );
    docker.is_done()
}
