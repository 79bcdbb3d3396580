//! The server that runs, if one does: whether it says that it is well.

use std::{ffi::OsString, path::Path};

use crate::{
    command::health,
    doctor::{Check, Report},
};

/// Asks the server of the configuration `file` how it is, as health checks of containers do.
pub(in crate::command) async fn check(
    report: &mut Report,
    file: &Path,
    environment: Vec<(OsString, OsString)>,
) {
    match health::ask(Some(file), environment).await {
        Ok(text) => report.ok(
            Check::Server,
            format!("the server runs and is well: {text}"),
        ),
        Err(error) => {
            let said = format!("{error:#}");
            if said.contains("refused") {
                report.wrong(
                    Check::Server,
                    format!("the server does not run: {said}"),
                    "start it; its log says why it ended",
                );
            } else {
                report.wrong(
                    Check::Server,
                    format!("the server is not well: {said}"),
                    "see to the findings above, and to its log",
                );
            }
        }
    }
}
