//! Commands of our programs, on the configuration of a service that anybody may be running.

use anyhow::Result;

use crate::pair::{Make, notary_program};
use crate::process::{Said, client};
use crate::trust::{PASSPHRASES, Trust};

impl Trust {
    /// Runs a command of our server on the configuration of this service, whoever runs it.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn server_command(&self, arguments: &[&str]) -> Result<Said> {
        self.operate(("notary-server", "server.json"), arguments, &[])
    }

    /// Runs a command of our signer on the configuration of this service, whoever runs it.
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
