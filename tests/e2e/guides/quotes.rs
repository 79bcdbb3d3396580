//! The messages that the pages quote are those of the programs, word for word.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::docs;

/// Sections whose tables quote messages of our own programs in their first column.
const SECTIONS: [(&str, &str); 2] = [
    ("troubleshooting.md", "## Our programs"),
    ("doctor.md", "## The classic faults"),
];

/// What the programs fill in, and the pages write out.
const FILLED_IN: [&str; 2] = ["notary-signer", "it answers 503"];

/// Shorter words between what is filled in prove nothing.
const SHORTEST: usize = 12;

#[test]
fn quoted_messages_are_those_of_the_programs() -> Result<()> {
    let sources = sources()?;
    let (mut found, mut strange) = (0, Vec::new());
    for (page, heading) in SECTIONS {
        let text = fs::read_to_string(docs().join(page)).with_context(|| page)?;
        let (_, section) = text.split_once(heading).with_context(|| heading)?;
        let section = section.split("\n## ").next().unwrap_or_default();
        for piece in section.lines().flat_map(quotes).flat_map(pieces) {
            found += 1;
            if !sources.contains(&piece) {
                strange.push(format!("{page}: {piece}"));
            }
        }
    }
    ensure!(found > 40, "only {found} pieces of messages are quoted");
    ensure!(strange.is_empty(), "no program says this: {strange:#?}");
    Ok(())
}

/// What stands between backticks in the first column of a row.
fn quotes(line: &str) -> Vec<String> {
    let column = line
        .strip_prefix("| ")
        .and_then(|row| row.split(" | ").next());
    let parts = column.unwrap_or_default().split('`');
    parts.skip(1).step_by(2).map(str::to_owned).collect()
}

/// The words of a message between what the programs fill in.
fn pieces(quote: String) -> Vec<String> {
    let open = FILLED_IN
        .iter()
        .fold(quote, |text, filled| text.replace(filled, "…"));
    let pieces = open
        .split('…')
        .map(|piece| piece.trim_matches(|c| " :;,.()".contains(c)));
    let long = pieces.filter(|piece| piece.len() >= SHORTEST);
    long.map(str::to_owned).collect()
}

/// The texts of all programs, each on one line.
fn sources() -> Result<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = String::new();
    for entry in fs::read_dir(&top)? {
        let folder = entry?.path().join("src");
        if folder.is_dir() {
            add(&folder, &mut text)?;
        }
    }
    Ok(one_line(&text))
}

fn add(folder: &Path, text: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            add(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// A text that goes on after a backslash at the end of its line is one text.
fn one_line(source: &str) -> String {
    let mut lines = source.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let joined = lines.fold(first, |text, line| text + line.trim_start());
    joined.replace("\\\"", "\"")
}

#[test]
fn a_message_is_found_between_what_is_filled_in_and_over_the_ends_of_lines() {
    let row = "| `… expired on …` or `the database … does not answer: …` | it is down | |";
    let found: Vec<_> = quotes(row).into_iter().flat_map(pieces).collect();
    assert_eq!(found, ["the database", "does not answer"]);
    assert_eq!(one_line("\"one \\\n     text\""), "\"one text\"");
}
