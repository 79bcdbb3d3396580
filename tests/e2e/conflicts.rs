//! Publishes that meet each other, or the end of a connection.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Result, anyhow, ensure};
use harness::{Collaborator, Pair, Sandbox, Trust, proxy::Proxy};

on_every_pair![
    the_loser_of_two_publishes_is_told_and_succeeds_when_it_tries_again,
    a_publish_that_is_cut_off_leaves_nothing_behind,
];

on_our_pair![readers_never_see_half_a_publish];

on_every_database![
    the_loser_of_two_publishes_is_told_and_succeeds_when_it_tries_again,
    a_publish_that_is_cut_off_leaves_nothing_behind,
    readers_never_see_half_a_publish,
];

const GUN: &str = "example.com/team/app";

fn readers_never_see_half_a_publish(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const ROUNDS: usize = 25;
    let trust = Trust::start(sandbox, pair)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v00")?;
    let published = AtomicUsize::new(1);

    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|number| {
                let (trust, published) = (&trust, &published);
                scope.spawn(move || read_on(sandbox, trust, number, published))
            })
            .collect();
        for round in 1..=ROUNDS {
            owner.publishes(GUN, &format!("v{round:02}"))?;
            published.store(round + 1, Ordering::Release);
        }
        published.store(usize::MAX, Ordering::Release);
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().map_err(|_| anyhow!("a reader panicked"))?)
    })
}

/// Reads the repository as a new user, again and again, until everything is published: what was
/// published before a read began is in it.
fn read_on(sandbox: &Sandbox, trust: &Trust, number: usize, published: &AtomicUsize) -> Result<()> {
    for round in 0_usize.. {
        let before = published.load(Ordering::Acquire);
        if before == usize::MAX {
            ensure!(round > 3, "only {round} reads were made meanwhile");
            break;
        }
        let reader = Collaborator::new(sandbox, &format!("reader-{number}-{round}"), trust)?;
        let listed = reader.does(&["list", GUN])?;
        let seen = listed.matches(" targets").count();
        ensure!(seen >= before, "{before} were published, but:\n{listed}");
    }
    Ok(())
}

/// Copies what `owner` has, keys included, to a second machine of theirs.
fn second_machine(sandbox: &Sandbox, owner: &Collaborator, trust: &Trust) -> Result<Collaborator> {
    let second = Collaborator::new(sandbox, "second", trust)?;
    let mut copy = harness::process::client("cp");
    copy.arg("--recursive")
        .arg(owner.folder().join("trust"))
        .arg(second.folder());
    harness::Said::by(copy, "")?.succeeds()?;
    Ok(second)
}

fn the_loser_of_two_publishes_is_told_and_succeeds_when_it_tries_again(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "first")?;
    let proxy = Proxy::start(sandbox, trust.address())?;
    let slow = second_machine(sandbox, &owner, &trust)?.through(proxy.url());
    slow.does(&["add", GUN, "slow", &slow.file("slow")?])?;

    // The slow one has read the repository and is on its way when the other one publishes.
    proxy.hold_publishes();
    let publishing = thread::spawn({
        let slow = slow.clone();
        move || slow.notary(&["publish", GUN])
    });
    proxy.until_held();
    owner.publishes(GUN, "fast")?;
    proxy.pass();
    let refused = publishing
        .join()
        .map_err(|_| anyhow!("the publisher panicked"))??;

    refused.fails_saying("trust server rejected operation")?;
    owner.sees(GUN, &["fast:targets", "first:targets"])?;
    slow.does(&["publish", GUN])?;
    owner.sees(GUN, &["fast:targets", "first:targets", "slow:targets"])
}

fn a_publish_that_is_cut_off_leaves_nothing_behind(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let trust = Trust::start(sandbox, pair)?;
    let proxy = Proxy::start(sandbox, trust.address())?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?.through(proxy.url());
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "first")?;
    let before = trust.metadata(GUN, "timestamp.json")?;

    proxy.cut_publishes();
    let cut = owner.notary(&["add", GUN, "second", &owner.file("second")?, "--publish"])?;

    ensure!(!cut.is_success(), "nothing can have been published: {cut}");
    ensure!(
        trust.metadata(GUN, "timestamp.json")? == before,
        "half a publish was taken"
    );
    proxy.pass();
    owner.does(&["publish", GUN])?;
    owner.sees(GUN, &["first:targets", "second:targets"])
}
