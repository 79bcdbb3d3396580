//! Where private keys live.

pub mod encrypted;
