//! All repositories, one after the other.

use std::sync::Arc;

use time::OffsetDateTime;
use trust::{signer::RemoteSigner, store::TrustStore};
use tuf::Gun;

use super::{
    Check, Report, Verdict, database,
    repository::{self, Asked},
    signer,
};
use crate::config::{Config, TrustService};

/// How many names are read at once.
const PAGE: u32 = 200;

/// Examines every repository as [`examine_repository`](super::examine_repository) does, and hands
/// its name and what was found to `see`. One at a time is in memory, and the signer is looked for
/// once.
///
/// # Errors
///
/// What keeps it from going on.
pub async fn examine_all(
    config: &Config,
    now: OffsetDateTime,
    see: &mut (dyn FnMut(&str, Report) + Send),
) -> Result<(), Report> {
    let mut report = Report::default();
    let Some(store) = database::open(&mut report, &config.storage).await else {
        return Err(report);
    };
    // What is wrong with the signer is told by the check-up of the whole.
    let signer = match &config.trust_service {
        TrustService::Local => None,
        remote @ TrustService::Remote { .. } => {
            signer::check(&mut Report::default(), remote, now).await
        }
    };
    let outcome = walk(config, &store, signer.as_ref(), now, see).await;
    store.close().await;
    outcome
}

async fn walk(
    config: &Config,
    store: &Arc<dyn TrustStore>,
    signer: Option<&RemoteSigner>,
    now: OffsetDateTime,
    see: &mut (dyn FnMut(&str, Report) + Send),
) -> Result<(), Report> {
    let mut after = String::new();
    loop {
        let page = store.timestamps(&after, PAGE).await;
        let page = page.map_err(|error| Report::of_failure(&error))?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.name);
        for aging in &page {
            let Some(gun) = &aging.gun else {
                let mut report = Report::default();
                report.warn(
                    Check::Repository,
                    "no server can serve a repository of this name",
                    "delete its rows in the database, if nothing else needs them",
                );
                see(&aging.name, report);
                continue;
            };
            if let Some(report) = examine_one(config, store, signer, gun, now).await? {
                see(gun.as_str(), report);
            }
        }
    }
}

/// What is found of `gun`; `None` if it was deleted meanwhile.
async fn examine_one(
    config: &Config,
    store: &Arc<dyn TrustStore>,
    signer: Option<&RemoteSigner>,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<Option<Report>, Report> {
    let mut report = Report::default();
    let asked = Asked::Found(signer);
    let opened = Arc::clone(store);
    repository::check(&mut report, config, opened, gun.as_str(), None, asked, now).await;
    let mut findings = report.findings.iter();
    let is_cut_off = findings
        .any(|finding| finding.check == Check::Database && finding.verdict == Verdict::Wrong);
    if is_cut_off {
        return Err(report);
    }
    if !report.is_well() {
        match store.head(gun).await {
            Ok(None) => return Ok(None),
            Ok(Some(_)) => {}
            Err(error) => return Err(Report::of_failure(&error)),
        }
    }
    Ok(Some(report))
}
