//! The rules file.

use std::path::Path;

use access::{Policy, Rules, Who};

use crate::{
    settings::{AuthenticationSettings, SchemeSettings},
    watched::Watched,
};

/// The policy of the rules file; without a file, every user may do everything.
pub(crate) fn load(settings: &AuthenticationSettings) -> anyhow::Result<Watched<Policy>> {
    let Some(path) = &settings.rules_file else {
        return Ok(Watched::unchanging(Policy::Users));
    };
    let issuers = match &settings.scheme {
        SchemeSettings::OutsideTokens(outside) => {
            let issuers = outside.issuers.iter();
            issuers.map(|issuer| issuer.name.clone()).collect()
        }
        SchemeSettings::None { .. } | SchemeSettings::Passwords(_) => Vec::new(),
    };
    let file = path.clone();
    Watched::load("rules file", path.clone(), move |content| {
        parse(&file, content, &issuers).map(Policy::Rules)
    })
}

fn parse(file: &Path, content: &[u8], issuers: &[String]) -> Result<Rules, String> {
    let text = str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let content = daemon::settings::parse(file, text).map_err(|error| error.to_string())?;
    let issuers: Vec<_> = issuers.iter().map(String::as_str).collect();
    Rules::parse(&content, &issuers).map_err(|error| error.to_string())
}

/// Whether a rule grants something to anonymous callers.
pub(crate) fn grant_to_anonymous(rules: &Rules) -> bool {
    let mut rules = rules.rules().iter();
    rules.any(|rule| rule.who.contains(&Who::Anonymous))
}
