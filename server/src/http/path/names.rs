//! The names in a path, and where they begin and end.

use std::{cell::OnceCell, sync::Arc};

use tuf::Role;

/// A GUN as the path spells it; cheap to clone. It takes a granted permission to make a
/// [`tuf::Gun`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunName(Arc<str>);

impl GunName {
    pub(in crate::http) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as sent, percent-decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role as the path spells it; cheap to clone. More names route than can be stored
/// (`targets/A.b`): those are simply never found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// The name as sent, percent-decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role, if it is a valid one.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        Role::parse(&self.0).ok()
    }
}

/// Splits `/v2/GUN/_trust/tuf/FILE` at the last place where `file` understands what follows: the
/// GUN is as long as it can be.
///
/// `file` is told where FILE begins in `path`, and must not read all of it: it is asked at every
/// place.
pub(super) fn split_trust_path<T>(
    path: &str,
    file: impl Fn(usize) -> Option<T>,
) -> Option<(GunName, T)> {
    const BASE: &str = "/v2/";
    const MARK: &str = "/_trust/tuf/";
    let rest = path.strip_prefix(BASE)?;
    // A GUN is not empty and holds no star.
    let longest_gun = memchr::memchr(b'*', rest.as_bytes()).unwrap_or(rest.len());
    let (mut before, mut end) = (rest.len(), rest.len());
    // A search for the whole mark takes longer to prepare than this takes.
    while let Some(at) = memchr::memrchr(b'/', &rest.as_bytes()[..before]) {
        before = at;
        if !rest[at..end].starts_with(MARK) {
            continue;
        }
        // Marks do not overlap.
        end = at;
        if at == 0 || at > longest_gun {
            continue;
        }
        if let Some(found) = file(BASE.len() + at + MARK.len()) {
            return Some((GunName::new(&rest[..at]), found));
        }
    }
    None
}

/// The names of roles that a text may end with.
pub(super) struct RolesAtEnd<'t> {
    text: &'t str,
    segments_from: OnceCell<usize>,
}

impl<'t> RolesAtEnd<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            text,
            segments_from: OnceCell::new(),
        }
    }

    /// From where on there are only segments that the name of a delegation may consist of. Looked
    /// for once, and only if something may be the name of a delegation.
    fn segments_from(&self) -> usize {
        *self.segments_from.get_or_init(|| {
            let mut segments_from = self.text.len();
            let mut end = self.text.len();
            for segment in self.text.rsplit('/') {
                let is_bad =
                    segment.is_empty() || segment.contains(|c: char| c.is_ascii_whitespace());
                if is_bad {
                    break;
                }
                segments_from = end - segment.len();
                // The slash before it; the first segment has none, and is the last one looked at.
                end = segments_from.saturating_sub(1);
            }
            segments_from
        })
    }

    /// The role whose name is all of the text from `at` on.
    pub(super) fn beginning_at(&self, at: usize) -> Option<RoleName> {
        const DELEGATION: &str = "targets/";
        let name = self.text.get(at..)?;
        let routes = match name {
            "root" | "snapshot" | "timestamp" | "targets" => true,
            _ => {
                name.len() > DELEGATION.len()
                    && name.starts_with(DELEGATION)
                    && at + DELEGATION.len() >= self.segments_from()
            }
        };
        routes.then(|| RoleName(name.into()))
    }
}
