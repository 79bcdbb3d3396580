//! Thresholds that one public key could meet alone, in several certificates.

use fixtures::{Key, Publisher, clock};
use time::Duration;
use tuf::{Fault, File, Refusal, Role, RootFault, SharedKey};

use crate::given::{Server, file};

fn twins() -> [Key; 2] {
    let (from, to) = (clock() - Duration::DAY, clock() + Duration::days(9));
    Key::certified_twice("example.com/app", from, to)
}

fn another() -> Key {
    let (from, to) = (clock() - Duration::DAY, clock() + Duration::days(9));
    Key::certified("example.com/app", from, to)
}

/// The owner with these root keys, any two of which have to sign; `signers` do.
fn with_root_keys(mut owner: Publisher, keys: &[&Key], signers: &[&Key]) -> Publisher {
    let named: Vec<_> = keys.iter().map(|key| key.public()).collect();
    owner.name_keys("root", &named, 2);
    owner.root.signers = signers.iter().map(|key| (*key).clone()).collect();
    owner
}

#[test]
fn a_new_root_needs_as_many_public_keys_as_its_threshold() {
    let server = Server::new();
    let [one, two] = &twins();
    let mut owner = with_root_keys(server.owner(), &[one, two], &[one, two]);
    assert_eq!(
        server.refusal(&owner.first_publish()),
        Refusal::Root(RootFault::NotSignedByItself.into())
    );

    let other = &another();
    let mut owner = with_root_keys(server.owner(), &[one, other], &[one, other]);
    assert!(server.judge(&owner.first_publish()).is_ok());
}

#[test]
fn two_certificates_over_one_public_key_sign_a_new_root_once() {
    let server = Server::new();
    let [one, two] = &twins();
    let other = &another();
    let all = [one, two, other];
    let mut owner = with_root_keys(server.owner(), &all, &[one, two]);
    assert!(matches!(
        server.refusal(&owner.first_publish()),
        Refusal::Root(_)
    ));
    let mut owner = with_root_keys(server.owner(), &all, &[one, two, other]);
    assert!(server.judge(&owner.first_publish()).is_ok());
}

#[test]
fn the_other_roles_of_a_new_root_are_held_to_the_same_rule() {
    let server = Server::new();
    let [one, two] = &twins();
    let mut owner = server.owner();
    owner.name_keys("targets", &[one.public(), two.public()], 2);
    owner.targets.signers = vec![one.clone(), two.clone()];
    let shared = SharedKey {
        role: Role::Targets,
        public_keys: 1,
        threshold: 2,
    };
    assert_eq!(
        server.refusal(&owner.first_publish()),
        Refusal::Root(Fault::Root(RootFault::SharedKeys(shared)))
    );
}

#[test]
fn a_stored_root_over_one_public_key_is_named_and_can_be_replaced() {
    let mut server = Server::new();
    let [one, two] = &twins();
    let mut owner = server.owner();
    let [first] = [owner.root.signers[0].clone()];
    server.publish(&owner.first_publish());
    // A root that was stored before the rule: another server took it.
    let mut flawed = with_root_keys(owner.clone(), &[one, two], &[&first, one, two]);
    let (_, root) = flawed.next(&["root"]).remove(0);
    server.stored.insert_bytes(Role::Root, root.clone().into());
    let stored: File = file("root", &root);
    let found = tuf::shared_keys(&stored).expect("the root is whole");
    assert_eq!(
        found,
        [SharedKey {
            role: Role::Root,
            public_keys: 1,
            threshold: 2
        }]
    );
    // Publishing goes on below it, with and without the same root.
    assert!(server.judge(&flawed.next(&["targets"])).is_ok());
    let again = [("root".to_owned(), root)];
    assert!(server.judge(&again).is_ok());
    // Its two certificates may name a better one.
    let (other, third) = (&another(), &another());
    let mut mended = with_root_keys(flawed, &[other, third], &[one, two, other, third]);
    assert!(server.judge(&mended.next(&["root"])).is_ok());
}
