//! Authentication and rules: users, tokens and the settings around them.

mod tokens;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use access::{Action, Policy, Who};
use authn::{
    load_policy,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings},
};
use time::OffsetDateTime;
use url::Url;

use super::{Check, Report, certificates::Chain, words};
use crate::{config::Config, password_file};

/// Checks the rules, and the files and addresses of authentication. Makes nothing, and logs no one
/// in.
pub(super) async fn check(report: &mut Report, config: &Config, now: OffsetDateTime) {
    match &config.authentication.scheme {
        SchemeSettings::None { is_written } => warn_of_no_authentication(report, *is_written),
        SchemeSettings::Passwords(passwords) => {
            check_passwords(report, passwords);
            if let Some(service) = &passwords.token_service {
                tokens::check_service(report, service, now);
            }
        }
        SchemeSettings::OutsideTokens(outside) => tokens::check_issuers(report, outside, now).await,
    }
    check_rules(report, &config.authentication);
    check_proxies(report, config);
    check_public_url(report, config);
    check_audit_file(report, config.audit_file.as_deref());
}

fn warn_of_no_authentication(report: &mut Report, is_written: bool) {
    let (sentence, cure) = if is_written {
        (
            "auth.type is \"none\": everyone who reaches this server may publish, delete and have keys made",
            "keep it from everybody else's networks, or set auth.type to \"htpasswd\" or \"token\"",
        )
    } else {
        (
            "there is no auth section: everyone who reaches this server may publish, delete and have keys made",
            "set NOTARY_AUTH, or auth.type to \"htpasswd\" or \"token\"; \"none\" if that is what is wanted",
        )
    };
    report.warn(Check::Access, sentence, cure);
}

fn check_passwords(report: &mut Report, passwords: &PasswordSettings) {
    if let Some(administrator) = &passwords.administrator {
        let text = format!("the administrator is {:?}", administrator.user);
        report.ok(Check::Access, text);
    }
    let Some(path) = &passwords.file else { return };
    match password_file::read(path) {
        Err(error) => report.wrong(
            Check::Access,
            format!("the password file cannot be used: {error:#}"),
            "correct it, or auth.htpasswd_file: the server does not start with it",
        ),
        Ok(file) => {
            let users = words::count(file.users().count() as u64, "user", "users");
            let text = format!("the password file holds {users}");
            report.ok(Check::Access, text);
        }
    }
    warn_if_open(report, "the password file", path);
}

/// Warns of a file with secrets that any user of this machine can read.
fn warn_if_open(report: &mut Report, what: &str, path: &Path) {
    let is_open = fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    if is_open {
        report.warn(
            Check::Access,
            format!(
                "{what} ({}) can be read by every user of this machine",
                path.display()
            ),
            format!("chmod o-rwx {}", path.display()),
        );
    }
}

fn check_rules(report: &mut Report, authentication: &AuthenticationSettings) {
    let Some(file) = &authentication.rules_file else {
        return;
    };
    let policy = match load_policy(authentication) {
        Ok(policy) => policy,
        Err(error) => {
            return report.wrong(
                Check::Access,
                format!("the rules cannot be used: {error:#}"),
                "correct them: the server does not start with them",
            );
        }
    };
    if let Policy::Rules(rules) = &*policy {
        let text = format!("{} holds {} rules", file.display(), rules.rules().len());
        report.ok(Check::Access, text);
    }
    if is_plain_basic(authentication) && anybody_may_pull(&policy) {
        report.warn(
            Check::Access,
            "rules let anonymous callers pull, but with passwords alone docker does not ask unless a user is logged in",
            "leave out auth.token_service, which is false",
        );
    }
}

fn is_plain_basic(authentication: &AuthenticationSettings) -> bool {
    matches!(&authentication.scheme, SchemeSettings::Passwords(passwords) if passwords.token_service.is_none())
}

/// Whether a rule lets anonymous callers read something.
fn anybody_may_pull(policy: &Policy) -> bool {
    let Policy::Rules(rules) = policy else {
        return false;
    };
    rules
        .rules()
        .iter()
        .any(|rule| rule.who.contains(&Who::Anonymous) && rule.may.contains(Action::Pull))
}

fn check_proxies(report: &mut Report, config: &Config) {
    if config
        .trusted_proxies
        .iter()
        .any(|net| net.prefix_len() == 0)
    {
        report.warn(
            Check::Access,
            "server.trusted_proxies lists every address there is: everyone who reaches this server can pretend to come from anywhere",
            "list the addresses of the proxies in front of this server, and no others",
        );
    }
}

/// Looks at whether clients that follow `server.public_url` find its host in the certificate. A
/// proxy in front has a certificate of its own, which is not seen here.
fn check_public_url(report: &mut Report, config: &Config) {
    let host = config.public_url.as_deref().and_then(host);
    let (Some(host), Some(tls), true) = (host, &config.tls, config.trusted_proxies.is_empty())
    else {
        return;
    };
    let names = Chain::read(&tls.cert).names();
    if !names.is_empty() && !names.iter().any(|name| names_host(name, &host)) {
        report.warn(
            Check::Access,
            format!(
                "server.public_url sends clients to {host}, which the certificate of this server does not name: it names {}",
                words::list(&names)
            ),
            "correct server.public_url, or issue the certificate again with that name",
        );
    }
}

fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    Some(host.to_owned())
}

/// Whether a certificate's `name` is good for `host`; `*.` stands for one label.
fn names_host(name: &str, host: &str) -> bool {
    let matches_label = name
        .strip_prefix("*.")
        .zip(host.split_once('.'))
        .is_some_and(|(parent, (_, rest))| parent.eq_ignore_ascii_case(rest));
    name.eq_ignore_ascii_case(host) || matches_label
}

fn check_audit_file(report: &mut Report, file: Option<&Path>) {
    let Some(file) = file else { return };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let is_wrong = match fs::metadata(file) {
        Ok(found) => !found.is_file(),
        Err(_) => folder.is_some_and(|folder| !folder.is_dir()),
    };
    if is_wrong {
        report.wrong(
            Check::Access,
            format!(
                "the audit log cannot be written to {}: it is no file, or its folder is not there",
                file.display()
            ),
            "make the folder, or correct logging.audit_file",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_in_a_certificate_stands_for_one_label() {
        assert!(names_host("*.example.com", "notary.example.com"));
        assert!(names_host("Notary.example.com", "notary.example.com"));
        assert!(!names_host("*.example.com", "a.b.example.com"));
        assert!(!names_host("*.example.com", "example.com"));
    }
}
