//! What the services of `docker-compose.yml` start from: made once, renewed in time.
//!
//! Each service gets a folder with what is its own and nothing else; compose mounts it there alone.
//!
//! ```text
//! authority/  ca.crt ca.key           the CA, whose key no service sees
//!             former-ca.crt           what it was renewed from, which clients may still have
//!             database                which database this set-up uses, if that was said
//! server/     server.crt server.key   for the server's HTTPS
//!             client.crt client.key   what the server shows to the signer
//!             ca.crt, and *-url       whom it trusts; its database, by kind
//! signer/     signer.crt signer.key   for the signer's gRPC
//!             ca.crt passphrase, and *-url
//! database/   root-password server-password signer-password
//! gateway/    gateway.crt gateway.key ca.crt
//! public/     root-ca.crt             what clients have to trust
//! ```
//!
//! What is there stays: a secret is the key to data that only it opens. What was there and is lost
//! is not made again without being told to. Certificates are renewed with their keys kept, one
//! atomic rename each, and the services take them up while running. It can end at any moment: each
//! file is there completely or not at all, and whichever of them are there, the next run goes on
//! from them.

mod authority;
mod database;
mod error;
mod lock;
mod modes;
mod secrets;
mod watch;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

pub use database::Database;
pub use error::{Again, PrepareError};
use lock::Lock;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    files::{self, Access, FileError},
    names::Name,
    pki::{self, Authority, Leaf, Outcome, Purpose},
    setup::quote,
};

/// The folders of all services, and what they are for.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Keeps a folder for each service.
    pub folder: PathBuf,
    /// What clients call the service.
    pub names: BTreeSet<Name>,
    /// The database that the services are told to use; `None` if none was named.
    pub database: Option<Database>,
    /// What is refused otherwise.
    pub permitted: Permitted,
}

/// What cannot be taken back, and is done only on request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permitted {
    /// Another CA may take the place of one that is lost.
    pub new_authority: bool,
    /// Another passphrase may take the place of one that is lost.
    pub new_passphrase: bool,
    /// The set-up uses another database from now on.
    pub change_database: bool,
}

/// What came of one look at everything.
#[derive(Debug, Default)]
struct Turn {
    news: Vec<String>,
    problems: Vec<PrepareError>,
}

impl Turn {
    fn of_failure(error: PrepareError) -> Self {
        Self {
            problems: vec![error],
            ..Self::default()
        }
    }

    fn add(&mut self, outcome: Result<Vec<String>, PrepareError>) {
        match outcome {
            Ok(news) => self.news.extend(news),
            Err(error) => self.problems.push(error),
        }
    }

    /// Says everything; nothing of it is a reason to end.
    fn tell(self, say: &dyn Fn(&str)) {
        self.news.iter().for_each(|news| say(news));
        for error in self.problems {
            say(&format!(
                "this failed, and is tried again every hour: {error}"
            ));
        }
    }

    /// Says everything, but the first problem.
    fn done(self, say: &dyn Fn(&str)) -> Result<(), PrepareError> {
        self.news.iter().for_each(|news| say(news));
        let mut problems = self.problems.into_iter();
        let first = problems.next();
        problems.for_each(|error| say(&error.to_string()));
        first.map_or(Ok(()), Err)
    }
}

impl Preparation {
    /// Makes what is missing, renews what is about to expire, and says what it did, and what people
    /// have to do.
    ///
    /// # Errors
    ///
    /// The first thing that could not be done; the others were told to `say`. What could be done
    /// was done, and a second try goes on from there.
    pub fn make(&self, now: OffsetDateTime, say: &dyn Fn(&str)) -> Result<(), PrepareError> {
        let _lock = Lock::wait(&self.make_locked_folder()?, say)?;
        let outcome = self.turn(now).done(say);
        authority::remind(self, now, say);
        outcome
    }

