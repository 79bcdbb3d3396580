//! What can be wrong with a rules file.

use super::InvalidWho;
use crate::{InvalidAction, InvalidPattern};

/// Rules that make no sense, in a sentence that names the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct InvalidRules {
    /// Where it is: `rule 3, may`, or `groups, signers`.
    pub place: String,
    /// What is wrong there.
    pub fault: RuleFault,
}

/// What is wrong at one place of a rules file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// A member that means nothing here, which may be a slip of the pen in one that does.
    #[error("there is no such member; accepted are {accepted}")]
    UnknownMember {
        /// The members that mean something.
        accepted: &'static str,
    },
    /// A member that has to be there.
    #[error("it is missing; accepted is {accepted}")]
    Missing {
        /// What could stand there.
        accepted: &'static str,
    },
    /// A value of the wrong kind.
    #[error("{found} is found where {accepted} is accepted")]
    Kind {
        /// The kind of value.
        found: &'static str,
        /// What could stand there.
        accepted: &'static str,
    },
    /// Nothing in a list, which could mean everything or nothing.
    #[error("an empty list is found; accepted is {accepted}")]
    EmptyList {
        /// What could stand there.
        accepted: &'static str,
    },
    /// The same text twice in one list.
    #[error("{0:?} is found twice; once is accepted")]
    Twice(String),
    /// Not the name of a caller.
    #[error(transparent)]
    Who(#[from] InvalidWho),
    /// No action.
    #[error(transparent)]
    Action(#[from] InvalidAction),
    /// No pattern.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// A group without members.
    #[error("there is no group {found:?}; defined are: {defined}")]
    UndefinedGroup {
        /// The name in the rule.
        found: String,
        /// The groups there are.
        defined: String,
    },
    /// An issuer that is not configured.
    #[error("there is no issuer {found:?}; configured are: {configured}")]
    UnknownIssuer {
        /// The name in the rule.
        found: String,
        /// The issuers there are.
        configured: String,
    },
    /// A rule about subjects or claims of any issuer at all, where each means its own by them.
    #[error(
        "it is missing, and {who} may be somebody else with each issuer; accepted is one of: {configured}"
    )]
    WhichIssuer {
        /// Whom the rule is about.
        who: String,
        /// The issuers there are.
        configured: String,
    },
    /// An issuer beside a caller who shows no token of an issuer: the rule could not grant them
    /// anything.
    #[error(
        "{who} is found in who, but an issuer is accepted beside subject:, claim: and authenticated alone"
    )]
    NotOfAnIssuer {
        /// Whom the rule is about.
        who: String,
    },
    /// Roles in a rule that does not grant push.
    #[error("roles say where somebody may push, and are accepted beside push (or *) in may alone")]
    RolesWithoutPush,
    /// `audit` for callers who prove nothing.
    #[error(
        "audit is found in may beside anonymous in who; the audit log is shown to known callers alone"
    )]
    AuditForAnonymous,
    /// `admin` on some GUNs: what concerns all of them cannot be granted for some.
    #[error(
        "admin concerns all GUNs at once, and is accepted beside on: \"**\" alone (found: {found})"
    )]
    AdminOnSome {
        /// The patterns of the rule.
        found: String,
    },
}
