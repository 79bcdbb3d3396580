//! Who a caller would be taken for.

use std::{
    fs,
    io::{self, Read as _},
    net::Ipv4Addr,
};

use access::{Authorization, Caller, Identity};
use anyhow::{Context as _, Result};
use authn::{
    Authenticator, Presented,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings},
    token_service::identify_offline,
};
use clap::ArgMatches;
use daemon::clock;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

use crate::password_file;

/// More than any token that a header can hold.
const LONGEST_TOKEN: u64 = 1 << 20;

/// Who a caller claims to be.
pub(super) enum Claim {
    User(String),
    Anonymous,
    Certificate(String),
    /// What is in a file; `-` is standard input.
    Token(String),
}

/// Who a caller is taken for.
pub(super) struct Taken {
    /// In words.
    pub(super) description: String,
    /// As a policy sees it, or why they are refused whatever they want.
    pub(super) caller: Result<Caller, String>,
}

impl Claim {
    pub(super) fn read(arguments: &ArgMatches) -> Self {
        let text = |name| arguments.get_one::<String>(name).cloned();
        None.or_else(|| text("user").map(Self::User))
            .or_else(|| text("certificate").map(Self::Certificate))
            .or_else(|| text("token").map(Self::Token))
            .unwrap_or(Self::Anonymous)
    }

    pub(super) async fn examine(self, authentication: &AuthenticationSettings) -> Result<Taken> {
        match self {
            Self::Anonymous => Ok(Taken::anonymous("anonymous")),
            Self::User(name) => user(authentication, &name),
            Self::Certificate(name) => Ok(certificate(authentication, name)),
            Self::Token(file) => token(authentication, &file).await,
        }
    }
}

impl Taken {
    fn known(identity: Identity) -> Self {
        Self::caller(Caller::new(identity))
    }

    fn caller(caller: Caller) -> Self {
        Self {
            description: describe(&caller.identity),
            caller: Ok(caller),
        }
    }

    fn unproven(reason: String) -> Self {
        Self {
            description: "unknown: what is shown is refused".to_owned(),
            caller: Err(reason),
        }
    }

    fn anonymous(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            caller: Ok(Caller::anonymous()),
        }
    }
}

fn describe(identity: &Identity) -> String {
    match identity {
        Identity::Anonymous => "anonymous".to_owned(),
        Identity::User(name) => format!("user {name:?}"),
        Identity::Administrator(name) => format!("administrator {name:?}"),
        Identity::Certificate(names) => format!("certificate {}", names.join(", ")),
        Identity::Outside(token) if token.subject.is_empty() => {
            format!("anonymous, with a token of {:?}", token.issuer)
        }
        Identity::Outside(token) => format!("subject {:?} of {:?}", token.subject, token.issuer),
    }
}

fn user(authentication: &AuthenticationSettings, name: &str) -> Result<Taken> {
    let passwords = match &authentication.scheme {
        SchemeSettings::Passwords(passwords) => passwords,
        SchemeSettings::None { .. } => {
            return Ok(Taken::anonymous("anybody: nobody is asked for a password"));
        }
        SchemeSettings::OutsideTokens(_) => {
            return Ok(Taken::anonymous(
                "anonymous: with auth.type \"token\" users and passwords count for nothing",
            ));
        }
    };
    let administrator = passwords.administrator.as_ref();
    if administrator.is_some_and(|administrator| administrator.user == name) {
        return Ok(Taken::known(Identity::Administrator(name.to_owned())));
    }
    let file = passwords
        .file
        .as_deref()
        .map(password_file::read)
        .transpose()?;
    if file.is_some_and(|file| file.has_user(name)) {
        return Ok(Taken::known(Identity::User(name.to_owned())));
    }
    Ok(Taken {
        description: format!("unknown: there is no user {name:?}"),
        caller: Err(
            "wrong credentials are refused, whatever somebody without any may do".to_owned(),
        ),
    })
}

fn certificate(authentication: &AuthenticationSettings, name: String) -> Taken {
    if authentication.client_certificates {
        Taken::known(Identity::Certificate(vec![name]))
    } else {
        Taken::anonymous("anonymous: auth.client_certificates is not set")
    }
}

/// Believes a token as the server would, with the keys that it would use.
async fn token(authentication: &AuthenticationSettings, file: &str) -> Result<Taken> {
    let (token, now) = (read_token(file)?, clock::now());
    let caller = match &authentication.scheme {
        SchemeSettings::None { .. } => Ok(Caller::anonymous()),
        SchemeSettings::Passwords(passwords) => own_token(passwords, &token, now)?,
        SchemeSettings::OutsideTokens(_) => {
            let authenticator = Authenticator::new(authentication, now).await?;
            let shown = Presented {
                authorization: Authorization::Bearer(token),
                certificates: &[],
                address: Ipv4Addr::LOCALHOST.into(),
                now,
            };
            authenticator
                .identify(shown)
                .await
                .map_err(|why| why.to_string())
        }
    };
    Ok(caller.map_or_else(Taken::unproven, Taken::caller))
}

fn own_token(
    passwords: &PasswordSettings,
    token: &SecretString,
    now: OffsetDateTime,
) -> Result<Result<Caller, String>> {
    let Some(service) = &passwords.token_service else {
        return Ok(Err("passwords are asked for here, and no tokens".to_owned()));
    };
    let users = passwords
        .file
        .as_deref()
        .map(password_file::read)
        .transpose()?;
    let fingerprint = |user: &str| users.as_ref()?.fingerprint(user);
    let administrator = passwords.administrator.as_ref();
    let caller = identify_offline(
        service,
        administrator,
        token.expose_secret(),
        now,
        fingerprint,
    )?;
    Ok(caller.map_err(|error| format!("the token is invalid: {error}")))
}

fn read_token(file: &str) -> Result<SecretString> {
    let input: Box<dyn io::Read> = if file == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(fs::File::open(file).with_context(|| file.to_owned())?)
    };
    let mut text = String::new();
    input
        .take(LONGEST_TOKEN)
        .read_to_string(&mut text)
        .with_context(|| file.to_owned())?;
    Ok(SecretString::from(text.trim()))
}
