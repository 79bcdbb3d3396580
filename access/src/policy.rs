//! Whether somebody may do something.

use std::fmt;

use crate::rules::Ask;
use crate::{Access, Action, Actions, Caller, Identity, Rules, Scope, ScopeKind};

/// Who may do what.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Everybody may do everything: `auth.type` is `none`.
    Open,
    /// There are no rules. Somebody who is known may do everything, within the limits of a token they
    /// showed; a token of an outside issuer that keeps lists is judged by its list alone, whoever
    /// shows it (Notary 0.7), and one of an issuer that keeps none grants nothing, since nothing would
    /// limit it.
    Users,
    /// What the rules grant, within the limits of a token that was shown.
    Rules(Rules),
}

/// What a request needs to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need<'n> {
    /// To be somebody: `GET /v2/`, where clients look for a challenge, and paths that lead nowhere.
    Identity,
    /// To read the trust data of a GUN.
    Pull(&'n str),
    /// To publish anything at all to a GUN: [`Need::Push`] for some role, or [`Need::Delegate`]. Asked
    /// before an update is read, and for a key before the first publish.
    Contribute(&'n str),
    /// To change the targets that a role lists, or to sign them anew: GUN and role.
    Push(&'n str, &'n str),
    /// To change who may sign.
    Delegate(&'n str),
    /// To have a new snapshot or timestamp key made.
    Rotate(&'n str),
    /// To delete the trust data of a GUN.
    Delete(&'n str),
    /// What concerns all GUNs.
    Admin,
}

/// Whether somebody may, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is granted.
    pub is_granted: bool,
    /// Why, or why not.
    pub reason: Reason,
}

/// Why something is granted or refused; its text is for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody is asked.
    Open,
    /// The administrator may do everything.
    Administrator,
    /// There are no rules, and the caller is known.
    Known,
    /// To be known is what it takes, and the caller is not.
    Unknown,
    /// The token of an outside issuer lists it, and that is all it takes.
    TokenLists,
    /// The token that was shown does not list `needed`.
    TokenLacks {
        /// What it would have to list.
        needed: Scope,
        /// What it lists, in the same words, cut to a length that fits a log.
        listed: String,
    },
    /// The rule of this number grants it; the rule in words.
    Rule(usize, String),
    /// No rule grants it.
    NoRule,
    /// To be somebody is all it takes.
    Somebody,
}

impl Need<'_> {
    /// The same in the words of tokens: Pull is `pull`, Contribute, Push and Delegate are `push,pull`,
    /// Rotate and Delete are `*`, of the repository; Identity and Admin are `registry:catalog:*`.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let (kind, name, actions): (_, _, &'static [&'static str]) = match *self {
            Self::Pull(gun) => (ScopeKind::Repository, gun, &["pull"]),
            Self::Contribute(gun) | Self::Push(gun, _) | Self::Delegate(gun) => {
                (ScopeKind::Repository, gun, &["push", "pull"])
            }
            Self::Rotate(gun) | Self::Delete(gun) => (ScopeKind::Repository, gun, &["*"]),
            Self::Identity | Self::Admin => (ScopeKind::Registry, "catalog", &["*"]),
        };
        Scope {
            kind,
            name: name.to_owned(),
            actions,
        }
    }
}

impl<'n> Need<'n> {
    /// What rules are asked; `None` where being somebody is enough.
    fn ask(self) -> Option<Ask<'n>> {
        let (any_of, gun, role): (&'static [Action], _, _) = match self {
            Self::Identity => return None,
            Self::Pull(gun) => (&[Action::Pull], Some(gun), None),
            Self::Contribute(gun) => (&[Action::Push, Action::Delegate], Some(gun), None),
            Self::Push(gun, role) => (&[Action::Push], Some(gun), Some(role)),
            Self::Delegate(gun) => (&[Action::Delegate], Some(gun), None),
            Self::Rotate(gun) => (&[Action::Rotate], Some(gun), None),
            Self::Delete(gun) => (&[Action::Delete], Some(gun), None),
            Self::Admin => (&[Action::Admin], None, None),
        };
        Some(Ask { any_of, gun, role })
    }
}

impl Policy {
    /// Whether `caller` may do what `need` says.
    ///
    /// The limits of a token come first: what its `access` does not list is refused
    /// ([`Reason::TokenLacks`]); [`Need::Identity`] is asked of outside tokens alone. Then the
    /// administrator is granted everything, and then the rules decide. A name that is longer than any GUN
    /// is granted by none of them.
    #[must_use]
    pub fn decide(&self, caller: &Caller, need: Need<'_>) -> Decision {
        if matches!(self, Self::Open) {
            return Decision::granted(Reason::Open);
        }
        self.judge(caller, || need.scope(), need.ask())
    }

    /// What `caller` may do on `gun`, each action for itself; pushing counts if they may in some role.
    ///
    /// Says the same as [`Policy::decide`] of the need for each action.
    #[must_use]
    pub fn actions_for(&self, caller: &Caller, gun: &str) -> Actions {
        let may = |action: &Action| {
            let need = match action {
                Action::Pull => Need::Pull(gun),
                Action::Push => return self.may_push_somewhere(caller, gun),
                Action::Delegate => Need::Delegate(gun),
                Action::Rotate => Need::Rotate(gun),
                Action::Delete => Need::Delete(gun),
                Action::Admin => Need::Admin,
            };
            self.decide(caller, need).is_granted
        };
        Action::ALL.into_iter().filter(may).collect()
    }

