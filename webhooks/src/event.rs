//! What receivers are told, as `CloudEvents` 1.0 in JSON.

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// The media type of an event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// New versions of a repository's files are current.
    Published,
    /// A repository is gone.
    Deleted,
    /// Other keys than before may sign for a delegation.
    SignersChanged,
    /// Other keys than before may sign for root, targets, snapshot or timestamp.
    KeyRotated,
    /// An authenticated caller tried what they may not, or what failed.
    Refused,
    /// What a publisher has to renew expires soon.
    ExpiryDue,
    /// What the server renews was not renewed in time.
    RenewalFailing,
    /// An operator asked for it; receivers get it whatever they chose.
    Test,
}

impl Kind {
    /// Those that a receiver can choose.
    pub const CHOICES: [Self; 7] = [
        Self::Published,
        Self::Deleted,
        Self::SignersChanged,
        Self::KeyRotated,
        Self::Refused,
        Self::ExpiryDue,
        Self::RenewalFailing,
    ];

    /// What settings call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Deleted => "deleted",
            Self::SignersChanged => "signers_changed",
            Self::KeyRotated => "key_rotated",
            Self::Refused => "refused",
            Self::ExpiryDue => "expiry_due",
            Self::RenewalFailing => "renewal_failing",
            Self::Test => "test",
        }
    }

    /// The kind of this name, if a receiver can choose it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::CHOICES.into_iter().find(|kind| kind.name() == name)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same whenever the event is sent again, and of no other event.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// The repository; empty if it is about none.
    pub gun: String,
    /// When.
    pub time: OffsetDateTime,
    /// The rest, by kind.
    pub data: Value,
}

impl Event {
    /// The event as it is sent by the server that calls itself `source`.
    #[must_use]
    pub fn to_json(&self, source: &str) -> Vec<u8> {
        let time = self.time.to_offset(UtcOffset::UTC).replace_nanosecond(0);
        let time = time.unwrap_or(self.time).format(&Rfc3339);
        let mut event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": format!("countersign.{}", self.kind.name()),
            "datacontenttype": "application/json",
            "data": self.data,
        });
        if !self.gun.is_empty() {
            event["subject"] = self.gun.as_str().into();
        }
        // Years of five digits have no form there.
        if let Ok(time) = time {
            event["time"] = time.into();
        }
        event.to_string().into_bytes()
    }
}

/// An id made of what an event is about: the same parts give the same id.
pub(crate) fn id(parts: &[&str]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        // With its length: no two lists of parts make one text.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(&context.finish().as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_event_has_the_attributes_of_cloud_events() {
        let event = Event {
            id: id(&["a", "b"]),
            kind: Kind::Published,
            gun: "ex.com/app".to_owned(),
            time: datetime!(2026-01-02 03:04:05.678 +1),
            data: json!({"version": 3}),
        };
        let sent: Value = serde_json::from_slice(&event.to_json("https://notary")).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": event.id,
            "source": "https://notary",
            "type": "countersign.published",
            "subject": "ex.com/app",
            "time": "2026-01-02T02:04:05Z",
            "datacontenttype": "application/json",
            "data": {"version": 3},
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn ids_are_stable_and_depend_on_every_part() {
        assert_eq!(id(&["1", "a"]), id(&["1", "a"]));
        let ids = [
            id(&["1", "a"]),
            id(&["1a"]),
            id(&["1", "a", ""]),
            id(&["", "1a"]),
        ];
        for (at, one) in ids.iter().enumerate() {
            assert_eq!(one.len(), 32);
            assert!(!ids[at + 1..].contains(one));
        }
    }

    #[test]
    fn every_choice_is_found_by_its_name() {
        for kind in Kind::CHOICES {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("test"), None);
        assert_eq!(Kind::from_name("Published"), None);
    }
}
