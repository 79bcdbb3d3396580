//! What lib/pq, the driver of Notary, understood: `postgres://` URLs and `key=value` words.

use std::fmt;

use sqlx::{
    Postgres,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{NamedFile, Parts, has_go_address, shown::show_name, wrong};
use crate::{
    Backend, DatabaseError, Pool, PoolLimits,
    pool::{Reach, Source},
};

/// Parameters that say how lib/pq goes about its work; nothing has to be done for them here.
const OF_GO: [&str; 5] = [
    "connect_timeout",
    "disable_prepared_binary_result",
    "fallback_application_name",
    "client_encoding",
    "datestyle",
];

/// Where a `PostgreSQL` is, and how to talk to it.
#[derive(Clone)]
pub(crate) struct PostgresUrl {
    options: PgConnectOptions,
    /// Whether a session may be another one after each transaction (lib/pq's `binary_parameters`).
    has_pooler: bool,
    files: Vec<NamedFile>,
}

impl PostgresUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, DatabaseError> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        if url.starts_with("mysql://") || url.starts_with("mariadb://") || has_go_address(url) {
            return Err(wrong(
                Backend::Postgres,
                "it is the URL of a MySQL or MariaDB: set storage.backend to mysql",
            ));
        }
        match rest {
            Some(rest) => Self::from_words(&words_of_url(rest)?),
            None if url.contains("://") => Err(wrong(
                Backend::Postgres,
                "it names another kind of database",
            )),
            None if !url.contains('=') => Err(wrong(
                Backend::Postgres,
                "it is neither a URL nor made of `key=value` words",
            )),
            None => Self::from_words(&words(url)?),
        }
    }

    /// What `words` do not say is taken from the `PG*` variables, as lib/pq does.
    fn from_words(words: &[(String, String)]) -> Result<Self, DatabaseError> {
        let wrong = |problem: &str| wrong(Backend::Postgres, problem);
        let given = |wanted: &str| words.iter().any(|(key, _)| key == wanted);
        let has_root = given("sslrootcert");
        // No column holds a float, and PgBouncer refuses sessions that say how one is written.
        let mut options = PgConnectOptions::new().extra_float_digits(None);
        let mut has_pooler = false;
        let mut files = Vec::new();
        let mut file = |parameter, path: &str| {
            let path = path.into();
            files.push(NamedFile { parameter, path });
        };
        let mut mode = match options.get_ssl_mode() {
            // What the driver here does when told nothing; lib/pq never falls back to plaintext.
            PgSslMode::Prefer | PgSslMode::Allow => PgSslMode::Require,
            mode => mode,
        };
        for (key, value) in words {
            options = match key.as_str() {
                "host" if value.starts_with('/') => options.socket(value),
                "host" | "hostaddr" => options.host(value),
                "port" => options.port(
                    value
                        .parse()
                        .map_err(|_| wrong("its port is not a number below 65536"))?,
                ),
                "user" => options.username(value),
                "password" => options.password(value),
                "dbname" => options.database(value),
                "application_name" => options.application_name(value),
                "sslmode" => {
                    mode = ssl_mode(value).map_err(wrong)?;
                    options
                }
                "sslrootcert" => {
                    file("sslrootcert", value);
                    options.ssl_root_cert(value)
                }
                "sslcert" => {
                    file("sslcert", value);
                    options.ssl_client_cert(value)
                }
                "sslkey" => {
                    file("sslkey", value);
                    options.ssl_client_key(value)
                }
                // Of Notary's migration tool.
                own if own.starts_with("x-") => options,
                "binary_parameters" => {
                    has_pooler = switch(value).map_err(wrong)?;
                    options
                }
                known if OF_GO.contains(&known) => options,
                // PostgreSQL quotes what it does not know, which is in the message then.
                strange if strange.contains("pass") || !is_setting(strange, value) => {
                    return Err(wrong("one of its parameters is not known, or has no value"));
                }
                // lib/pq hands on what it does not know, as a setting of the session.
                setting => options.options([(setting, value.replace(' ', "\\ "))]),
            };
        }
        // As lib/pq: an authority that is named is meant to be used.
        if has_root && matches!(mode, PgSslMode::Require) {
            mode = PgSslMode::VerifyFull;
        }
        if options.get_database().is_none() {
            return Err(wrong("it names no database"));
        }
        if has_pooler {
            options = options.statement_cache_capacity(0);
        }
        Ok(Self {
            options: options.ssl_mode(mode),
            has_pooler,
            files,
        })
    }

    /// The files that have to be there to connect.
    pub(crate) fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// A pool that connects when it is first asked.
    pub(crate) fn pool(&self, limits: PoolLimits) -> Pool<Postgres> {
        // A program that hangs in a transaction must not keep others waiting at its locks for ever.
        let wait = limits.wait.as_millis().max(1);
        let settings = |set: &str| {
            format!(
                "{set} TIME ZONE 'UTC'; {set} lock_timeout = {wait}; \
                 {set} idle_in_transaction_session_timeout = 60000"
            )
        };
        let source = Source {
            place: self.to_string(),
            options: self.options.clone(),
            reach: Reach::Network,
            session: (!self.has_pooler).then(|| settings("SET")),
            local: self.has_pooler.then(|| settings("SET LOCAL")),
        };
        Pool::new(source, limits)
    }
}

