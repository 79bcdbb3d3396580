//! The CA of a set-up, which clients trust and which is not replaced unasked.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::{Preparation, PrepareError, place};
use crate::{
    files::{self, FileError},
    pki::{self, Authority, Outcome},
};

/// Where the CA's certificate is needed.
pub(super) const COPIES: [(&str, &str); 4] = [
    ("server", "ca.crt"),
    ("signer", "ca.crt"),
    ("gateway", "ca.crt"),
    ("public", "root-ca.crt"),
];

/// Opens the CA, or makes it where there never was one.
pub(super) fn open(
    to: &Preparation,
    now: OffsetDateTime,
    news: &mut Vec<String>,
) -> Result<Authority, PrepareError> {
    if to.permitted.new_authority {
        let text = if give_up(to)? { GIVEN_UP } else { INTACT };
        news.push(text.to_owned());
    }
    compare(to)?;
    keep_what_ends(to, now)?;
    let folder = to.folder.join("authority");
    let (authority, outcome) = Authority::open_as("Countersign", &folder, now)?;
    news.extend(match outcome {
        Outcome::Kept => None,
        Outcome::Made => Some("made ca.crt".to_owned()),
        Outcome::Renewed => Some(RENEWED.to_owned()),
    });
    Ok(authority)
}

const GIVEN_UP: &str = "the CA is another from now on: give its root-ca.crt to all clients";
const INTACT: &str = "the CA is there and stays: --new-authority is for one that is lost. To replace it, remove it \
                      first (with docker-compose: the volume `authority`)";
const RENEWED: &str = "renewed the CA's certificate (root-ca.crt) with its key kept: clients whose copy is not \
                       valid now need the new one";

/// Refuses to go on without the CA that services and clients know.
pub(super) fn compare(to: &Preparation) -> Result<(), PrepareError> {
    let (certificate, key) = own_files(to);
    let again = || to.again("--new-authority");
    let copies = copies(to)?;
    if pki::read_key(&key)?.is_none() {
        let own = files::read_filled(&certificate)?.map(|_| certificate);
        let mut present = own.into_iter().chain(copies.into_iter().map(|(it, _)| it));
        return present.next().map_or(Ok(()), |present| {
            Err(PrepareError::AuthorityLost {
                missing: key,
                present,
                again: again(),
            })
        });
    }
    match copies.into_iter().find(|(_, is_of)| !is_of) {
        None => Ok(()),
        Some((copy, _)) => Err(PrepareError::AuthorityChanged {
            authority: key,
            copy,
            again: again(),
        }),
    }
}

/// Removes what speaks of a CA that is not there. Until the last such file is gone, [`compare`]
/// goes on refusing; after that, any start makes everything for the new one. Whether there was
/// anything.
fn give_up(to: &Preparation) -> Result<bool, PrepareError> {
    let (certificate, key) = own_files(to);
    let mut strangers: Vec<_> = copies(to)?;
    strangers.retain(|(_, is_of)| !is_of);
    let is_lost = pki::read_key(&key)?.is_none();
    for (copy, _) in &strangers {
        files::remove(copy)?;
    }
    if is_lost {
        files::remove(&former_file(to))?;
        files::remove(&certificate)?;
    }
    Ok(is_lost || !strangers.is_empty())
}

/// The copies that are there, and whether each is of the CA's key.
fn copies(to: &Preparation) -> Result<Vec<(PathBuf, bool)>, PrepareError> {
    let key = files::read_filled(&own_files(to).1)?.map(zeroize::Zeroizing::new);
    let is_of = |pem: &[u8]| {
        // A damaged copy names no CA, and is replaced.
        key.as_ref()
            .is_some_and(|key| pki::is_pair(pem, key) || pki::certificates(pem).is_none())
    };
    let mut found = Vec::new();
    for (folder, name) in COPIES {
        let path = to.file(folder, name);
        if let Some(pem) = files::read_filled(&path)? {
            found.push((path, is_of(&pem)));
        }
    }
    Ok(found)
}

/// Keeps the certificate that is about to be replaced: while it goes on, clients have it.
fn keep_what_ends(to: &Preparation, now: OffsetDateTime) -> Result<(), FileError> {
    match files::read_filled(&own_files(to).0)? {
        Some(pem) if pki::is_authority_ending(&pem, now) => place(&former_file(to), &pem),
        _ => Ok(()),
    }
}

/// What operators have to be told again and again in the year in which the CA's former certificate
/// ends: only its operator can give clients the new one.
pub(super) fn remind(to: &Preparation, now: OffsetDateTime, say: &dyn Fn(&str)) {
    if let Some(text) = reminder(to, now) {
        say(&text);
    }
}

fn reminder(to: &Preparation, now: OffsetDateTime) -> Option<String> {
    let old = files::read_filled(&former_file(to)).ok()??;
    let end = pki::end(&old).filter(|_| pki::is_authority_ending(&old, now))?;
    Some(format!(
        "the CA's certificate was renewed: clients that still have the former one stop believing the server on \
         {}, in {} days. Give all of them the new root-ca.crt, which `docker-compose up -d` copies to the host",
        end.date(),
        (end - now).whole_days()
    ))
}

fn own_files(to: &Preparation) -> (PathBuf, PathBuf) {
    (
        to.file("authority", "ca.crt"),
        to.file("authority", "ca.key"),
    )
}

fn former_file(to: &Preparation) -> PathBuf {
    to.file("authority", "former-ca.crt")
}
