//! The door: who gets to which handler, and what the others are told.
//!
//! Who somebody is, is taken from what they show without any proof: how it is proven has tests of
//! its own.

mod answers;
mod audited;
mod callers;
mod challenges;
mod publishing;
mod slow_bodies;
mod table;
