//! Whether a caller has a permission.

use std::fmt;

use crate::{Access, Action, Actions, Caller, Identity, Rules, Scope, ScopeKind, rules::Query};

/// Who may do what.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Every caller may do everything: `auth.type` is `none`.
    Open,
    /// There are no rules. An authenticated caller may do everything, within the limits of the
    /// token they presented. A token of an outside issuer that writes `access` lists is judged by
    /// its list alone (Notary 0.7). A token of an issuer that writes none grants nothing: nothing
    /// would limit it.
    Users,
    /// What the rules grant, within the limits of the token that was presented.
    Rules(Rules),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission<'n> {
    /// To be authenticated: `GET /v2/`, where clients look for a challenge, and unknown paths.
    Authenticated,
    /// To read the trust data of a GUN.
    Pull(&'n str),
    /// To publish anything at all to a GUN: [`Permission::Push`] for some role, or
    /// [`Permission::Delegate`]. Asked before an update is read, and for a key before the first
    /// publish.
    Publish(&'n str),
    /// To change the targets that a role lists, or to sign them again: GUN and role.
    Push(&'n str, &'n str),
    /// To change who may sign.
    Delegate(&'n str),
    /// To have a new snapshot or timestamp key made.
    Rotate(&'n str),
    /// To delete the trust data of a GUN.
    Delete(&'n str),
    /// To see whatever part of the inventory the caller may see: [`Permission::See`] decides about
    /// each GUN.
    Overview,
    /// To see a GUN in the inventory: its versions, signers, tags and dates.
    See(&'n str),
    /// To read the lines of the audit log about a GUN. Never granted to anonymous callers.
    Audit(&'n str),
    /// To read all lines of the audit log. Never granted to anonymous callers.
    AuditAll,
    /// What concerns all GUNs.
    Admin,
}

/// Whether a permission is granted, and why.
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
    /// Authentication is switched off.
    Open,
    /// The administrator may do everything.
    Administrator,
    /// There are no rules, and the caller is authenticated.
    Known,
    /// Authentication is required, and the caller is anonymous.
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
    /// Authentication is all that is required.
    Authenticated,
}

impl Permission<'_> {
    /// The same in the words of tokens: Pull is `pull`, Publish, Push and Delegate are `push,pull`,
    /// Rotate, Delete and Audit are `*`, of the repository; all others are `registry:catalog:*`.
    /// See is `pull`: a token that may be used to read the metadata may be used to see less.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let (kind, name, actions): (_, _, &'static [&'static str]) = match *self {
            Self::Pull(gun) | Self::See(gun) => (ScopeKind::Repository, gun, &["pull"]),
            Self::Publish(gun) | Self::Push(gun, _) | Self::Delegate(gun) => {
                (ScopeKind::Repository, gun, &["push", "pull"])
            }
            Self::Rotate(gun) | Self::Delete(gun) | Self::Audit(gun) => {
                (ScopeKind::Repository, gun, &["*"])
            }
            Self::Authenticated | Self::Overview | Self::AuditAll | Self::Admin => {
                (ScopeKind::Registry, "catalog", &["*"])
            }
        };
        Scope {
            kind,
            name: name.to_owned(),
            actions,
        }
    }
}

/// What lets a caller see a GUN.
const SEEING: [Action; 3] = [Action::See, Action::Pull, Action::Admin];

/// What lets a caller read audit lines.
const AUDITING: [Action; 2] = [Action::Audit, Action::Admin];

impl<'n> Permission<'n> {
    /// The query for the rules; `None` where authentication is enough.
    fn query(self) -> Option<Query<'n>> {
        let (any_of, gun, role): (&'static [Action], _, _) = match self {
            Self::Authenticated | Self::Overview => return None,
            Self::Pull(gun) => (&[Action::Pull], Some(gun), None),
            Self::Publish(gun) => (&[Action::Push, Action::Delegate], Some(gun), None),
            Self::Push(gun, role) => (&[Action::Push], Some(gun), Some(role)),
            Self::Delegate(gun) => (&[Action::Delegate], Some(gun), None),
            Self::Rotate(gun) => (&[Action::Rotate], Some(gun), None),
            Self::Delete(gun) => (&[Action::Delete], Some(gun), None),
            Self::See(gun) => (&SEEING, Some(gun), None),
            Self::Audit(gun) => (&AUDITING, Some(gun), None),
            Self::AuditAll => (&AUDITING, None, None),
            Self::Admin => (&[Action::Admin], None, None),
        };
        Some(Query { any_of, gun, role })
    }
}

impl Policy {
    /// Whether `caller` may do what `permission` stands for.
    ///
    /// The limits of a token come first: what its `access` does not list is refused
    /// ([`Reason::TokenLacks`]); [`Permission::Authenticated`] is asked of outside tokens alone.
    /// Then the administrator is granted everything, and then the rules decide. A name that is
    /// longer than any GUN is granted by none of them.
    #[must_use]
    pub fn decide(&self, caller: &Caller, permission: Permission<'_>) -> Decision {
        let is_audit = matches!(permission, Permission::Audit(_) | Permission::AuditAll);
        if is_audit && caller.identity.is_anonymous() {
            return Decision::refuse(Reason::Unknown);
        }
        if matches!(self, Self::Open) {
            return Decision::grant(Reason::Open);
        }
        if permission == Permission::Overview {
            return self.decide_overview(caller);
        }
        self.judge(caller, || permission.scope(), permission.query())
    }

    /// Beginnings of names, none of which begins with another one. The name of each GUN that
    /// `caller` may [see](Permission::See) begins with one of them; they say nothing more.
    #[must_use]
    pub fn beginnings_seen_by(&self, caller: &Caller) -> Vec<String> {
        if !self.decide(caller, Permission::Overview).is_granted {
            return Vec::new();
        }
        let listed = caller
            .access
            .as_deref()
            .filter(|_| !matches!(self, Self::Open));
        let mut beginnings: Vec<String> = match (self, listed) {
            (_, Some(access)) => access
                .iter()
                .filter(|entry| lets_see(entry))
                .map(|entry| entry.name.clone())
                .collect(),
            (Self::Rules(rules), None)
                if !matches!(caller.identity, Identity::Administrator(_)) =>
            {
                rules
                    .about(&caller.identity, &SEEING)
                    .flat_map(|rule| &rule.on)
                    .map(|pattern| pattern.beginning().to_owned())
                    .collect()
            }
            _ => vec![String::new()],
        };
        beginnings.sort_unstable();
        beginnings.dedup_by(|next, kept| next.starts_with(kept.as_str()));
        beginnings
    }

    /// Whether there can be anything that `caller` may see.
    fn decide_overview(&self, caller: &Caller) -> Decision {
        if let Some(access) = &caller.access
            && !access.iter().any(lets_see)
            && !Permission::Admin.scope().is_covered_by(access)
        {
            return Decision::refuse(Reason::TokenLacks {
                needed: Permission::Overview.scope(),
                listed: describe_listed(access),
            });
        }
        match self {
            _ if matches!(caller.identity, Identity::Administrator(_)) => {
                Decision::grant(Reason::Administrator)
            }
            Self::Rules(rules) => match rules.about(&caller.identity, &SEEING).next() {
                Some(rule) => Decision::grant(Reason::Rule(rule.number, rule.to_string())),
                None => Decision::refuse(Reason::NoRule),
            },
            Self::Open | Self::Users => decide_without_rules(caller),
        }
    }

    /// What `caller` may do on `gun`, each action for itself; pushing counts if they may in some
    /// role.
    ///
    /// Agrees with [`Policy::decide`] about the permission for each action.
    #[must_use]
    pub fn actions_for(&self, caller: &Caller, gun: &str) -> Actions {
        let may = |action: &Action| {
            let permission = match action {
                Action::Pull => Permission::Pull(gun),
                Action::Push => return self.may_push_somewhere(caller, gun),
                Action::Delegate => Permission::Delegate(gun),
                Action::Rotate => Permission::Rotate(gun),
                Action::Delete => Permission::Delete(gun),
                Action::See => Permission::See(gun),
                Action::Audit => Permission::Audit(gun),
                Action::Admin => Permission::Admin,
            };
            self.decide(caller, permission).is_granted
        };
        Action::ALL.into_iter().filter(may).collect()
    }

    /// Whether anonymous callers may read the trust data of `gun`, so that shared caches may keep
    /// it.
    #[must_use]
    pub fn anonymous_may_pull(&self, gun: &str) -> bool {
        self.decide(&Caller::anonymous(), Permission::Pull(gun))
            .is_granted
    }

    fn may_push_somewhere(&self, caller: &Caller, gun: &str) -> bool {
        let query = Query {
            any_of: &[Action::Push],
            gun: Some(gun),
            role: None,
        };
        matches!(self, Self::Open)
            || self
                .judge(caller, || Permission::Publish(gun).scope(), Some(query))
                .is_granted
    }

    /// Decides where authentication is on; `scope` is what a token has to list.
    fn judge(
        &self,
        caller: &Caller,
        scope: impl FnOnce() -> Scope,
        query: Option<Query<'_>>,
    ) -> Decision {
        if let Some(access) = limits(caller, query) {
            let scope = scope();
            if !scope.is_covered_by(access) {
                return Decision::refuse(Reason::TokenLacks {
                    needed: scope,
                    listed: describe_listed(access),
                });
            }
        }
        if matches!(caller.identity, Identity::Administrator(_)) {
            return Decision::grant(Reason::Administrator);
        }
        match (self, query) {
            (_, None) => decide_authenticated(caller),
            (Self::Rules(rules), Some(query)) => decide_by_rules(rules, &caller.identity, query),
            (Self::Open | Self::Users, Some(_)) => decide_without_rules(caller),
        }
    }
}

/// The list that a request is held against, if there is one.
///
/// A request for authentication alone needs no entry in the list. A token of an outside issuer
/// does, as in Notary.
fn limits<'c>(caller: &'c Caller, query: Option<Query<'_>>) -> Option<&'c [Access]> {
    let counts = query.is_some() || matches!(caller.identity, Identity::Outside(_));
    caller.access.as_deref().filter(|_| counts)
}

/// Whether an entry of a token's list lets its holder see a GUN that the rules let them see.
fn lets_see(entry: &Access) -> bool {
    let is_repository = entry.kind == ScopeKind::Repository.name();
    is_repository
        && entry
            .actions
            .iter()
            .any(|action| action == "pull" || action == "*")
}

/// Decides about authentication, which is not a matter of rules.
fn decide_authenticated(caller: &Caller) -> Decision {
    match caller.identity {
        Identity::Outside(_) if caller.access.is_some() => Decision::grant(Reason::TokenLists),
        _ if caller.identity.is_anonymous() => Decision::refuse(Reason::Unknown),
        _ => Decision::grant(Reason::Authenticated),
    }
}

fn decide_by_rules(rules: &Rules, identity: &Identity, query: Query<'_>) -> Decision {
    match rules.grant(identity, query) {
        Some(rule) => Decision::grant(Reason::Rule(rule.number, rule.to_string())),
        None => Decision::refuse(Reason::NoRule),
    }
}

/// Decides, within the limits of a token, where there are no rules.
fn decide_without_rules(caller: &Caller) -> Decision {
    match &caller.identity {
        Identity::Outside(_) if caller.access.is_some() => Decision::grant(Reason::TokenLists),
        Identity::Outside(_) => Decision::refuse(Reason::NoRule),
        Identity::Anonymous => Decision::refuse(Reason::Unknown),
        Identity::User(_) | Identity::Administrator(_) | Identity::Certificate(_) => {
            Decision::grant(Reason::Known)
        }
    }
}

impl Decision {
    const fn grant(reason: Reason) -> Self {
        Self {
            is_granted: true,
            reason,
        }
    }

    const fn refuse(reason: Reason) -> Self {
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
            Self::Open => f.write_str("authentication is switched off"),
            Self::Administrator => f.write_str("the administrator may do everything"),
            Self::Known => {
                f.write_str("there are no rules, and authenticated callers may do everything")
            }
            Self::Unknown => f.write_str("the caller is not authenticated"),
            Self::TokenLists => f.write_str("the token lists it"),
            Self::TokenLacks { needed, listed } => {
                let needed = on_one_line(&needed.to_string());
                write!(f, "the token does not list {needed}; it lists {listed}")
            }
            Self::Rule(number, rule) => write!(f, "rule {number} grants it: {rule}"),
            Self::NoRule => f.write_str("no rule grants it"),
            Self::Authenticated => f.write_str("authentication is all that is required"),
        }
    }
}

/// How many entries of a token's list are shown, and how many characters of each.
const MOST_LISTED: usize = 5;
const LONGEST_LISTED: usize = 100;

/// What a token lists, for an operator who wonders why that is not enough.
fn describe_listed(access: &[Access]) -> String {
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
