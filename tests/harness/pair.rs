//! Whose programs work together, and where they are.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::process::program;

/// Who made a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// This workspace.
    Countersign,
    /// Docker's Notary 0.7, as Debian packages it.
    Notary,
}

/// Whose server and whose signer work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Whose `notary-server`.
    pub server: Make,
    /// Whose `notary-signer`.
    pub signer: Make,
}

impl Pair {
    /// Both ours.
    pub const COUNTERSIGN: Self = Self {
        server: Make::Countersign,
        signer: Make::Countersign,
    };
    /// Both Go's: what passes here is a fair test.
    pub const NOTARY: Self = Self {
        server: Make::Notary,
        signer: Make::Notary,
    };
    /// Our server in front of an existing Go signer.
    pub const OUR_SERVER: Self = Self {
        server: Make::Countersign,
        signer: Make::Notary,
    };
    /// Our signer behind an existing Go server.
    pub const OUR_SIGNER: Self = Self {
        server: Make::Notary,
        signer: Make::Countersign,
    };
}

/// The program `name` of `make`.
pub(crate) fn notary_program(make: Make, name: &str) -> Result<Command> {
    match make {
        Make::Countersign => find_built(name).map(program),
        Make::Notary => {
            let path = Path::new("/usr/bin").join(name);
            ensure!(
                path.exists(),
                "{} is missing: apt-get install notary",
                path.display()
            );
            Ok(program(path))
        }
    }
}

/// A program of this workspace, found in the folder where this test or program was built.
///
/// # Errors
///
/// If it has not been built.
pub fn find_built(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folder = this.parent().context("a program lives in target/PROFILE")?;
    if folder.ends_with("deps") {
        folder = folder
            .parent()
            .context("a test lives in target/PROFILE/deps")?;
    }
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is missing: cargo build --workspace --bins",
        path.display()
    );
    Ok(path)
}
