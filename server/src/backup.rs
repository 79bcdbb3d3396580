//! Backups of trust data.
//!
//! Server and signer have a database each, and a set is an archive of either. The server's comes
//! first: a key is stored by the signer before any root that names it is published, so every key
//! that this archive names is in one that the signer makes later, and no longer pending there.

pub mod verify;
