//! The configuration of a server that is examined.

use std::{ffi::OsString, path::Path};

use crate::{
    config::{self, Config},
    doctor::{Check, Report},
};

/// The configuration, or a report of what is wrong with it.
pub(in crate::command) fn read(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Config, Report> {
    let wrong = |sentence: String, cure: &str| {
        let mut report = Report::default();
        report.wrong(Check::Configuration, sentence, cure);
        report
    };
    let Some(file) = file else {
        return Err(wrong(
            "no configuration file is named".to_owned(),
            "name the file that the server is started with: -config PATH",
        ));
    };
    config::load(file, environment)
        .and_then(|settings| Config::read(&settings))
        .map_err(|error| {
            wrong(
                error.to_string(),
                "correct it: the server does not start with it",
            )
        })
}
