//! Files as they come, are kept and are made: bytes together with what their format finds in them.

mod checked;
mod draft;
mod file;
mod limits;
mod pair;
mod stored;
mod upload;
mod view;

pub(crate) use checked::{Checked, Strictness};
pub use draft::{Draft, SealError};
pub use file::File;
pub use limits::Limits;
pub use pair::{Pair, Piece};
pub use stored::{Stored, StoredFile};
pub use upload::{CheckedUpload, InvalidUpload, Uploaded};
pub use view::{Listed, SnapshotView, TimestampView};
