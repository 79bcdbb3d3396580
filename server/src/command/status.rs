//! `notary-server status`: on one screen, whether all is well, what is stored, what is broken and
//! what is due.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches};
use daemon::{Flags, clock};
use insight::{Due, who};
use inventory::{Filter, Freshness, Health, Owner, Row, Tally};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use trust::store::{Change, Page, Storage, StoreError, TrustStore};

use super::{
    Environment, doctor, expiry,
    overview::Opened,
    terminal::{Columns, day, escape, moment},
};
use crate::doctor::{Check, Finding, Report, Verdict, examine};

/// The name of the command.
pub(super) const NAME: &str = "status";

/// How far it looks ahead.
const AHEAD: Duration = Duration::days(30);
/// The place of these days among those that are counted.
const DAYS_AHEAD: usize = 2;
/// How many repositories and roles are named; the rest is a number and a command.
const FEW: usize = 5;
/// How many repositories are read at once to find those that are broken.
const PAGE: u32 = 200;
/// The status for what cannot be told.
const UNTOLD: u8 = 2;
/// What is always told; of everything else, only what there is to see to.
const ALWAYS: [Check; 4] = [
    Check::Server,
    Check::Database,
    Check::Signer,
    Check::Certificates,
];

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about(
            "Show on one screen whether all is well, what is stored, what is broken and what is due",
        )
        .long_about(
            "Shows whether the server, its database, its signer and its certificates are well, \
             how many repositories are stored, which are broken, and what expires within 30 days. \
             The server need not run. The status is 0 if all is well, 1 if something is wrong, \
             broken or due, and 2 if it cannot be told: the configuration cannot be read, or there \
             is no inventory.",
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print a JSON object"),
        )
}

/// Looks, and prints what it sees.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<ExitCode> {
    let file = flags.config.as_deref();
    let is_json = arguments.get_flag("json");
    let seen = match doctor::configuration::read(file, environment.clone()) {
        Err(report) => {
            print(&Seen::of(report), is_json)?;
            return Ok(ExitCode::from(UNTOLD));
        }
        Ok(config) => {
            let (report, stock) = tokio::join!(
                check(&config, file, environment),
                look(&config.storage, clock::now())
            );
            Seen {
                report,
                stock: stock.map_err(|error| format!("{error:#}")),
            }
        }
    };
    print(&seen, is_json)?;
    Ok(if seen.is_well() {
        ExitCode::SUCCESS
    } else if seen.report.is_well() && seen.stock.is_err() {
        ExitCode::from(UNTOLD)
    } else {
        ExitCode::FAILURE
    })
}

fn print(seen: &Seen, is_json: bool) -> Result<()> {
    let text = if is_json {
        format!("{}\n", seen.to_json())
    } else {
        seen.show()
    };
    let mut output = io::stdout();
    let printed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    super::terminal::finish(printed.map_err(Into::into))
}

/// What the check-up finds, the running server first.
async fn check(
    config: &crate::config::Config,
    file: Option<&Path>,
    environment: Environment,
) -> Report {
    let mut report = Report::default();
    if let Some(file) = file {
        doctor::running::check(&mut report, file, environment).await;
    }
    let examined = examine(config, clock::now()).await;
    report.findings.extend(examined.findings);
    report
}

/// What is seen.
struct Seen {
    report: Report,
    /// What is stored; else why that cannot be told.
    stock: Result<Stock, String>,
}

/// What is stored.
struct Stock {
    /// Since when changes were not followed; `None` if all were.
    as_of: Option<String>,
    tally: Tally,
    broken: Vec<Row>,
    /// The first of what is due.
    due: Vec<Due>,
    /// How much is due, by owner.
    counts: BTreeMap<Owner, u64>,
    last: Option<Change>,
}

/// Looks at the inventory, which is brought up to date if that is possible.
async fn look(storage: &Storage, now: OffsetDateTime) -> Result<Stock> {
    let opened = Opened::open(storage).await?;
    let stock = look_at(&opened, now).await;
    opened.close().await;
    stock
}

async fn look_at(opened: &Opened, now: OffsetDateTime) -> Result<Stock> {
    let as_of = match opened.freshen().await?.0 {
        Freshness::Current => None,
        Freshness::Since(Some(since)) => Some(moment(since)),
        Freshness::Since(None) => {
            bail!("the inventory was never filled, and it cannot be filled now")
        }
    };
    let tables = opened.tables.as_ref();
    let tally = tables.tally(now).await?;
    let mut broken = Vec::new();
    if tally
        .repositories
        .get(&Health::Broken)
        .is_some_and(|count| *count > 0)
    {
        let filter = Filter {
            is_unhealthy: true,
            ..Filter::default()
        };
        let mut after = Some(String::new());
        while let Some(from) = after.filter(|_| broken.len() < FEW) {
            let page = tables.repositories(&filter, &from, PAGE).await?;
            let rows = page.rows.into_iter();
            broken.extend(rows.filter(|row| row.health == Health::Broken));
            after = page.next;
        }
        broken.truncate(FEW);
    }
    let (due, mut counts) = expiry::first_due(tables, now, AHEAD, FEW).await?;
    if let Some(publisher) = tally.expiring.get(&Owner::Publisher) {
        counts.insert(Owner::Publisher, publisher.within[DAYS_AHEAD]);
    }
    Ok(Stock {
        as_of,
        tally,
        broken,
        due,
        counts,
        last: last_change(opened.store.as_ref()).await?,
    })
}

