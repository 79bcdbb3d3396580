//! The door: who gets to which handler, and what the others are told.
//!
//! Callers are taken for what they claim, without any proof: how that is proven has tests of
//! its own.

mod answers;
mod audited;
mod callers;
mod challenges;
mod operators;
mod publishing;
mod slow_bodies;
mod table;
