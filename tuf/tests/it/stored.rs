//! Files that are kept from one update to the next.

use fixtures::clock;
use tuf::{Fault, Gun, Refusal, Role, RootFault, check};

use crate::given::{Server, update};

#[test]
fn kept_files_serve_every_update_that_follows() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    // What is read of them while one update is judged is the same for the next one.
    let kept = server.stored.clone();
    for _ in 0..2 {
        let next = owner.next(&["targets"]);
        let accepted = check(&server.gun, &kept, update(&next), clock()).expect("a good update");
        let files = server.publish(&next);
        let timestamp = accepted.timestamp_to_make(&files[1], clock());
        assert_eq!(
            timestamp.version(),
            2,
            "it follows the files that were kept"
        );
    }
}

#[test]
fn a_parsed_file_is_kept_as_it_is() {
    let mut server = Server::new();
    let mut owner = server.owner();
    for file in server.publish(&owner.first_publish()) {
        server.stored.insert(file.into());
    }
    assert!(server.judge(&owner.next(&["targets"])).is_ok());
}

#[test]
fn a_root_that_one_repository_trusts_is_no_root_of_another() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    let next = owner.next(&["targets"]);
    assert!(server.judge(&next).is_ok());
    let other = Gun::parse("example.com/other").unwrap();
    let judge = |gun: &Gun| check(gun, &server.stored, update(&next), clock());
    let Err(Refusal::Stored(damaged)) = judge(&other) else {
        panic!("the root names another repository");
    };
    let fault = Fault::from(RootFault::NoCertificate { dates: None });
    assert_eq!((damaged.role, damaged.reason), (Role::Root, fault));
    assert!(judge(&server.gun).is_ok());
}
