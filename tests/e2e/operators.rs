//! What an operator asks before and after taking over a service, with the commands of
//! `docs/takeover.md`.

use anyhow::{Result, ensure};
use fixtures::Publisher;
use harness::{Pair, Sandbox, Trust, rows::Rows, storage::Owner};

on_databases_of_notary![
    a_running_notary_is_looked_at_without_touching_it,
    doctor_finds_a_user_who_may_only_read,
    what_the_plan_adds_is_fine_for_a_running_notary,
];

const GUN: &str = "example.com/app";

#[test]
fn doctor_finds_a_disk_that_is_full_and_one_that_is_read_only() -> Result<()> {
    const FULL: &str = "mkdir \"$1.disk\"
        mount -t tmpfs -o size=16m none \"$1.disk\"
        cp -a \"$1/.\" \"$1.disk\"
        cat /dev/zero >\"$1.disk/ballast\" 2>/dev/null || true
        mount --bind \"$1.disk\" \"$1\"";
    const READ_ONLY: &str = "mount --bind \"$1\" \"$1\"
        mount -o remount,ro,bind \"$1\"";
    harness::play(|sandbox| {
        let trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        trust.server_command(&["doctor"])?.succeeds()?;
        for (prepare, words) in [
            (FULL, "only 0 MiB are free on the disk of the database"),
            (READ_ONLY, "is on a file system that is mounted read-only"),
        ] {
            let said = trust.server_command_on(prepare, &["doctor"])?;
            said.fails_saying(words)?;
        }
        Ok(())
    })
}

/// Notary's own service, with one repository.
struct Scene {
    trust: Trust,
    publisher: Publisher,
}

impl Scene {
    fn set(sandbox: &Sandbox) -> Result<Self> {
        let trust = Trust::start(sandbox, Pair::NOTARY)?;
        let mut publisher = Publisher::new(GUN);
        for role in ["timestamp", "snapshot"] {
            let key = trust.metadata(GUN, &format!("{role}.key"))?;
            publisher = publisher.with_server_key_document(role, &key);
        }
        trust.publish(GUN, &publisher.first_publish())?.ok()?;
        Ok(Self { trust, publisher })
    }

    /// Runs a command of the server, which must succeed and say `words`.
    fn server_says(&self, arguments: &[&str], words: &str) -> Result<()> {
        let said = self.trust.server_command(arguments)?.succeeds()?;
        ensure!(said.contains(words), "{arguments:?} said:\n{said}");
        Ok(())
    }

    /// Runs a command of the signer, which must succeed and say `words`.
    fn signer_says(&self, arguments: &[&str], words: &str) -> Result<()> {
        let said = self.trust.signer_command(arguments)?.succeeds()?;
        ensure!(said.contains(words), "{arguments:?} said:\n{said}");
        Ok(())
    }

    /// The next publish is taken.
    fn goes_on(&mut self) -> Result<()> {
        let parts = self.publisher.next(&["targets"]);
        self.trust.publish(GUN, &parts)?.ok().map(drop)
    }
}

fn a_running_notary_is_looked_at_without_touching_it(sandbox: &Sandbox) -> Result<()> {
    let mut scene = Scene::set(sandbox)?;
    let before = Rows::read(scene.trust.database()?)?;

    scene.server_says(&["config", "check"], "storage.db_url")?;
    scene.signer_says(&["config", "check"], "storage.db_url")?;
    scene.server_says(&["migrate", "--plan"], "the tables are up to date")?;
    scene.signer_says(&["migrate", "--plan"], "nothing was changed")?;
    // There is nothing to do for the server, so that no rights to do it are needed.
    scene.server_says(&["migrate"], "is up to date")?;
    scene.signer_says(&["key", "check"], "all 2 keys open")?;
    scene.signer_says(&["key", "list"], GUN)?;
    scene.server_says(&["doctor"], "can sign")?;
    scene.server_says(&["doctor", "gun", GUN], "is whole")?;

    let after = Rows::read(scene.trust.database()?)?;
    before.are_kept_in(&after)?;
    ensure!(before.counts() == after.counts(), "rows were added");
    scene.goes_on()
}

fn doctor_finds_a_user_who_may_only_read(sandbox: &Sandbox) -> Result<()> {
    let scene = Scene::set(sandbox)?;
    scene.server_says(&["doctor"], "can sign")?;
    scene.trust.database()?.leave_only_reading(Owner::Server)?;
    let said = scene.trust.server_command(&["doctor"])?;
    said.fails_saying("the database can be read, but nothing can be stored in it")
}

fn what_the_plan_adds_is_fine_for_a_running_notary(sandbox: &Sandbox) -> Result<()> {
    let mut scene = Scene::set(sandbox)?;
    let before = Rows::read(scene.trust.database()?)?;
    let url = scene.trust.database()?.administrators_url(Owner::Signer);
    // The users of Notary's programs may not add an index.
    let refused = scene.trust.signer_command(&["migrate"])?;
    ensure!(!refused.is_success(), "{refused}");

    let said = scene
        .trust
        .signer_command_with(&["migrate"], &[("NOTARY_SIGNER_STORAGE_DB_URL", &url)])?
        .succeeds()?;

    ensure!(said.contains("private_keys"), "{said}");
    scene.signer_says(&["migrate", "--plan"], "the tables are up to date")?;
    before.are_kept_in(&Rows::read(scene.trust.database()?)?)?;
    scene.goes_on()?;
    scene.trust.hand_over_to(Pair::COUNTERSIGN)?;
    scene.goes_on()?;
    scene.trust.hand_over_to(Pair::NOTARY)?;
    scene.goes_on()
}
