//! The embedded database as an operator meets it: opened, locked, full, damaged, migrated.

mod opening;
mod schema;
