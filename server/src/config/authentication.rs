//! The `auth` section, read into the settings of crate `authn`.

mod administrator;
mod options;
mod passwords;
mod read;
mod refuse;

pub(super) use read::read;
