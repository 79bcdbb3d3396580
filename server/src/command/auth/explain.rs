//! `auth explain`: who a caller would be taken for, whether they may, and what decides.

mod caller;

use std::{ffi::OsString, path::Path, process::ExitCode};

use access::{Action, Caller, Permission, Policy, Reason, Rule};
use anyhow::{Context as _, Result, bail};
use caller::{Claim, Taken};
use clap::{Arg, ArgGroup, ArgMatches, builder::PossibleValuesParser};
use daemon::flags;
use serde::Serialize;

use super::switch;
use crate::config::{self, Config};

/// What a caller wants to do.
struct Question<'q> {
    action: Action,
    gun: Option<&'q str>,
    role: Option<&'q str>,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    /// Who the caller is taken for.
    caller: String,
    granted: bool,
    /// Why, or why not.
    reason: String,
    /// In which roles; only of `push` without a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
}

pub(super) fn command() -> clap::Command {
    clap::Command::new("explain")
        .about("Say whether somebody may do something, and which rule decides")
        .long_about(
            "Prints who the caller is taken for, the decision and what decided. The status is 0 if it is \
             granted, 1 if it is refused, and 2 if it cannot be told.",
        )
        .args([
            value("user", "USER", "A user of the password file, or the administrator"),
            switch("anonymous", "Somebody who shows nothing"),
            value("certificate", "NAME", "Who shows a client certificate with this name"),
            value("token", "FILE", "Who shows the token in this file (-: standard input)"),
        ])
        .group(
            ArgGroup::new("who")
                .args(["user", "anonymous", "certificate", "token"])
                .required(true),
        )
        .args([
            value("gun", "GUN", "The repository, such as registry.example.com/team/app"),
            value("action", "ACTION", "What they want to do")
                .required(true)
                .value_parser(PossibleValuesParser::new(Action::ALL.map(Action::name))),
            value("role", "ROLE", "The role they want to push, such as targets/releases"),
            switch("json", "Print the answer as JSON"),
        ])
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

pub(super) async fn run(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
    arguments: &ArgMatches,
) -> Result<ExitCode> {
    let question = Question::parse(arguments)?;
    let file = file.context(flags::NO_CONFIGURATION)?;
    let config = Config::read(&config::load(file, environment)?)?;
    let policy = authn::load_policy(&config.authentication)?;
    let taken = Claim::read(arguments)
        .examine(&config.authentication)
        .await?;
    let answer = taken.answer(&policy, &question);
    if arguments.get_flag("json") {
        println!("{}", serde_json::to_string(&answer)?);
    } else {
        print!("{answer}");
    }
    Ok(ExitCode::from(u8::from(!answer.granted)))
}

impl<'q> Question<'q> {
    fn parse(arguments: &'q ArgMatches) -> Result<Self> {
        let text = |name| arguments.get_one::<String>(name).map(String::as_str);
        let action: Action = text("action").expect("clap requires it").parse()?;
        let (gun, role) = (text("gun"), text("role"));
        if gun.is_none() && !matches!(action, Action::Admin | Action::Audit) {
            bail!("--gun is missing: {action} is about one repository");
        }
        if role.is_some() && action != Action::Push {
            bail!("--role goes with --action push alone");
        }
        Ok(Self { action, gun, role })
    }

    /// The same as the policy is asked; `None` for pushing in whatever role.
    fn permission(&self) -> Option<Permission<'q>> {
        let gun = self.gun.unwrap_or_default();
        Some(match self.action {
            Action::Pull => Permission::Pull(gun),
            Action::Push => Permission::Push(gun, self.role?),
            Action::Delegate => Permission::Delegate(gun),
            Action::Rotate => Permission::Rotate(gun),
            Action::Delete => Permission::Delete(gun),
            Action::See => Permission::See(gun),
            Action::Audit if self.gun.is_none() => Permission::AuditAll,
            Action::Audit => Permission::Audit(gun),
            Action::Admin => Permission::Admin,
        })
    }
}

impl Taken {
    fn answer(&self, policy: &Policy, question: &Question<'_>) -> Answer {
        let Ok(caller) = &self.caller else {
            return self.refused_outright();
        };
        let Some(permission) = question.permission() else {
            return self.answer_for_all_roles(policy, caller, question.gun.unwrap_or_default());
        };
        let decision = policy.decide(caller, permission);
        Answer {
            caller: self.description.clone(),
            granted: decision.is_granted,
            reason: decision.reason.to_string(),
            roles: None,
        }
    }

    fn refused_outright(&self) -> Answer {
        Answer {
            caller: self.description.clone(),
            granted: false,
            reason: self.caller.as_ref().err().cloned().unwrap_or_default(),
            roles: None,
        }
    }

    fn answer_for_all_roles(&self, policy: &Policy, caller: &Caller, gun: &str) -> Answer {
        // What decides apart from rules does so for all roles alike.
        let decision = policy.decide(caller, Permission::Push(gun, "targets"));
        if let (Policy::Rules(rules), Reason::Rule(..) | Reason::NoRule) =
            (policy, &decision.reason)
        {
            let rules = rules.pushes(&caller.identity, gun);
            return self.answer_by_rules(&rules.collect::<Vec<_>>());
        }
        Answer {
            caller: self.description.clone(),
            granted: decision.is_granted,
            reason: decision.reason.to_string(),
            roles: decision.is_granted.then(all_roles),
        }
    }

    /// The answer about callers who may push by these rules.
    fn answer_by_rules(&self, granting: &[&Rule]) -> Answer {
        let roles = if granting.iter().any(|rule| rule.roles.is_empty()) {
            all_roles()
        } else {
            let patterns = granting.iter().flat_map(|rule| &rule.roles);
            patterns.map(ToString::to_string).collect()
        };
        let grants: Vec<_> = granting
            .iter()
            .map(|rule| Reason::Rule(rule.number, rule.to_string()).to_string())
            .collect();
        let may_push = !granting.is_empty();
        Answer {
            caller: self.description.clone(),
            granted: may_push,
            reason: if may_push {
                grants.join("; ")
            } else {
                Reason::NoRule.to_string()
            },
            roles: may_push.then_some(roles),
        }
    }
}

/// As a rule would spell it.
fn all_roles() -> Vec<String> {
    vec!["**".to_owned()]
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decision = if self.granted { "granted" } else { "refused" };
        writeln!(f, "caller    {}", self.caller)?;
        writeln!(f, "decision  {decision}")?;
        writeln!(f, "reason    {}", self.reason)?;
        match &self.roles {
            Some(roles) => writeln!(f, "roles     {}", roles.join(", ")),
            None => Ok(()),
        }
    }
}
