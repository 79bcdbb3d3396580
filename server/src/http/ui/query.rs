//! What the address of a page asks for.

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::{failure::Failure, text::visible};

/// The parameters of an address, by name. Empty ones, which forms send, count as absent.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `text`, which may have the parameters in `known`, each once.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let name = visible(&name);
                return Err(Failure::BadQuery(format!("There is no parameter {name}.")));
            }
            let name = name.into_owned();
            if found.insert(name.clone(), value.into_owned()).is_some() {
                return Err(Failure::BadQuery(format!("{name} is there twice.")));
            }
        }
        found.retain(|_, value| !value.is_empty());
        Ok(Self(found))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The parameter, which has to be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Failure> {
        self.text(name)
            .ok_or_else(|| Failure::BadQuery(format!("{name} is missing.")))
    }

    /// A number of days among `choices`.
    pub(super) fn days(&self, name: &str, choices: &[i64]) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let days = text.parse().ok().filter(|days| choices.contains(days));
        let refuse = || Failure::BadQuery(format!("{name} takes a number of days from its list."));
        days.map(Some).ok_or_else(refuse)
    }

    /// All but the cursor, to link to another page of the same.
    pub(super) fn others(&self) -> Vec<(&str, &str)> {
        let pairs = self.0.iter().filter(|(name, _)| *name != "after");
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}
