//! `audit`: the lines as a table for people.

use std::io::{self, Write};

use anyhow::{Context as _, Result};
use audit_trail::{Line, read_line};
use clap::ArgMatches;
use daemon::logging::Plain;
use time::{
    Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

use super::{Configuration, files_of, open};

/// What of a line people look for, and what it is called in the table.
const LISTS: [(&str, &str); 7] = [
    ("tags.added", "tag added"),
    ("tags.moved", "tag moved"),
    ("tags.removed", "tag removed"),
    ("tags.unreadable", "tags not compared"),
    ("signers.added", "signer added"),
    ("signers.removed", "signer removed"),
    ("signed_by", "signed by"),
];
const TEXTS: [(&str, &str); 4] = [
    ("roles", "roles"),
    ("key_id", "key"),
    ("reason", "reason"),
    ("code", "code"),
];

pub(super) fn run(configuration: Configuration<'_>, arguments: &ArgMatches) -> Result<()> {
    let wanted = Wanted::read(arguments)?;
    let files = files_of(arguments, || configuration.read())?;
    let is_json = arguments.get_flag("json");
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = (|| {
        if !is_json {
            write_head(&mut out)?;
        }
        for file in files {
            let (name, mut reader) = open(&file)?;
            while let Some(raw) = read_line(&mut reader).with_context(|| name.clone())? {
                let line = Line::within(&raw.bytes).filter(|line| wanted.has(line));
                match line {
                    Some(line) if is_json => writeln!(out, "{}", line.text())?,
                    Some(line) => write_line(&mut out, &line)?,
                    None => {}
                }
            }
        }
        Ok(out.flush()?)
    })();
    outcome.or_else(without_reader)
}

/// Who reads the output may have seen enough, as `head` does.
fn without_reader(error: anyhow::Error) -> Result<()> {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind == Some(io::ErrorKind::BrokenPipe) {
        return Ok(());
    }
    Err(error)
}

/// Which lines are asked for.
struct Wanted {
    gun: Option<String>,
    user: Option<String>,
    action: Option<String>,
    since: Option<OffsetDateTime>,
}

impl Wanted {
    fn read(arguments: &ArgMatches) -> Result<Self> {
        let text = |name| arguments.get_one::<String>(name).cloned();
        let since = text("since").map(|text| moment(&text)).transpose()?;
        Ok(Self {
            gun: text("gun"),
            user: text("user"),
            action: text("action"),
            since,
        })
    }

    fn has(&self, line: &Line) -> bool {
        let is = |wanted: &Option<String>, name| {
            wanted.as_ref().is_none_or(|text| line.member(name) == text)
        };
        // A line without a time that can be read is shown: better one too many.
        let is_since = self.since.is_none_or(|since| {
            OffsetDateTime::parse(line.member("time"), &Rfc3339).is_ok_and(|time| time >= since)
                || OffsetDateTime::parse(line.member("time"), &Rfc3339).is_err()
        });
        is_since
            && is(&self.gun, "gun")
            && is(&self.user, "caller.name")
            && is(&self.action, "event")
    }
}

/// A day, or a moment.
fn moment(text: &str) -> Result<OffsetDateTime> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    if let Ok(day) = day {
        return Ok(day.midnight().assume_utc());
    }
    OffsetDateTime::parse(text, &Rfc3339).with_context(|| {
        format!("--since {text:?} is no date such as 2026-11-22 or 2026-11-22T10:20:30Z")
    })
}

fn write_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<24}  {:<24}  {:<11}  {:<8}  REPOSITORY",
        "TIME", "WHO", "ACTION", "OUTCOME"
    )
}

fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    let plain = |name| Plain(line.member(name)).to_string();
    writeln!(
        out,
        "{:<24}  {:<24}  {:<11}  {:<8}  {}",
        plain("time"),
        who(line),
        plain("event"),
        plain("outcome"),
        plain("gun")
    )?;
    let mut detail = |name: &str, text: &str| writeln!(out, "    {name}: {}", Plain(text));
    for (member, name) in LISTS {
        line.list(member).try_for_each(|text| detail(name, text))?;
    }
    for (member, name) in TEXTS {
        let text = line.member(member);
        if !text.is_empty() {
            detail(name, text)?;
        }
    }
    if let Some(count) = line.number("count") {
        detail("count", &count.to_string())?;
    }
    Ok(())
}

/// The caller, with what is not proven of it, and the address.
fn who(line: &Line) -> String {
    let (name, kind, address) = (
        line.member("caller.name"),
        line.member("caller.kind"),
        line.member("address"),
    );
    let mut who = match (name, kind) {
        ("", kind) => kind.to_owned(),
        (name, "user") => name.to_owned(),
        (name, kind) => format!("{name} ({kind})"),
    };
    if !address.is_empty() {
        who += " at ";
        who += address;
    }
    Plain(&who).to_string()
}
