//! The manual of the settings: what their declarations say, as Markdown.

use std::fmt::Write as _;

use super::{Key, Kind, Secrecy, Section, key::Default};
use crate::secret;

/// Every setting of `sections` in Markdown, for a program whose variables begin with `prefix`.
#[must_use]
pub fn manual(sections: &[Section], prefix: &str) -> String {
    let mut text = String::new();
    for section in sections {
        let title = match section.path {
            "" => "outside of any section".to_owned(),
            path => format!("`{path}`"),
        };
        let about = lines(section.about);
        writeln!(text, "### {title}\n\n{about}\n").expect("a String takes all that is written");
        for key in section.keys {
            writeln!(text, "{}", entry(key, prefix)).expect("a String takes all that is written");
        }
    }
    text
}

fn entry(key: &Key, prefix: &str) -> String {
    let mut facts = vec![format!("- Type: {}", kind(key))];
    if let Some(default) = key.describe_default() {
        facts.push(format!("- Default: {default}"));
    }
    match key.overriding_variable(prefix) {
        Some(variable) if key.has_sources() => {
            let [file, command] = [secret::FILE, secret::COMMAND].map(str::to_uppercase);
            facts.push(format!(
                "- Variable: `{variable}`, or `{variable}{file}` for a file that holds the value, or \
                 `{variable}{command}` for a command that prints it"
            ));
        }
        Some(variable) => facts.push(format!("- Variable: `{variable}`")),
        None if key.members.is_empty() => facts.push("- Variable: none".to_owned()),
        None => {
            let names = key.member_variables(prefix);
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            facts.push(format!("- Variables: {}", names.join(", ")));
        }
    }
    match key.secrecy {
        Secrecy::None => {}
        Secrecy::Inside(_) => facts.push("- Secret: the password in it is never shown".to_owned()),
        Secrecy::Whole => facts.push("- Secret: never shown".to_owned()),
    }
    format!(
        "#### `{}`\n\n{}\n\n{}\n",
        key.path,
        lines(key.manual),
        facts.join("\n")
    )
}

fn kind(key: &Key) -> String {
    let unit = key
        .unit
        .map_or_else(String::new, |unit| format!(" of {unit}"));
    match (key.kind, key.range) {
        (Kind::Text, _) => "text".to_owned(),
        (Kind::Path, _) => "path, from the folder of the configuration file".to_owned(),
        (Kind::Integer, Some((least, most))) => format!("whole number{unit}, {least} to {most}"),
        (Kind::Integer, None) => format!("whole number{unit}"),
        (Kind::Boolean, _) => "true or false".to_owned(),
        (Kind::List, _) => "list of texts; a variable has them with spaces between".to_owned(),
        (Kind::Map, _) => "section".to_owned(),
    }
}

impl Key {
    /// The default as it is written, if there is one.
    pub(super) fn describe_default(&self) -> Option<String> {
        Some(match self.default? {
            Default::Number(number) => number.to_string(),
            Default::Switch(switch) => switch.to_string(),
            Default::Text(text) => format!("{text:?}"),
            Default::Described(text) => text.to_owned(),
        })
    }

    /// The first sentence of the manual, as the end of another: for errors.
    pub(super) fn summary(&self) -> String {
        let manual = lines(self.manual).replace('\n', " ");
        let end = manual.find(". ").unwrap_or(manual.len());
        let sentence = manual[..end].trim_end_matches('.');
        let mut letters = sentence.chars();
        match (letters.next(), letters.next()) {
            (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => first
                .to_lowercase()
                .chain(sentence.chars().skip(1))
                .collect(),
            _ => sentence.to_owned(),
        }
    }
}

/// A doc comment without the space that begins each of its lines.
fn lines(doc: &str) -> String {
    let lines = doc
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Key, Kind};

    #[test]
    fn the_first_sentence_of_the_manual_goes_into_an_error() {
        for (manual, summary) in [
            (
                " Where to listen, such as\n :7899. Required.\n",
                "where to listen, such as :7899",
            ),
            (" PEM file. More.\n", "PEM file"),
            (" A path\n", "a path"),
        ] {
            assert_eq!(Key::new("a", Kind::Text, manual).summary(), summary);
        }
    }
}
