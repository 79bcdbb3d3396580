//! `notary-server inventory`: what is stored, who signs it, what expires when.

use std::io::{self, Write as _};

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches};
use daemon::{Flags, clock};
use inventory::{Filter, Health, Row, Signer, Tables, Tag, TagCursor};
use serde_json::{Value, json};

use super::{
    Environment,
    overview::Opened,
    terminal::{Columns, day, escape, finish, moment},
};
use crate::days::{parse_days, read_days};

/// The name of the command.
pub(super) const NAME: &str = "inventory";

/// How many rows are asked for at once.
const PAGE: u32 = 200;

/// What the command line of the program has to know of it.
pub(super) fn command() -> clap::Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    clap::Command::new(NAME)
        .about("List what is stored: repositories, who signs them, what expires, what is wrong")
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .help("Show this repository with its roles, signers, tags and problems")
                .conflicts_with_all([
                    "prefix", "signer", "tag", "digest", "expires-within", "unhealthy",
                ]),
        )
        .arg(option("prefix", "PREFIX", "Only names that begin so"))
        .arg(option("signer", "KEY-ID", "Only repositories that this key may sign"))
        .arg(option("tag", "TAG", "Only repositories with this tag"))
        .arg(option(
            "digest",
            "DIGEST",
            "Only repositories with a tag of this digest, sha256:…",
        ))
        .arg(
            option(
                "expires-within",
                "DAYS",
                "Only those of which something that people may have to renew expires in so many days, such as 90d",
            )
            .value_parser(parse_days),
        )
        .arg(
            Arg::new("unhealthy")
                .long("unhealthy")
                .action(ArgAction::SetTrue)
                .help("Only repositories with problems or warnings"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print JSON: an array, or an object if NAME is given"),
        )
}

/// Prints what `arguments` ask for.
pub(super) async fn run(
    arguments: &ArgMatches,
    flags: &Flags,
    environment: Environment,
) -> Result<()> {
    let config = super::load(flags.config_file()?, flags, environment)?;
    let opened = Opened::refresh(&config.storage).await?;
    let is_json = arguments.get_flag("json");
    let outcome = match arguments.get_one::<String>("name") {
        Some(name) => show(opened.tables.as_ref(), name, is_json).await,
        None => list(opened.tables.as_ref(), &filter(arguments), is_json).await,
    };
    opened.close().await;
    finish(outcome)
}

fn filter(arguments: &ArgMatches) -> Filter {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let hex = |text: String| text.to_ascii_lowercase();
    Filter {
        prefix: text("prefix").unwrap_or_default(),
        signer: text("signer").map(hex),
        tag: text("tag"),
        digest: text("digest").map(hex).map(|digest| {
            if digest.contains(':') {
                digest
            } else {
                format!("sha256:{digest}")
            }
        }),
        expires_before: read_days(arguments, "expires-within").map(|days| clock::now() + days),
        is_unhealthy: arguments.get_flag("unhealthy"),
    }
}

