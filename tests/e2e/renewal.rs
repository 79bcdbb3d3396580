//! Timestamps that have expired, which a test cannot wait for: they are signed by a key that was
//! recorded with both halves.

use anyhow::{Context as _, Result, ensure};
use fixtures::{Key, bytes, resign, vectors};
use harness::{Database, Make, storage::Owner};
use serde_json::{Value, json};

use crate::side_by_side::Replicas;

pub(crate) fn an_expired_timestamp_is_renewed_once(replicas: &Replicas) -> Result<()> {
    const COUNT: usize = 8;
    const READERS: usize = 6;
    let key = RecordedKey::kept_by(replicas.database()?)?;
    for number in 0..COUNT {
        let gun = format!("example.com/expired/{number}");
        let mut publisher = replicas.repository(&gun)?;
        publisher.name_keys("timestamp", &[key.key.public()], 1);
        let first = publisher.first_publish();
        replicas.ours.publish(&gun, &first)?.ok()?;
        key.expires_timestamp(replicas, &gun)?;

        let path = format!("/v2/{gun}/_trust/tuf/timestamp.json");
        for (server, answer) in replicas.read_at_once(READERS, &path)? {
            // Of several at once Notary 0.7 answers all but one with 500.
            if server == Make::Countersign || answer.status == 200 {
                let file = answer.ok()?;
                ensure!(publisher.trusts("timestamp", &file), "it is badly signed");
                let file: Value = serde_json::from_slice(&file)?;
                ensure!(
                    file["signed"]["version"] == 2,
                    "it is {}",
                    file["signed"]["version"]
                );
            }
        }
        let renewed = replicas.ours.metadata(&gun, "2.timestamp.json")?;
        ensure!(
            renewed == replicas.ours.metadata(&gun, "timestamp.json")?,
            "renewed again"
        );
    }
    replicas.feed_is_true()
}

/// A timestamp key of which the private half is known, so that a test can sign what has expired.
struct RecordedKey {
    key: Key,
}

impl RecordedKey {
    /// Puts the key where the signers find it, as a signer of Notary wrote it before it noted
    /// repositories: any of them may then use it.
    fn kept_by(database: &Database) -> Result<Self> {
        let recorded = vectors("signer-jwe-at-rest")["cases"][1].clone();
        let text = |name: &str| recorded[name].as_str().context("recorded as text");
        let (public, private) = (hex::decode(text("public_hex")?)?, text("jwe")?);
        database.administer(
            Owner::Signer,
            &format!(
                "INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg,
                     keywrap_alg, algorithm, passphrase_alias, public, private, gun, role)
                 VALUES ('2026-11-21 23:22:27', '2026-11-21 23:22:27', '{}', '{}', '{}', '{}', '{}',
                     {}, {}, '', 'timestamp');",
                text("key_id")?,
                text("encryption_alg")?,
                text("keywrap_alg")?,
                text("algorithm")?,
                text("passphrase_alias")?,
                database.literal(&public),
                database.literal(private.as_bytes()),
            ),
        )?;
        // Stored are the public half, the seed, and the public half again.
        let plaintext = hex::decode(text("plaintext_hex")?)?;
        let key = Key::ed25519_from_seed(plaintext.get(32..64).context("96 bytes")?);
        ensure!(key.id() == text("key_id")?, "the seed is of another key");
        Ok(Self { key })
    }

    /// Puts a timestamp that has expired in place of the one that was just published, in the table
    /// and in the feed.
    fn expires_timestamp(&self, replicas: &Replicas, gun: &str) -> Result<()> {
        let current = replicas.ours.metadata(gun, "1.timestamp.json")?;
        let expired = resign(&current, std::slice::from_ref(&self.key), |signed| {
            signed["expires"] = json!("2026-01-01T00:00:00Z");
        });
        let listed = fixtures::listing(&expired);
        let sha256 = hex::encode(bytes(&listed["hashes"]["sha256"]));
        let database = replicas.database()?;
        let data = database.literal(&expired);
        database.administer(
            Owner::Server,
            &format!(
                "UPDATE tuf_files SET data = {data}, sha256 = '{sha256}'
                     WHERE gun = '{gun}' AND role = 'timestamp' AND version = 1;
                 UPDATE changefeed SET sha256 = '{sha256}' WHERE gun = '{gun}' AND version = 1;"
            ),
        )?;
        Ok(())
    }
}
