//! The rules of trust, each once: a publish, a renewal and a client all go by them.

pub(crate) mod certificate;
pub(crate) mod delegation;
pub(crate) mod effort;
pub(crate) mod meta;
pub(crate) mod next_version;
pub(crate) mod root;
pub(crate) mod threshold;
pub(crate) mod version_step;
