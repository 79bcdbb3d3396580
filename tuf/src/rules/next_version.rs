//! The snapshot or timestamp that follows the one before it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::meta::is_listed;
use crate::{
    fault::{Damaged, Fault},
    files::{Draft, File, Stored, Strictness},
    metadata::{Entry, Meta, Root},
    role::Role,
    wire::MetadataFormat,
};

/// A snapshot or timestamp to be made.
#[derive(Clone)]
pub(crate) struct NextVersion {
    format: MetadataFormat,
    role: Role,
    version: i64,
    /// The entries of the file before it, all of which are kept.
    meta: BTreeMap<String, Entry>,
}

impl NextVersion {
    /// The version that follows the stored file of `role`; the first one if there is none.
    pub(crate) fn of(stored: &Stored, role: Role) -> Result<Self, Damaged> {
        match stored.get(&role) {
            Some(file) => Self::after(file.file()?),
            None => Ok(Self {
                format: stored.format,
                role,
                version: 1,
                meta: BTreeMap::new(),
            }),
        }
    }

    /// The version that follows `file`, whose signatures and expiry do not matter (Notary 0.7).
    pub(crate) fn after(file: &File) -> Result<Self, Damaged> {
        let role = file.role().clone();
        let meta = read_meta(file).map_err(Damaged::of(&role))?;
        if file.version() >= i64::from(i32::MAX) {
            return Err(Damaged::of(&role)(Fault::LastVersion(file.version())));
        }
        Ok(Self {
            format: file.format(),
            version: file.version() + 1,
            role,
            meta: meta
                .iter()
                .map(|(name, file)| (name.clone(), file.entry.clone()))
                .collect(),
        })
    }

    /// The format that it will have.
    pub(crate) fn format(&self) -> MetadataFormat {
        self.format
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
        files: impl IntoIterator<Item = &'f File>,
        root: &Root,
        now: OffsetDateTime,
    ) -> Draft {
        let spelling = self.format.spelling();
        let mut meta = self.meta.clone();
        let listed = files
            .into_iter()
            .filter(|file| is_listed(self.format, file.role()));
        meta.extend(listed.map(|file| {
            let entry = spelling.entry(file.version(), file.checksums());
            (file.role().to_string(), entry)
        }));
        Draft::new(
            self.format,
            self.role.clone(),
            self.version,
            meta,
            root,
            now,
        )
    }
}

/// What a stored snapshot or timestamp lists, if it is whole and could be signed again.
fn read_meta(file: &File) -> Result<&Meta, Fault> {
    let checked = file.check(Strictness::Stored)?;
    checked.message()?;
    checked.meta()
}
