//! Server and signer trust each other in every set-up of certificates that Notary accepts, and in
//! no other.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use harness::{Collaborator, Make, Pair, Sandbox, Trust, certificates::Setup};

on_every_pair![
    certificates_of_one_authority_are_accepted,
    self_signed_certificates_are_accepted_where_they_are_listed,
    self_signed_authorities_are_accepted_as_leaves_where_they_are_listed,
    the_sample_with_leaf_and_intermediate_is_accepted,
    a_server_with_a_strange_certificate_gets_no_key,
    a_signer_with_a_strange_certificate_is_asked_for_nothing,
];

/// A client certificate listed without its issuer.
///
/// Go's signer asks for certificates by the names in its file, and Go's server has none by such a
/// name: the two do not work together so, though each does with a peer that is less particular.
mod listed {
    use super::a_client_certificate_that_is_itself_in_the_file_is_accepted;

    on_every_pair_of_ours![a_client_certificate_that_is_itself_in_the_file_is_accepted];
}

const GUN: &str = "example.com/team/app";

fn accepted(sandbox: &Sandbox, pair: Pair, setup: Setup) -> Result<()> {
    let trust = Trust::start_with(sandbox, pair, setup)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v1")?;
    Collaborator::new(sandbox, "reader", &trust)?.sees(GUN, &["v1:targets"])
}

fn refused(sandbox: &Sandbox, pair: Pair, setup: Setup) -> Result<()> {
    let trust = Trust::start_with(sandbox, pair, setup)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    let code = match pair.server {
        Make::Countersign => 503,
        Make::Notary => 500,
    };
    owner.notary(&["init", GUN])?.fails_saying(&format!(
        "unable to reach trust server at this time: {code}"
    ))
}

fn certificates_of_one_authority_are_accepted(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    accepted(sandbox, pair, Setup::Issued)
}

fn a_client_certificate_that_is_itself_in_the_file_is_accepted(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    accepted(sandbox, pair, Setup::LeafInFile)
}

fn self_signed_certificates_are_accepted_where_they_are_listed(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    accepted(sandbox, pair, Setup::SelfSigned)
}

fn self_signed_authorities_are_accepted_as_leaves_where_they_are_listed(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    accepted(sandbox, pair, Setup::SelfSignedAuthority)
}

fn the_sample_with_leaf_and_intermediate_is_accepted(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    accepted(sandbox, pair, Setup::LeafAndIntermediate)
}

fn a_server_with_a_strange_certificate_gets_no_key(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    refused(sandbox, pair, Setup::StrangeServer)
}

fn a_signer_with_a_strange_certificate_is_asked_for_nothing(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    refused(sandbox, pair, Setup::StrangeSigner)
}

#[test]
fn renewed_certificates_are_taken_up_without_a_restart_of_the_server() -> Result<()> {
    const TRIES: usize = 200;
    harness::play(|sandbox| {
        let mut trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        trust.read("/v2/")?;

        trust.renew_certificates()?;

        // Clients that know the new authority alone are served soon after.
        let renewed = (0..TRIES).any(|_| {
            thread::sleep(Duration::from_millis(50));
            trust.read("/v2/").is_ok()
        });
        ensure!(renewed, "the server still shows its old certificate");
        // The signer lets in new connections of the server by the new certificates alone.
        trust.kill_signer()?;
        trust.start_signer()?;
        let owner = Collaborator::new(sandbox, "owner", &trust)?;
        let again = (0..TRIES).any(|_| owner.does(&["init", GUN]).is_ok());
        ensure!(again, "the server did not come back to its signer");
        owner.publishes(GUN, "v1")?;
        Collaborator::new(sandbox, "reader", &trust)?.sees(GUN, &["v1:targets"])
    })
}
