//! Writes a line to the program's log for everything that changed trust data.

use tuf::{File, Gun};

use super::{Cause, Event, Key, Subscriber, What};

/// The program's log: one line for each change, at level info. For programs whose audit lines are
/// elsewhere. Refusals have their line where the answer is made, and renewals that failed where
/// the walk is made, whatever subscribes.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Subscriber for Log {
    fn notice(&self, event: &Event<'_>) {
        let gun = event.gun;
        match event.what {
            What::Published { cause, files, .. } => log_files(gun, cause, files),
            What::Deleted { existed: true } => tracing::info!(%gun, "trust data deleted"),
            What::KeyCreated(key) | What::KeyRotated(key) => log_key(gun, key),
            What::RenewalFailed(_) | What::Deleted { existed: false } | What::Refused { .. } => {}
        }
    }
}

fn log_files(gun: &Gun, cause: Cause, files: &[File]) {
    match (cause, files.last()) {
        (Cause::Publish, Some(timestamp)) => {
            let roles: Vec<&str> = files.iter().map(|file| file.role().as_str()).collect();
            tracing::info!(
                %gun,
                roles = roles.join(","),
                version = timestamp.version(),
                sha256 = hex::encode(timestamp.checksums().sha256),
                "updated to a new timestamp"
            );
        }
        (Cause::Renewal, Some(timestamp)) => {
            tracing::info!(%gun, version = timestamp.version(), "renewed the timestamp");
        }
        (Cause::Repeat, _) => tracing::info!(%gun, "the update is stored already and current"),
        (_, None) => {}
    }
}

fn log_key(gun: &Gun, Key { role, id }: Key<'_>) {
    tracing::info!(%gun, %role, key_id = %id, "handed out a key");
}
