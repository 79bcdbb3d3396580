//! What the table of audit chains does, whatever the database behind it. Shared with the tests that
//! have PostgreSQL and MariaDB at hand.

use database::Connected;
use trust::store::chains::{self, ChainRow};

pub(crate) async fn a_chain_is_moved_on_only_from_the_line_that_is_known(connected: &Connected) {
    let chains = chains::open(connected);
    let row = |chain: &str, line: u64| ChainRow {
        chain: chain.to_owned(),
        log: "host:/var/log/notary-server/audit.log".to_owned(),
        line,
        sha256: hex::encode([u8::try_from(line % 251).unwrap(); 32]),
        stored_at: fixtures::clock(),
    };
    assert_eq!(chains.find("a").await.unwrap(), None);
    let (first, next) = (row("a", 1), row("a", 5_000_000_000));
    assert!(chains.put(None, &first).await.unwrap());
    // Of two that begin one chain, one does.
    assert!(!chains.put(None, &next).await.unwrap());
    assert!(chains.put(Some(&first), &next).await.unwrap());
    // What was known is known no more.
    assert!(!chains.put(Some(&first), &row("a", 7)).await.unwrap());
    let changed = ChainRow {
        sha256: first.sha256.clone(),
        ..next.clone()
    };
    assert!(!chains.put(Some(&changed), &row("a", 8)).await.unwrap());
    let long = ChainRow {
        log: "x".repeat(9_999),
        ..row("b", 1)
    };
    assert!(chains.put(None, &long).await.unwrap());
    let all = chains.all().await.unwrap();
    assert_eq!(all[0], next);
    assert!(all[1].is_same_line(&long));
    assert_eq!(all.len(), 2);
    // Storing the same again is no change, and counts all the same.
    assert!(chains.put(Some(&next), &next).await.unwrap());
    assert_eq!(chains.find("a").await.unwrap(), Some(next));
}
