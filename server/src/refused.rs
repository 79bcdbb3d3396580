//! What receivers of events are told of attempts that came to nothing.

use audit_trail::{Actor, Event, Outcome};
use webhooks::{Refusal, Refusals};

/// The most characters of a text that clients had a hand in.
const LONGEST: usize = 255;

/// Tells receivers what an authenticated caller tried in vain.
pub(crate) fn tell(refusals: &Refusals, event: &Event<'_>) {
    let Actor::Known(caller) = event.actor else {
        return;
    };
    let (Outcome::Refused(reason) | Outcome::Failed(reason)) = event.outcome else {
        return;
    };
    if caller.identity.is_anonymous() {
        return;
    }
    let address = event.address.map(|address| address.to_string());
    refusals.tell(&Refusal {
        gun: &cut(event.gun),
        action: event.act.name(),
        user: &cut(caller.identity.name()),
        address: address.as_deref().unwrap_or_default(),
        reason: &cut(reason),
        request_id: event.request_id,
    });
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