/// Whether this may be a setting of a session.
fn is_setting(name: &str, value: &str) -> bool {
    let belongs = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    !name.is_empty() && !value.is_empty() && name.chars().all(belongs)
}

/// What lib/pq takes for yes and no.
fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("binary_parameters must be yes or no"),
    }
}

/// What `sslmode` means. `verify-ca` checks the name as well: the authorities of the system are
/// trusted beside `sslrootcert`, and one of those gives every person a certificate in some name.
fn ssl_mode(value: &str) -> Result<PgSslMode, &'static str> {
    match value {
        "disable" => Ok(PgSslMode::Disable),
        "" | "require" => Ok(PgSslMode::Require),
        "verify-ca" | "verify-full" => Ok(PgSslMode::VerifyFull),
        "allow" | "prefer" => Err(
            "sslmode must be disable, require, verify-ca or verify-full: the others may fall back to plaintext",
        ),
        _ => Err("sslmode must be disable, require, verify-ca or verify-full"),
    }
}

fn words_of_url(rest: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let parts = Parts::parse(Backend::Postgres, rest)?;
    let mut words = Vec::new();
    let mut word = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            words.push((key.to_owned(), value));
        }
    };
    word("user", parts.user);
    word("password", parts.password);
    word("host", Some(parts.host));
    word("port", parts.port.map(|port| port.to_string()));
    word("dbname", Some(parts.name));
    words.extend(parts.parameters);
    Ok(words)
}

