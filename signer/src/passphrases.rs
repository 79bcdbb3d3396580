//! Where the passphrases come from: environment variables and files, found by alias.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// What every variable that belongs to the signer begins with.
pub const PREFIX: &str = "NOTARY_SIGNER_";
/// The passphrase in Notary's sample files: public, therefore none.
const SAMPLE: &[u8] = b"testpassword";

/// A passphrase, wiped when dropped. It has no `Debug` and is never compared or shown.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The octets that keys are derived from: exactly as given, without any normalisation.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the one that stands in Notary's sample files for all to read.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.0.as_slice() == SAMPLE
    }
}

/// Why an alias has no passphrase. No variant holds a passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Neither a variable nor a file.
    #[error(
        "there is no passphrase for alias {alias}: set {variable}, or name a file that holds it \
         in {variable}_FILE or storage.passphrase_files.{alias}"
    )]
    Missing {
        /// The alias as stored or configured.
        alias: String,
        /// The variable that would hold it.
        variable: String,
    },
    /// A file that cannot be read, or is empty.
    #[error("the passphrase file {} for alias {alias} cannot be used: {error}", .file.display())]
    File {
        /// The alias as stored or configured.
        alias: String,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
}

/// All passphrases that the signer may use.
pub struct Passphrases {
    /// Values of variables by name; those that begin with [`PREFIX`] and are not empty.
    variables: HashMap<String, Zeroizing<Vec<u8>>>,
    /// Files by alias in lower case, as configured.
    files: BTreeMap<String, PathBuf>,
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
        })
    }

    /// The passphrase of `alias`: the variable first, then the file that a variable names, then
    /// the file in the configuration. Files are read anew each time, so that they can be replaced.
    pub fn get(&self, alias: &str) -> Result<Passphrase, PassphraseError> {
        let variable = variable(alias);
        if let Some(value) = self.variables.get(&variable) {
            return Ok(Passphrase(value.clone()));
        }
        match self.file(alias) {
            Some(file) => read(&file).map_err(|error| PassphraseError::File {
                alias: alias.to_owned(),
                file,
                error,
            }),
            None => Err(PassphraseError::Missing {
                alias: alias.to_owned(),
                variable,
            }),
        }
    }

    /// Where the passphrase of `alias` is, for messages: a variable or a file.
    #[must_use]
    pub fn source(&self, alias: &str) -> String {
        let variable = variable(alias);
        match self.file(alias) {
            Some(file) if !self.variables.contains_key(&variable) => file.display().to_string(),
            _ => variable,
        }
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
                "the passphrase of alias {alias} ({source}) is the one in Notary's sample files, \
                 which everybody knows: rotate to another before keys matter"
            ));
        }
        if let Some(file) = self.file(alias).filter(|file| open_to_others(file)) {
            warnings.push(format!(
                "the passphrase file {} can be read by others than its owner: chmod 600 it",
                file.display()
            ));
        }
        warnings
    }

    fn file(&self, alias: &str) -> Option<PathBuf> {
        let named = self.variables.get(&format!("{}_FILE", variable(alias)));
        match named {
            Some(path) => Some(OsString::from_vec(path.to_vec()).into()),
            None => self.files.get(&alias.to_lowercase()).cloned(),
        }
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

/// The content of `file` without the line end that editors add.
fn read(file: &Path) -> io::Result<Passphrase> {
    let mut value = Zeroizing::new(fs::read(file)?);
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    if value.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(Passphrase(value))
}

fn open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
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
        Some(String::from_utf8(passphrase.octets().to_vec()).unwrap())
    }

    #[test]
    fn an_alias_leads_to_its_variable_as_notary_spells_it() {
        assert_eq!(variable("timestamp_1"), "NOTARY_SIGNER_TIMESTAMP_1");
        assert_eq!(variable("Pass-Alias.v2"), "NOTARY_SIGNER_PASS-ALIAS_V2");
        assert_eq!(variable("straße"), "NOTARY_SIGNER_STRAßE");
    }

    #[test]
    fn a_variable_comes_before_files_and_an_empty_one_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (by_variable, configured) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&by_variable, "from variable's file\n").unwrap();
        fs::write(&configured, "configured\r\n").unwrap();
        let files = || [("Alias".to_owned(), configured.clone())];
        let file = by_variable.to_str().unwrap();

        let all = environment(&[
            ("NOTARY_SIGNER_ALIAS", "x"),
            ("NOTARY_SIGNER_ALIAS_FILE", file),
        ]);
        assert_eq!(
            value(&Passphrases::new(all, files()), "alias").unwrap(),
            "x"
        );
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
    fn the_sample_passphrase_and_a_file_open_to_others_are_warned_about() {
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
