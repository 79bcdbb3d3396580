//! `notary-server expiry`: what expires soon, who has to act, and by which command.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches};
use daemon::{Flags, clock};
use insight::{Due, deadline, who};
use inventory::{Expiry, Owner, Tables};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    Environment,
    overview::Opened,
    terminal::{Columns, day, finish, moment},
};
use crate::days::{parse_days, read_days};

/// The name of the command.
pub(super) const NAME: &str = "expiry";

/// How many rows are asked for at once.
const PAGE: u32 = 500;

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("List what expires soon, who has to act, and by which command; status 1 if anything is due")
        .arg(
            Arg::new("within")
                .long("within")
                .value_name("DAYS")
                .default_value("90d")
                .value_parser(parse_days)
                .help("How far to look ahead, such as 90d or 12w"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print a JSON array"),
        )
        .arg(
            Arg::new("ics")
                .long("ics")
                .action(ArgAction::SetTrue)
                .conflicts_with("json")
                .help("Print a calendar (iCalendar) with an entry and alarms for each"),
        )
}

/// Prints what is due; the status says whether anything is.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<ExitCode> {
    let config = super::load(flags.config_file()?, flags, environment)?;
    let within = read_days(arguments, "within").unwrap_or(Duration::days(90));
    let opened = Opened::refresh(&config.storage).await?;
    let tables = opened.tables.as_ref();
    let found = find(tables, within, arguments.get_flag("ics")).await;
    opened.close().await;
    let (due, calendar) = found?;
    let printed = if arguments.get_flag("json") {
        print_json(&due)
    } else if let Some(calendar) = calendar {
        print_calendar(&calendar)
    } else {
        print_table(&due, within)
    };
    finish(printed.map_err(Into::into))?;
    Ok(if due.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is due, and as a calendar if that is wanted.
async fn find(
    tables: &dyn Tables,
    within: Duration,
    wants_calendar: bool,
) -> Result<(Vec<Due>, Option<String>)> {
    let due = due(tables, clock::now(), within).await?;
    let calendar = if wants_calendar {
        Some(make_calendar(tables, &due).await?)
    } else {
        None
    };
    Ok((due, calendar))
}

/// An entry for each, dated by the newest timestamp of its repository: the same files make the same
/// calendar.
async fn make_calendar(tables: &dyn Tables, due: &[Due]) -> Result<String> {
    let mut changed = BTreeMap::new();
    for Due { expiry, .. } in due {
        if !changed.contains_key(expiry.gun.as_str()) {
            let row = tables.repository(&expiry.gun).await?;
            let when = row.map_or(expiry.expires, |row| row.published_at);
            changed.insert(expiry.gun.as_str(), when);
        }
    }
    Ok(insight::calendar(due, |expiry| {
        changed[expiry.gun.as_str()]
    }))
}

/// Everything that is due, the first first.
async fn due(
    tables: &dyn Tables,
    now: OffsetDateTime,
    within: Duration,
) -> Result<Vec<Due>, trust::store::StoreError> {
    let mut due = Vec::new();
    for owner in Owner::ALL {
        let before = deadline(owner, now, within);
        let mut after = None;
        loop {
            let page = tables.expiring(owner, before, after.as_ref(), PAGE).await?;
            due.extend(page.rows.into_iter().map(Due::from));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    sort(&mut due);
    Ok(due)
}

/// The first `few` of what is due, and how much there is of each owner. Of what a server should
/// have renewed, no more than a page is counted.
pub(super) async fn first_due(
    tables: &dyn Tables,
    now: OffsetDateTime,
    within: Duration,
    few: usize,
) -> Result<(Vec<Due>, BTreeMap<Owner, u64>), trust::store::StoreError> {
    let (mut first, mut counts) = (Vec::new(), BTreeMap::new());
    for owner in Owner::ALL {
        let before = deadline(owner, now, within);
        let page = tables.expiring(owner, before, None, PAGE).await?;
        counts.insert(owner, page.rows.len() as u64);
        first.extend(page.rows.into_iter().map(Due::from));
    }
    sort(&mut first);
    first.truncate(few);
    Ok((first, counts))
}

/// As it stands in JSON.
pub(super) fn to_json(Due { expiry, cure }: &Due) -> Value {
    json!({
        "gun": expiry.gun,
        "role": expiry.role,
        "version": expiry.version,
        "expires": moment(expiry.expires),
        "owner": expiry.owner,
        "cure": cure,
    })
}

/// Puts what expires first in front.
fn sort(due: &mut [Due]) {
    due.sort_by(|one, other| {
        let key = |due: &Due| {
            let Expiry {
                expires, gun, role, ..
            } = &due.expiry;
            (*expires, gun.clone(), role.clone())
        };
        key(one).cmp(&key(other))
    });
}

fn print_json(due: &[Due]) -> io::Result<()> {
    let mut output = io::stdout();
    write!(output, "[")?;
    for (number, due) in due.iter().enumerate() {
        let separator = if number == 0 { "\n" } else { ",\n" };
        write!(output, "{separator}{}", to_json(due))?;
    }
    writeln!(output, "\n]")?;
    output.flush()
}

fn print_calendar(calendar: &str) -> io::Result<()> {
    let mut output = io::stdout();
    output.write_all(calendar.as_bytes())?;
    output.flush()
}

fn print_table(due: &[Due], within: Duration) -> io::Result<()> {
    let mut output = io::stdout();
    if due.is_empty() {
        return writeln!(
            output,
            "nothing expires within {} days that people have to renew",
            within.whole_days()
        );
    }
    let mut columns = Columns::new(&["EXPIRES", "GUN", "ROLE", "WHO", "WHAT TO DO"]);
    for Due { expiry, cure } in due {
        columns.add(&[
            &day(expiry.expires),
            &expiry.gun,
            &expiry.role,
            who(expiry.owner),
            cure,
        ]);
    }
    write!(output, "{}", columns.show())?;
    output.flush()
}
