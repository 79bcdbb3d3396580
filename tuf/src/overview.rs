//! What operators see of a repository: who signs what, what expires when, which tags there are, and
//! what is wrong.
//!
//! [`overview`] makes it of the stored files. It walks them as a client does. Where a client cannot
//! get to the end, it tells what can still be read, and says of each file whether it is believed;
//! signers and tags come from files that are believed, and from no others.

mod compose;
mod contents;
mod inspection;
mod paths;
mod problem;
mod salvage;
mod survey;

pub use compose::overview;
pub use contents::{Overview, RoleOverview, SignerCertificate, SignerOverview, TagOverview};
pub use inspection::{Inspection, Owner};
pub use problem::{Problem, ProblemKind, Severity};
