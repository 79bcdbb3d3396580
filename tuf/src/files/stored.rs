//! Files that are stored, read once however often they are asked for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::{
    checked::{Checked, Strictness},
    file::File,
};
use crate::{
    fault::{Damaged, EnvelopeFault, Fault},
    gun::Gun,
    metadata::{Body, Envelope},
    role::Role,
    wire::{MetadataFormat, Parts},
};

/// A stored file. What it says is read when it is first asked for, and remembered: a cache that
/// keeps it under its checksum spares the next update all of that. Cloning is cheap.
///
/// It is as lenient as [`File::parse`], and a file that cannot be read is found out where it is
/// needed.
#[derive(Clone)]
pub struct StoredFile(Arc<Contents>);

struct Contents {
    format: MetadataFormat,
    role: Role,
    bytes: Bytes,
    version: OnceLock<Result<i64, Damaged>>,
    file: OnceLock<Result<File, Damaged>>,
    listing: OnceLock<Result<Envelope, EnvelopeFault>>,
    parts: OnceLock<Option<Parts>>,
    /// Whether this root may be trusted, and for which repository that was asked.
    trust: OnceLock<(Gun, Result<(), Damaged>)>,
}

impl StoredFile {
    /// The stored file of `role`, of which nothing is read yet.
    #[must_use]
    pub fn new(format: MetadataFormat, role: Role, bytes: Bytes) -> Self {
        Self::with(format, role, bytes, OnceLock::new())
    }

    fn with(
        format: MetadataFormat,
        role: Role,
        bytes: Bytes,
        file: OnceLock<Result<File, Damaged>>,
    ) -> Self {
        Self(Arc::new(Contents {
            format,
            role,
            bytes,
            version: OnceLock::new(),
            file,
            listing: OnceLock::new(),
            parts: OnceLock::new(),
            trust: OnceLock::new(),
        }))
    }

    /// What the first file of `role` takes the place of: one that says nothing.
    pub(crate) fn nothing(format: MetadataFormat, role: Role) -> Self {
        Self::new(format, role, Bytes::from_static(b"{}"))
    }

    /// The role that it is stored as.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.0.role
    }

    /// The bytes as they are stored.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The file, parsed.
    pub fn file(&self) -> Result<&File, Damaged> {
        let Contents {
            format,
            role,
            bytes,
            ..
        } = &*self.0;
        let parse = || File::parse_stored(*format, role, bytes);
        self.0
            .file
            .get_or_init(parse)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Its version, for which not all of it has to be parsed.
    pub fn version(&self) -> Result<i64, Damaged> {
        if let Some(Ok(file)) = self.0.file.get() {
            return Ok(file.version());
        }
        let read = || {
            let version = self.0.format.spelling().read_version(&self.0.bytes);
            version
                .map_err(|fault| EnvelopeFault::Malformed(fault.into()))
                .map_err(Damaged::of(&self.0.role))
        };
        self.0.version.get_or_init(read).clone()
    }

    /// What it says, whatever its text is like otherwise. What was signed is not kept for that: it
    /// is as large as the file.
    pub(crate) fn body(&self) -> Result<&Body, Fault> {
        if let Some(Ok(file)) = self.0.file.get() {
            return file.check(Strictness::Lenient)?.body();
        }
        let read = || {
            let spelling = self.0.format.spelling();
            let listing = spelling.read_listing(&self.0.role, &self.0.bytes);
            listing.map_err(|fault| EnvelopeFault::Malformed(fault.into()))
        };
        let listing = self.0.listing.get_or_init(read);
        let listing = listing.as_ref().map_err(Clone::clone)?;
        let role = &self.0.role;
        Checked::new(self.0.format, role, listing, Strictness::Lenient)?.body()
    }

    /// The parts by which changes are found; `None` if it cannot be read.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        if let Some(Ok(file)) = self.0.file.get() {
            return file.parts();
        }
        let Contents {
            format,
            role,
            bytes,
            ..
        } = &*self.0;
        let read = || format.spelling().parts(role, bytes);
        self.0.parts.get_or_init(read).as_ref()
    }

    /// The file as the root of `gun`, if `judge` trusts it. The verdict is remembered: it depends on
    /// nothing but the two.
    pub(crate) fn as_trusted_root(
        &self,
        gun: &Gun,
        judge: impl Fn(&File) -> Result<(), Damaged>,
    ) -> Result<&File, Damaged> {
        let file = self.file()?;
        let (known, verdict) = self.0.trust.get_or_init(|| (gun.clone(), judge(file)));
        if known == gun {
            verdict.clone()?;
        } else {
            judge(file)?;
        }
        Ok(file)
    }
}

/// A file that is stored now, and was parsed before.
impl From<File> for StoredFile {
    fn from(file: File) -> Self {
        let (format, role, bytes) = (file.format(), file.role().clone(), file.bytes().clone());
        Self::with(format, role, bytes, OnceLock::from(Ok(file)))
    }
}

/// Names the file; what is in it stays out of logs.
impl fmt::Debug for StoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = f.debug_struct("StoredFile");
        name.field("role", &self.0.role).finish_non_exhaustive()
    }
}

/// The current files of a repository, as stored; none of them for a new one.
///
/// [`check`](crate::check) wants the root, unless the repository has none; the files of the roles
/// in [`Update::needed_roles`](crate::Update::needed_roles), as far as there are any; the timestamp
/// of the highest version, and the snapshot that it names.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The format of all these files.
    pub format: MetadataFormat,
    files: BTreeMap<Role, StoredFile>,
}

impl Stored {
    /// A repository in `format`, of whose files none is there yet.
    #[must_use]
    pub fn new(format: MetadataFormat) -> Self {
        Self {
            format,
            files: BTreeMap::new(),
        }
    }

    /// Puts the file in the place of its role.
    pub fn insert(&mut self, file: StoredFile) {
        self.files.insert(file.role().clone(), file);
    }

    /// Like [`insert`](Self::insert), for a file of which nothing was read yet.
    pub fn insert_bytes(&mut self, role: Role, bytes: Bytes) {
        self.insert(StoredFile::new(self.format, role, bytes));
    }

    /// Takes the file of `role` out.
    pub fn remove(&mut self, role: &Role) -> Option<StoredFile> {
        self.files.remove(role)
    }

    /// The current file of `role`.
    #[must_use]
    pub fn get(&self, role: &Role) -> Option<&StoredFile> {
        self.files.get(role)
    }

    /// The roles whose files are there.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &Role> {
        self.files.keys()
    }

    /// The version of the file of `role`; 0 if there is none.
    pub(crate) fn version(&self, role: &Role) -> Result<i64, Damaged> {
        self.get(role).map_or(Ok(0), StoredFile::version)
    }
}
