//! Where the keys of the token service are.

use std::path::Path;

use access::Credentials;
use daemon::logging::STARTUP;
use ring::rand::{SecureRandom as _, SystemRandom};
use time::OffsetDateTime;

use super::{
    error::TokenServiceError, folder::Folder, holder::administrator_fingerprint, keys::Keys,
    memory::Memory,
};

/// What an operator is told once about keys in memory.
pub(super) const IN_MEMORY: &str = "its keys are in memory, so that its tokens are good at this process alone and end with it; several servers behind one name need auth.token_folder, on storage that they share";

/// Where the keys of the token service are.
pub(super) enum KeySource {
    /// In a folder, which outlives the server and may be another's as well.
    Folder(Folder),
    /// Nowhere else.
    Memory(Memory),
}

impl KeySource {
    /// The source that `folder` means; without one, a new authority in memory.
    pub(super) fn new(
        folder: Option<&Path>,
        now: OffsetDateTime,
    ) -> Result<Self, TokenServiceError> {
        match folder {
            Some(folder) => Ok(Self::Folder(Folder(folder.to_owned()))),
            None => Memory::new(now).map(Self::Memory),
        }
    }

    /// The keys of `now`; those that are missing or due are made.
    pub(super) fn keys(&self, now: OffsetDateTime) -> Result<Keys, TokenServiceError> {
        match self {
            Self::Folder(folder) => folder.keys(now).map_err(TokenServiceError::from),
            Self::Memory(memory) => memory.keys(now),
        }
    }

    /// Whether another process can verify what is signed now.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Logs what follows from where the keys are.
    pub(super) fn log_consequences(&self) {
        match self {
            Self::Folder(folder) if folder.is_writable() => {}
            Self::Folder(Folder(path)) => tracing::warn!(
                target: STARTUP,
                "auth.token_folder: {} cannot be written, and keys have to be renewed from outside",
                path.display()
            ),
            Self::Memory(_) => tracing::info!(target: STARTUP, "token service: {IN_MEMORY}"),
        }
    }

    /// What binds tokens to the administrator's password. It only has to be the same for as long as
    /// the tokens can be: in memory it need not have anything to do with the password.
    pub(super) fn fingerprint(
        &self,
        administrator: &Credentials,
    ) -> Result<[u8; 32], TokenServiceError> {
        if self.lasts() {
            return Ok(administrator_fingerprint(administrator));
        }
        let mut fingerprint = [0; 32];
        SystemRandom::new()
            .fill(&mut fingerprint)
            .map_err(|_| TokenServiceError("the random number generator failed".to_owned()))?;
        Ok(fingerprint)
    }
}
