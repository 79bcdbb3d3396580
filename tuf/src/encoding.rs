//! How metadata is written down: JSON and its canonical form, base64, PEM and dates, each as Go
//! reads and writes it.

pub(crate) mod base64;
pub mod canonical;
pub(crate) mod date;
pub(crate) mod json;
pub(crate) mod pem;
