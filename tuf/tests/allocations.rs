//! What judging an update, or telling what is in a repository, takes from the allocator, in pieces
//! and in bytes at once. Counts do not depend on the machine; where they rise, a copy or a second
//! reading has crept in.

use bytes::Bytes;
use dhat::{HeapStats, Profiler};
use fixtures::{Part, Publisher, clock};
use tuf::{
    FileRequest, Gun, Limits, MetadataFormat, Role, Stored, Update, Uploaded, check, overview,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const GUN: &str = "example.com/app";

/// A stored repository, and an update that adds one to its targets.
struct Publish {
    gun: Gun,
    stored: Stored,
    parts: Vec<(Role, Bytes)>,
}

/// What it takes to judge the update.
struct Cost {
    /// How often memory was asked for.
    allocations: u64,
    /// The most bytes that were held at once, the files themselves left aside.
    peak: usize,
}

impl Publish {
    /// An update of a repository with `count` targets.
    fn of(count: usize) -> Self {
        let mut owner = Publisher::new(GUN).holds_snapshot(true);
        owner.big_targets(count);
        let first = owner.first_publish();
        let mut stored = Stored::default();
        for (role, bytes) in named(first.iter().chain(&owner.clone().as_server())) {
            stored.insert_bytes(role, bytes);
        }
        owner.add_target("targets", "one-more", b"content");
        Self {
            gun: Gun::parse(GUN).expect("the name of a repository"),
            stored,
            parts: named(owner.next(&["targets", "snapshot"]).iter()),
        }
    }

    /// How many bytes are sent.
    fn length(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// From the bytes of the parts to what is stored, allowed and told to the audit log.
    fn judge(&self) {
        let mut update = Update::default();
        for (role, bytes) in &self.parts {
            let file = Uploaded::read(role.clone(), bytes.clone(), &Limits::default());
            update.insert(file.expect("the part is read in one way only"));
        }
        let accepted = check(&self.gun, &self.stored, update, clock()).expect("a good update");
        assert!(!accepted.changes().is_empty());
        assert_eq!(accepted.difference().added.count, 1);
        let snapshot = accepted.files().last().expect("a snapshot was sent");
        let draft = accepted.timestamp_to_make(snapshot, clock());
        assert_eq!(draft.version(), 2);
    }

    fn measure(&self) -> Cost {
        let profiler = Profiler::builder().testing().build();
        self.judge();
        let stats = HeapStats::get();
        drop(profiler);
        Cost {
            allocations: stats.total_blocks,
            peak: stats.max_bytes,
        }
    }
}

fn named<'p>(parts: impl Iterator<Item = &'p Part>) -> Vec<(Role, Bytes)> {
    let named = parts.map(|(name, bytes)| {
        let role = Role::parse(name).expect("the publisher names roles");
        (role, Bytes::copy_from_slice(bytes))
    });
    named.collect()
}

/// How often memory is asked for at most, however many targets there are: when stored files are
/// read for the first time, and when they are kept from an update before.
const MOST_ALLOCATIONS: [(&str, u64); 2] = [("unread", 750), ("kept", 400)];

/// What is held at most beside a quarter of what was sent.
const MOST_BYTES: usize = 48 << 10;

/// How often memory is asked for at most to tell what is in a repository, beside the name of each
/// target. It takes no more bytes at once than its files have, and these beside.
const MOST_ALLOCATIONS_OF_AN_OVERVIEW: u64 = 1_350;

/// The files of a repository with `count` targets.
fn repository(count: usize) -> Vec<(Role, Bytes)> {
    let mut owner = Publisher::new(GUN);
    owner.big_targets(count);
    let first = owner.first_publish();
    named(first.iter().chain(&owner.as_server()))
}

/// What it takes to tell what is in these files.
fn look(files: &[(Role, Bytes)], count: usize) -> Cost {
    let gun = Gun::parse(GUN).expect("the name of a repository");
    let find = |role: &Role, wanted: FileRequest| {
        let found = files.iter().find(|(found, _)| found == role);
        found
            .filter(|_| !matches!(wanted, FileRequest::Version(2..)))
            .map(|(_, bytes)| bytes.clone())
    };
    let profiler = Profiler::builder().testing().build();
    let seen = overview(MetadataFormat::NOTARY, &gun, &find, clock());
    let stats = HeapStats::get();
    drop(profiler);
    assert_eq!((seen.tags.len(), seen.problems.len()), (count, 0));
    Cost {
        allocations: stats.total_blocks,
        peak: stats.max_bytes,
    }
}

/// Profilers exclude each other, so all sizes are measured by one test.
#[test]
fn judging_an_update_takes_little_beside_its_files() {
    // Libraries that are used for the first time set themselves up.
    Publish::of(1).judge();
    for count in [10, 1_000, 50_000] {
        let publish = Publish::of(count);
        let most = publish.length() / 4 + MOST_BYTES;
        for (state, most_allocations) in MOST_ALLOCATIONS {
            let Cost { allocations, peak } = publish.measure();
            assert!(
                allocations <= most_allocations,
                "{allocations} allocations for {count} targets, stored files {state}"
            );
            assert!(
                peak <= most,
                "{peak} bytes at once for {count} targets, stored files {state}"
            );
        }
    }
    check_overviews();
}

fn check_overviews() {
    for count in [10, 1_000, 50_000] {
        let files = repository(count);
        let length: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let Cost { allocations, peak } = look(&files, count);
        assert!(
            allocations <= count as u64 + MOST_ALLOCATIONS_OF_AN_OVERVIEW,
            "{allocations} allocations for an overview of {count} targets"
        );
        assert!(
            peak <= length + MOST_BYTES,
            "{peak} bytes at once for an overview of {count} targets"
        );
    }
}
