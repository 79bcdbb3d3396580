//! Keeping what a process has in memory, and in its environment, to itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The memory of this process could not be hidden.
#[derive(Debug, thiserror::Error)]
#[error("the memory of this process cannot be hidden from others: {0}")]
pub struct NotHidden(#[from] io::Error);

/// From now on there are no core dumps of this process and of what it starts, and no other process
/// of the same user can look into its memory, or at the environment that it was started with.
///
/// Debuggers can do nothing either, unless they are the superuser's.
///
/// # Errors
///
/// If the system refuses, as none does that is known.
pub fn hide() -> Result<(), NotHidden> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(io::Error::from)?;
    // Linux before 6.4 tells a hidden process of another user than root no longer what it started
    // with, and the metrics, which ask for it, then panic. It is remembered from the first
    // time.
    let _ = rustix::param::clock_ticks_per_second();
    // A limit is nothing to a system that pipes dumps to a program; this is.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_hidden_process_is_not_dumped_and_still_counts_what_it_uses() {
        hide().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        hide().unwrap();
        let page = crate::metrics::install_recorder(&[]).render();
        for metric in [
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
        ] {
            assert!(page.contains(metric), "{metric} is not in {page}");
        }
    }
}
