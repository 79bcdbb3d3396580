//! The line that the audit log gets of everything that happens to trust data.

use std::{net::IpAddr, sync::Arc};

use ::access::Caller;
use audit_trail::{Act, Actor, Audit, Outcome};
use trust::events::{Attempt, Cause, Event, Failure, Key, Requester, Subscriber, What};
use tuf::{File, Role};

use super::ApiError;

/// Who sent a request that changes trust data, as the audit log tells it.
pub(super) struct Sender {
    pub(super) caller: Caller,
    pub(super) address: IpAddr,
    pub(super) request_id: Arc<str>,
}

impl From<Sender> for Requester {
    fn from(sender: Sender) -> Self {
        Self::new(sender)
    }
}

/// Writes the events of `trust` to the audit log.
pub struct Audited(pub Audit);

impl Subscriber for Audited {
    fn notice(&self, event: &Event<'_>) {
        let versions;
        let (act, outcome) = match event.what {
            What::Published {
                cause,
                files,
                changes,
            } => {
                versions = self::versions(files);
                let act = match cause {
                    Cause::Publish | Cause::Repeat => Act::Publish {
                        files: &versions,
                        changes: Some(changes),
                    },
                    Cause::Renewal => Act::Renew { files: &versions },
                };
                (act, Outcome::Done)
            }
            What::RenewalFailed(error) => {
                let error = ApiError::from(error.clone());
                (Act::Renew { files: &[] }, Outcome::Failed(error.code()))
            }
            What::Deleted { .. } => (Act::Delete, Outcome::Done),
            What::KeyCreated(key) => (create_key(key.role, Some(key)), Outcome::Done),
            What::KeyRotated(key) => (rotate_key(key.role, Some(key)), Outcome::Done),
            What::Refused { attempt, failure } => {
                let act = match attempt {
                    Attempt::Publish(files) => {
                        let names = files.iter();
                        versions = names.map(|(role, at)| (role.as_str(), *at)).collect();
                        Act::Publish {
                            files: &versions,
                            changes: None,
                        }
                    }
                    Attempt::Delete => Act::Delete,
                    Attempt::CreateKey(role) => create_key(role, None),
                    Attempt::RotateKey(role) => rotate_key(role, None),
                };
                return record_failure(&self.0, event, act, failure);
            }
        };
        record(&self.0, event, act, outcome);
    }
}

fn versions(files: &[File]) -> Vec<(&str, i64)> {
    files
        .iter()
        .map(|file| (file.role().as_str(), file.version()))
        .collect()
}

fn create_key<'e>(role: &'e Role, key: Option<Key<'e>>) -> Act<'e> {
    Act::CreateKey {
        role: role.as_str(),
        key_id: key.map(|key| key.id.as_str()),
    }
}

fn rotate_key<'e>(role: &'e Role, key: Option<Key<'e>>) -> Act<'e> {
    Act::RotateKey {
        role: role.as_str(),
        key_id: key.map(|key| key.id.as_str()),
    }
}

fn record_failure(audit: &Audit, event: &Event<'_>, act: Act<'_>, failure: Failure<'_>) {
    let error = match failure {
        Failure::Publish(error) => match ApiError::of_publish(error.clone()) {
            Ok(error) => error,
            Err(denied) => {
                return record(audit, event, act, Outcome::Refused(&denied.to_string()));
            }
        },
        Failure::Store(error) => ApiError::from(error.clone()),
        Failure::Signer(error) => ApiError::from(error.clone()),
    };
    record(audit, event, act, Outcome::Failed(error.code()));
}

fn record(audit: &Audit, event: &Event<'_>, act: Act<'_>, outcome: Outcome<'_>) {
    let sender = event.requester.downcast::<Sender>();
    audit.record(&audit_trail::Event {
        act,
        gun: event.gun.as_str(),
        actor: sender.map_or(Actor::Program, |sender| Actor::Known(&sender.caller)),
        address: sender.map(|sender| sender.address),
        request_id: sender.map_or("", |sender| &sender.request_id),
        outcome,
    });
}
