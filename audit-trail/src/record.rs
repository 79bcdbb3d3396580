//! The members of a line.

use std::{fmt::Write as _, sync::Arc};

use access::Identity;
use daemon::logging::{AUDIT, plain_json};
use serde::Serialize;
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use super::{Act, Actor, Event, Outcome, changes::Changes, text::cut, torn::Torn};

/// The event of a line that tells of a torn one.
pub(super) const TORN: &str = "log.torn";

/// The most roles that are named of one publish.
const MOST_ROLES: usize = 64;

/// One line. Its members stand in the order of their names, as in the program's log.
#[derive(Default, Serialize)]
pub(super) struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(rename = "caller.issuer", skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(rename = "caller.kind", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(rename = "caller.name", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gun: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(flatten)]
    changes: Changes,
    target: &'static str,
    time: String,
}

impl Record {
    pub(super) fn of(event: &Event<'_>, now: OffsetDateTime) -> Self {
        let mut record = Self {
            address: event.address.map(|address| address.to_string()),
            event: event.act.name(),
            gun: some(event.gun),
            request_id: some(event.request_id),
            ..Self::at(now)
        };
        record.tell_actor(event.actor);
        record.tell_act(&event.act);
        record.tell_outcome(event.outcome);
        record
    }

    /// Says how many attempts were not written down.
    pub(super) fn left_out(count: u64, now: OffsetDateTime) -> Self {
        Self {
            event: "left-out",
            count: Some(count),
            ..Self::at(now)
        }
    }

    /// Says that a crash, or a full disk, left a part of a line in the file.
    pub(super) fn torn(torn: &Torn, now: OffsetDateTime) -> Self {
        Self {
            event: TORN,
            count: Some(torn.bytes),
            sha256: Some(torn.sha256.clone()),
            ..Self::at(now)
        }
    }

    /// Says how many lines the file did not take; they are in the program's log.
    pub(super) fn unwritten(count: u64, now: OffsetDateTime) -> Self {
        Self {
            event: "log.unwritten",
            count: Some(count),
            ..Self::at(now)
        }
    }

    /// Says why a chain begins although there was one before.
    pub(super) fn restarted(reason: &str, now: OffsetDateTime) -> Self {
        Self {
            event: "log.restarted",
            reason: some(reason),
            ..Self::at(now)
        }
    }

    /// The same as line `line` of `chain`, behind the line that has the checksum `previous`.
    pub(super) fn linked(self, chain: Arc<str>, line: u64, previous: Option<String>) -> Self {
        Self {
            chain: Some(chain),
            line: Some(line),
            previous,
            ..self
        }
    }

    /// The same outside of the chain.
    pub(super) fn unlinked(self) -> Self {
        Self {
            chain: None,
            line: None,
            previous: None,
            ..self
        }
    }

    fn at(now: OffsetDateTime) -> Self {
        let form = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let now = now.to_offset(UtcOffset::UTC);
        Self {
            target: AUDIT,
            time: now.format(form).expect("a date has all these parts"),
            ..Self::default()
        }
    }

    fn tell_actor(&mut self, actor: Actor<'_>) {
        match actor {
            Actor::Known(caller) => {
                self.kind = Some(caller.identity.kind());
                self.name = some(caller.identity.name());
                if let Identity::Outside(token) = &caller.identity {
                    self.issuer = some(&token.issuer);
                }
            }
            Actor::Claimed(name) => {
                self.kind = Some("unproven");
                self.name = some(name);
            }
            Actor::Program => self.kind = Some("server"),
        }
    }

    fn tell_act(&mut self, act: &Act<'_>) {
        match act {
            Act::Publish { files, changes } => {
                self.roles = versions(files);
                self.changes = changes.map(Changes::of).unwrap_or_default();
            }
            Act::Renew { files } => self.roles = versions(files),
            Act::CreateKey { role, key_id } | Act::RotateKey { role, key_id } => {
                self.roles = some(role);
                self.key_id = key_id.and_then(some);
            }
            Act::Delete | Act::Other(_) => {}
        }
    }

    fn tell_outcome(&mut self, outcome: Outcome<'_>) {
        self.outcome = Some(match outcome {
            Outcome::Done => "done",
            Outcome::Refused(reason) => {
                self.reason = some(reason);
                "refused"
            }
            Outcome::Failed(code) => {
                self.code = some(code);
                "failed"
            }
        });
    }

    /// The line of a file, without its newline.
    pub(super) fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("text and numbers are JSON");
        plain_json(&json)
    }

    /// Writes it to the program's log, in the form that this has.
    pub(super) fn log(&self) {
        tracing::info!(
            target: AUDIT,
            address = self.address,
            at = self.chain.as_ref().map(|_| self.time.as_str()),
            caller.issuer = self.issuer,
            caller.kind = self.kind,
            caller.name = self.name,
            chain = self.chain.as_deref(),
            code = self.code,
            count = self.count,
            event = self.event,
            gun = self.gun,
            key_id = self.key_id,
            line = self.line,
            outcome = self.outcome,
            previous = self.previous,
            reason = self.reason,
            request_id = self.request_id,
            roles = self.roles,
            sha256 = self.sha256,
            signed_by = in_log(&self.changes.signed_by),
            signers.added = in_log(&self.changes.signers_added),
            signers.removed = in_log(&self.changes.signers_removed),
            tags.added = in_log(&self.changes.added),
            tags.moved = in_log(&self.changes.moved),
            tags.removed = in_log(&self.changes.removed),
            tags.unreadable = in_log(&self.changes.unreadable),
            target = self.target,
            "audit: {}{}{}",
            self.event,
            if self.outcome.is_some() { " " } else { "" },
            self.outcome.unwrap_or_default()
        );
    }
}

impl Act<'_> {
    /// What lines call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish",
            Self::Renew { .. } => "renew",
            Self::CreateKey { .. } => "key.create",
            Self::RotateKey { .. } => "key.rotate",
            Self::Delete => "delete",
            Self::Other(name) => name,
        }
    }
}

/// `text`, if there is any, cut where it gets long.
fn some(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    Some(cut(text))
}

/// A list as the program's log has it: as JSON, so that it stays clear where an entry ends.
fn in_log(list: &[String]) -> Option<String> {
    let json = || serde_json::to_string(list).expect("texts are JSON");
    (!list.is_empty()).then(json)
}

/// `root:1,targets:7`
fn versions(files: &[(&str, i64)]) -> Option<String> {
    let mut text = String::new();
    for (role, version) in files.iter().take(MOST_ROLES) {
        let comma = if text.is_empty() { "" } else { "," };
        let role = some(role).unwrap_or_default();
        write!(text, "{comma}{role}:{version}").expect("a String takes all that is written");
    }
    if files.len() > MOST_ROLES {
        text.push_str(",…");
    }
    (!text.is_empty()).then_some(text)
}
