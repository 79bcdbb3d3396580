//! The embedded database as an operator meets it: opened, locked, full, damaged, migrated.

mod adopting;
mod opening;
mod schema;
