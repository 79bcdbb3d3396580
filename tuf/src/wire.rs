//! The spellings of the metadata model: how each metadata format writes it.
//!
//! Everything that knows member names, `_type` names, the grammar of role names, how keys and
//! hashes are encoded, or the words in which clients are refused, is in here. A format is one
//! implementation of [`Spelling`]; everything else goes through a [`MetadataFormat`].

mod conventions;
mod notary;
#[cfg(test)]
mod sketch;
mod spelling;

use std::fmt;

pub(crate) use conventions::{Conventions, Delegator};
pub(crate) use spelling::{Composed, Parts, Spelling};

use crate::{
    fault::Fault,
    role::{DelegationName, InvalidRole, Role},
};

/// The metadata format of a repository. All of its files are in one.
#[derive(Clone, Copy)]
pub struct MetadataFormat(&'static dyn Spelling);

impl MetadataFormat {
    /// The format of Notary 0.7, which Docker speaks.
    pub const NOTARY: Self = Self(&notary::Notary);

    /// A format for tests.
    #[cfg(test)]
    pub(crate) const SKETCH: Self = Self(&sketch::Sketch);

    /// All formats that this crate knows.
    const ALL: &[Self] = &[
        #[cfg(test)]
        Self::SKETCH,
        Self::NOTARY,
    ];

    /// What the format is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The format of that [name](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
    }

    /// Reads the name of a role of the format. [`Role::parse`] takes the names of all formats.
    pub fn role(self, name: &str) -> Result<Role, InvalidRole> {
        let role = Role::parse(name)?;
        let is_foreign = matches!(role, Role::Delegation(_)) && !self.0.is_delegation(name);
        if is_foreign {
            return Err(InvalidRole::new(name));
        }
        Ok(role)
    }

    /// `fault` in the words that clients of the format know.
    #[must_use]
    pub fn words(self, fault: &Fault) -> String {
        self.0.words(fault)
    }

    /// The format of an uploaded file: Notary's, if no other recognises it.
    pub(crate) fn of_upload(bytes: &[u8]) -> Self {
        let found = Self::ALL.iter().find(|format| format.0.recognises(bytes));
        found.copied().unwrap_or(Self::NOTARY)
    }

    /// Whether any format lets a role below targets have this name.
    pub(crate) fn any_has_delegation(name: &str) -> bool {
        Self::ALL.iter().any(|format| format.0.is_delegation(name))
    }

    /// Whether a snapshot lists the root. Where none does, the root of the highest version is
    /// current.
    #[must_use]
    pub fn lists_root(self) -> bool {
        self.conventions().lists_root()
    }

    pub(crate) fn conventions(self) -> &'static dyn Conventions {
        self.0.conventions()
    }

    pub(crate) fn spelling(self) -> &'static dyn Spelling {
        self.0
    }
}

/// Every repository has it, until another format is noted for it.
impl Default for MetadataFormat {
    fn default() -> Self {
        Self::NOTARY
    }
}

impl PartialEq for MetadataFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for MetadataFormat {}

impl fmt::Debug for MetadataFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Role {
    /// Reads a role's name: one of the four top roles, or a name that a format takes for a role
    /// below targets. [`MetadataFormat::role`] takes those of one format only.
    pub fn parse(name: &str) -> Result<Self, InvalidRole> {
        match name {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "snapshot" => Ok(Self::Snapshot),
            "timestamp" => Ok(Self::Timestamp),
            _ if MetadataFormat::any_has_delegation(name) => {
                Ok(Self::Delegation(DelegationName::new(name)))
            }
            _ => Err(InvalidRole::new(name)),
        }
    }
}
