//! The parts of a file by which changes are found.

use ring::digest::{SHA256, digest};

use super::shapes;
use crate::{
    encoding::{
        canonical,
        json::{self, Member, Scope, Value, folds_to},
    },
    role::Role,
    wire::spelling::Parts,
};

/// Members of a file of the targets tree that the right to change its targets covers.
const HARMLESS: [&str; 4] = ["_type", "expires", "targets", "version"];

/// Members of a snapshot whose changes are found in another way, or mean nothing.
const OF_SNAPSHOT: [&str; 4] = ["_type", "expires", "meta", "version"];

/// The parts of the file of `role`; `None` if it cannot be read.
pub(super) fn of(role: &Role, file: &[u8]) -> Option<Parts> {
    let Signed { members, targets } = Signed::read(role, file)?;
    let is_left_out = |(name, value): &Member<'_>| match role {
        Role::Snapshot => OF_SNAPSHOT.contains(&name.as_ref()),
        _ => HARMLESS.contains(&name.as_ref()) || name == "delegations" && delegates_nothing(value),
    };
    let rest = members.into_iter().filter(|member| !is_left_out(member));
    Some(Parts {
        targets,
        rest: canonical::message(&Value::Object(rest.collect())).ok(),
    })
}

/// The members of a file's signed part, each under the one name that clients take it for.
///
/// What is uploaded is spelled in this way. A stored file may be older than that rule: what it
/// could say in another reading than this server's is not held against its author, who may replace
/// it with the rights that publishing it took.
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
        let Value::Object(members) = json::normalise(&file, shapes::of(role)) else {
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
    let targets = json::normalise(targets, &shapes::FILES);
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
