//! The `webhooks` section, read into the settings of crate `webhooks`. A receiver that makes no
//! sense stops the start: it would be missed only when something happens.

use std::path::{Path, PathBuf};

use daemon::{
    Settings, SettingsError,
    secret::Source,
    settings::{Entry, likely},
};
use serde_json::{Map, Value};
use url::Url;
use webhooks::{Kind, ReceiverSettings, Secret};

use super::sections::Webhooks;

/// What is understood of a receiver.
const OF_RECEIVER: [&str; 11] = [
    "url",
    "secret",
    "secret_file",
    "secret_command",
    "previous_secret",
    "previous_secret_file",
    "previous_secret_command",
    "events",
    "prefixes",
    "allow_private_addresses",
    "ca_file",
];

/// The longest name of a receiver: that of a column.
const LONGEST_NAME: usize = 64;

/// The most receivers: each is a task, a lease, and a few series of metrics.
const MOST: usize = 50;

pub(super) fn read(settings: &Settings) -> Result<Vec<ReceiverSettings>, SettingsError> {
    let section = Webhooks::of(settings);
    let receivers = section.receivers.get();
    if receivers.len() > MOST {
        return Err(section
            .receivers
            .refuse(format_args!("there are more than {MOST}")));
    }
    let read = |(name, value): (&String, &Value)| {
        let Value::Object(members) = value else {
            return Err(section
                .receivers
                .refuse(format_args!("{name:?} is no section")));
        };
        let receiver = Section {
            setting: *section.receivers,
            folder: settings.folder(),
            name,
            members,
        };
        receiver.read()
    };
    receivers.iter().map(read).collect()
}

/// What the file says of one receiver.
struct Section<'s> {
    setting: Entry<'s>,
    folder: &'s Path,
    name: &'s str,
    members: &'s Map<String, Value>,
}

impl Section<'_> {
    fn read(&self) -> Result<ReceiverSettings, SettingsError> {
        self.check_names()?;
        let allow_private_addresses = self.switch("allow_private_addresses")?;
        Ok(ReceiverSettings {
            name: self.name.to_owned(),
            url: self.url(allow_private_addresses)?,
            secrets: self.secrets()?,
            kinds: self.kinds()?,
            prefixes: self.list("prefixes")?,
            allow_private_addresses,
            ca: self.path("ca_file")?,
        })
    }

    fn refuse(&self, reason: impl std::fmt::Display) -> SettingsError {
        self.setting.refuse(format_args!("{}: {reason}", self.name))
    }

    fn check_names(&self) -> Result<(), SettingsError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = self.name;
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
            return Err(self.setting.refuse(format_args!(
                "{name:?} is no name of a receiver: use letters, digits, `-`, `_` and `.`"
            )));
        }
        let unknown = self.members.keys().map(String::as_str);
        match unknown.into_iter().find(|name| !OF_RECEIVER.contains(name)) {
            None => Ok(()),
            Some(unknown) => {
                let meant = likely(unknown, &OF_RECEIVER);
                let meant = meant.map(|meant| format!("; did you mean {meant:?}?"));
                let meant = meant.unwrap_or_default();
                Err(self.refuse(format_args!("{unknown:?} is unknown{meant}")))
            }
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.refuse(format_args!("{name} must be a text"))),
        }
    }

    fn switch(&self, name: &str) -> Result<bool, SettingsError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(wanted)) => Ok(*wanted),
            Some(_) => Err(self.refuse(format_args!("{name} must be true or false"))),
        }
    }

    fn list(&self, name: &str) -> Result<Vec<String>, SettingsError> {
        let wrong = || self.refuse(format_args!("{name} must be a list of texts"));
        let items = match self.members.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(_) => return Err(wrong()),
        };
        let text = |item: &Value| match item.as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(wrong()),
        };
        items.iter().map(text).collect()
    }

    fn path(&self, name: &str) -> Result<Option<PathBuf>, SettingsError> {
        Ok(self.text(name)?.map(|path| self.folder.join(path)))
    }

    /// The address is not quoted: there may be a token in it.
    fn url(&self, allow_private_addresses: bool) -> Result<Url, SettingsError> {
        let text = self.text("url")?;
        let text = text.ok_or_else(|| self.refuse("url is missing"))?;
        let url = Url::parse(text).map_err(|_| self.refuse("url is no address"))?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => allow_private_addresses,
            _ => false,
        };
        if !is_safe || !url.has_host() {
            return Err(self.refuse(
                "url must begin with https:// (http:// only with allow_private_addresses)",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                self.refuse("url must not name a user: receivers know the server by its signature")
            );
        }
        Ok(url)
    }

    fn kinds(&self) -> Result<Vec<Kind>, SettingsError> {
        let names = self.list("events")?;
        if names.is_empty() {
            return Ok(Kind::CHOICES.to_vec());
        }
        let kind = |name: &String| {
            Kind::from_name(name).ok_or_else(|| {
                let known = Kind::CHOICES.map(Kind::name).join(", ");
                self.refuse(format_args!(
                    "events: {name:?} is unknown; accepted: {known}"
                ))
            })
        };
        names.iter().map(kind).collect()
    }

    /// The present secret, and the one before it, if there is one.
    fn secrets(&self) -> Result<Vec<Secret>, SettingsError> {
        let present = self.secret("secret")?;
        let present = present.ok_or_else(|| {
            self.refuse("secret, secret_file or secret_command is missing; signatures need one")
        })?;
        Ok([present]
            .into_iter()
            .chain(self.secret("previous_secret")?)
            .collect())
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, SettingsError> {
        let (file, command) = (format!("{name}_file"), format!("{name}_command"));
        let named_by = |name: &str| format!("webhooks.receivers.{}.{name}", self.name);
        let source = match (self.text(name)?, self.path(&file)?, self.text(&command)?) {
            (None, None, None) => return Ok(None),
            (Some(value), None, None) => return self.parse(name, value.as_bytes()).map(Some),
            (None, Some(path), None) => Source::file(path, named_by(&file)),
            (None, None, Some(line)) => Source::command(line.as_bytes(), named_by(&command)),
            _ => {
                return Err(self.refuse(format_args!(
                    "set one of {name}, {file} and {command}, not several"
                )));
            }
        };
        let secret = source.read().map_err(|error| self.refuse(error))?;
        self.parse(name, &secret).map(Some)
    }

    fn parse(&self, name: &str, secret: &[u8]) -> Result<Secret, SettingsError> {
        let secret = str::from_utf8(secret).ok().map(Secret::parse);
        match secret {
            Some(Ok(secret)) => Ok(secret),
            Some(Err(error)) => Err(self.refuse(format_args!("{name}: {error}"))),
            None => Err(self.refuse(format_args!("{name}: it is not valid UTF-8"))),
        }
    }
}
