//! What a client asks a token for: `repository:NAME:pull,push`.

use std::collections::BTreeMap;

use tuf::Gun;

/// Scopes beyond this are ignored. Clients ask for one or two, or some more to copy between
/// repositories of a registry.
const MOST: usize = 20;

/// What is asked for: actions, by type and name.
///
/// A scope that cannot be read grants nothing and spoils nothing, as with other token services:
/// clients ask for more than every service knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeMap<(String, String), Vec<String>>);

/// One thing that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requested<'s> {
    pub(super) kind: &'s str,
    pub(super) name: &'s str,
    pub(super) actions: &'s [String],
}

impl Scopes {
    /// Reads the `scope` parameters of a request; each may hold several, apart by blanks.
    pub fn parse<'t>(parameters: impl IntoIterator<Item = &'t str>) -> Self {
        let mut scopes = BTreeMap::<_, Vec<_>>::new();
        let texts = parameters.into_iter().flat_map(str::split_ascii_whitespace);
        for (kind, name, actions) in texts.take(MOST).filter_map(parse) {
            let asked = scopes
                .entry((kind.to_owned(), name.to_owned()))
                .or_default();
            for action in actions.split(',').filter(|action| is_action(action)) {
                if !asked.iter().any(|known| known == action) {
                    asked.push(action.to_owned());
                }
            }
        }
        Self(scopes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Requested<'_>> {
        self.0.iter().map(|((kind, name), actions)| Requested {
            kind,
            name,
            actions,
        })
    }
}

/// `type[(class)]:name:actions`. A name may hold colons, as `localhost:5000/app`. The class is of
/// no consequence: registries compare type and name.
fn parse(text: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let kind = match kind.split_once('(') {
        None => kind,
        Some((kind, class)) => {
            let class = class.strip_suffix(')')?;
            if !is_word(class) {
                return None;
            }
            kind
        }
    };
    (is_word(kind) && is_name(name)).then_some((kind, name, actions))
}

/// Nothing has a longer name than a GUN may have.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= Gun::MAX_CHARS && !text.contains(char::is_control)
}

fn is_word(text: &str) -> bool {
    let is_meant = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty() && text.bytes().all(is_meant)
}

fn is_action(text: &str) -> bool {
    matches!(text, "pull" | "push" | "delete" | "*")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(parameters: &[&str]) -> Vec<String> {
        Scopes::parse(parameters.iter().copied())
            .iter()
            .map(|it| format!("{}|{}|{}", it.kind, it.name, it.actions.join("+")))
            .collect()
    }

    #[test]
    fn several_parameters_and_several_scopes_in_one_are_all_read() {
        assert_eq!(
            read(&[
                "repository:a:pull repository:b:push,pull",
                "registry:catalog:*"
            ]),
            [
                "registry|catalog|*",
                "repository|a|pull",
                "repository|b|push+pull"
            ]
        );
    }

    #[test]
    fn a_name_may_hold_colons_and_a_type_a_class() {
        assert_eq!(
            read(&["repository(plugin):localhost:5000/app:pull"]),
            ["repository|localhost:5000/app|pull"]
        );
    }

    #[test]
    fn what_is_asked_for_twice_is_one() {
        assert_eq!(
            read(&["repository:a:pull,pull", "repository:a:push"]),
            ["repository|a|pull+push"]
        );
    }

    #[test]
    fn what_cannot_be_read_spoils_nothing() {
        assert_eq!(
            read(&[
                "",
                " ",
                ":",
                "::",
                "a",
                "repository:a",
                "repository::pull",
                "Repository:a:pull",
                "repository():a:pull",
                "repository(x:a:pull",
                "repository:a\u{7}:pull",
                "repository:b:pull",
            ]),
            ["repository|b|pull"]
        );
    }

    #[test]
    fn unknown_actions_are_left_out() {
        assert_eq!(read(&["repository:a:pull,fly,,*"]), ["repository|a|pull+*"]);
    }

    #[test]
    fn scopes_beyond_twenty_are_ignored() {
        let many: Vec<String> = (0..200).map(|n| format!("repository:{n}:pull")).collect();
        let read = |many: &[String]| {
            Scopes::parse(many.iter().map(String::as_str))
                .iter()
                .count()
        };
        assert_eq!(read(&many), 20);
        assert_eq!(read(&[many.join(" ")]), 20);
    }

    #[test]
    fn names_that_are_too_long_for_a_gun_are_ignored() {
        let scope = |length| format!("repository:{}:pull", "é".repeat(length));
        assert_eq!(read(&[&scope(255)]).len(), 1);
        assert!(read(&[&scope(256)]).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(parameters in prop::collection::vec(".{0,60}", 0..5)) {
            let _ = Scopes::parse(parameters.iter().map(String::as_str));
        }

        #[test]
        fn what_is_written_as_a_scope_is_read_as_that(name in "[a-z:/.]{1,30}") {
            let text = format!("repository:{name}:push,pull");
            prop_assert_eq!(read(&[&text]), [format!("repository|{name}|push+pull")]);
        }
    }
}
