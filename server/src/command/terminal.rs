//! Text for a terminal: tables, and names that cannot do anything to it.

use std::{fmt::Write as _, io};

use anyhow::Result;
use daemon::logging::Plain;
use time::{OffsetDateTime, UtcOffset};

/// `name` without anything that a terminal obeys or that hides what it says: control characters,
/// line ends of Unicode, and marks of the direction of writing are escaped.
pub(super) fn escape(name: &str) -> String {
    Plain(&name.replace('\\', r"\\")).to_string()
}

/// That the reader of a pipe has seen enough is no failure.
pub(super) fn finish(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

/// Lines of columns, each as wide as its widest text, but for the last one.
#[derive(Default)]
pub(super) struct Columns {
    lines: Vec<Vec<String>>,
}

impl Columns {
    /// A table that begins with `heads`.
    pub(super) fn new(heads: &[&str]) -> Self {
        let heads = heads.iter().map(|&head| head.to_owned()).collect();
        Self { lines: vec![heads] }
    }

    /// Adds a line; its texts are escaped.
    pub(super) fn add(&mut self, line: &[&str]) {
        self.lines
            .push(line.iter().map(|text| escape(text)).collect());
    }

    /// The table as text.
    pub(super) fn show(&self) -> String {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let texts = self.lines.iter().filter_map(|line| line.get(column));
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut shown = String::new();
        for line in &self.lines {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                write!(text, "{cell:<width$}  ").expect("writing to a string cannot fail");
            }
            shown.push_str(text.trim_end());
            shown.push('\n');
        }
        shown
    }
}

/// A day in UTC, `2026-12-05`.
pub(super) fn day(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).date().to_string()
}

/// A point in time as RFC 3339 has it, in whole seconds of UTC.
pub(super) fn moment(at: OffsetDateTime) -> String {
    archive::moment(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_name_reaches_the_terminal_as_a_command(name in any::<String>()) {
            let escaped = escape(&name);
            prop_assert!(!escaped.chars().any(char::is_control));
            let hidden = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}'];
            prop_assert!(!escaped.contains(hidden));
        }
    }

    #[test]
    fn escaped_names_stay_apart_and_readable() {
        assert_eq!(escape("ex.com/é/app"), "ex.com/é/app");
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("a\nb\\n"), "a\\nb\\\\n");
        assert_eq!(escape("a\u{9b}b\u{202e}"), "a\\u{9b}b\\u{202e}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let mut columns = Columns::new(&["A", "B"]);
        columns.add(&["long name", "x"]);
        columns.add(&["é\n", ""]);
        assert_eq!(columns.show(), "A          B\nlong name  x\né\\n\n");
    }
}
