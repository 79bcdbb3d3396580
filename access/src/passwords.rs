//! Password files, as Apache's `htpasswd` and the registry use them.

mod argon2id;
mod bcrypt;
mod error;
mod foreign;
mod hash;
mod parse;
mod work;

use std::{collections::BTreeMap, fmt};

pub use error::{InvalidHash, InvalidPassword};
use hash::Hash;
pub use hash::{Hashing, hash};
pub use parse::InvalidPasswordFile;
use ring::digest;
use secrecy::ExposeSecret;

use crate::Credentials;

/// The users of a password file and the hashes of their passwords.
pub struct PasswordFile {
    users: BTreeMap<String, Entry>,
    /// The hash that is computed for a user who is not there: one of the kind and cost that most
    /// users have, so that the time an answer takes does not tell who is there. Users whose hashes
    /// are of another kind or cost can still be told apart by it.
    stand_in: Hash,
}

struct Entry {
    hash: Hash,
    fingerprint: [u8; 32],
}

impl PasswordFile {
    /// Whether the password is the user's. Takes as long for a user that is not there. Slow by
    /// design: not for an async thread.
    ///
    /// Empty passwords are never right. bcrypt takes notice of the first 72 bytes of a password
    /// alone, here as everywhere.
    #[must_use]
    pub fn verify(&self, credentials: &Credentials) -> bool {
        let entry = self.users.get(&credentials.user);
        let hash = entry.map_or(&self.stand_in, |entry| &entry.hash);
        let password = credentials.password.expose_secret();
        // The work comes first, so that every caller costs the same.
        hash.is_of(password.as_bytes()) && entry.is_some() && !password.is_empty()
    }

    /// Whether there is such a user.
    #[must_use]
    pub fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Something that changes with the user's password and says nothing of it; `None` without such
    /// a user.
    #[must_use]
    pub fn fingerprint(&self, user: &str) -> Option<[u8; 32]> {
        self.users.get(user).map(|entry| entry.fingerprint)
    }

    /// The names of all users, sorted.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// `None` if there are no users.
    fn new(users: BTreeMap<String, Entry>) -> Option<Self> {
        let mut work = BTreeMap::<_, usize>::new();
        for entry in users.values() {
            *work.entry(entry.hash.work()).or_default() += 1;
        }
        let (usual, _) = work.into_iter().max_by_key(|(_, users)| *users)?;
        let mut hashes = users.values().map(|entry| &entry.hash);
        let stand_in = hashes.find(|hash| hash.work() == usual)?.clone();
        Some(Self { users, stand_in })
    }
}

impl Entry {
    fn new(user: &str, hash: Hash, text: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"countersign password fingerprint\0");
        // Neither a user nor a hash holds a newline.
        context.update(user.as_bytes());
        context.update(b"\n");
        context.update(text.as_bytes());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Self { hash, fingerprint }
    }
}

impl fmt::Debug for PasswordFile {
    /// Names the users, and shows none of the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<&str> = self.users().collect();
        f.debug_struct("PasswordFile")
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{work::Work, *};

    const CHEAP: &str = "$2y$04$HJX35w98P8ZqMDkxxHEKZefJ6C9hZs1oyGW1dqK5CTQpRNq66gAO.";
    const DEAR: &str = "$2y$10$7xqrFIRai.TADDL8oKK9ZuBP6ktdE99CBuZdZi5mDfsMEeGAEgqgC";
    const OTHER: &str = "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$hLwTChqVUz/Fa9SYe9xJDRVIe9hhPw9goR+CJ6xRQt4";

    fn stand_in(hashes: &[&str]) -> Work {
        let lines = hashes.iter().enumerate();
        let lines: Vec<String> = lines
            .map(|(number, hash)| format!("u{number}:{hash}\n"))
            .collect();
        PasswordFile::parse(&lines.concat())
            .expect("a password file")
            .stand_in
            .work()
    }

    #[test]
    fn an_unknown_user_costs_what_most_users_cost() {
        let memory_hard = Work::Argon2id {
            passes: 1,
            memory: 256,
            lanes: 1,
        };
        assert!(stand_in(&[CHEAP]) == Work::Bcrypt { cost: 4 });
        assert!(stand_in(&[CHEAP, DEAR, DEAR]) == Work::Bcrypt { cost: 10 });
        assert!(stand_in(&[CHEAP, DEAR, CHEAP]) == Work::Bcrypt { cost: 4 });
        assert!(stand_in(&[DEAR, OTHER, OTHER]) == memory_hard);
    }
}
