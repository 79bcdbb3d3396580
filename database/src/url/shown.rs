//! What may be seen of a database's URL.
//!
//! A URL that is wrong may be a password, or hold it anywhere. So nothing is shown of what has none
//! of the forms that are known, and of the rest only what is known to be harmless, where it looks
//! as it should.

/// Stands for a part that must not be seen. Its length says nothing about the secret's.
const MASK: &str = "********";

/// What may be shown of `url`: all but what may be secret in it; `None` if it is none of the forms
/// that Notary takes: a URL, a DSN of Go's `MySQL` driver, libpq's `key=value` words, or the path
/// of a file.
#[must_use]
pub fn without_secrets(url: &str) -> Option<String> {
    if let Some((scheme, rest)) = url.split_once("://")
        && ["postgres", "postgresql", "mysql", "mariadb"].contains(&scheme)
    {
        return server(rest).map(|shown| format!("{scheme}://{shown}"));
    }
    let path = ["sqlite://", "sqlite:", "file://", "file:"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .unwrap_or(url);
    if is_file(path) || ["memory", ":memory:"].contains(&path) {
        return Some(url.to_owned());
    }
    dsn(url).or_else(|| words(url))
}

/// What follows `scheme://`: `user:password@host:port/name?key=value&…`.
fn server(rest: &str) -> Option<String> {
    let (place, query) = with_parameters(rest)?;
    let (credentials, place) = credentials(place)?;
    let (address, name) = place.split_once('/')?;
    (is_address(address) && is_name(name)).then(|| format!("{credentials}{address}/{name}{query}"))
}

/// `user:password@tcp(host:port)/name?key=value&…`, or `unix(path)` instead of `tcp(…)`.
fn dsn(dsn: &str) -> Option<String> {
    // A password may hold anything, what follows the address no `)`.
    let (before, after) = dsn.rsplit_once(")/")?;
    let (credentials, place) = credentials(before)?;
    let (name, query) = with_parameters(after)?;
    let (net, address) = place.split_once('(')?;
    let is_harmless = match net {
        "tcp" | "tcp4" | "tcp6" => is_address(address),
        "unix" => is_path(address),
        _ => false,
    };
    (is_harmless && is_name(name)).then(|| format!("{credentials}{place})/{name}{query}"))
}

/// What may be seen of the credentials in `text`, up to and with the `@`, and what follows them. A
/// user without a password is not seen: it may be a password without a user.
fn credentials(text: &str) -> Option<(String, &str)> {
    let Some((credentials, place)) = text.rsplit_once('@') else {
        return Some((String::new(), text));
    };
    let shown = match credentials.split_once(':') {
        Some((user, _)) if is_name(user) => format!("{user}:{MASK}@"),
        None if is_name(credentials) => format!("{MASK}@"),
        _ => return None,
    };
    Some((shown, place))
}

/// `text` up to the `?`, and what may be seen from there on. An `@` after that tells of a `?` in a
/// password.
fn with_parameters(text: &str) -> Option<(&str, String)> {
    let Some((before, query)) = text.split_once('?') else {
        return Some((text, String::new()));
    };
    if query.contains('@') {
        return None;
    }
    let shown: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => parameter(key, value),
            None => MASK.to_owned(),
        })
        .collect();
    Some((before, format!("?{}", shown.join("&"))))
}

/// `key=value` words, parted by blanks; a value may stand in `'`, where `\` takes the meaning from
/// what follows.
fn words(text: &str) -> Option<String> {
    let mut shown = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = after.split_at(length_of_value(after)?);
        shown.push(parameter(key.trim(), value));
        rest = after.trim_start();
    }
    (!shown.is_empty()).then(|| shown.join(" "))
}

