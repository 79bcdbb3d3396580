//! Where the passphrases come from: environment variables, files and commands, found by alias.

mod commands;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use daemon::{
    Secret, SecretError,
    secret::{HIDDEN, Reference, Source},
};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use self::commands::CommandOutputs;

/// What every variable that belongs to the signer begins with.
pub const PREFIX: &str = "NOTARY_SIGNER_";
/// The passphrase in Notary's sample files: public, therefore none.
const SAMPLE: &[u8] = b"testpassword";

/// A passphrase, wiped when dropped. It has no `Debug` and is never shown.
pub struct Passphrase(Secret);

impl Passphrase {
    /// The bytes that keys are derived from: exactly as given, without any normalisation.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is the same, in a time that depends on their lengths alone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    /// What it is, if it is a reference to a passphrase that nothing has resolved. Keys may have
    /// been encrypted with it by mistake; it must not encrypt any more.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        Reference::find(self.bytes())
    }

    /// Whether this is the public one of Notary's sample files.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.0.as_slice() == SAMPLE
    }
}

/// Why an alias has no passphrase. No variant holds a passphrase.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing says where it is.
    #[error(
        "there is no passphrase for alias {alias}: set {variable}, or name a file that holds it in \
         {variable}_FILE or storage.passphrase_files.{alias}, or a command that prints it in \
         {variable}_COMMAND"
    )]
    Missing {
        /// The alias as stored or configured.
        alias: String,
        /// The variable that would hold it.
        variable: String,
    },
    /// It cannot be read from where it should be.
    #[error("the passphrase of alias {alias} cannot be used: {error}")]
    Unusable {
        /// The alias as stored or configured.
        alias: String,
        /// What is wrong, and where.
        error: Arc<SecretError>,
    },
}

/// All passphrases that the signer may use.
pub struct Passphrases {
    /// Values of variables by name; those that begin with [`PREFIX`] and are not empty.
    variables: HashMap<String, Secret>,
    /// Files by alias in lower case, as configured.
    files: BTreeMap<String, PathBuf>,
    /// What commands printed.
    outputs: CommandOutputs,
}

