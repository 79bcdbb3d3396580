//! `notary-server webhook`: which receivers there are and what they did not take yet, a test, and
//! trying again.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, ArgMatches};
use daemon::{Flags, clock};
use database::{Backend, OpenMode};
use serde_json::json;
use time::OffsetDateTime;
use trust::store::{self, Page, Storage, TrustStore};
use uuid::Uuid;
use webhooks::{Delay, Event, Item, Kind, Receiver, ReceiverSettings, Row, Tables, origin};

use super::{
    Environment,
    terminal::{Columns, escape, finish, moment},
};
use crate::config::Config;

/// The name of the command.
pub(super) const NAME: &str = "webhook";

/// How many delays of a webhook are listed.
const MOST_LISTED: u32 = 1_200;

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    let name = |help| {
        Arg::new("name")
            .value_name("NAME")
            .required(true)
            .help(help)
    };
    clap::Command::new(NAME)
        .about("Look after the receivers of events: list, test, try again")
        .subcommand_required(true)
        .subcommand(
            clap::Command::new("list")
                .about("List the receivers, how far they are, and what they do not take")
                .arg(
                    Arg::new("json")
                        .long("json")
                        .action(ArgAction::SetTrue)
                        .help("Print a JSON array"),
                ),
        )
        .subcommand(
            clap::Command::new("test")
                .about("Send a test event to a receiver, and say what it answers")
                .arg(name("The receiver, as webhooks.receivers calls it")),
        )
        .subcommand(
            clap::Command::new("retry")
                .about(
                    "Have everything tried again that a receiver did not take, also what is parked",
                )
                .arg(name("The receiver, as webhooks.receivers calls it")),
        )
}

/// Runs the subcommand.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<()> {
    let config = super::load(flags.config_file()?, flags, environment)?;
    match arguments.subcommand() {
        Some(("test", arguments)) => test(&config, find(&config, arguments)?).await,
        Some(("retry", arguments)) => retry(&config, find(&config, arguments)?).await,
        Some((_, arguments)) => list(&config, arguments.get_flag("json")).await,
        None => bail!("a subcommand is missing"),
    }
}

fn find<'c>(config: &'c Config, arguments: &ArgMatches) -> Result<&'c ReceiverSettings> {
    let name = arguments
        .get_one::<String>("name")
        .map_or("", String::as_str);
    let found = config.webhooks.iter().find(|one| one.name == name);
    found.with_context(|| {
        let known: Vec<_> = config
            .webhooks
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let known = known.join(", ");
        format!("webhooks.receivers names no {name:?}; it names: {known}")
    })
}

async fn test(config: &Config, settings: &ReceiverSettings) -> Result<()> {
    let place = origin(&settings.url);
    let receiver = Receiver::new(settings.clone(), config.event_source())?;
    let now = clock::now();
    let event = Event {
        id: Uuid::new_v4().simple().to_string(),
        kind: Kind::Test,
        gun: String::new(),
        time: now,
        data: json!({"webhook": settings.name}),
    };
    let delivery = receiver.deliver(&event, now).await;
    delivery.with_context(|| format!("{place} did not take the event {}", event.id))?;
    println!("{place} took the event {}", event.id);
    Ok(())
}

/// The tables, and the feed.
struct Opened {
    tables: std::sync::Arc<dyn Tables>,
    store: std::sync::Arc<dyn TrustStore>,
}

impl Opened {
    async fn open(storage: &Storage) -> Result<Self> {
        if storage.url.backend() == Backend::Memory {
            bail!("storage.backend is memory: only the running server sees what is in it");
        }
        let connected = store::open_pool(storage, OpenMode::MustExist).await?;
        let survey = webhooks::plan(&connected).await;
        let is_ready = survey.as_ref().is_ok_and(database::adopt::Survey::is_ready);
        if !is_ready {
            connected.close().await;
            survey?;
            bail!(
                "the tables of webhooks are missing in this database: start the server once \
                 (SQLite), or run `notary-server migrate`"
            );
        }
        Ok(Self {
            tables: webhooks::tables(&connected),
            store: store::on(&connected),
        })
    }
}

async fn retry(config: &Config, settings: &ReceiverSettings) -> Result<()> {
    let opened = Opened::open(&config.storage).await?;
    let woken = opened.tables.wake(&settings.name).await;
    opened.store.close().await;
    if !woken? {
        bail!("no server has delivered to {:?} yet", settings.name);
    }
    println!("a running server tries everything again within seconds");
    Ok(())
}

