//! Which names a delegation may list.

/// The beginnings of the names that a role may list, sorted, none of which begins with another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paths(Vec<String>);

impl Paths {
    /// Every name: what targets may list.
    pub(super) fn all() -> Self {
        Self(vec![String::new()])
    }

    /// What is left of `paths` for a role that a role with these paths delegates to: as Notary's
    /// client restricts them, those that lie within these.
    pub(super) fn restrict(&self, mut paths: Vec<String>) -> Self {
        paths.retain(|path| self.cover(path));
        paths.sort_unstable();
        // A path that begins with another one stands right behind it, or behind more of its kind.
        paths.dedup_by(|path, before| path.starts_with(before.as_str()));
        Self(paths)
    }

    /// Whether a name begins with one of them.
    pub(super) fn cover(&self, name: &str) -> bool {
        // What stands between a beginning of the name and the name itself begins with that
        // beginning too, and so is not in the list.
        let end = self.0.partition_point(|path| path.as_str() <= name);
        end.checked_sub(1)
            .is_some_and(|place| name.starts_with(&self.0[place]))
    }

    pub(super) fn into_inner(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|&path| path.to_owned()).collect()
    }

    #[test]
    fn paths_outside_of_those_above_are_left_out() {
        let above = Paths::all().restrict(owned(&["b/", "a/", "a/x", "c"]));
        assert_eq!(above, Paths(owned(&["a/", "b/", "c"])));
        let below = above.restrict(owned(&["", "a", "a/1", "cd", "x"]));
        assert_eq!(below, Paths(owned(&["a/1", "cd"])));
        assert_eq!(Paths::all().restrict(Vec::new()), Paths::default());
    }

    #[test]
    fn an_empty_path_covers_all_and_no_path_covers_nothing() {
        assert!(Paths::all().cover("") && Paths::all().cover("x"));
        assert!(!Paths::default().cover("") && !Paths::default().cover("x"));
    }

    proptest! {
        #[test]
        fn names_are_covered_that_begin_with_any_of_the_paths(
            paths in prop::collection::vec("[ab]{0,4}", 0..6), name in "[ab]{0,6}",
        ) {
            let covers = paths.iter().any(|path| name.starts_with(path.as_str()));
            prop_assert_eq!(Paths::all().restrict(paths).cover(&name), covers);
        }
    }
}