/// Prints all repositories that `filter` lets pass, a page at a time.
async fn list(tables: &dyn Tables, filter: &Filter, is_json: bool) -> Result<()> {
    let mut output = io::stdout();
    let mut after = String::new();
    let mut count = 0_u64;
    if is_json {
        write!(output, "[")?;
    }
    loop {
        let page = tables.repositories(filter, &after, PAGE).await?;
        let mut columns = Columns::new(HEADS);
        for row in &page.rows {
            if is_json {
                let separator = if count == 0 { "\n" } else { ",\n" };
                write!(output, "{separator}{}", to_json(row))?;
            } else {
                add(&mut columns, row);
            }
            count += 1;
        }
        if !is_json && !page.rows.is_empty() {
            write!(output, "{}", columns.show())?;
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    if is_json {
        writeln!(output, "\n]")?;
    } else if count == 0 {
        writeln!(output, "no repositories")?;
    }
    Ok(output.flush()?)
}

const HEADS: &[&str] = &["GUN", "HEALTH", "EXPIRES", "ROLE", "TAGS", "PUBLISHED"];

fn add(columns: &mut Columns, row: &Row) {
    let (expires, role) = row.next.as_ref().map_or_else(Default::default, |next| {
        (day(next.expires), next.role.clone())
    });
    columns.add(&[
        &row.gun,
        word(row.health),
        &expires,
        &role,
        &row.tags.to_string(),
        &day(row.published_at),
    ]);
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Whole => "ok",
        Health::Warning => "warning",
        Health::Broken => "BROKEN",
    }
}

fn to_json(row: &Row) -> Value {
    let roles = row.detail.roles.iter().map(|role| {
        let mut shown = json!(role);
        let expires = role
            .expires
            .and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
        shown["expires"] = json!(expires.map(moment));
        shown
    });
    json!({
        "gun": row.gun,
        "version": row.version,
        "sha256": hex::encode(&row.sha256),
        "format": row.format,
        "health": row.health,
        "published_at": moment(row.published_at),
        "computed_at": moment(row.computed_at),
        "next_expiry": row.next.as_ref().map(|next| json!({
            "expires": moment(next.expires),
            "role": next.role,
        })),
        "tags": row.tags,
        "signers": row.signers,
        "bytes": row.bytes,
        "roles": roles.collect::<Vec<_>>(),
        "problems": row.detail.problems,
    })
}

/// Prints one repository with all that is known of it.
async fn show(tables: &dyn Tables, name: &str, is_json: bool) -> Result<()> {
    let Some(row) = tables.repository(name).await? else {
        bail!(
            "{} has no trust data here (Docker's own images are docker.io/library/NAME)",
            escape(name)
        );
    };
    let signers = tables.signers(name).await?;
    let mut output = io::stdout();
    if is_json {
        let mut tags = Vec::new();
        let mut after = Some(TagCursor::default());
        while let Some(cursor) = after {
            let page = tables.tags(name, &cursor, PAGE).await?;
            tags.extend(page.rows.iter().map(tag_to_json));
            after = page.next;
        }
        let mut shown = to_json(&row);
        shown["tags"] = json!(tags);
        shown["signers"] = json!(signers.iter().map(signer_to_json).collect::<Vec<_>>());
        writeln!(output, "{shown}")?;
        return Ok(output.flush()?);
    }
    let mut columns = Columns::new(HEADS);
    add(&mut columns, &row);
    writeln!(output, "{}", columns.show())?;
    writeln!(output, "{}\n{}", roles(&row), keys(&signers))?;
    let mut after = Some(TagCursor::default());
    while let Some(cursor) = after {
        let page = tables.tags(name, &cursor, PAGE).await?;
        if !page.rows.is_empty() {
            let mut columns = Columns::new(&["TAG", "SIGNED BY", "DIGEST"]);
            for tag in &page.rows {
                columns.add(&[&tag.name, &tag.role, &tag.digest]);
            }
            writeln!(output, "{}", columns.show())?;
        }
        after = page.next;
    }
    for problem in &row.detail.problems {
        let (health, text) = (word(problem.health), escape(&problem.text));
        writeln!(output, "{health}: {text} → {}", escape(&problem.cure))?;
    }
    Ok(output.flush()?)
}

fn roles(row: &Row) -> String {
    let mut columns = Columns::new(&["ROLE", "VERSION", "EXPIRES", "KEYS", "STATE"]);
    for role in &row.detail.roles {
        let expires = role
            .expires
            .and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
        let state = match (role.is_skipped, role.is_believed) {
            (true, _) => "skipped",
            (false, true) => "verified",
            (false, false) => "NOT VERIFIED",
        };
        columns.add(&[
            &role.role,
            &role.version.to_string(),
            &expires.map(day).unwrap_or_default(),
            &format!("{} of {}", role.threshold, role.keys.len()),
            state,
        ]);
    }
    columns.show()
}

fn keys(signers: &[Signer]) -> String {
    let mut columns = Columns::new(&["SIGNER", "KEY", "KIND", "CERTIFICATE"]);
    for signer in signers {
        let certificate = match (&signer.certificate, signer.expires) {
            (Some(name), Some(expires)) => format!("{name}, until {}", day(expires)),
            _ => String::new(),
        };
        columns.add(&[
            &signer.role,
            &signer.key_id,
            &signer.algorithm,
            &certificate,
        ]);
    }
    columns.show()
}

fn tag_to_json(tag: &Tag) -> Value {
    json!({
        "role": tag.role,
        "name": tag.name,
        "digest": tag.digest,
        "length": tag.length,
    })
}

fn signer_to_json(signer: &Signer) -> Value {
    json!({
        "role": signer.role,
        "key_id": signer.key_id,
        "algorithm": signer.algorithm,
        "certificate": signer.certificate,
        "certificate_expires": signer.expires.map(moment),
    })
}