/// A receiver, what is stored of it, and what it did not take.
struct Listed<'c> {
    settings: &'c ReceiverSettings,
    row: Option<Row>,
    delays: Vec<Delay>,
    /// Whether the feed has lines behind the position.
    is_behind: bool,
}

async fn list(config: &Config, as_json: bool) -> Result<()> {
    let opened = Opened::open(&config.storage).await?;
    let listed = read(&opened, &config.webhooks).await;
    opened.store.close().await;
    let listed = listed?;
    let printed = if as_json {
        print_json(&listed)
    } else {
        print_tables(&listed)
    };
    finish(printed.map_err(Into::into))
}

async fn read<'c>(opened: &Opened, webhooks: &'c [ReceiverSettings]) -> Result<Vec<Listed<'c>>> {
    let end = Page::Before { id: None, limit: 1 };
    let end = opened.store.changes(None, end).await?;
    let end = end.first().map_or(0, |line| line.id);
    let start = (String::new(), String::new());
    let mut listed = Vec::new();
    for settings in webhooks {
        let row = opened.tables.find(&settings.name).await?;
        let delays = opened.tables.delays(&settings.name, &start, MOST_LISTED);
        listed.push(Listed {
            settings,
            is_behind: row.as_ref().is_some_and(|row| row.position.line < end),
            row,
            delays: delays.await?,
        });
    }
    Ok(listed)
}

impl Listed<'_> {
    fn parked(&self) -> usize {
        self.delays.iter().filter(|delay| delay.is_parked).count()
    }

    fn state(&self) -> &'static str {
        match &self.row {
            None => "not begun",
            Some(_) if self.parked() > 0 => "parked",
            Some(_) if !self.delays.is_empty() => "failing",
            Some(row) if row.holder.is_empty() => "no server",
            Some(_) if self.is_behind => "behind",
            Some(_) => "current",
        }
    }

    fn delivered_at(&self) -> Option<String> {
        let at = self.row.as_ref()?.delivered_at;
        (at > 0).then(|| show(at))
    }
}

fn show(seconds: i64) -> String {
    moment(OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

fn print_json(listed: &[Listed<'_>]) -> io::Result<()> {
    let shown: Vec<_> = listed
        .iter()
        .map(|one| {
            let delays = one.delays.iter().map(|delay| {
                json!({
                    "gun": delay.gun,
                    "role": role(delay),
                    "happened": show(delay.happened),
                    "tries": delay.tries,
                    "due": show(delay.due / 1000),
                    "parked": delay.is_parked,
                    "error": delay.error,
                })
            });
            json!({
                "name": one.settings.name,
                "url": origin(&one.settings.url),
                "events": one.settings.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
                "prefixes": one.settings.prefixes,
                "state": one.state(),
                "delivered_at": one.delivered_at(),
                "delays": delays.collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut output = io::stdout();
    writeln!(output, "{:#}", serde_json::Value::from(shown))?;
    output.flush()
}

fn role(delay: &Delay) -> Option<&str> {
    match &delay.item {
        Item::Lines { .. } => None,
        Item::Expiry(deadline) => Some(&deadline.role),
    }
}

fn print_tables(listed: &[Listed<'_>]) -> io::Result<()> {
    let mut output = io::stdout();
    if listed.is_empty() {
        return writeln!(output, "webhooks.receivers names no receiver");
    }
    let mut columns = Columns::new(&["NAME", "URL", "STATE", "WAITING", "PARKED", "LAST DELIVERY"]);
    for one in listed {
        columns.add(&[
            &one.settings.name,
            &origin(&one.settings.url),
            one.state(),
            &one.delays.len().to_string(),
            &one.parked().to_string(),
            &one.delivered_at().unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    write!(output, "{}", columns.show())?;
    for one in listed.iter().filter(|one| !one.delays.is_empty()) {
        writeln!(output, "\n{} did not take:", escape(&one.settings.name))?;
        let mut columns = Columns::new(&["SINCE", "GUN", "ROLE", "TRIES", "NEXT", "ANSWER"]);
        for delay in &one.delays {
            let next = if delay.is_parked {
                "parked".to_owned()
            } else {
                show(delay.due / 1000)
            };
            columns.add(&[
                &show(delay.happened),
                &delay.gun,
                role(delay).unwrap_or("-"),
                &delay.tries.to_string(),
                &next,
                &delay.error,
            ]);
        }
        write!(output, "{}", columns.show())?;
    }
    output.flush()
}
