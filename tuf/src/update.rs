//! Whether an upload is to be believed: the whole validation of a publish, as a pure function.

mod accepted;
mod change;
mod changes;
mod check;
mod difference;
mod parts;
mod root;
mod signer;
mod snapshot;
mod tree;

pub use accepted::Accepted;
pub use change::Change;
pub use check::check;
pub use difference::{Difference, MOST_NAMED, MovedTag, Named, Tag};
pub use parts::Update;
pub use signer::Signer;