/// The newest line of the changefeed.
async fn last_change(store: &dyn TrustStore) -> Result<Option<Change>, StoreError> {
    let page = Page::Before { id: None, limit: 1 };
    Ok(store.changes(None, page).await?.pop())
}

impl Seen {
    /// Before anything could be looked at.
    fn of(report: Report) -> Self {
        Self {
            report,
            stock: Err("the configuration cannot be read".to_owned()),
        }
    }

    /// Whether there is nothing that people have to do within a month.
    fn is_well(&self) -> bool {
        let is_ending = |finding: &Finding| {
            finding.check == Check::Certificates && finding.verdict == Verdict::Warning
        };
        let is_fit = self.report.is_well() && !self.report.findings.iter().any(is_ending);
        let stock = self.stock.as_ref();
        is_fit && stock.is_ok_and(|stock| stock.due.is_empty() && stock.broken.is_empty())
    }

    fn to_json(&self) -> Value {
        let mut shown = json!({
            "ok": self.is_well(),
            "findings": self.report.findings,
        });
        match &self.stock {
            Ok(stock) => {
                shown["inventory"] = json!({"as_of": stock.as_of});
                shown["repositories"] = json!(stock.tally.repositories);
                let broken = stock
                    .broken
                    .iter()
                    .map(|row| json!({"gun": row.gun, "problems": row.detail.problems}));
                shown["broken"] = json!(broken.collect::<Vec<_>>());
                shown["due"] = json!({
                    "within_days": AHEAD.whole_days(),
                    "count": stock.counts.values().sum::<u64>(),
                    "count_by_owner": stock.counts,
                    "first": stock.due.iter().map(expiry::to_json).collect::<Vec<_>>(),
                });
                shown["last_change"] = stock.last.as_ref().map_or(Value::Null, |change| {
                    json!({
                        "gun": change.gun,
                        "at": moment(change.created_at),
                        "version": change.version,
                        "deleted": change.is_deletion(),
                    })
                });
            }
            Err(reason) => shown["inventory"] = json!({"error": reason}),
        }
        shown
    }

    fn show(&self) -> String {
        let mut text = String::new();
        let findings = self.report.findings.iter();
        let shown = findings
            .filter(|finding| finding.verdict > Verdict::Ok || ALWAYS.contains(&finding.check));
        for finding in shown {
            let escaped = Finding {
                sentence: escape(&finding.sentence),
                cure: finding.cure.as_deref().map(escape),
                ..finding.clone()
            };
            let _ = writeln!(text, "{escaped}");
        }
        match &self.stock {
            Ok(stock) => stock.show(&mut text),
            Err(reason) => {
                let reason = escape(reason);
                let _ = writeln!(text, "\nwhat is stored cannot be told: {reason}");
            }
        }
        text
    }
}

impl Stock {
    fn show(&self, text: &mut String) {
        let mut facts = Columns::default();
        let of = |health| self.tally.repositories.get(&health).copied().unwrap_or(0);
        let [whole, warned, broken] = Health::ALL.map(of);
        facts.add(&[
            "repositories",
            &format!(
                "{}: {whole} ok, {warned} with warnings, {broken} broken",
                whole + warned + broken
            ),
        ]);
        let as_of = self.as_of.as_deref();
        facts.add(&[
            "inventory",
            &as_of.map_or_else(
                || "current".to_owned(),
                |as_of| format!("as of {as_of}; a running server refreshes it within seconds"),
            ),
        ]);
        if let Some(last) = &self.last {
            let what = if last.is_deletion() {
                "was deleted".to_owned()
            } else {
                format!("got timestamp {}", last.version)
            };
            let at = moment(last.created_at);
            facts.add(&["last change", &format!("{at}: {} {what}", last.gun)]);
        }
        let due = |owner| self.counts.get(&owner).copied().unwrap_or(0);
        facts.add(&[
            "due in 30 days",
            &format!(
                "{} for people, {} that the server should have renewed",
                due(Owner::Publisher),
                due(Owner::Server) + due(Owner::Either)
            ),
        ]);
        let _ = write!(text, "\n{}", facts.show());
        if !self.broken.is_empty() {
            let mut columns = Columns::new(&["BROKEN", "WHY", "WHAT TO DO"]);
            for row in &self.broken {
                let mut problems = row.detail.problems.iter();
                let worst = problems.find(|problem| problem.health == Health::Broken);
                let (why, cure) = worst.map_or(("", ""), |worst| (&worst.text, &worst.cure));
                columns.add(&[&row.gun, why, cure]);
            }
            let _ = write!(text, "\n{}", columns.show());
            let named = self.broken.len() as u64;
            tell_more(text, broken.saturating_sub(named), "inventory --unhealthy");
        }
        if !self.due.is_empty() {
            let mut columns = Columns::new(&["EXPIRES", "GUN", "ROLE", "WHO", "WHAT TO DO"]);
            for Due { expiry, cure } in &self.due {
                columns.add(&[
                    &day(expiry.expires),
                    &expiry.gun,
                    &expiry.role,
                    who(expiry.owner),
                    cure,
                ]);
            }
            let _ = write!(text, "\n{}", columns.show());
            let named = self.due.len() as u64;
            let count = self.counts.values().sum::<u64>();
            tell_more(text, count.saturating_sub(named), "expiry --within 30d");
        }
    }
}

fn tell_more(text: &mut String, more: u64, command: &str) {
    if more > 0 {
        let _ = writeln!(text, "and {more} more: notary-server {command}");
    }
}
