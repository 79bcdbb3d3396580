//! How far a long command is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows on standard error how much of `total` is done.
pub struct Progress {
    what: &'static str,
    unit: &'static str,
    total: Option<u64>,
    steps: u64,
    view: View,
}

enum View {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Begins to show how far `what` is, counting in `unit`s; without a `total` no share is shown.
    #[must_use]
    pub fn new(what: &'static str, unit: &'static str, total: Option<u64>) -> Self {
        let view = if std::io::stderr().is_terminal() {
            View::Bar(bar(what, unit, total))
        } else {
            View::Lines {
                last: Instant::now(),
            }
        };
        Self {
            what,
            unit,
            total,
            steps: 0,
            view,
        }
    }

    /// One more unit is done, of a total in units.
    pub fn step(&mut self) {
        self.steps += 1;
        self.at(self.steps, self.steps);
    }

    /// Prints something by `print` without disturbing the bar.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.view {
            View::Bar(bar) => bar.suspend(print),
            View::Lines { .. } => print(),
        }
    }

    /// So much of the total is done, which has come to `count` units.
    pub fn at(&mut self, done: u64, count: u64) {
        match &mut self.view {
            View::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{count} {}", self.unit));
            }
            View::Lines { last } => {
                if last.elapsed() >= PAUSE {
                    *last = Instant::now();
                    let share = share(self.total, done);
                    eprintln!("{}: {share}{count} {}", self.what, self.unit);
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, unit: &str, total: Option<u64>) -> ProgressBar {
    let (bar, style) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{prefix} {wide_bar} {percent:>3} %, {msg}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{prefix} {spinner} {msg}, {elapsed}",
        ),
    };
    let style = ProgressStyle::with_template(style).expect("the template is a constant");
    let message = format!("0 {unit}");
    bar.with_style(style)
        .with_prefix(what)
        .with_message(message)
}

/// Rows that came after the total was taken do not make it more than all.
fn share(total: Option<u64>, done: u64) -> String {
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
            format!("{percent} %, ")
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bar, share};

    #[test]
    fn a_bar_says_from_the_beginning_what_it_counts() {
        assert_eq!(bar("backup", "rows", Some(20)).message(), "0 rows");
    }

    #[test]
    fn a_share_is_never_more_than_all_and_is_left_out_if_all_is_unknown() {
        assert_eq!(share(Some(200), 50), "25 %, ");
        assert_eq!(share(Some(200), 300), "100 %, ");
        assert_eq!(share(Some(0), 0), "");
        assert_eq!(share(None, 50), "");
    }
}
