//! What an update changes: whoever may publish targets need not be one who may say who signs.
//!
//! Files are compared as JSON and not as what this crate reads of them: a member that means nothing here
//! may mean something to a client. Whatever could be read in two ways counts as a change of both kinds.

mod snapshot;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::json::{self, Member, Scope, Value, folds_to, member, object};
use crate::{File, Role, Stored, canonical};

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
    let differs = Differences::between(stored.map_or(b"{}", |stored| stored), sent.bytes())
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
    fn between(stored: &[u8], sent: &[u8]) -> Option<Self> {
        let (stored, sent) = (json::to_text(stored), json::to_text(sent));
        let (stored, sent) = (Signed::read(&stored)?, Signed::read(&sent)?);
        Some(Self {
            targets: stored.targets() != sent.targets() || sent.has_several("targets"),
            signers: match (stored.signers(), sent.signers()) {
                (Some(stored), Some(sent)) => stored != sent,
                _ => true,
            },
        })
    }
}

/// The members of a file's signed part.
struct Signed<'a>(Vec<Member<'a>>);

impl<'a> Signed<'a> {
    /// `None` if the file cannot be read, or if readers may disagree which of its members is the signed
    /// part.
    fn read(text: &'a str) -> Option<Self> {
        let (file, _) = json::parse_first(text, Scope::Whole).ok()?;
        let members = object(Some(&file), "").ok()?;
        if has_twins(members) {
            return None;
        }
        Some(Self(object(member(members, "signed"), "").ok()?.to_vec()))
    }

    /// The targets; null and absent are none.
    fn targets(&self) -> Option<&Value<'a>> {
        member(&self.0, "targets").filter(|targets| !is_empty(targets))
    }

    /// Whether readers may disagree which member is the one of this name.
    fn has_several(&self, name: &str) -> bool {
        let is_it = |(found, _): &&Member<'_>| folds_to(found, name);
        self.0.iter().filter(is_it).count() > 1
    }

    /// Everything that is not known to be harmless, in canonical form. `None` if readers may disagree
    /// what it says.
    fn signers(&self) -> Option<Vec<u8>> {
        const HARMLESS: [&str; 4] = ["_type", "expires", "targets", "version"];
        let is_harmless = |name: &str| HARMLESS.contains(&name);
        let is_left_out = |(name, value): &Member<'_>| {
            is_harmless(name) || folds_to(name, "delegations") && delegates_nothing(value)
        };
        if self.has_several("delegations") {
            return None;
        }
        let rest = self.0.iter().filter(|member| !is_left_out(member));
        let rest = Value::Object(rest.cloned().collect());
        if is_ambiguous(&rest) {
            return None;
        }
        canonical::message(&rest).ok()
    }
}

/// Whether these delegations are as good as none, which is how clients write that there are none.
fn delegates_nothing(delegations: &Value<'_>) -> bool {
    let is_known = |name: &str| folds_to(name, "keys") || folds_to(name, "roles");
    match delegations {
        Value::Null => true,
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| is_known(name) && is_empty(value)),
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

/// Whether an object somewhere has two members that are the same one to readers that do not look at case:
/// which of them counts depends on their order, and that is not part of the canonical form.
fn is_ambiguous(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_ambiguous),
        Value::Object(members) => {
            has_twins(members) || members.iter().any(|(_, value)| is_ambiguous(value))
        }
        _ => false,
    }
}

fn has_twins(members: &[Member<'_>]) -> bool {
    let mut names: Vec<String> = members.iter().map(|(name, _)| json::folded(name)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