impl Passphrases {
    /// Takes over what concerns passphrases from the environment; `files` are those that the
    /// configuration names, by alias in any case.
    pub fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        files: impl IntoIterator<Item = (String, PathBuf)>,
    ) -> Self {
        let variables = environment.into_iter().filter_map(|(name, value)| {
            let name = name
                .into_string()
                .ok()
                .filter(|name| name.starts_with(PREFIX))?;
            let value = Zeroizing::new(value.into_vec());
            (!value.is_empty()).then_some((name, value))
        });
        let files = files
            .into_iter()
            .map(|(alias, file)| (alias.to_lowercase(), file));
        Self {
            variables: variables.collect(),
            files: files.collect(),
            outputs: CommandOutputs::default(),
        }
    }

    /// One random passphrase for `alias`, for keys that do not outlive the process.
    #[must_use]
    pub fn ephemeral(alias: &str) -> Option<Self> {
        let mut value = Zeroizing::new(vec![0; 32]);
        SystemRandom::new().fill(&mut value).ok()?;
        let variables = HashMap::from([(variable(alias), value)]);
        Some(Self {
            variables,
            files: BTreeMap::new(),
            outputs: CommandOutputs::default(),
        })
    }

    /// The passphrase of `alias`: what its variables say, in any of the three forms of a
    /// [`secret`](daemon::secret), or else the file in the configuration. Files are read each time,
    /// so that they can be replaced; a command is run once.
    ///
    /// Blocks while a command runs.
    pub fn get(&self, alias: &str) -> Result<Passphrase, PassphraseError> {
        let source = self.find(alias)?;
        let secret = if source.is_command() {
            self.outputs.get(&source, &variable(alias))
        } else {
            source.read_as_it_is().map_err(Arc::new)
        };
        secret
            .map(Passphrase)
            .map_err(|error| unusable(alias, error))
    }

    /// Where the passphrase of `alias` is, for messages: a variable or a file.
    #[must_use]
    pub fn source(&self, alias: &str) -> String {
        match self.find(alias) {
            Ok(source) => source.name(),
            Err(_) => variable(alias),
        }
    }

    /// What `config check` says of the passphrase of `alias`: that it is hidden, and where it is.
    pub fn describe(&self, alias: &str) -> Result<String, PassphraseError> {
        let text = match self.find(alias) {
            Ok(source) => format!("{HIDDEN} ({})", source.origin()),
            Err(error @ PassphraseError::Unusable { .. }) => return Err(error),
            Err(PassphraseError::Missing { variable, .. }) => {
                format!("nowhere ({variable}, {variable}_FILE and {variable}_COMMAND are not set)")
            }
        };
        Ok(format!("passphrase of alias {alias} = {text}"))
    }

    /// Whether there is a variable or a file for the passphrase of `alias`.
    #[must_use]
    pub fn is_configured(&self, alias: &str) -> bool {
        !matches!(self.find(alias), Err(PassphraseError::Missing { .. }))
    }

    /// What an operator should hear about the passphrase of `alias`.
    #[must_use]
    pub fn warnings(&self, alias: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        let source = self.source(alias);
        if self
            .get(alias)
            .is_ok_and(|passphrase| passphrase.is_sample())
        {
            warnings.push(format!(
                "the passphrase of alias {alias} ({source}) is the public one of Notary's sample \
                 files: rotate to another before keys matter"
            ));
        }
        let file = self.find(alias).ok();
        let file = file.as_ref().and_then(Source::path);
        if let Some(file) = file.filter(|file| is_readable_by_all(file)) {
            warnings.push(format!(
                "the passphrase file {} can be read by all users of this machine: chmod o= it",
                file.display()
            ));
        }
        warnings
    }

    /// Where the passphrase of `alias` is.
    fn find(&self, alias: &str) -> Result<Source, PassphraseError> {
        let variable = variable(alias);
        let value = |name: &str| self.variables.get(name).map(|value| value.as_slice());
        let named = Source::of_variables(&variable, value)
            .map_err(|error| unusable(alias, Arc::new(error)))?;
        let configured = || {
            let file = self.files.get(&alias.to_lowercase())?;
            let named_by = format!("storage.passphrase_files.{alias}");
            Some(Source::file(file.clone(), named_by))
        };
        named
            .or_else(configured)
            .ok_or_else(|| PassphraseError::Missing {
                alias: alias.to_owned(),
                variable,
            })
    }
}

fn unusable(alias: &str, error: Arc<SecretError>) -> PassphraseError {
    PassphraseError::Unusable {
        alias: alias.to_owned(),
        error,
    }
}

/// The variable that holds the passphrase of `alias`. Only `.` is replaced, as in Notary 0.7:
/// alias `Pass-Alias.v2` has `NOTARY_SIGNER_PASS-ALIAS_V2`, which a shell cannot export.
#[must_use]
pub fn variable(alias: &str) -> String {
    let upper = alias.chars().map(|letter| {
        let mut upper = letter.to_uppercase();
        match (letter, upper.next(), upper.next()) {
            ('.', ..) => '_',
            (_, Some(upper), None) => upper,
            // Letters that become several in upper case stay as they are.
            (letter, ..) => letter,
        }
    });
    PREFIX.chars().chain(upper).collect()
}

