//! Delegations: who may publish below targets.

use fixtures::{Key, Publisher};
use serde_json::json;
use tuf::{CertificateFault, DelegationFault, Fault, KeyId, Refusal, Role, SignatureFault};

use crate::given::{Server, role_named, shortfall};

fn published() -> (Server, Publisher) {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    owner.delegate("targets/a", "b", &[Key::throw_away_ed25519()], &[""], 1);
    server.publish(&owner.first_publish());
    (server, owner)
}

fn targets_refusal(fault: impl Into<Fault>) -> Refusal {
    Refusal::Targets(fault.into())
}

#[test]
fn a_delegate_publishes_alone() {
    let (mut server, mut owner) = published();
    owner.add_target("targets/a/b", "v1", b"content");
    let files = server.publish(&owner.next(&["targets/a/b"]));
    let roles: Vec<&str> = files.iter().map(|file| file.role().as_str()).collect();
    assert_eq!(roles, ["targets/a/b", "snapshot", "timestamp"]);
}

#[test]
fn a_delegation_signed_by_its_grandparents_key_is_refused() {
    let (server, mut owner) = published();
    let key = owner.targets.signers[0].clone();
    owner.sign_with("targets/a/b", key);
    let fault = shortfall("targets/a/b", 0, 1);
    assert_eq!(
        server.refusal(&owner.next(&["targets/a/b"])),
        targets_refusal(fault)
    );
}

#[test]
fn an_undefined_delegation_is_refused() {
    let (server, mut owner) = published();
    owner.delegate("targets", "c", &[Key::throw_away_ecdsa()], &[""], 1);
    let fault = Fault::from(DelegationFault::NotDelegated(role_named("targets/c")));
    assert_eq!(
        server.refusal(&owner.next(&["targets/c"])),
        targets_refusal(fault)
    );
    assert!(server.judge(&owner.next(&["targets", "targets/c"])).is_ok());
}

#[test]
fn a_delegation_below_a_role_that_is_not_there_is_refused() {
    let (mut server, mut owner) = published();
    server.stored.remove(&role_named("targets/a"));
    let fault = Fault::from(DelegationFault::NotDelegated(role_named("targets/a/b")));
    assert_eq!(
        server.refusal(&owner.next(&["targets/a/b"])),
        targets_refusal(fault)
    );
    server.stored.remove(&Role::Targets);
    assert_eq!(
        server.refusal(&owner.next(&["targets/a/b"])),
        targets_refusal(Fault::from(DelegationFault::NoTargets))
    );
}

#[test]
fn a_new_root_may_leave_stored_targets_unverifiable_which_a_delegate_is_told() {
    let (server, mut owner) = published();
    owner.rotate("targets");
    let fault = shortfall("targets", 0, 1);
    assert_eq!(
        server.refusal(&owner.next(&["root", "targets/a"])),
        targets_refusal(fault)
    );
}

#[test]
fn a_stored_parent_may_have_expired() {
    let (server, mut owner) = published();
    let later = fixtures::clock() + time::Duration::days(3700);
    for role in ["targets/a/b", "targets/a"] {
        owner.expire(role, later + time::Duration::DAY);
    }
    let next = crate::given::update(&owner.next(&["targets/a/b"]));
    assert!(tuf::check(&server.gun, &server.stored, next, later).is_ok());
}

#[test]
fn of_two_definitions_the_first_counts() {
    let (server, mut owner) = published();
    let mut second = owner.targets.signed["delegations"]["roles"][0].clone();
    let stranger = Key::throw_away_ecdsa();
    second["keyids"] = json!([stranger.id()]);
    owner.targets.signed["delegations"]["keys"][stranger.id()] = stranger.public().document();
    owner.targets.signed["delegations"]["roles"]
        .as_array_mut()
        .unwrap()
        .push(second);
    assert!(server.judge(&owner.next(&["targets", "targets/a"])).is_ok());
    owner.targets.set_version(1);
    owner
        .delegations
        .get_mut("targets/a")
        .unwrap()
        .set_version(1);
    owner.sign_with("targets/a", stranger);
    let fault = shortfall("targets/a", 0, 1);
    assert_eq!(
        server.refusal(&owner.next(&["targets", "targets/a"])),
        targets_refusal(fault)
    );
}

#[test]
fn a_delegations_threshold_counts_keys() {
    let server = Server::new();
    let mut owner = server.owner();
    let keys = [Key::throw_away_ecdsa(), Key::throw_away_ed25519()];
    owner.delegate("targets", "a", &keys, &[""], 2);
    assert!(server.judge(&owner.first_publish()).is_ok());
    owner.sign_with("targets/a", keys[1].clone());
    let fault = shortfall("targets/a", 1, 2);
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
}

#[test]
fn a_key_under_a_false_id_fails_the_whole_file() {
    let server = Server::new();
    let mut owner = server.owner();
    let key = Key::throw_away_ecdsa();
    owner.delegate("targets", "a", std::slice::from_ref(&key), &[""], 1);
    let delegations = &mut owner.targets.signed["delegations"];
    delegations["keys"]["zz"] = key.public().document();
    delegations["roles"][0]["keyids"] = json!(["zz", key.id()]);
    owner.delegations.get_mut("targets/a").unwrap().signers = vec![key.clone(), key.claiming("zz")];
    let fault = Fault::from(SignatureFault::FalseKeyId(KeyId::from("zz")));
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
}

#[test]
fn a_delegation_key_in_an_expired_certificate_is_fine() {
    let server = Server::new();
    let mut owner = server.owner();
    let day = time::Duration::DAY;
    let key = Key::certified(
        "someone",
        fixtures::clock() - day * 9,
        fixtures::clock() - day,
    );
    owner.delegate("targets", "a", &[key], &[""], 1);
    assert!(server.judge(&owner.first_publish()).is_ok());
}

#[test]
fn a_delegation_key_in_a_certificate_of_no_duration_is_refused() {
    let server = Server::new();
    let mut owner = server.owner();
    let day = time::Duration::DAY;
    let key = Key::certified("someone", fixtures::clock(), fixtures::clock() - day);
    owner.delegate("targets", "a", &[key], &[""], 1);
    let fault = Fault::from(DelegationFault::Certificate(CertificateFault::Validity));
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
}

#[test]
fn a_first_version_far_off_is_refused_for_delegations_too() {
    let (server, mut owner) = published();
    owner
        .delegations
        .get_mut("targets/a")
        .unwrap()
        .set_version(20_000);
    let fault = Fault::VersionOutOfReach {
        version: 20_001,
        current: 1,
    };
    assert_eq!(
        server.refusal(&owner.next(&["targets/a"])),
        targets_refusal(fault)
    );
}
