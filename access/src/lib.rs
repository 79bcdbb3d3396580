//! Who a caller is, and what they may do.
//!
//! Nothing here does IO, reads a clock or logs: headers, files and the time come in as values,
//! callers and verdicts go out. A server walks through these, in this order:
//!
//! 1. [`Authorization::parse`] reads what a request shows;
//! 2. [`PasswordFile::verify`] or [`token::verify`] makes an [`Identity`] of it, which with the
//!    limits of a token is a [`Caller`];
//! 3. the route names the [`Permission`] it needs, and [`Policy::decide`] whether the caller may;
//! 4. if not, a [`Challenge`] says how to authenticate.

mod action;
mod caller;
mod challenge;
mod credentials;
mod passwords;
mod pattern;
mod policy;
mod rules;
mod scope;
pub mod token;

pub use action::{Action, Actions, InvalidAction};
pub use caller::{Caller, Identity, OutsideToken};
pub use challenge::{Challenge, TokenFault};
pub use credentials::{Authorization, Credentials, InvalidAdministrator, administrator};
pub use passwords::{
    Hashing, InvalidHash, InvalidPassword, InvalidPasswordFile, PasswordFile, hash,
};
pub use pattern::{GunPattern, InvalidPattern, RolePattern};
pub use policy::{Decision, Permission, Policy, Reason};
pub use rules::{InvalidRules, InvalidWho, Rule, RuleFault, Rules, Who};
pub use scope::{Access, Scope, ScopeKind};
