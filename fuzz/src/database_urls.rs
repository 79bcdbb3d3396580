//! Where databases are.

use arbitrary::{Result, Unstructured};
use database::{Backend, DatabaseUrl};

/// What must not be shown.
const SECRET: &str = "xyzzy";

const BACKENDS: [Backend; 4] = [
    Backend::Memory,
    Backend::Sqlite,
    Backend::Postgres,
    Backend::MySql,
];

/// Reads `data` as a URL for each database, and as choices of which URLs are made.
///
/// # Panics
///
/// If a password is shown.
pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        for backend in BACKENDS {
            let _ = show(backend, text);
        }
    }
    // The choices end before a URL does in a seed of a few bytes.
    let _ = urls(&mut Unstructured::new(data));
}

/// What people get to see of a URL.
fn show(backend: Backend, text: &str) -> String {
    match DatabaseUrl::parse(backend, text) {
        Ok(url) => format!("{url} {url:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

fn urls(choices: &mut Unstructured<'_>) -> Result<()> {
    let scheme: &str = choices.choose(&["", "mysql://", "postgres://", "postgresql://"])?;
    let user = piece(choices)?;
    let (before, after) = (piece(choices)?, piece(choices)?);
    let place: &str =
        choices.choose(&["tcp(db:3306)", "db:5432", "unix(/run/db)", "[::1]:3306", ""])?;
    let name: &str = choices.choose(&[
        "/server",
        "/",
        "",
        "/server?parseTime=true",
        "/s?sslmode=no",
    ])?;
    let url = format!("{scheme}{user}:{before}{SECRET}{after}@{place}{name}");
    for backend in [Backend::Postgres, Backend::MySql] {
        let shown = show(backend, &url);
        assert!(!shown.contains(SECRET), "{url}: {shown}");
    }
    Ok(())
}

/// A piece of a name or a password.
fn piece(choices: &mut Unstructured<'_>) -> Result<String> {
    let characters = [
        'a', '%', '4', '0', '?', '#', '(', ')', ' ', '=', '&', ':', '/', '@', 'é',
    ];
    let count = choices.int_in_range(0..=4)?;
    (0..count)
        .map(|_| Ok(*choices.choose(&characters)?))
        .collect()
}
