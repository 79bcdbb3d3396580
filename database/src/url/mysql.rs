//! Go's MySQL DSN (`user:password@tcp(host:3306)/name?parseTime=True`), and `mysql://` URLs.

use std::fmt;

use sqlx::{
    MySql,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{NamedFile, Parts, decode, has_go_address, host_and_port, shown::show_name, wrong};
use crate::{
    Backend, DatabaseError, Pool, PoolLimits,
    pool::{Reach, Source},
};

/// Parameters of Go's driver that say how it goes about its work; nothing has to be done for them
/// here. `loc` is among them: times are read and written in UTC, its default.
const OF_GO: [&str; 20] = [
    "parsetime",
    "timeout",
    "readtimeout",
    "writetimeout",
    "charset",
    "loc",
    "maxallowedpacket",
    "interpolateparams",
    "multistatements",
    "allownativepasswords",
    "allowoldpasswords",
    "allowallfiles",
    "allowfallbacktoplaintext",
    "checkconnliveness",
    "clientfoundrows",
    "columnswithalias",
    "connectionattributes",
    "rejectreadonly",
    "serverpubkey",
    "strict",
];

/// Where a `MySQL` or `MariaDB` is, and how to talk to it.
#[derive(Clone)]
pub(crate) struct MySqlUrl {
    options: MySqlConnectOptions,
    /// Without credentials.
    place: String,
    /// Session variables that the URL sets, in the words of SQL.
    variables: Vec<String>,
    files: Vec<NamedFile>,
}

impl MySqlUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, DatabaseError> {
        let rest = ["mysql://", "mariadb://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        match rest {
            // What Notary's migration tool takes: the DSN with a scheme.
            Some(dsn) if has_go_address(dsn) => Self::parse_dsn(dsn),
            Some(rest) => Self::from_parts(&Parts::parse(Backend::MySql, rest)?),
            None if is_of_postgres(url) => Err(wrong(
                Backend::MySql,
                "it is the URL of a PostgreSQL: set storage.backend to postgres",
            )),
            None if url.contains("://") => {
                Err(wrong(Backend::MySql, "it names another kind of database"))
            }
            None => Self::parse_dsn(url),
        }
    }

    /// As Go reads it; what Go cannot read since a parameter holds a `/` (the path of a
    /// certificate) is read with the `/` behind the address as the one that ends it.
    fn parse_dsn(dsn: &str) -> Result<Self, DatabaseError> {
        let last = dsn
            .rfind('/')
            .ok_or_else(|| wrong(Backend::MySql, "there is no `/` before the database name"))?;
        Self::parse_dsn_at(dsn, last).or_else(|error| match dsn.rfind(")/") {
            Some(at) if at + 1 < last => Self::parse_dsn_at(dsn, at + 1),
            _ => Err(error),
        })
    }

    /// The `/` at `slash` ends the address, the last `@` before it the credentials, the first `:`
    /// in those the user: the password may hold anything.
    fn parse_dsn_at(dsn: &str, slash: usize) -> Result<Self, DatabaseError> {
        let wrong = |problem: &str| wrong(Backend::MySql, problem);
        let (before, after) = (&dsn[..slash], &dsn[slash + 1..]);
        if before.is_empty() {
            // To Go this is a database on this machine; to the operator, more likely a password.
            return Err(wrong("it names neither a user nor a server"));
        }
        let (credentials, address) = before.rsplit_once('@').unwrap_or(("", before));
        let (name, query) = after.split_once('?').unwrap_or((after, ""));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (credentials, None),
        };
        let (net, address) = match address.split_once('(') {
            Some((net, address)) => {
                let address = address.strip_suffix(')');
                (net, address.ok_or_else(|| wrong("the `(` is not closed"))?)
            }
            None => (address, ""),
        };
        let mut parts = Parts {
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            password,
            name: decode(name).map_err(wrong)?,
            ..Parts::default()
        };
        match net {
            "" | "tcp" | "tcp4" | "tcp6" => {
                let (host, port) = host_and_port(address)
                    .ok_or_else(|| wrong("its port is not a number below 65536"))?;
                host.clone_into(&mut parts.host);
                parts.port = port;
            }
            "unix" => {
                let path = Some(address).filter(|path| !path.is_empty());
                path.unwrap_or("/tmp/mysql.sock")
                    .clone_into(&mut parts.host);
            }
            _ => {
                return Err(wrong(
                    "the network is neither `tcp(HOST:PORT)` nor `unix(PATH)`",
                ));
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong("a parameter has no `=`"))?;
            parts
                .parameters
                .push((key.to_owned(), decode(value).map_err(wrong)?));
        }
        Self::from_parts(&parts)
    }

    fn from_parts(parts: &Parts) -> Result<Self, DatabaseError> {
        if parts.name.is_empty() {
            return Err(wrong(Backend::MySql, "it names no database"));
        }
        let host = Some(parts.host.as_str()).filter(|host| !host.is_empty());
        let host = host.unwrap_or("127.0.0.1");
        let port = parts.port.unwrap_or(3306);
        let mut options = MySqlConnectOptions::new().database(&parts.name);
        let name = show_name(&parts.name);
        let place = if host.starts_with('/') {
            options = options.socket(host);
            format!("{name} at {host}")
        } else {
            options = options.host(host).port(port);
            format!("{name} at {host}:{port}")
        };
        if let Some(user) = &parts.user {
            options = options.username(user);
        }
        if let Some(password) = &parts.password {
            options = options.password(password);
        }
        let mut url = Self {
            // Go's driver speaks plaintext unless told otherwise.
            options: options.ssl_mode(MySqlSslMode::Disabled),
            place,
            variables: Vec::new(),
            files: Vec::new(),
        };
        for (key, value) in &parts.parameters {
            url.set(key, value)?;
        }
        Ok(url)
    }

    /// Obeys one parameter.
    fn set(&mut self, key: &str, value: &str) -> Result<(), DatabaseError> {
        let options = self.options.clone();
        self.options = match key.to_ascii_lowercase().as_str() {
            "tls" => options.ssl_mode(tls(value)?),
            "ssl-mode" | "sslmode" => options.ssl_mode(
                value
                    .parse()
                    .map_err(|_| wrong(Backend::MySql, "its ssl-mode is not known"))?,
            ),
            "ssl-ca" | "sslrootcert" => {
                self.name_file("ssl-ca", value);
                options.ssl_ca(value)
            }
            "ssl-cert" | "sslcert" => {
                self.name_file("ssl-cert", value);
                options.ssl_client_cert(value)
            }
            "ssl-key" | "sslkey" => {
                self.name_file("ssl-key", value);
                options.ssl_client_key(value)
            }
            // Of Notary's migration tool.
            own if own.starts_with("x-") => options,
            "allowcleartextpasswords" => {
                options.enable_cleartext_plugin(matches!(value, "1" | "true" | "TRUE" | "True"))
            }
            "collation" => options.collation(value),
            "time_zone" => options.timezone(value.trim_matches('\'').to_owned()),
            known if OF_GO.contains(&known) => options,
            // MySQL quotes what it does not understand, which is in the message then.
            secret if secret.contains("pass") || value.is_empty() => {
                return Err(wrong(
                    Backend::MySql,
                    "a parameter has no value, or is a password, which belongs before the `@`",
                ));
            }
            variable if is_word(variable) && !value.contains(';') => {
                self.variables.push(format!("{variable}={value}"));
                options
            }
            _ => return Err(wrong(Backend::MySql, "a parameter is none of MySQL's")),
        };
        Ok(())
    }

    fn name_file(&mut self, parameter: &'static str, path: &str) {
        let path = path.into();
        self.files.push(NamedFile { parameter, path });
    }

    /// The files that have to be there to connect.
    pub(crate) fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// A pool that connects when it is first asked.
    pub(crate) fn pool(&self, limits: PoolLimits) -> Pool<MySql> {
        let wait = limits.wait.as_secs().max(1);
        // Without strict mode a text that does not fit would be cut off and stored.
        let mut session = vec![
            "sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES')".to_owned(),
            format!("innodb_lock_wait_timeout={wait}"),
        ];
        session.extend_from_slice(&self.variables);
        // A program that hangs in a transaction must not keep others waiting at its locks for ever.
        // MySQL, to which this is a comment, has no such limit.
        let limit = "/*M!100300 , idle_transaction_timeout=60 */";
        let source = Source {
            place: self.place.clone(),
            options: self.options.clone(),
            reach: Reach::Network,
            session: Some(format!("SET {} {limit}", session.join(","))),
            local: None,
        };
        Pool::new(source, limits)
    }
}

