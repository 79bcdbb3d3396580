//! `notary-server doctor`: what is wrong, in one sentence each, and what to do about it.
//!
//! It changes nothing and asks for nothing that would: no table is made, no key created, and the
//! one row that it writes, to see whether it may, is rolled back. What it finds is a [`Report`] of
//! [`Finding`]s, in the order in which one thing rests on another; what cannot be looked at because
//! of an earlier fault is left out.

mod all;
mod authentication;
mod certificates;
mod database;
mod repository;
mod signer;
mod space;
mod words;

use std::{fmt, path::Path, sync::Arc};

pub use all::examine_all;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use trust::{signer::Diagnosis, store::StoreError};
use tuf::{Problem, Severity};

use crate::config::{Config, TrustService};

/// How long before the end of something that people have to renew a warning begins.
const NOTICE: Duration = Duration::days(30);

/// Examines what a server with this configuration needs: database, clock, certificates, who is let
/// in, signer.
pub async fn examine(config: &Config, now: OffsetDateTime) -> Report {
    let mut report = Report::of_config(config);
    if let Some(store) = database::open(&mut report, &config.storage).await {
        database::check_clock(&mut report, store.as_ref(), now).await;
        store.close().await;
    }
    space::check(&mut report, config);
    certificates::check_listener(&mut report, config.tls.as_ref(), now);
    authentication::check(&mut report, config, now).await;
    match &config.trust_service {
        TrustService::Local => report.warn(
            Check::Signer,
            "trust_service.type is \"local\": the keys of timestamps and snapshots are lost when the server stops",
            "run a notary-signer and set trust_service.type to \"remote\"",
        ),
        TrustService::Remote { .. } => {
            certificates::check_signers(&mut report, &config.trust_service, now);
            signer::check(&mut report, &config.trust_service, now).await;
        }
    }
    report
}

/// Examines what clients of one repository would meet: newcomers, and those whose root is older, by
/// `behind` versions or, without it, by any number.
pub async fn examine_repository(
    config: &Config,
    gun: &str,
    behind: Option<u32>,
    now: OffsetDateTime,
) -> Report {
    let mut report = Report::default();
    match database::open(&mut report, &config.storage).await {
        Some(store) => {
            let opened = Arc::clone(&store);
            let asked = repository::Asked::Afresh;
            repository::check(&mut report, config, store, gun, behind, asked, now).await;
            opened.close().await;
        }
        None => report.wrong(
            Check::Repository,
            format!("the trust data of {gun} cannot be looked at"),
            "see to the database first",
        ),
    }
    report
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The configuration file and the environment.
    Configuration,
    /// The database and its tables.
    Database,
    /// The disks that the server writes to.
    Disk,
    /// The time that this machine believes it is.
    Clock,
    /// The certificates in files that the configuration names.
    Certificates,
    /// Who is let in, and what they prove it with.
    Access,
    /// The connection to the signer, both ways, and the keys it holds.
    Signer,
    /// The server that runs.
    Server,
    /// The stored trust data of one repository.
    Repository,
    /// What the clients of that repository would meet.
    Clients,
}

/// What a running server asks when it cannot reach its signer: the sentence and the cure that the
/// check-up would print.
#[must_use]
pub fn signer_diagnosis(signer: TrustService, clock: fn() -> OffsetDateTime) -> Diagnosis {
    Arc::new(move || {
        let signer = signer.clone();
        Box::pin(async move { signer::diagnose(&signer, clock()).await })
    })
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works today, and may not tomorrow or not for everybody.
    Warning,
    /// Does not work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub check: Check,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found, in one sentence.
    pub sentence: String,
    /// What to do about it; `None` if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// When the first certificate in the PEM file `file` expires; `None` if there is none to read.
#[must_use]
pub fn certificate_end(file: &Path) -> Option<OffsetDateTime> {
    let chain = certificates::Chain::read(file);
    let leaf = chain.parse().next();
    leaf.map(|leaf| leaf.validity().not_after.to_datetime())
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong; warnings may be there.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.verdict < Verdict::Wrong)
    }

    /// The report as JSON: `{"ok":…,"findings":[{"check":…,"verdict":…,"sentence":…,"cure":…}]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({"ok": self.is_well(), "findings": self.findings}).to_string()
    }

    /// A report that begins with a configuration that makes sense.
    fn of_config(config: &Config) -> Self {
        let mut report = Self::default();
        report.ok(Check::Configuration, "the configuration makes sense");
        // The check of access says the same with a cure.
        let is_told_later = |warning: &&String| warning.starts_with("authentication is off");
        for warning in config
            .warnings
            .iter()
            .filter(|warning| !is_told_later(warning))
        {
            report.add(Check::Configuration, Verdict::Warning, warning, None);
        }
        report
    }

    /// Whether there is nothing to see to, now or soon.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.all(|finding| finding.verdict == Verdict::Ok)
    }

    /// A report of a failure of the database, and of nothing else.
    fn of_failure(error: &StoreError) -> Self {
        let mut report = Self::default();
        report.tell_failure(error);
        report
    }

    pub(crate) fn ok(&mut self, check: Check, sentence: impl Into<String>) {
        self.add(check, Verdict::Ok, sentence, None);
    }

    fn warn(&mut self, check: Check, sentence: impl Into<String>, cure: impl Into<String>) {
        self.add(check, Verdict::Warning, sentence, Some(cure.into()));
    }

    pub(crate) fn wrong(
        &mut self,
        check: Check,
        sentence: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.add(check, Verdict::Wrong, sentence, Some(cure.into()));
    }

    /// Tells what is wrong with the files of a repository.
    fn tell_problems(&mut self, check: Check, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            match problem.severity {
                Severity::Warning => self.warn(check, problem.to_string(), problem.cure()),
                Severity::Broken => self.wrong(check, problem.to_string(), problem.cure()),
            }
        }
    }

    fn add(
        &mut self,
        check: Check,
        verdict: Verdict,
        sentence: impl Into<String>,
        cure: Option<String>,
    ) {
        self.findings.push(Finding {
            check,
            verdict,
            sentence: sentence.into(),
            cure,
        });
    }
}

/// One line a finding: verdict, subject, sentence, and the cure behind an arrow. A line at the end
/// counts them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = |verdict| {
            let findings = self.findings.iter();
            findings
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        let warnings = match count(Verdict::Warning) {
            0 => "no warnings".to_owned(),
            1 => "1 warning".to_owned(),
            warnings => format!("{warnings} warnings"),
        };
        match count(Verdict::Wrong) {
            0 => writeln!(f, "nothing is wrong, {warnings}"),
            wrong => writeln!(f, "{wrong} wrong, {warnings}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "WRONG",
        };
        let check = format!("{:?}", self.check).to_lowercase();
        write!(f, "{verdict:<8} {check:<14} {}", self.sentence)?;
        match &self.cure {
            Some(cure) => write!(f, " → {cure}"),
            None => Ok(()),
        }
    }
}
