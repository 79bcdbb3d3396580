//! Private keys in rows of the database, encrypted under passphrases.

pub mod aliases;
pub mod cipher;
pub mod envelope;
pub mod evidence;
pub mod findings;
pub mod passphrases;