/// What Go's driver means by `tls=`. Its `preferred` goes on in plaintext with a server that has no
/// TLS, or with an impostor.
fn tls(value: &str) -> Result<MySqlSslMode, DatabaseError> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "true" | "1" => MySqlSslMode::VerifyIdentity,
        "false" | "0" => MySqlSslMode::Disabled,
        "skip-verify" => MySqlSslMode::Required,
        "preferred" => MySqlSslMode::Preferred,
        _ => {
            return Err(wrong(
                Backend::MySql,
                "its `tls` is not true, false, skip-verify or preferred",
            ));
        }
    })
}

/// Whether `url` is what a `PostgreSQL` is named by: a URL, or words of libpq.
fn is_of_postgres(url: &str) -> bool {
    let is_words = !has_go_address(url)
        && url
            .split_whitespace()
            .any(|word| word.starts_with("host=") || word.starts_with("dbname="));
    is_words || url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@'))
}

impl fmt::Display for MySqlUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place)
    }
}

impl fmt::Debug for MySqlUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MySqlUrl({})", self.place)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;

    use super::*;

    /// What the driver will do, as a URL of its own.
    fn told(url: &str) -> String {
        let url = MySqlUrl::parse(url).unwrap();
        url.options.to_url_lossy().to_string()
    }

    fn problem(url: &str) -> String {
        MySqlUrl::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_dsn_of_go_may_hold_anything_in_its_password() {
        let told = told("me:pa:ss@w/rd(x)@tcp(db.example:3307)/trust?parseTime=True");
        assert!(told.starts_with("mysql://me:pa%3Ass%40w%2Frd%28x%29@db.example:3307/trust?"));
        assert!(told.contains("ssl-mode=DISABLED"), "{told}");
    }

    #[test]
    fn a_parameter_may_hold_the_path_of_a_file() {
        let told = told("me:a/b@tcp(db)/trust?tls=true&ssl-ca=/etc/ca.pem");
        assert!(
            told.starts_with("mysql://me:a%2Fb@db:3306/trust?"),
            "{told}"
        );
        assert!(told.contains("ca.pem"), "{told}");
    }

    #[test]
    fn what_a_dsn_leaves_out_is_as_go_has_it() {
        assert!(told("tcp/trust").contains("127.0.0.1:3306/trust"));
        assert!(problem("/trust").contains("neither a user nor a server"));
        assert!(told("me@/trust").starts_with("mysql://me@127.0.0.1:3306/trust"));
        assert!(told("me@tcp/trust").contains("127.0.0.1:3306"));
        let url = MySqlUrl::parse("me@tcp([::1]:3307)/trust").unwrap();
        assert_eq!(url.to_string(), "trust at ::1:3307");
        let url = MySqlUrl::parse("me@unix/trust").unwrap();
        assert_eq!(url.to_string(), "trust at /tmp/mysql.sock");
        let url = MySqlUrl::parse("me:p@unix(/run/my.sock)/trust?charset=utf8").unwrap();
        assert_eq!(url.to_string(), "trust at /run/my.sock");
    }

    #[test]
    fn a_plain_url_means_the_same() {
        for scheme in ["mysql", "mariadb"] {
            let told = told(&format!("{scheme}://me:pa%40ss@db:3307/trust"));
            assert!(
                told.starts_with("mysql://me:pa%40ss@db:3307/trust?"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_dsn_with_a_scheme_is_what_notarys_migration_tool_takes() {
        let told = told("mysql://me:pa:ss@w/rd@tcp(db.example:3307)/trust?x-tls-ca=/ca.pem");
        assert!(
            told.starts_with("mysql://me:pa%3Ass%40w%2Frd@db.example:3307/trust?"),
            "{told}"
        );
        let url = MySqlUrl::parse("mysql://me@unix(/run/my.sock)/trust").unwrap();
        assert_eq!(url.to_string(), "trust at /run/my.sock");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_parameter() {
        let url = MySqlUrl::parse("me:hunter2@tcp(db)/x?tls=true&ssl-ca=/nowhere/ca.pem");
        let problem = url.unwrap().files()[0].check().unwrap_err().to_string();
        assert!(
            problem.starts_with("cannot read /nowhere/ca.pem, which ssl-ca in the"),
            "{problem}"
        );
    }

    #[test]
    fn encryption_is_what_the_parameter_says() {
        for (parameter, mode) in [
            ("true", "VERIFY_IDENTITY"),
            ("skip-verify", "REQUIRED"),
            ("preferred", "PREFERRED"),
            ("false", "DISABLED"),
        ] {
            let told = told(&format!("me@tcp(db)/trust?tls={parameter}"));
            assert!(told.contains(&format!("ssl-mode={mode}")), "{told}");
        }
        assert!(problem("me@tcp(db)/trust?tls=custom").contains("`tls` is not"));
    }

    #[test]
    fn what_go_does_not_know_is_set_in_the_session() {
        let url = "me@tcp(db)/x?timeout=5s&loc=UTC&sql_notes=0&collation=utf8mb4_bin&strict=true";
        assert_eq!(MySqlUrl::parse(url).unwrap().variables, ["sql_notes=0"]);
        assert!(problem("me@tcp(db)/x?a%20b=1").contains("none of MySQL's"));
        assert!(problem("me@tcp(db)/x?a=1;DROP").contains("none of MySQL's"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, words) in [
            ("me:hunter2@tcp(db:3306)", "no `/`"),
            ("me:hunter2@tcp(db:99999)/x", "port"),
            ("me:hunter2@tcp(db/x", "not closed"),
            ("me:hunter2@udp(db)/x", "neither"),
            ("me:hunter2@tcp(db)/", "no database"),
            ("postgres://me:hunter2@db/x", "storage.backend to postgres"),
            (
                "host=db password=hunter2 dbname=x",
                "storage.backend to postgres",
            ),
            ("oracle://me:hunter2@db/x", "another kind"),
            ("mysql://me:hunter2?x@db/x", "written `%3F`"),
            ("me:hunter2@tcp(db)/x?parseTime", "no `=`"),
        ] {
            let problem = problem(url);
            assert!(
                problem.contains(words) && !problem.contains("hunter2"),
                "{problem}"
            );
        }
        let url = MySqlUrl::parse("me:hunter2@tcp(db)/x").unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }
}
