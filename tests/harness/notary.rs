//! People who use the notary CLI.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::{
    accounts::Account,
    certificates::Pair,
    process::{Said, client},
    sandbox::Sandbox,
    trust::Trust,
};

/// One person's notary CLI: a folder of keys and cached metadata, and the server it talks to.
#[derive(Clone, Debug)]
pub struct Collaborator {
    folder: PathBuf,
    url: String,
    authority: PathBuf,
    account: Option<Account>,
    certificate: Option<Pair>,
}

impl Collaborator {
    /// A new user, without keys or cached metadata.
    ///
    /// # Errors
    ///
    /// If their folder cannot be made.
    pub fn new(sandbox: &Sandbox, name: &str, trust: &Trust) -> Result<Self> {
        Self::of(sandbox, name, trust.url(), trust.authority())
    }

    /// The same, for the server at `url`, whose certificate `authority` vouches for.
    ///
    /// # Errors
    ///
    /// If their folder cannot be made.
    pub fn of(sandbox: &Sandbox, name: &str, url: String, authority: &Path) -> Result<Self> {
        let folder = sandbox.folder(&format!("people/{name}"))?;
        Ok(Self {
            folder,
            url,
            authority: authority.to_owned(),
            account: None,
            certificate: None,
        })
    }

    /// The same person, who signs in with this password.
    #[must_use]
    pub fn known_as(self, account: Account) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    /// The same person, with this client certificate.
    #[must_use]
    pub fn showing(self, certificate: Pair) -> Self {
        Self {
            certificate: Some(certificate),
            ..self
        }
    }

    /// Gives this person the keys of `other`, as a thief would.
    ///
    /// # Errors
    ///
    /// If `other` has none.
    pub fn takes_keys_of(&self, other: &Self) -> Result<()> {
        let mut copy = client("cp");
        copy.arg("--archive")
            .arg(other.folder.join("trust/."))
            .arg(self.folder.join("trust"));
        Said::by(copy, "")?.succeeds()?;
        Ok(())
    }

    /// The same person, who reaches the server at `url` instead.
    #[must_use]
    pub fn through(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// Where this person keeps files; the CLI runs here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the CLI with `arguments`, answering "yes" if asked.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    pub fn notary(&self, arguments: &[&str]) -> Result<Said> {
        ensure!(
            Path::new("/usr/bin/notary").exists(),
            "/usr/bin/notary is missing: apt-get install notary"
        );
        let mut command = client("/usr/bin/notary");
        command
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .envs(["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"].map(passphrase))
            .args(["--server", &self.url, "--tlscacert"])
            .arg(&self.authority)
            .arg("--trustDir")
            .arg(self.folder.join("trust"));
        if let Some(account) = self.account {
            command.env("NOTARY_AUTH", account.to_base64());
        }
        if let Some(shown) = &self.certificate {
            command.arg("--tlscert").arg(&shown.certificate);
            command.arg("--tlskey").arg(&shown.key);
        }
        command.args(arguments);
        Said::by(command, "yes\n")
    }

    /// Runs the CLI, which must succeed, and answers its output.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn does(&self, arguments: &[&str]) -> Result<String> {
        self.notary(arguments)?.succeeds()
    }

    /// Writes a file named after its content and answers the name.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn file(&self, content: &str) -> Result<String> {
        let name = format!("{content}.txt");
        std::fs::write(self.folder.join(&name), content)?;
        Ok(name)
    }

    /// Signs a target and publishes it.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub fn publishes(&self, gun: &str, target: &str) -> Result<()> {
        self.does(&["add", gun, target, &self.file(target)?, "--publish"])?;
        Ok(())
    }

    /// Checks that these targets, and no others, are in the repository, each signed by the role
    /// after the colon.
    ///
    /// # Errors
    ///
    /// If the CLI refuses the repository or shows others.
    pub fn sees(&self, gun: &str, targets: &[impl AsRef<str>]) -> Result<()> {
        let listed = self.does(&["list", gun])?;
        let rows: Vec<String> = listed.lines().filter_map(target_and_role).collect();
        let targets: Vec<&str> = targets.iter().map(AsRef::as_ref).collect();
        ensure!(
            rows == targets,
            "expected {targets:?} in {gun}, but:\n{listed}"
        );
        Ok(())
    }
}

/// `v1:targets` out of a line of `notary list`.
fn target_and_role(line: &str) -> Option<String> {
    match *line.split_whitespace().collect::<Vec<_>>() {
        [name, digest, _, role] if digest.len() == 64 => Some(format!("{name}:{role}")),
        _ => None,
    }
}

fn passphrase(role: &str) -> (String, String) {
    (
        format!("NOTARY_{role}_PASSPHRASE"),
        format!("a passphrase for {role}"),
    )
}
