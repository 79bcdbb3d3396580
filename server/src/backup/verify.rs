//! Whether a backup is worth something: every checksum, and what a client would make of every
//! repository.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use archive::{ArchiveError, Kind, Place, Progress, ReadRow, escrow::PrivateKey};
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, de::IgnoredAny};
use time::OffsetDateTime;
use trust::store::{FileRow, TrustRow};
use tuf::{ClientOutcome, FileRequest, Gun, MetadataFormat, Role, WalkError, walk};

/// What is known of a backup that could be read to its end.
#[derive(Debug)]
pub struct Verified {
    /// How many rows there are.
    pub rows: u64,
    /// How many repositories.
    pub repositories: usize,
    /// When it was taken: the time that clients were taken to be at.
    pub taken_at: OffsetDateTime,
    /// Why the backup is not in order, or what clients could not follow, a sentence each.
    pub faults: Vec<String>,
    /// What is odd, and was so before the backup.
    pub remarks: Vec<String>,
}

/// The keys in the signer's archive of the same set.
pub struct KeySet {
    ids: HashSet<String>,
    taken_at: OffsetDateTime,
}

/// What matters here of a key in the signer's archive.
#[derive(Deserialize)]
struct StoredKey {
    key_id: String,
    deleted_at: Option<IgnoredAny>,
}

impl ReadRow for StoredKey {
    const KIND: Kind = Kind::Keys;

    fn read(table: u8, columns: &[u8], _: Vec<u8>) -> Option<serde_json::Result<Self>> {
        (table == b'K').then(|| serde_json::from_slice(columns))
    }
}

impl KeySet {
    /// Reads the whole archive, with `escrow` if it is sealed.
    pub fn read(file: &Path, escrow: Option<&PrivateKey>) -> Result<Self, ArchiveError> {
        let (mut reader, size) = archive::open(file, escrow)?;
        let taken_at = reader.expect(StoredKey::KIND)?.taken_at;
        let mut progress = Progress::new("reading keys", "keys", size);
        let mut ids = HashSet::new();
        while let Some(key) = reader.next_row::<StoredKey>()? {
            progress.at(reader.position(), reader.rows());
            if key.deleted_at.is_none() {
                ids.insert(key.key_id);
            }
        }
        Ok(Self { ids, taken_at })
    }
}

/// Reads the archive `file` to its end, then goes through every repository as a client would at the
/// time it was taken. With `keys`, looks for the keys of the server's roles there.
///
/// # Errors
///
/// If the archive is not whole: nothing more can be said then.
pub fn verify(file: &Path, keys: Option<&KeySet>) -> Result<Verified, ArchiveError> {
    let (index, mut verified) = Index::read(file)?;
    if let Some(keys) = keys.filter(|keys| keys.taken_at < verified.taken_at) {
        verified.remarks.push(format!(
            "the keys were backed up before the trust data (at {}, by the signer's clock), so that keys made \
             in between are missing: back up the keys last",
            archive::moment(keys.taken_at)
        ));
    }
    let total = u64::try_from(index.repositories.len()).unwrap_or(u64::MAX);
    let mut progress = Progress::new("verifying", "repositories", Some(total));
    for (done, (name, files)) in (1..).zip(&index.repositories) {
        index.check(name, files, keys, &mut verified);
        progress.at(done, done);
    }
    Ok(verified)
}

/// Where in the archive everything stands that a client could ask for.
struct Index {
    archive: File,
    repositories: BTreeMap<String, Vec<Version>>,
}

/// One version of a role.
struct Version {
    role: Role,
    number: i64,
    sha256: [u8; 32],
    place: Place,
}

impl Index {
    fn read(path: &Path) -> Result<(Self, Verified), ArchiveError> {
        if path == Path::new("-") {
            let text = "it is read twice: name a file, not standard input";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        }
        let (mut reader, size) = archive::open(path, None)?;
        let mut progress = Progress::new("reading", "rows", size);
        let mut verified = Verified {
            rows: 0,
            repositories: 0,
            taken_at: reader.expect(TrustRow::KIND)?.taken_at,
            faults: Vec::new(),
            remarks: Vec::new(),
        };
        let mut repositories = BTreeMap::<String, Vec<Version>>::new();
        while let Some(row) = reader.next_row::<TrustRow>()? {
            progress.at(reader.position(), reader.rows());
            let TrustRow::File(file) = row else { continue };
            let place = reader.place(file.data.len());
            match version(&file, place) {
                Ok(Some(version)) => repositories.entry(file.gun).or_default().push(version),
                Ok(None) => {}
                Err(fault) => verified.faults.push(fault),
            }
        }
        verified.rows = reader.rows();
        verified.repositories = repositories.len();
        let index = Self {
            archive: File::open(path)?,
            repositories,
        };
        Ok((index, verified))
    }

