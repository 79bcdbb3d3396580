//! Counting one of two outcomes.

use std::sync::OnceLock;

use metrics::Counter;

/// A counter of two outcomes that is looked up in the recorder when it first counts.
#[derive(Debug, Default)]
pub(crate) struct Either {
    yes: OnceLock<Handle>,
    no: OnceLock<Handle>,
}

struct Handle(Counter);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Either {
    /// Counts an outcome; `look_up` finds its counter.
    pub(crate) fn count(&self, outcome: bool, look_up: impl FnOnce() -> Counter) {
        let handle = if outcome { &self.yes } else { &self.no };
        handle.get_or_init(|| Handle(look_up())).0.increment(1);
    }
}
