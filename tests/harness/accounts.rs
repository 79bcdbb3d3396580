//! People with a password, and the files in which servers keep what they know of passwords.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    process::{Said, client},
    sandbox::Sandbox,
};

/// A user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's name.
    pub user: &'static str,
    /// The password.
    pub password: &'static str,
}

impl Account {
    /// A user whose password breaks careless parsers.
    pub const ALICE: Self = Self::of("alice", "open:Sesame wörd");
    /// A second user.
    pub const BOB: Self = Self::of("bob", "bobs-own-password");
    /// A third user.
    pub const CAROL: Self = Self::of("carol", "carols=pass/word+");

    /// This user with this password.
    #[must_use]
    pub const fn of(user: &'static str, password: &'static str) -> Self {
        Self { user, password }
    }

    /// `user:password`, as curl takes it.
    #[must_use]
    pub fn plain(self) -> String {
        format!("{}:{}", self.user, self.password)
    }

    /// The same in base64, as the notary CLI takes it from `NOTARY_AUTH`.
    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.plain())
    }

    /// Every form in which the password could be found where it should not be.
    fn forms(self) -> [String; 4] {
        [
            self.password.to_owned(),
            self.to_base64(),
            STANDARD.encode(self.password),
            STANDARD.encode(format!("{}\n", self.plain())),
        ]
    }
}

/// Writes a file of these users with Apache's own tool, bcrypt at the cost it chooses.
///
/// An existing file is replaced as a whole: readers find the old one or the new one.
///
/// # Errors
///
/// If the tool is not installed or refuses.
pub fn htpasswd(file: &Path, accounts: &[Account]) -> Result<()> {
    htpasswd_of_cost(file, accounts, 5)
}

/// As [`htpasswd`], with bcrypt of this cost.
///
/// # Errors
///
/// As [`htpasswd`].
pub fn htpasswd_of_cost(file: &Path, accounts: &[Account], cost: u8) -> Result<()> {
    ensure!(
        Path::new("/usr/bin/htpasswd").exists(),
        "/usr/bin/htpasswd is missing: apt-get install apache2-utils"
    );
    let new = file.with_extension("new");
    fs::write(&new, "")?;
    for account in accounts {
        let mut tool = client("/usr/bin/htpasswd");
        tool.args(["-i", "-B", "-C", &cost.to_string()])
            .arg(&new)
            .arg(account.user);
        Said::by(tool, account.password)?.succeeds()?;
    }
    fs::rename(&new, file)?;
    Ok(())
}

/// Checks that nothing our programs wrote in this sandbox holds a password, an `Authorization`
/// header or a token.
///
/// # Errors
///
/// If something does, with the line.
pub fn scan_for_secrets(sandbox: &Sandbox, accounts: &[Account]) -> Result<()> {
    let forms: Vec<String> = accounts
        .iter()
        .flat_map(|account| account.forms())
        .collect();
    let written = written_by_us(sandbox)?;
    ensure!(!written.is_empty(), "there is no log to look through");
    for file in written {
        let text = fs::read(&file)?;
        for line in String::from_utf8_lossy(&text).lines() {
            if forms.iter().any(|form| line.contains(form)) || holds_token(line) {
                bail!("{} gives a secret away: {line}", file.display());
            }
        }
    }
    Ok(())
}

/// The logs of server and signer, and the file of what was done.
fn written_by_us(sandbox: &Sandbox) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(sandbox.path())? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        let name = name.to_string_lossy();
        if name.ends_with(".log") && (name.starts_with("notary-") || name.starts_with("audit")) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether a JWT, or the signature of one, is in `line`: base64url of an object, a dot, and more.
fn holds_token(line: &str) -> bool {
    line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)))
        .filter(|word| word.starts_with("eyJ") || word.starts_with("eyA"))
        .any(|word| word.len() > 40)
}