/// `key=value` words, parted by blanks; a value with blanks stands in `'`, and `\` takes the
/// meaning from what follows.
fn words(text: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .ok_or_else(|| wrong(Backend::Postgres, "one of its words is not `key=value`"))?;
        let (value, after) = value(after.trim_start())
            .ok_or_else(|| wrong(Backend::Postgres, "a `'` in it is not closed"))?;
        words.push((key.trim().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(words)
}

/// The value at the beginning of `text`, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => return Some((value, &body[at + 1..])),
            blank if !quoted && blank.is_whitespace() => return Some((value, &body[at..])),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = show_name(self.options.get_database().unwrap_or_default());
        let host = self.options.get_host();
        match self.options.get_socket() {
            Some(folder) => write!(formatter, "{name} at {}", folder.display()),
            None => write!(formatter, "{name} at {host}:{}", self.options.get_port()),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> PgConnectOptions {
        PostgresUrl::parse(url).unwrap().options
    }

    fn problem(url: &str) -> String {
        PostgresUrl::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_password_without_what_ends_it_is_not_shown_as_a_name() {
        let url = PostgresUrl::parse("postgres://me:/s3cret127.0.0.1:1/x").unwrap();
        assert_eq!(url.to_string(), "(a name that is not shown) at me:5432");
    }

    #[test]
    fn a_url_and_words_lead_to_the_same_place() {
        for url in [
            "postgres://me:pa%40ss@db.example:5433/trust?application_name=x",
            "postgresql://me:pa@ss@db.example:5433/trust",
            "host=db.example port=5433 user=me password='pa@ss' dbname=trust",
            "host = db.example  port='5433' user=me dbname=tr\\ust password=pa\\'s",
        ] {
            let options = parsed(url);
            assert_eq!(options.get_host(), "db.example", "{url}");
            assert_eq!(options.get_port(), 5433);
            assert_eq!(options.get_username(), "me");
            assert_eq!(options.get_database(), Some("trust"));
        }
        let options = parsed("host=/run/postgresql dbname=trust");
        assert_eq!(
            options.get_socket().unwrap().to_str(),
            Some("/run/postgresql")
        );
    }

    #[test]
    fn encryption_is_demanded_unless_it_is_switched_off() {
        for (parameter, expected) in [
            ("", "Require"),
            ("?sslmode=require", "Require"),
            ("?sslmode=require&sslrootcert=/ca.pem", "VerifyFull"),
            ("?sslmode=verify-ca&sslrootcert=/ca.pem", "VerifyFull"),
            ("?sslmode=verify-full", "VerifyFull"),
            ("?sslmode=disable", "Disable"),
        ] {
            let options = parsed(&format!("postgres://me@db/x{parameter}"));
            assert_eq!(
                format!("{:?}", options.get_ssl_mode()),
                expected,
                "{parameter}"
            );
        }
        for mode in ["prefer", "allow", "yes"] {
            let problem = problem(&format!("postgres://me@db/x?sslmode={mode}"));
            assert!(problem.contains("sslmode must be"), "{problem}");
        }
    }

    #[test]
    fn what_lib_pq_does_not_know_is_set_in_the_session() {
        let options = parsed("postgres://me@db/x?search_path=trust&connect_timeout=5");
        assert_eq!(options.get_options(), Some("-c search_path=trust"));
    }

    #[test]
    fn a_switch_of_lib_pq_says_that_there_is_a_pooler() {
        for (parameters, has_pooler) in [
            ("", false),
            ("?binary_parameters=no", false),
            ("?binary_parameters=yes", true),
        ] {
            let url = format!("postgres://me@db/x{parameters}");
            assert_eq!(PostgresUrl::parse(&url).unwrap().has_pooler, has_pooler);
        }
    }

    #[test]
    fn parameters_of_notarys_migration_tool_are_not_handed_on() {
        let options = parsed("postgres://me@db/x?sslmode=disable&x-migrations-table=m");
        assert_eq!(options.get_options(), None);
    }

    #[test]
    fn a_password_in_a_parameter_may_have_any_character() {
        let options = parsed("postgres://db:5433/x?user=me&password=p@ss");
        assert_eq!((options.get_host(), options.get_port()), ("db", 5433));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_parameter() {
        let url = PostgresUrl::parse("postgres://me:hunter2@db/x?sslrootcert=/nowhere/ca.pem");
        let problem = url.unwrap().files()[0].check().unwrap_err().to_string();
        assert!(
            problem.starts_with("cannot read /nowhere/ca.pem, which sslrootcert in the"),
            "{problem}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, words) in [
            ("postgres://me:hunter2@db:99999/x", "port"),
            ("postgres://me:hunter2@db/x%zz", "hex digits"),
            ("mysql://me:hunter2@db/x", "storage.backend to mysql"),
            ("mysql://me:hunter2@tcp(db)/x", "storage.backend to mysql"),
            (
                "me:hunter2@tcp(db:3306)/x?parseTime=True",
                "storage.backend to mysql",
            ),
            ("oracle://me:hunter2@db/x", "another kind"),
            ("postgres://me:hunter2?x@db/x", "written `%3F`"),
            ("postgres://me:hunter2/y?x@db/x", "written `%3F`"),
            ("postgres://me:hunter2/x@db/x", "written `%2F`"),
            (
                "postgres://me:hunter2@db/x?binary_parameters=1",
                "yes or no",
            ),
            ("hunter2", "neither a URL nor"),
            ("host=db password='hunter2", "not closed"),
            ("host=db hunter2", "not `key=value`"),
        ] {
            let problem = problem(url);
            assert!(
                problem.contains(words) && !problem.contains("hunter2"),
                "{problem}"
            );
        }
        let url = PostgresUrl::parse("postgres://me:hunter2@db/x").unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }
}
