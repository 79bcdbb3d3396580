//! What an update changes: whoever may publish targets need not be one who may say who signs.
//!
//! Files are compared as JSON and not as what this crate reads of them: a member that means nothing here
//! may mean something to a client.

mod snapshot;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use ring::digest::{SHA256, digest};

use crate::encoding::canonical;
use crate::encoding::json::{self, Member, Scope, Value, folds_to};
use crate::wire::notary;
use crate::{File, Role, Stored};

/// One thing that an update changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The targets that a role lists; or none of them, and the file is only signed anew.
    Targets(Role),
    /// Who may sign, and for what: root, or anything in a file of the targets tree but its targets,
    /// version and expiry. Paths and thresholds of delegations are part of it, and so are members that
    /// this crate does not know. It is also what a snapshot does to a role whose file it replaces,
    /// brings back or hides although the update has no such file.
    Signers(Role),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Targets(role) => write!(f, "a change of the targets of {role}"),
            Self::Signers(role) => write!(f, "a change of who signs, made in {role}"),
        }
    }
}

/// What `files` change of what is stored. `current` has the files that will be in force, as far as the
/// update was checked against them.
pub(super) fn between(
    stored: &Stored,
    files: &[File],
    current: &BTreeMap<Role, File>,
) -> Vec<Change> {
    files
        .iter()
        .flat_map(|file| match file.role() {
            Role::Root => of_root(stored.root.as_ref(), file),
            Role::Snapshot => snapshot::changes(stored.snapshot.as_ref(), file, current),
            Role::Timestamp => Vec::new(),
            role => of_targets(stored.targets.get(role), file),
        })
        .collect()
}

fn of_root(stored: Option<&Bytes>, sent: &File) -> Vec<Change> {
    if stored == Some(sent.bytes()) {
        return Vec::new();
    }
    vec![Change::Signers(Role::Root)]
}

fn of_targets(stored: Option<&Bytes>, sent: &File) -> Vec<Change> {
    let role = sent.role();
    let differs = Differences::between(role, stored.map_or(b"{}", |stored| stored), sent.bytes())
        .unwrap_or(Differences::ALL);
    let mut changes = Vec::new();
    if differs.signers {
        changes.push(Change::Signers(role.clone()));
    }
    if differs.targets || !differs.signers {
        changes.push(Change::Targets(role.clone()));
    }
    changes
}

struct Differences {
    targets: bool,
    signers: bool,
}

impl Differences {
    const ALL: Self = Self {
        targets: true,
        signers: true,
    };

    /// `None` if one of the files cannot be read.
    fn between(role: &Role, stored: &[u8], sent: &[u8]) -> Option<Self> {
        let (stored, sent) = (Signed::read(role, stored)?, Signed::read(role, sent)?);
        Some(Self {
            targets: stored.targets != sent.targets,
            signers: stored.signers()? != sent.signers()?,
        })
    }
}

/// The members of a file's signed part, each under the one name that clients take it for.
///
/// What is uploaded is spelled in this way. A stored file may be older than that rule: what it could
/// say in another reading than this server's is not held against its author, who may replace it with
/// the rights that publishing it took.
struct Signed {
    /// All but the targets.
    members: Vec<Member<'static>>,
    /// SHA-256 of the targets in canonical form; null and empty ones are as good as none.
    targets: Option<Vec<u8>>,
}

impl Signed {
    /// `None` if the file cannot be read.
    fn read(role: &Role, file: &[u8]) -> Option<Self> {
        let text = json::to_text(file);
        let (mut file, _) = json::parse_first(&text, Scope::File).ok()?;
        let targets = digest_of(&take_targets(&mut file))?;
        let Value::Object(members) = notary::normalise(role, &file) else {
            return None;
        };
        let is_signed = |(name, _): &Member<'_>| name == "signed";
        let members = match members.into_iter().rfind(is_signed) {
            Some((_, Value::Object(members))) => members,
            None | Some((_, Value::Null)) => Vec::new(),
            Some(_) => return None,
        };
        Some(Self { members, targets })
    }

    /// Everything that is not known to be harmless, in canonical form. `None` if it has none.
    fn signers(&self) -> Option<Vec<u8>> {
        const HARMLESS: [&str; 4] = ["_type", "expires", "targets", "version"];
        let is_left_out = |(name, value): &&Member<'_>| {
            HARMLESS.contains(&name.as_ref()) || name == "delegations" && delegates_nothing(value)
        };
        let rest = self.members.iter().filter(|member| !is_left_out(member));
        canonical::message(&Value::Object(rest.cloned().collect())).ok()
    }
}

/// Takes the targets out of a file: they are most of it, and compared without a copy.
fn take_targets<'a>(file: &mut Value<'a>) -> Value<'a> {
    fn last<'m, 'a>(file: &'m mut Value<'a>, name: &str) -> Option<&'m mut Value<'a>> {
        let Value::Object(members) = file else {
            return None;
        };
        let found = members.iter_mut().rfind(|(found, _)| folds_to(found, name));
        found.map(|(_, value)| value)
    }
    last(file, "signed")
        .and_then(|signed| last(signed, "targets"))
        .map_or(Value::Null, |targets| {
            std::mem::replace(targets, Value::Null)
        })
}

/// `Some(None)` for targets that are as good as none; `None` if they have no canonical form.
#[expect(
    clippy::option_option,
    reason = "having no targets is not having unreadable ones"
)]
fn digest_of(targets: &Value<'_>) -> Option<Option<Vec<u8>>> {
    let sha256 = |text: &[u8]| digest(&SHA256, text).as_ref().to_vec();
    if let Value::Raw(text) = targets {
        return Some(Some(sha256(text.as_bytes())));
    }
    let targets = notary::normalise_targets(targets);
    if is_empty(&targets) {
        return Some(None);
    }
    canonical::message(&targets)
        .ok()
        .map(|text| Some(sha256(&text)))
}

/// Whether these delegations are as good as none, which is how clients write that there are none.
fn delegates_nothing(delegations: &Value<'_>) -> bool {
    match delegations {
        Value::Null => true,
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| ["keys", "roles"].contains(&name.as_ref()) && is_empty(value)),
        _ => false,
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
