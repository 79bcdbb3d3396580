//! What keys and signatures cost a database, in counts that no machine changes.

use anyhow::{Context as _, Result, ensure};
use signer::{
    keys::{
        Keys,
        sequel::{FilePiece, Piece, Sequel},
    },
    keystore::{KeyId, Purpose},
    open,
};
use tuf::KeyAlgorithm;

use crate::{
    support::{PASSPHRASE, Server, keys, on_both, storage},
    wire::{Counts, Wire},
};

on_both![a_new_repository_costs_few_statements_and_no_connection];

fn purpose(gun: &str, role: &str) -> Purpose {
    Purpose {
        algorithm: KeyAlgorithm::Ecdsa,
        gun: gun.to_owned(),
        role: role.to_owned(),
    }
}

/// A signer whose work is counted.
struct Counted {
    wire: Wire,
    keys: Keys,
}

impl Counted {
    /// What `work` costs, and its outcome.
    async fn count<T>(&self, work: impl Future<Output = T>) -> (T, Counts) {
        let before = self.wire.counts();
        let outcome = work.await;
        (outcome, self.wire.counts() - before)
    }

    fn derivations(&self) -> u64 {
        self.keys.custodies().encrypted().derivations()
    }
}

async fn a_new_repository_costs_few_statements_and_no_connection(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    open::migrate_store(&storage(&fresh), false).await?;
    let wire = Wire::to(&fresh)?;
    let keys = keys(&wire.before(&fresh), &[PASSPHRASE]).await?;
    let signer = Counted { wire, keys };
    let (first, cost) = signer
        .count(signer.keys.create(purpose("first", "timestamp")))
        .await;
    println!("the first key of a process: {cost:?}");
    ensure!(cost.connections <= 1 && cost.statements <= 12, "{cost:?}");
    // Statements are prepared once for each connection.
    signer
        .keys
        .sign(&KeyId::from(first?.id()), "x".into())
        .await?;
    signer.keys.create(purpose("second", "timestamp")).await?;
    let derivations = signer.derivations();
    for role in ["timestamp", "snapshot"] {
        let (key, cost) = signer.count(signer.keys.create(purpose("new", role))).await;
        println!("a key: {cost:?}");
        let expected = Counts {
            connections: 0,
            statements: 8,
            prepared: 0,
            trips: 7,
        };
        ensure!(cost == expected, "{cost:?}");
        let id = KeyId::from(key?.id());
        let (signature, cost) = signer.count(signer.keys.sign(&id, "x".into())).await;
        signature?;
        println!("its first signature: {cost:?}");
        ensure!(cost.statements == 1 && cost.trips <= 2, "{cost:?}");
        ensure!((cost.connections, cost.prepared) == (0, 0), "{cost:?}");
        let (signature, cost) = signer.count(signer.keys.sign(&id, "x".into())).await;
        signature?;
        ensure!(cost == Counts::default(), "a signature: {cost:?}");
    }
    ensure!(signer.derivations() == derivations);
    // Both keys of a repository sign for the first time by one call.
    let mut both = Vec::new();
    for role in ["timestamp", "snapshot"] {
        let key = signer.keys.create(purpose("both", role)).await?;
        both.push(KeyId::from(key.id()));
    }
    for (statements, most_trips) in [(1, 3), (0, 0)] {
        let file = vec![FilePiece::Content, FilePiece::Signature];
        let sequel = Sequel::new(file, vec![Piece::Sha256]).context("a sequel")?;
        let signing = signer
            .keys
            .sign_both(&both[0], "x".into(), &both[1], sequel);
        let (signature, cost) = signer.count(signing).await;
        ensure!(signature.is_ok() && cost.connections == 0, "{cost:?}");
        ensure!(
            cost.statements == statements && cost.trips <= most_trips,
            "{cost:?}"
        );
    }
    Ok(())
}
