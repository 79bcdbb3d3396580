//! Commands of our programs, on the configuration of a service, whether or not it runs.

use anyhow::{Result, ensure};

use crate::{
    auth_setup::AuthSetup,
    pair::{Make, notary_program},
    process::{Said, client, program},
    sandbox::Sandbox,
    trust::{PASSPHRASES, Trust},
};

impl Trust {
    /// Runs a command of our server on the configuration of this service, ours or Notary's.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn server_command(&self, arguments: &[&str]) -> Result<Said> {
        self.server_command_with(arguments, &[])
    }

    /// As [`Trust::server_command`], with settings from the environment.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn server_command_with(
        &self,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Said> {
        self.operate(("notary-server", "server.json"), arguments, settings)
    }

    /// As [`Trust::server_command`], by a clock that is so many days ahead.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn server_command_later(&self, days: u32, arguments: &[&str]) -> Result<Said> {
        let mut command = client("faketime");
        command
            .args(["-f", &format!("+{days}d")])
            .arg(notary_program(Make::Countersign, "notary-server")?.get_program())
            .args(arguments)
            .arg("-config")
            .arg(self.folder().join("server.json"));
        Said::by(command, "")
    }

    /// As [`Trust::server_command`], where the shell commands `prepare` have changed the mounts:
    /// they see the folder of the service as `$1`, and nothing else sees what they did.
    ///
    /// # Errors
    ///
    /// If it cannot be started; changing mounts needs root.
    pub fn server_command_on(&self, prepare: &str, arguments: &[&str]) -> Result<Said> {
        let mut command = client("unshare");
        command
            .args(["--mount", "sh", "-euc"])
            .arg(format!("{prepare}\nshift\nexec \"$@\""))
            .arg("sh")
            .arg(self.folder())
            .arg(notary_program(Make::Countersign, "notary-server")?.get_program())
            .args(arguments)
            .arg("-config")
            .arg(self.folder().join("server.json"));
        Said::by(command, "")
    }

    /// Runs a command of our signer on the configuration of this service, ours or Notary's.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn signer_command(&self, arguments: &[&str]) -> Result<Said> {
        self.signer_command_with(arguments, &[])
    }

    /// As [`Trust::signer_command`], with settings from the environment.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn signer_command_with(
        &self,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Said> {
        self.operate(("notary-signer", "signer.json"), arguments, settings)
    }

    /// What a server of ours says that is started beside this one with `auth_setup`, and is to
    /// refuse to.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does come up.
    pub fn refusal_to_start(&self, sandbox: &Sandbox, auth_setup: &AuthSetup) -> Result<Said> {
        const SECONDS: &str = "20";
        let config = self.config_beside(sandbox.address()?, auth_setup);
        let config = self.configure("refused.json", &config)?;
        let mut command = program("timeout");
        command
            .arg(SECONDS)
            .arg(notary_program(Make::Countersign, "notary-server")?.get_program())
            .arg("-config")
            .arg(config)
            .envs(auth_setup.environment());
        let said = Said::by(command, "")?;
        ensure!(!said.was_ended(), "it started, and {said}");
        Ok(said)
    }

    fn operate(
        &self,
        (name, config): (&str, &str),
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Said> {
        let mut command = client(notary_program(Make::Countersign, name)?.get_program());
        command
            .args(arguments)
            .arg("-config")
            .arg(self.folder().join(config))
            .envs(PASSPHRASES)
            .envs(settings.iter().copied());
        Said::by(command, "")
    }
}