    /// Whether every file is there and every certificate valid; makes nothing, and waits for
    /// nobody.
    ///
    /// # Errors
    ///
    /// The first thing that is not in order.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), PrepareError> {
        for name in FILES {
            self.check_file(name, now)?;
        }
        for (folder, leaf) in self.leafs() {
            self.check_pair(folder, leaf.name)?;
        }
        self.check_pair("authority", "ca")?;
        authority::compare(self)?;
        database::compare(self)
    }

    fn check_file(&self, name: &str, now: OffsetDateTime) -> Result<(), PrepareError> {
        let path = self.folder.join(name);
        if !secrets::is_there(&path)? {
            return Err(PrepareError::Missing(path));
        }
        let is_certificate = path.extension().is_some_and(|it| it == "crt");
        let content = files::read(&path)?.map(Zeroizing::new).unwrap_or_default();
        if is_certificate && !pki::is_valid(&content, now) {
            return Err(PrepareError::NotValid(path));
        }
        Ok(())
    }

    fn check_pair(&self, folder: &str, name: &str) -> Result<(), PrepareError> {
        let [certificate, key] =
            ["crt", "key"].map(|kind| self.file(folder, &format!("{name}.{kind}")));
        let read = |path| files::read(path).map(|it| Zeroizing::new(it.unwrap_or_default()));
        if pki::is_pair(&read(&certificate)?, &read(&key)?) {
            return Ok(());
        }
        Err(PrepareError::NoPair { certificate, key })
    }

    /// Does whatever can be done: what is wrong with one service is no reason to let the
    /// certificates of another expire.
    fn turn(&self, now: OffsetDateTime) -> Turn {
        let mut turn = Turn::default();
        for folder in FOLDERS {
            let made = files::make_folder(&self.folder.join(folder));
            turn.add(made.map(|()| Vec::new()).map_err(PrepareError::from));
        }
        turn.add(secrets::make(self));
        turn.add(database::make(self));
        self.certify(now, &mut turn);
        turn.news.extend(modes::mend(self, &mut turn.problems));
        turn
    }

    fn certify(&self, now: OffsetDateTime, turn: &mut Turn) {
        let authority = match authority::open(self, now, &mut turn.news) {
            Ok(authority) => authority,
            Err(error) => return turn.problems.push(error),
        };
        // The new certificate of the CA is everywhere before anything that only it vouches for.
        for (folder, name) in authority::COPIES {
            let placed = place(&self.file(folder, name), authority.pem().as_bytes());
            turn.add(placed.map(|()| Vec::new()).map_err(PrepareError::from));
        }
        for (folder, leaf) in self.leafs() {
            turn.add(self.certify_one(&authority, folder, &leaf, now));
        }
    }

    fn certify_one(
        &self,
        authority: &Authority,
        folder: &str,
        leaf: &Leaf,
        now: OffsetDateTime,
    ) -> Result<Vec<String>, PrepareError> {
        let done = match authority.ensure_in(&self.folder.join(folder), leaf, now)? {
            Outcome::Kept => return Ok(Vec::new()),
            Outcome::Made => "made",
            Outcome::Renewed => "renewed",
        };
        Ok(vec![format!("{done} {}.crt", leaf.name)])
    }

    /// The certificates, and in whose folder each is. The server's own names are those of its
    /// container.
    fn leafs(&self) -> [(&'static str, Leaf); 4] {
        let leaf = |name, purpose, own: &[&str]| Leaf {
            name,
            purpose,
            hosts: own.iter().map(|host| (*host).to_owned()).collect(),
        };
        let mut server = leaf("server", Purpose::Listen, &["server", "notaryserver"]);
        let mut gateway = leaf("gateway", Purpose::Listen, &["gateway"]);
        let names = || self.names.iter().map(|name| name.as_str().to_owned());
        server.hosts.extend(names());
        gateway.hosts.extend(names());
        [
            ("server", server),
            ("server", leaf("client", Purpose::Connect, &["server"])),
            (
                "signer",
                leaf("signer", Purpose::Listen, &["signer", "notarysigner"]),
            ),
            ("gateway", gateway),
        ]
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.folder.join(folder).join(name)
    }

    /// The folder that one process works with at a time: containers share what is mounted there,
    /// and nothing above it.
    fn make_locked_folder(&self) -> Result<PathBuf, FileError> {
        let folder = self.folder.join("authority");
        files::make_folder(&folder)?;
        Ok(folder)
    }

    /// This run once more, with `flags`.
    fn again(&self, flags: &str) -> Again {
        let folder = quote(&self.folder.to_string_lossy());
        let names: Vec<_> = self.names.iter().map(Name::as_str).collect();
        let hosts = quote(&names.join(","));
        Again(format!("--folder={folder} --host={hosts} {flags}"))
    }
}

/// Copies the certificates in `source`, written again and without anything that is between them, to
/// `target`; it is left alone where it is the same already.
///
/// # Errors
///
/// [`PrepareError::NoCertificate`] if there is none in `source`, or a damaged one.
pub fn copy_certificate(source: &Path, target: &Path) -> Result<(), PrepareError> {
    let pem = files::read(source)?.map(Zeroizing::new);
    let pem = pem.ok_or_else(|| PrepareError::Missing(source.to_owned()))?;
    let certificates =
        pki::certificates(&pem).ok_or_else(|| PrepareError::NoCertificate(source.to_owned()))?;
    Ok(place(target, pki::to_pem(&certificates).as_bytes())?)
}

const FOLDERS: [&str; 6] = [
    "authority",
    "server",
    "signer",
    "database",
    "gateway",
    "public",
];

/// All that services rely on.
const FILES: [&str; 24] = [
    "authority/ca.crt",
    "authority/ca.key",
    "server/server.crt",
    "server/server.key",
    "server/client.crt",
    "server/client.key",
    "server/ca.crt",
    "server/mysql-url",
    "server/postgres-url",
    "server/sqlite-url",
    "signer/signer.crt",
    "signer/signer.key",
    "signer/ca.crt",
    "signer/passphrase",
    "signer/mysql-url",
    "signer/postgres-url",
    "signer/sqlite-url",
    "database/root-password",
    "database/server-password",
    "database/signer-password",
    "gateway/ca.crt",
    "gateway/gateway.crt",
    "gateway/gateway.key",
    "public/root-ca.crt",
];

/// Puts `bytes` at `path` unless they are there.
fn place(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if files::read(path)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    files::write(path, bytes, Access::All)
}
