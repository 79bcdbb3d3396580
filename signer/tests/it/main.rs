//! The signer as its callers and its operators meet it.

mod backup;
mod behaviour;
mod calls;
mod commands;
mod configuration;
mod custody;
mod health;
mod keystores;
mod observed;
mod pki;
mod planted;
mod process;
mod proofs;
mod recorded;
mod rotation;
mod sealing;
mod statements;
mod storage;
mod support;
mod tls;
