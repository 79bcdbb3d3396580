//! Roots that updates were checked against, read and judged: the next update of the repository
//! spares that.

use moka::sync::Cache;
use tuf::{Gun, StoredFile};

/// How many bytes roots may take in memory, as far as [`weight`] tells.
const MOST_BYTES: u64 = 8 << 20;

/// Larger roots are read each time.
const LARGEST: usize = 64 << 10;

/// How many times the size of its file a root takes once it is read, with its keys and
/// certificates.
const READ: usize = 8;

/// Roots by GUN and checksum, bounded in bytes. What is in a file, and whether it may be trusted as
/// the root of its repository, never changes; whether it is the current root is for others to know.
#[derive(Debug)]
pub(crate) struct CheckedRoots(Cache<(Gun, [u8; 32]), StoredFile>);

impl Default for CheckedRoots {
    fn default() -> Self {
        let weigh = |_: &(Gun, [u8; 32]), root: &StoredFile| weight(root);
        Self(
            Cache::builder()
                .max_capacity(MOST_BYTES)
                .weigher(weigh)
                .build(),
        )
    }
}

impl CheckedRoots {
    /// The root of `gun` with this checksum, if it was kept.
    pub(crate) fn get(&self, gun: &Gun, sha256: [u8; 32]) -> Option<StoredFile> {
        self.0.get(&(gun.clone(), sha256))
    }

    /// Keeps a root, with all that is read of it from now on.
    pub(crate) fn keep(&self, gun: &Gun, sha256: [u8; 32], root: &StoredFile) {
        if root.bytes().len() <= LARGEST {
            self.0.insert((gun.clone(), sha256), root.clone());
        }
    }
}

fn weight(root: &StoredFile) -> u32 {
    const OTHER: usize = 1 << 10;
    u32::try_from(root.bytes().len() * READ + OTHER).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tuf::{MetadataFormat, Role};

    use super::*;

    #[test]
    fn roots_take_no_more_memory_than_they_may() {
        let roots = CheckedRoots::default();
        let gun = Gun::parse("ex.com/a").unwrap();
        for number in 0..2000_u32 {
            let mut sum = [0; 32];
            sum[..4].copy_from_slice(&number.to_be_bytes());
            let bytes = vec![b'x'; 4 << 10].into();
            let root = StoredFile::new(MetadataFormat::NOTARY, Role::Root, bytes);
            roots.keep(&gun, sum, &root);
        }
        roots.0.run_pending_tasks();
        assert!(roots.0.weighted_size() <= MOST_BYTES);
        assert!(roots.0.entry_count() > 200);
    }

    #[test]
    fn a_root_is_found_under_its_own_name_only() {
        let roots = CheckedRoots::default();
        let gun = |name: &str| Gun::parse(name).unwrap();
        let root = StoredFile::new(MetadataFormat::NOTARY, Role::Root, "{}".into());
        roots.keep(&gun("a"), [1; 32], &root);
        assert!(roots.get(&gun("a"), [1; 32]).is_some());
        assert!(roots.get(&gun("b"), [1; 32]).is_none());
        assert!(roots.get(&gun("a"), [2; 32]).is_none());
    }
}
