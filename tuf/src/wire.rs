//! The spellings of the metadata model: how each dialect of TUF writes it.
//!
//! Everything that knows member names, `_type` names or how keys and hashes are encoded is in here.
//! A second dialect is a second module with the same functions.

pub(crate) mod notary;