    /// Walks through one repository and notes what is found.
    fn check(&self, name: &str, files: &[Version], keys: Option<&KeySet>, verified: &mut Verified) {
        let Ok(gun) = Gun::parse(name) else {
            let remark = format!("{name:?} is no name of a repository that a server could serve");
            verified.remarks.push(remark);
            return;
        };
        let find = |role: &Role, wanted: FileRequest| self.find(files, role, wanted);
        match walk(MetadataFormat::NOTARY, &gun, &find, verified.taken_at) {
            Ok(walked) => {
                verified.remarks.extend(remarks(&gun, &walked));
                verified.faults.extend(missing_key(&gun, &walked, keys));
            }
            Err(error @ WalkError::Unreadable { .. }) => {
                let cure = error.cure();
                verified
                    .faults
                    .push(format!("{gun}: {error}. Cure: {cure}"));
            }
            Err(error) => verified.faults.push(format!("{gun}: {error}")),
        }
    }

    fn find(&self, files: &[Version], role: &Role, wanted: FileRequest) -> Option<Bytes> {
        let mut files = files.iter().filter(|file| file.role == *role);
        let file = match wanted {
            FileRequest::Newest => files.max_by_key(|file| file.number),
            FileRequest::Version(number) => files.find(|file| file.number == number),
            FileRequest::Sha256(sha256) => files.find(|file| file.sha256 == sha256),
        }?;
        let mut bytes = vec![0; file.place.length as usize];
        self.archive
            .read_exact_at(&mut bytes, file.place.offset)
            .ok()?;
        // The archive was checked when it was read first; this is another reading.
        (sha256(&bytes) == file.sha256).then(|| bytes.into())
    }
}

/// The version of a row; none if it is never read.
fn version(file: &FileRow, place: Place) -> Result<Option<Version>, String> {
    if file.deleted_at.is_some() {
        return Ok(None);
    }
    let sha256 = sha256(&file.data);
    // Names are what a database holds, and may hold anything.
    let (gun, role) = (file.gun.escape_debug(), file.role.escape_debug());
    let name = format!("{gun}: version {} of {role}", file.version);
    // Old databases lack it, or hold an empty one.
    if let Some(noted) = file.sha256.as_deref().filter(|noted| !noted.is_empty())
        && noted != hex::encode(sha256)
    {
        return Err(format!(
            "{name} is not what its checksum says: it was altered in the database"
        ));
    }
    let role = Role::parse(&file.role).map_err(|error| format!("{name}: {error}"))?;
    Ok(Some(Version {
        role,
        number: file.version.into(),
        sha256,
        place,
    }))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// What clients would have complained about when the backup was taken.
fn remarks(gun: &Gun, walked: &ClientOutcome) -> Vec<String> {
    let expired = walked.expired_files().map(|met| {
        let healing = match met.role {
            Role::Timestamp | Role::Snapshot => " (the server renews it)",
            _ => " (its publisher has to renew it)",
        };
        format!("{gun}: {} had expired{healing}", met.role)
    });
    let skipped = walked.skipped.iter().map(|skipped| {
        format!(
            "{gun}: clients pass over {}: {}",
            skipped.role, skipped.reason
        )
    });
    expired.chain(skipped).collect()
}

/// Says so if the signer could no longer sign timestamps. Snapshots may be signed by publishers,
/// whose keys are in no backup of ours.
fn missing_key(gun: &Gun, walked: &ClientOutcome, keys: Option<&KeySet>) -> Option<String> {
    let keys = keys?;
    let wanted = walked.root().keys(&Role::Timestamp);
    let held = wanted
        .iter()
        .filter(|key| keys.ids.contains(key.id().as_str()))
        .count();
    let threshold =
        usize::try_from(walked.root().threshold(&Role::Timestamp)).unwrap_or(usize::MAX);
    if held >= threshold {
        return None;
    }
    let wanted: Vec<&str> = wanted.iter().map(|key| key.id().as_str()).collect();
    Some(format!(
        "{gun}: the backup of the keys lacks the one for timestamps ({})",
        wanted.join(", ")
    ))
}
