//! Every custody that this signer has, and which one takes new keys.

use std::sync::Arc;

use super::{Custody, CustodyError, Report, SigningKey, custody_name, encrypted::EncryptedRows};
use crate::keystore::{KeyStore, StoreError, StoredKey};

/// All places where private keys of this signer live. Rows belong to the one that they are marked
/// with, so keys of several stand beside each other in one table.
pub struct Custodies {
    encrypted: Arc<EncryptedRows>,
    others: Vec<Arc<dyn Custody>>,
    for_new_keys: Arc<dyn Custody>,
}

impl Custodies {
    /// Encrypted rows alone, new keys included.
    #[must_use]
    pub fn new(encrypted: EncryptedRows) -> Self {
        let encrypted = Arc::new(encrypted);
        Self {
            others: Vec::new(),
            for_new_keys: Arc::clone(&encrypted) as Arc<dyn Custody>,
            encrypted,
        }
    }

    /// The same and `custody`, to which new keys go if it `takes_new_keys`.
    #[must_use]
    pub fn with(mut self, custody: Arc<dyn Custody>, takes_new_keys: bool) -> Self {
        if takes_new_keys {
            self.for_new_keys = Arc::clone(&custody);
        }
        self.others.push(custody);
        self
    }

    /// Keys in encrypted rows, which any signer may meet in its table.
    #[must_use]
    pub fn encrypted(&self) -> &EncryptedRows {
        &self.encrypted
    }

    /// Where new keys go.
    #[must_use]
    pub fn for_new_keys(&self) -> &dyn Custody {
        &*self.for_new_keys
    }

    /// The custody of `key`, as its row is marked.
    ///
    /// # Errors
    ///
    /// [`CustodyError::Unknown`] if it is not set up here.
    pub fn of(&self, key: &StoredKey) -> Result<&dyn Custody, CustodyError> {
        let Some(name) = custody_name(&key.alias) else {
            return Ok(&*self.encrypted);
        };
        let found = self.others.iter().find(|custody| custody.name() == name);
        let custody = found.ok_or_else(|| CustodyError::Unknown {
            id: key.id.clone(),
            custody: name.to_owned(),
        })?;
        Ok(&**custody)
    }

    /// Gets a stored key ready to sign.
    pub async fn open(&self, key: StoredKey) -> Result<Arc<dyn SigningKey>, CustodyError> {
        self.of(&key)?.open(key).await
    }

    /// Checks every custody.
    pub async fn check(&self, rows: &dyn KeyStore) -> Result<Report, StoreError> {
        let mut whole = Report::default();
        let encrypted = Arc::clone(&self.encrypted) as Arc<dyn Custody>;
        for custody in [&encrypted].into_iter().chain(&self.others) {
            let takes_new_keys = custody.name() == self.for_new_keys.name();
            let report = custody.check(rows, takes_new_keys).await?;
            if takes_new_keys {
                whole.faults.extend(report.faults);
            } else {
                whole.warnings.extend(report.faults);
            }
            whole.warnings.extend(report.warnings);
            whole.keys.extend(report.keys);
            whole.advice.extend(report.advice);
        }
        Ok(whole)
    }
}