    /// Whether anybody at all may read the trust data of `gun`, and so may every cache on the way.
    #[must_use]
    pub fn anonymous_may_pull(&self, gun: &str) -> bool {
        self.decide(&Caller::anonymous(), Need::Pull(gun))
            .is_granted
    }

    fn may_push_somewhere(&self, caller: &Caller, gun: &str) -> bool {
        let ask = Ask {
            any_of: &[Action::Push],
            gun: Some(gun),
            role: None,
        };
        matches!(self, Self::Open)
            || self
                .judge(caller, || Need::Contribute(gun).scope(), Some(ask))
                .is_granted
    }

    /// Judges where somebody is asked; `scope` is what a token has to list.
    fn judge(
        &self,
        caller: &Caller,
        scope: impl FnOnce() -> Scope,
        ask: Option<Ask<'_>>,
    ) -> Decision {
        if let Some(access) = limits(caller, ask) {
            let scope = scope();
            if !scope.is_covered_by(access) {
                return Decision::refused(Reason::TokenLacks {
                    needed: scope,
                    listed: listed(access),
                });
            }
        }
        if matches!(caller.identity, Identity::Administrator(_)) {
            return Decision::granted(Reason::Administrator);
        }
        match (self, ask) {
            (_, None) => somebody(caller),
            (Self::Rules(rules), Some(ask)) => by_rules(rules, &caller.identity, ask),
            (Self::Open | Self::Users, Some(_)) => without_rules(caller),
        }
    }
}

/// The list that a request is held against, if there is one.
///
/// Who asks only whether somebody is known need not have that listed, except by an outside issuer, of
/// whom Notary asked it.
fn limits<'c>(caller: &'c Caller, ask: Option<Ask<'_>>) -> Option<&'c [Access]> {
    let counts = ask.is_some() || matches!(caller.identity, Identity::Outside(_));
    caller.access.as_deref().filter(|_| counts)
}

/// Decides whether to be somebody, which is not a matter of rules.
fn somebody(caller: &Caller) -> Decision {
    match caller.identity {
        Identity::Outside(_) if caller.access.is_some() => Decision::granted(Reason::TokenLists),
        _ if caller.identity.is_anonymous() => Decision::refused(Reason::Unknown),
        _ => Decision::granted(Reason::Somebody),
    }
}

fn by_rules(rules: &Rules, identity: &Identity, ask: Ask<'_>) -> Decision {
    match rules.grant(identity, ask) {
        Some(rule) => Decision::granted(Reason::Rule(rule.number, rule.to_string())),
        None => Decision::refused(Reason::NoRule),
    }
}

/// Decides, within the limits of a token, where there are no rules.
fn without_rules(caller: &Caller) -> Decision {
    match &caller.identity {
        Identity::Outside(_) if caller.access.is_some() => Decision::granted(Reason::TokenLists),
        Identity::Outside(_) => Decision::refused(Reason::NoRule),
        Identity::Anonymous => Decision::refused(Reason::Unknown),
        Identity::User(_) | Identity::Administrator(_) | Identity::Certificate(_) => {
            Decision::granted(Reason::Known)
        }
    }
}

impl Decision {
    const fn granted(reason: Reason) -> Self {
        Self {
            is_granted: true,
            reason,
        }
    }

    const fn refused(reason: Reason) -> Self {
        Self {
            is_granted: false,
            reason,
        }
    }
}

impl fmt::Display for Reason {
    /// One line, whatever characters a GUN is made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("nobody is asked: authentication is switched off"),
            Self::Administrator => f.write_str("the administrator may do everything"),
            Self::Known => {
                f.write_str("there are no rules, and whoever is known may do everything")
            }
            Self::Unknown => f.write_str("the caller is not known"),
            Self::TokenLists => f.write_str("the token lists it"),
            Self::TokenLacks { needed, listed } => {
                let needed = on_one_line(&needed.to_string());
                write!(f, "the token does not list {needed}; it lists {listed}")
            }
            Self::Rule(number, rule) => write!(f, "rule {number} grants it: {rule}"),
            Self::NoRule => f.write_str("no rule grants it"),
            Self::Somebody => f.write_str("the caller is known, which is all it takes"),
        }
    }
}

/// How many entries of a token's list are shown, and how many characters of each.
const MOST_LISTED: usize = 5;
const LONGEST_LISTED: usize = 100;

/// What a token lists, for an operator who wonders why that is not enough.
fn listed(access: &[Access]) -> String {
    let mut shown: Vec<String> = access
        .iter()
        .take(MOST_LISTED)
        .map(|entry| {
            on_one_line(&entry.to_string())
                .chars()
                .take(LONGEST_LISTED)
                .collect()
        })
        .collect();
    match access.len().saturating_sub(MOST_LISTED) {
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    if shown.is_empty() {
        "nothing".to_owned()
    } else {
        shown.join(" and ")
    }
}

fn on_one_line(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
