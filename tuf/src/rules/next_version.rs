//! The snapshot or timestamp that follows the one before it.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::encoding::json::Value;
use crate::metadata::{Meta, Root};
use crate::wire::notary;
use crate::{Checksums, Damaged, Draft, File, Role};

/// A snapshot or timestamp to be made: what follows from the one before it.
#[derive(Clone)]
pub(crate) struct NextVersion {
    role: Role,
    version: i64,
    /// The entries of the file before it, all of which are kept.
    meta: BTreeMap<String, Value<'static>>,
}

impl NextVersion {
    /// What follows the stored file of `role`; the first version if there is none.
    pub(crate) fn of(role: Role, stored: Option<&Bytes>) -> Result<Self, Damaged> {
        let Some(bytes) = stored else {
            return Ok(Self {
                role,
                version: 1,
                meta: BTreeMap::new(),
            });
        };
        let file = File::parse(role.clone(), bytes.clone());
        let file = file.map_err(|fault| Damaged {
            role,
            reason: fault.to_string(),
        })?;
        Self::after(&file)
    }

    /// What follows `file`, whose signatures and expiry do not matter (Notary 0.7).
    pub(crate) fn after(file: &File) -> Result<Self, Damaged> {
        let role = file.role().clone();
        let damaged = |reason| Damaged {
            role: role.clone(),
            reason,
        };
        let meta = listed(file).map_err(damaged)?;
        if file.version() >= i64::from(i32::MAX) {
            return Err(damaged(format!(
                "version {} has no successor",
                file.version()
            )));
        }
        let meta = meta
            .iter()
            .map(|(name, file)| (name.clone(), file.entry.clone()))
            .collect();
        Ok(Self {
            version: file.version() + 1,
            role,
            meta,
        })
    }

    /// How many files the file before it lists.
    pub(crate) fn size(&self) -> usize {
        self.meta.len()
    }

    /// Whether the file before it lists that of `role`.
    pub(crate) fn lists(&self, role: &Role) -> bool {
        self.meta.contains_key(role.as_str())
    }

    /// The file to sign, with entries for `files` in place of any earlier ones.
    pub(crate) fn draft<'f>(
        &self,
        files: impl IntoIterator<Item = (&'f Role, &'f Checksums)>,
        root: &Root,
        now: OffsetDateTime,
    ) -> Draft {
        let mut meta = self.meta.clone();
        meta.extend(
            files
                .into_iter()
                .map(|(role, checksums)| (role.to_string(), notary::meta_entry(checksums))),
        );
        Draft::new(self.role.clone(), self.version, meta, root, now)
    }
}

/// What a stored snapshot or timestamp pins, if it is whole and could be signed again.
fn listed(file: &File) -> Result<&Meta, String> {
    file.check_text()?;
    file.envelope().message.as_ref().map_err(Clone::clone)?;
    match file.role() {
        Role::Timestamp => notary::check_timestamp(file.envelope()),
        _ => notary::check_snapshot(file.envelope()),
    }
}
