//! Services, store and the client of the signer, on `SQLite` and against a signer made for the
//! test.

mod events;
mod reads;
mod remote;
mod sealing;
mod store;
mod support;