fn is_readable_by_all(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn value(passphrases: &Passphrases, alias: &str) -> Option<String> {
        let passphrase = passphrases.get(alias).ok()?;
        Some(String::from_utf8(passphrase.bytes().to_vec()).unwrap())
    }

    #[test]
    fn an_alias_leads_to_its_variable_as_notary_spells_it() {
        assert_eq!(variable("timestamp_1"), "NOTARY_SIGNER_TIMESTAMP_1");
        assert_eq!(variable("Pass-Alias.v2"), "NOTARY_SIGNER_PASS-ALIAS_V2");
        assert_eq!(variable("straße"), "NOTARY_SIGNER_STRAßE");
    }

    #[test]
    fn variables_come_before_the_configuration_and_an_empty_one_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (by_variable, configured) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&by_variable, "from variable's file\n").unwrap();
        fs::write(&configured, "configured\r\n").unwrap();
        let files = || [("Alias".to_owned(), configured.clone())];
        let file = by_variable.to_str().unwrap();

        let command = "printf 'from %s\\n' command";
        for (name, text, expected) in [
            ("NOTARY_SIGNER_ALIAS", "x", "x"),
            ("NOTARY_SIGNER_ALIAS_FILE", file, "from variable's file"),
            ("NOTARY_SIGNER_ALIAS_COMMAND", command, "from command"),
        ] {
            let passphrases = Passphrases::new(environment(&[(name, text)]), files());
            assert_eq!(value(&passphrases, "alias").unwrap(), expected);
            let effective = passphrases.describe("alias").unwrap();
            let start = effective.starts_with("passphrase of alias alias = (hidden) (");
            assert!(
                start && effective.contains(name) && !effective.contains(expected),
                "{effective}"
            );
        }
        let two = environment(&[
            ("NOTARY_SIGNER_ALIAS", ""),
            ("NOTARY_SIGNER_ALIAS_FILE", file),
        ]);
        assert_eq!(
            value(&Passphrases::new(two, files()), "alias").unwrap(),
            "from variable's file"
        );
        assert_eq!(
            value(&Passphrases::new([], files()), "alias").unwrap(),
            "configured"
        );
    }

    #[test]
    fn two_ways_to_one_passphrase_are_an_error_that_names_both() {
        let both = [("NOTARY_SIGNER_A", "xyzzy"), ("NOTARY_SIGNER_A_FILE", "/x")];
        let passphrases = Passphrases::new(environment(&both), []);
        let error = passphrases.get("a").err().unwrap().to_string();
        assert!(
            error.contains("alias a") && !error.contains("xyzzy"),
            "{error}"
        );
        assert!(
            error.contains("NOTARY_SIGNER_A and NOTARY_SIGNER_A_FILE"),
            "{error}"
        );
        assert!(passphrases.describe("a").is_err());
    }

    #[test]
    fn a_command_that_fails_is_named_and_its_output_is_not() {
        let failing = [("NOTARY_SIGNER_A_COMMAND", "echo xyzzy; exit 2")];
        let passphrases = Passphrases::new(environment(&failing), []);
        let error = passphrases.get("a").err().unwrap();
        let text = format!("{error} {error:?} {}", passphrases.source("a"));
        assert!(
            text.contains("NOTARY_SIGNER_A_COMMAND") && !text.contains("xyzzy"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_passphrase_names_alias_and_variable() {
        let passphrases = Passphrases::new(environment(&[("NOTARY_SIGNER_A", "secret")]), []);
        let error = passphrases.get("b.c").err().unwrap().to_string();
        assert!(
            error.contains("alias b.c") && error.contains("NOTARY_SIGNER_B_C"),
            "{error}"
        );
        assert!(!error.contains("secret"));
    }

    #[test]
    fn an_empty_or_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        fs::write(&file, "\n").unwrap();
        let passphrases = Passphrases::new([], [("a".to_owned(), file)]);
        let error = passphrases.get("a").err().unwrap().to_string();
        assert!(
            error.contains("/empty") && error.contains("alias a"),
            "{error}"
        );
    }

    #[test]
    fn the_sample_passphrase_and_a_file_that_all_can_read_are_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        fs::write(&file, "testpassword").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let passphrases = Passphrases::new([], [("a".to_owned(), file.clone())]);
        assert_eq!(passphrases.warnings("a").len(), 2);
        fs::write(&file, "something else").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(passphrases.warnings("a").len(), 0);
    }
}
