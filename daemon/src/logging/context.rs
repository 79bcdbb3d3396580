//! What the lines of a task are about.
//!
//! A span keeps its fields as text, which is made when the span is made, whether or not a line is
//! ever written. Most requests write none. So what a line says of its request is asked for when
//! the line is written.

use std::{fmt::Display, sync::Arc};

use tokio::task::futures::TaskLocalFuture;

/// What every line of a task says beside its own fields.
pub trait Context: Send + Sync {
    /// Hands over each field, by its name.
    fn tell(&self, field: &mut dyn FnMut(&'static str, &dyn Display));
}

tokio::task_local! {
    static CONTEXT: Arc<dyn Context>;
}

/// Runs `work`, whose lines have the fields of `context`.
///
/// A task that `work` spawns has no context of its own: hand it [`current`].
pub fn within<F: Future>(
    context: Arc<dyn Context>,
    work: F,
) -> TaskLocalFuture<Arc<dyn Context>, F> {
    CONTEXT.scope(context, work)
}

/// The context of this task, if it has one.
#[must_use]
pub fn current() -> Option<Arc<dyn Context>> {
    CONTEXT.try_with(Clone::clone).ok()
}

/// Hands each field of this task's context to `field`.
pub(super) fn tell(field: &mut dyn FnMut(&'static str, &dyn Display)) {
    // Without a context there is nothing to tell.
    let _ = CONTEXT.try_with(|context| context.tell(field));
}
