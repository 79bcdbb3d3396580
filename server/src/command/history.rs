//! `notary-server history`: what tags meant before, and who moved them.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches};
use daemon::Flags;
use inventory::{HistoryCursor, Past};
use serde_json::{Value, json};
use trust::store::{StoreError, TrustStore};
use tuf::{Digest, Gun, TagChange};

use super::{
    Environment,
    terminal::{Columns, escape, moment},
};

/// The name of the command.
pub(super) const NAME: &str = "history";

/// How many changes of one tag are put into the order of time, which needs all of them at once.
const MOST_SORTED: usize = 10_000;
/// How much of a key id is shown in a table; JSON has all of it.
const SHORT_ID: usize = 12;

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Tell what the tags of a repository named before, and who moved them")
        .long_about(
            "Compares the stored versions of the roles of a repository, whichever server took \
             them. With TAG, it tells of that tag alone, the newest change first; without, of all \
             tags, role by role. The server need not run. The status is 0 if anything is told, \
             and 1 if there is no such repository or tag.",
        )
        .arg(
            Arg::new("name")
                .value_name("GUN")
                .required(true)
                .help("The repository, such as docker.io/library/alpine"),
        )
        .arg(Arg::new("tag").value_name("TAG").help("Only this tag"))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print a JSON array"),
        )
}

/// Prints what became of tags.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<ExitCode> {
    let config = super::load(flags.config_file()?, flags, environment)?;
    let name = arguments
        .get_one::<String>("name")
        .map_or("", String::as_str);
    let tag = arguments.get_one::<String>("tag").map(String::as_str);
    let gun = Gun::parse(name).with_context(|| escape(name))?;
    let store = super::overview::open_store(&config.storage).await?;
    let is_json = arguments.get_flag("json");
    let outcome = tell(&store, &gun, tag, is_json).await;
    store.close().await;
    let count = match outcome {
        Ok(count) => count,
        Err(error) => return super::terminal::finish(Err(error)).map(|()| ExitCode::SUCCESS),
    };
    if count > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let what = tag.map_or_else(
        || "has no trust data here (Docker's own images are docker.io/library/NAME)".to_owned(),
        |tag| {
            format!(
                "never had a tag {}, as far as its stored versions tell",
                escape(tag)
            )
        },
    );
    eprintln!("{} {what}", escape(name));
    Ok(ExitCode::FAILURE)
}

/// Prints it; says how many changes there were.
async fn tell(
    store: &std::sync::Arc<dyn TrustStore>,
    gun: &Gun,
    tag: Option<&str>,
    is_json: bool,
) -> Result<u64> {
    let mut printer = Printer {
        is_json,
        count: 0,
        output: io::stdout(),
    };
    printer.begin()?;
    let mut after = Some(HistoryCursor::default());
    let mut kept: Vec<Past> = Vec::new();
    while let Some(cursor) = after {
        let page = read(store, gun, tag, cursor).await?;
        after = page.next;
        if tag.is_some() && kept.len() + page.rows.len() <= MOST_SORTED {
            kept.extend(page.rows);
            continue;
        }
        // Too many to put into order: role by role, then.
        printer.print(&std::mem::take(&mut kept))?;
        printer.print(&page.rows)?;
    }
    kept.sort_by_key(|past| std::cmp::Reverse(past.at));
    printer.print(&kept)?;
    printer.end()
}

async fn read(
    store: &std::sync::Arc<dyn TrustStore>,
    gun: &Gun,
    tag: Option<&str>,
    cursor: HistoryCursor,
) -> Result<inventory::Page<Past, HistoryCursor>, StoreError> {
    inventory::history(store, gun, tag, cursor).await
}

struct Printer {
    is_json: bool,
    count: u64,
    output: io::Stdout,
}

impl Printer {
    fn begin(&mut self) -> io::Result<()> {
        if self.is_json {
            write!(self.output, "[")?;
        }
        Ok(())
    }

    fn print(&mut self, rows: &[Past]) -> io::Result<()> {
        let mut columns = Columns::new(&[
            "WHEN",
            "ROLE",
            "VERSION",
            "TAG",
            "NAMES SINCE",
            "BEFORE",
            "SIGNED BY",
        ]);
        for past in rows {
            if self.is_json {
                let separator = if self.count == 0 { "\n" } else { ",\n" };
                write!(self.output, "{separator}{}", to_json(past))?;
            } else {
                add(&mut columns, past);
            }
            self.count += 1;
        }
        if !self.is_json && !rows.is_empty() {
            write!(self.output, "{}", columns.show())?;
        }
        self.output.flush()
    }

    fn end(mut self) -> Result<u64> {
        if self.is_json {
            writeln!(self.output, "\n]")?;
        }
        self.output.flush()?;
        Ok(self.count)
    }
}

fn add(columns: &mut Columns, past: &Past) {
    let at = moment(past.at);
    let Some(version) = past.version else {
        columns.add(&[&at, &past.role, "?", "", "its file cannot be read", "", ""]);
        return;
    };
    let version = version.to_string();
    let signed_by: Vec<_> = past.signed_by.iter().map(|id| short(id)).collect();
    let signed_by = signed_by.join(", ");
    for change in &past.changes {
        let (since, before) = (name(change.to, "removed"), name(change.from, "-"));
        columns.add(&[
            &at,
            &past.role,
            &version,
            &change.name,
            &since,
            &before,
            &signed_by,
        ]);
    }
    if past.unnamed > 0 {
        let more = format!("and {} more", past.unnamed);
        columns.add(&[&at, &past.role, &version, &more]);
    }
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

fn name(digest: Option<Digest>, nothing: &str) -> String {
    digest.map_or_else(|| nothing.to_owned(), |digest| digest.to_string())
}

fn to_json(past: &Past) -> Value {
    let change = |change: &TagChange| {
        json!({
            "tag": change.name,
            "from": change.from.map(|digest| digest.to_string()),
            "to": change.to.map(|digest| digest.to_string()),
        })
    };
    json!({
        "at": moment(past.at),
        "role": past.role,
        "version": past.version,
        "signed_by": past.signed_by,
        "changes": past.changes.iter().map(change).collect::<Vec<_>>(),
        "unnamed": past.unnamed,
    })
}
