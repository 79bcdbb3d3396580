//! `notary-signer config check`: prints the settings, and whether the signer would start with them.

use std::{ffi::OsString, iter};

use anyhow::bail;
use daemon::Settings;

use super::print;
use crate::{
    config::{Config, Storage},
    custody::encrypted::passphrases::Passphrases,
};

/// Prints what is set, or with `all` also the defaults, then the warnings and the verdict.
pub(super) fn check(
    settings: &Settings,
    config: &Config,
    all: bool,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<()> {
    let effective = if all {
        settings.effective_with_defaults()
    } else {
        settings.effective()
    };
    print(effective.trim_end())?;
    check_passphrases(config, environment)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("the configuration is in order");
    Ok(())
}

/// Prints where the passphrases are whose aliases the configuration names. None is read.
fn check_passphrases(
    config: &Config,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<()> {
    let Storage::Database {
        default_alias,
        passphrase_files: files,
        ..
    } = &config.storage
    else {
        return Ok(());
    };
    let passphrases = Passphrases::new(environment, files.clone());
    // The configuration has them in lower case, the default as it was written.
    let default = default_alias.to_lowercase();
    let others = files.iter().map(|(alias, _)| alias);
    let others = others.filter(|alias| alias.to_lowercase() != default);
    for alias in iter::once(default_alias).chain(others) {
        print(&passphrases.describe(alias)?)?;
    }
    if !passphrases.is_configured(default_alias) {
        bail!(
            "the signer would not start: alias {default_alias} of storage.default_alias has no \
             passphrase"
        );
    }
    Ok(())
}
