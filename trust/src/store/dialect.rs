//! How databases keep publishes of one repository apart, beyond [`Dialect`](database::Dialect).

use std::borrow::Cow;

use database::{Dialect, Settle};
use ring::digest::{SHA256, digest};
use sqlx::{MySql, Postgres, Sqlite};
use tuf::Gun;

/// A database that keeps trust data.
///
/// Publishes and deletions of different repositories do not wait for each other. Of one repository,
/// a publish writes to the row of the timestamp that it builds on, and the unique key of files
/// takes each version once.
pub trait TrustDialect: Settle {
    /// Begins a publish of `gun` whose timestamp follows directly on the one that it builds on. Two
    /// of those cannot both commit, whatever they read: they add the same version of the timestamp.
    fn begin_publish(gun: &Gun) -> Cow<'static, str>;

    /// Begins a deletion of `gun`. A publish beside it adds all its files before, or none.
    fn begin_deletion(gun: &Gun) -> Cow<'static, str>;
}

impl TrustDialect for Sqlite {
    fn begin_publish(_: &Gun) -> Cow<'static, str> {
        Self::BEGIN.into()
    }

    fn begin_deletion(_: &Gun) -> Cow<'static, str> {
        Self::BEGIN.into()
    }
}

impl TrustDialect for Postgres {
    /// The second lock is of this repository alone: without it a deletion would miss what was
    /// inserted after it had begun. The first one is shared among all who begin so; it keeps out
    /// those who hold the lock of [`Dialect::BEGIN`] alone: servers of an earlier version, which
    /// rely on it, and a restore. READ COMMITTED sees what was committed during the wait.
    fn begin_publish(gun: &Gun) -> Cow<'static, str> {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SELECT pg_advisory_xact_lock_shared({WRITERS}), pg_advisory_xact_lock({})",
            lock_of(gun)
        )
        .into()
    }

    fn begin_deletion(gun: &Gun) -> Cow<'static, str> {
        Self::begin_publish(gun)
    }
}

/// The advisory lock that [`Dialect::BEGIN`] of `PostgreSQL` takes.
const WRITERS: i64 = 7_165_362_116_443_993_600;

/// The advisory lock of one repository. Others that happen to have the same one only wait.
fn lock_of(gun: &Gun) -> i64 {
    let sum = digest(&SHA256, format!("countersign gun {gun}").as_bytes());
    let (first, _) = sum
        .as_ref()
        .split_first_chunk()
        .expect("SHA-256 has 32 bytes");
    i64::from_be_bytes(*first)
}

impl TrustDialect for MySql {
    /// At this level reads lock nothing. Under SERIALIZABLE they lock the gaps that they looked
    /// into, and neighbours in the index, which are other repositories, end in deadlocks.
    fn begin_publish(_: &Gun) -> Cow<'static, str> {
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION".into()
    }

    /// SERIALIZABLE: a deletion locks the gaps between the files, so that a publish puts none
    /// behind it.
    fn begin_deletion(_: &Gun) -> Cow<'static, str> {
        Self::BEGIN.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes_share_the_lock_that_earlier_versions_hold_alone() {
        let taken = format!("pg_advisory_xact_lock({WRITERS})");
        assert!(<Postgres as Dialect>::BEGIN.contains(&taken));
    }

    #[test]
    fn each_repository_has_a_lock_of_its_own() {
        let gun = |name: &str| Gun::parse(name).unwrap();
        assert_eq!(lock_of(&gun("a")), lock_of(&gun("a")));
        assert_ne!(lock_of(&gun("a")), lock_of(&gun("b")));
    }
}
