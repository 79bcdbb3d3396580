//! How far a long command is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one command, on standard error.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// What is counted, in the plural.
    what: &'static str,
    /// When the last line was written; none on a terminal, which has a bar.
    last_line: Option<Instant>,
}

impl Progress {
    /// Nothing of `total` is done yet.
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        let on_terminal = stderr().is_terminal();
        let bar = if on_terminal {
            ProgressBar::new(total).with_style(style())
        } else {
            ProgressBar::hidden()
        };
        bar.set_length(total);
        bar.set_message(what);
        Self {
            bar,
            what,
            last_line: (!on_terminal).then(Instant::now),
        }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.bar.inc(1);
        if let Some(last) = &mut self.last_line
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            eprintln!("{done} of {total} {} done", self.what);
        }
    }

    /// Says something without disturbing the bar.
    pub(crate) fn pause<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.suspend(say)
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {msg}, {eta} left")
        .expect("the template is well-formed")
}