/// How long the value at the start of `text` is, with its quotes; `None` if they are not closed.
fn length_of_value(text: &str) -> Option<usize> {
    let is_quoted = text.starts_with('\'');
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(usize::from(is_quoted)) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' if is_quoted => return Some(at + 1),
            blank if !is_quoted && blank.is_whitespace() => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

/// One parameter, of which the value is seen if it is known to be harmless, and the name if it is
/// known.
fn parameter(key: &str, value: &str) -> String {
    let lower = key.to_ascii_lowercase();
    let harmless: fn(&str) -> bool = match lower.as_str() {
        "sslmode" | "ssl-mode" | "tls" | "parsetime" | "binary_parameters" => is_mode,
        "connect_timeout" | "timeout" | "readtimeout" | "writetimeout" | "port" => is_span,
        "host" | "hostaddr" => |value| is_address(value) || is_path(value),
        "user" | "dbname" | "application_name" | "charset" | "collation" | "search_path" => is_name,
        "sslrootcert" | "sslcert" | "ssl-ca" | "ssl-cert" => is_file,
        "password" | "passfile" | "sslpassword" | "sslkey" | "ssl-key" => |_| false,
        _ => return MASK.to_owned(),
    };
    let shown = if harmless(value) { value } else { MASK };
    format!("{key}={shown}")
}

/// How a connection is encrypted, or yes and no.
fn is_mode(text: &str) -> bool {
    const MODES: [&str; 17] = [
        "0",
        "1",
        "true",
        "false",
        "disable",
        "disabled",
        "allow",
        "prefer",
        "preferred",
        "require",
        "required",
        "verify-ca",
        "verify_ca",
        "verify-full",
        "verify_identity",
        "skip-verify",
        "verify-identity",
    ];
    MODES.contains(&text.to_ascii_lowercase().as_str())
}

/// A small number, maybe with a unit of time.
fn is_span(text: &str) -> bool {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    (1..=5).contains(&(text.len() - unit.len())) && ["", "ms", "s", "m", "h"].contains(&unit)
}

/// The name of a database, to be printed: it may be a password that is not in its place.
pub(super) fn show_name(name: &str) -> &str {
    if is_name(name) {
        name
    } else {
        "(a name that is not shown)"
    }
}

/// A word as users and databases are called.
fn is_name(text: &str) -> bool {
    is_made_of(text, "_-.")
}

/// `host`, `host:port`, or either with an IPv6 address in brackets. A host may be the folder of a
/// socket, `%2F…`.
fn is_address(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = if let Some((host, port)) = bracketed {
        (is_made_of(host, ":."), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_made_of(host, "-.%"), port)
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// An absolute path.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_made_of(text, "/_-.")
}

/// The absolute path of a file that is named as databases and certificates are, and passwords are
/// not.
fn is_file(text: &str) -> bool {
    const ENDINGS: [&str; 6] = [".db", ".sqlite", ".sqlite3", ".pem", ".crt", ".cer"];
    is_path(text) && ENDINGS.iter().any(|ending| text.ends_with(ending))
}

/// Whether there is a text, of letters and digits and `others` alone.
fn is_made_of(text: &str, others: &str) -> bool {
    let belongs = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    !text.is_empty() && text.chars().all(belongs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_database_is_seen_and_its_password_is_not_in_every_form() {
        for (url, shown) in [
            (
                "postgres://me:p@s/s@db:5432/x?sslmode=disable",
                "postgres://me:********@db:5432/x?sslmode=disable",
            ),
            (
                "me:pa:s?s@w/rd@tcp(db:3306)/x?parseTime=True",
                "me:********@tcp(db:3306)/x?parseTime=True",
            ),
            ("mysql://:hunter2@[::1]:3306/x", ""),
            (
                "mysql://me:hunter2@[::1]:3306/x",
                "mysql://me:********@[::1]:3306/x",
            ),
            (
                "host=db password='a \\' b' user=me",
                "host=db password=******** user=me",
            ),
            (
                "host = db user=me PASSWORD=a@b dbname=x",
                "host=db user=me PASSWORD=******** dbname=x",
            ),
            (
                "postgres://db/x?password=abc&user=me",
                "postgres://db/x?password=********&user=me",
            ),
            (
                "postgres://me:a@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=5",
                "postgres://me:********@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=5",
            ),
            ("me@unix(/run/db.sock)/x", "********@unix(/run/db.sock)/x"),
            ("tcp(db)/x", "tcp(db)/x"),
            ("/var/lib/notary.db", "/var/lib/notary.db"),
            ("sqlite:///var/lib/notary.db", "sqlite:///var/lib/notary.db"),
            (":memory:", ":memory:"),
        ] {
            let expected = Some(shown).filter(|shown| !shown.is_empty());
            assert_eq!(without_secrets(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_value_that_is_not_known_to_be_harmless_is_not_seen() {
        for (url, shown) in [
            (
                "postgres://db/x?passfile=SECRET",
                "postgres://db/x?passfile=********",
            ),
            (
                "postgres://db/x?sslmode=SECRET",
                "postgres://db/x?sslmode=********",
            ),
            ("postgres://db/x?SECRET", "postgres://db/x?********"),
            ("postgres://db/x?SECRET=1", "postgres://db/x?********"),
            (
                "me:p@tcp(db)/x?tls=SECRET",
                "me:********@tcp(db)/x?tls=********",
            ),
            (
                "me:p@tcp(db)/x?timeout=SECRET",
                "me:********@tcp(db)/x?timeout=********",
            ),
            ("host=db sslpassword=SECRET", "host=db sslpassword=********"),
            ("SECRET=db", "********"),
            ("SECRET@tcp(db)/x", "********@tcp(db)/x"),
        ] {
            assert_eq!(without_secrets(url).as_deref(), Some(shown));
        }
    }

    #[test]
    fn nothing_is_seen_of_what_has_no_form_that_is_known() {
        for url in [
            "SECRET",
            "/SECRET",
            "/.SECRET",
            "SECRET.db",
            "u:SECRET",
            "u:SECRET@",
            "u:SECRET@db",
            "u:SECRET@/x",
            "u:SECRET@tcp(db:3306)",
            "u:SECRET@tcp(db:99999)/x",
            "u:p@SECRET(db)/x",
            "u:p@tcp(db)/SEC/RET",
            "postgres://SECRET",
            "postgres://me:SECRET",
            "postgres://me:SECRET@",
            "postgres://me:SECRETdb/x",
            "postgres://me:SECRET?@db/x",
            "postgres://me:12345/SECRET?foo@db/x",
            "postgres://me:p@db/SEC RET",
            "mongodb://me:SECRET@db/x",
            "host=db password='SECRET",
            "host=db SECRET",
            "",
        ] {
            assert_eq!(without_secrets(url), None, "{url}");
        }
    }

    proptest! {
        #[test]
        fn a_password_is_seen_in_no_url_however_it_is_broken(
            secret in "[A-Za-z0-9+/=!?&#%:@ ()'-]{4,16}Zq7[A-Za-z0-9]{4,16}",
            broken in 0_usize..5,
            at in 0_usize..80,
        ) {
            for form in [
                "SECRET",
                "me:SECRET@tcp(db:3306)/x?parseTime=True",
                "postgres://me:SECRET@db:5432/x?sslmode=verify-full",
                "mysql://me:SECRET@db/x",
                "host=db user=me password=SECRET dbname=x",
                "host=db user=me password='SECRET' dbname=x",
                "postgres://db/x?password=SECRET",
                "me@tcp(db)/x?tls=SECRET",
            ] {
                let letters: Vec<char> = form.chars().collect();
                let at = at % letters.len();
                // A letter is missing, doubled, or another; but for those of the place where the
                // secret is.
                let mut form: String = match broken {
                    0 => letters.iter().collect(),
                    1 => letters[..at].iter().chain(&letters[at + 1..]).collect(),
                    2 => letters[..at].iter().chain(&letters[at..=at]).chain(&letters[at..]).collect(),
                    3 => letters[..at].iter().chain(&['/']).chain(&letters[at + 1..]).collect(),
                    _ => letters[at..].iter().collect(),
                };
                form = form.replace("SECRET", &secret);
                let shown = without_secrets(&form).unwrap_or_default();
                prop_assert!(!shown.contains(&secret), "{form}: {shown}");
            }
        }

        #[test]
        fn no_text_is_too_strange_to_be_looked_at(url: String) {
            let _ = without_secrets(&url);
        }
    }
}
