//! A request for a token, as it comes: a query, or a form (OAuth 2.0).

use std::{borrow::Cow, collections::BTreeMap};

use access::Credentials;
use authn::token_service::Scopes;
use secrecy::SecretString;
use url::form_urlencoded;

use super::Refusal;

/// No query and no form is longer, in bytes.
pub(super) const LONGEST: usize = 16 << 10;

/// What a token is asked for.
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) scopes: Scopes,
    /// Whether a refresh token is asked for as well.
    pub(super) offline: bool,
}

/// What a form shows to prove who sends it.
pub(super) enum Proof {
    Password(Credentials),
    Refresh(SecretString),
}

/// Reads the query of a GET; the second is the `account`, which has to be that of the credentials.
pub(super) fn query(text: &str) -> Result<(Wanted, Option<String>), Refusal> {
    let mut fields = Fields::read(text.as_bytes())?;
    let offline = fields.take("offline_token").as_deref() == Some("true");
    let account = fields.take("account").filter(|it| !it.is_empty());
    Ok((fields.into_wanted(offline)?, account))
}

/// Reads the form of a POST.
pub(super) fn form(bytes: &[u8]) -> Result<(Wanted, Proof), Refusal> {
    let mut fields = Fields::read(bytes)?;
    let offline = fields.take("access_type").as_deref() == Some("offline");
    let proof = match fields.take_needed("grant_type")?.as_str() {
        "password" => Proof::Password(Credentials {
            user: fields.take_needed("username")?,
            password: fields.take_needed("password")?.into(),
        }),
        "refresh_token" => Proof::Refresh(fields.take_needed("refresh_token")?.into()),
        _ => return Err(Refusal::UnsupportedGrant),
    };
    Ok((fields.into_wanted(offline)?, proof))
}

/// The fields that mean something here, by name. None but `scope` may be there twice (RFC 6749,
/// 3.2): with two values, a proxy that looked at the other one was deceived.
struct Fields {
    single: BTreeMap<String, String>,
    scopes: Vec<String>,
}

impl Fields {
    fn read(text: &[u8]) -> Result<Self, Refusal> {
        const KNOWN: [&str; 8] = [
            "service",
            "account",
            "offline_token",
            "access_type",
            "grant_type",
            "username",
            "password",
            "refresh_token",
        ];
        if text.len() > LONGEST {
            return Err(Refusal::Invalid("the request is too long"));
        }
        let mut fields = Self {
            single: BTreeMap::new(),
            scopes: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(text) {
            if name == "scope" {
                fields.scopes.push(value.into_owned());
            } else if KNOWN.contains(&name.as_ref()) {
                fields.add(name, value)?;
            }
        }
        Ok(fields)
    }

    fn add(&mut self, name: Cow<'_, str>, value: Cow<'_, str>) -> Result<(), Refusal> {
        let before = self.single.insert(name.into_owned(), value.into_owned());
        before.map_or(Ok(()), |_| {
            Err(Refusal::Invalid("a parameter is there twice"))
        })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.single.remove(name)
    }

    fn take_needed(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or(Refusal::Invalid("a parameter is missing"))
    }

    fn into_wanted(mut self, offline: bool) -> Result<Wanted, Refusal> {
        Ok(Wanted {
            service: self.take_needed("service")?,
            scopes: Scopes::parse(self.scopes.iter().map(String::as_str)),
            offline,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_query_is_read_as_docker_writes_it() {
        let text = "account=alice&client_id=docker&offline_token=true\
                    &scope=repository%3Alocalhost%3A5000%2Fa%3Apull%2Cpush&scope=repository:b:pull&service=s";
        let Ok((wanted, account)) = query(text) else {
            panic!("refused");
        };
        let scopes = ["repository:localhost:5000/a:pull,push", "repository:b:pull"];
        assert_eq!(wanted.scopes, Scopes::parse(scopes));
        assert_eq!((wanted.service.as_str(), wanted.offline), ("s", true));
        assert_eq!(account.as_deref(), Some("alice"));
    }

    #[test]
    fn a_form_brings_a_password_or_a_refresh_token() {
        let common = "service=s&scope=repository:a:pull+repository:b:pull&client_id=docker";
        let password = format!("grant_type=password&username=al+ice&password=p%26%C3%A9&{common}");
        let Ok((wanted, Proof::Password(credentials))) = form(password.as_bytes()) else {
            panic!("refused");
        };
        assert_eq!(credentials.user, "al ice");
        assert_eq!(credentials.password.expose_secret(), "p&é");
        assert_eq!(
            wanted.scopes,
            Scopes::parse(["repository:a:pull", "repository:b:pull"])
        );
        assert!(!wanted.offline);

        let refresh =
            format!("grant_type=refresh_token&refresh_token=t&access_type=offline&{common}");
        let Ok((wanted, Proof::Refresh(token))) = form(refresh.as_bytes()) else {
            panic!("refused");
        };
        assert_eq!(token.expose_secret(), "t");
        assert!(wanted.offline);
    }

    #[test]
    fn what_is_missing_or_there_twice_is_refused() {
        for text in [
            "",
            "service=",
            "service=a&service=b",
            "service=a&account=b&account=b",
        ] {
            assert!(matches!(query(text), Err(Refusal::Invalid(_))), "{text}");
        }
        for text in [
            "service=s",
            "service=s&grant_type=password&username=u",
            "service=s&grant_type=password&password=p",
            "service=s&grant_type=refresh_token",
            "grant_type=refresh_token&refresh_token=t",
        ] {
            assert!(
                matches!(form(text.as_bytes()), Err(Refusal::Invalid(_))),
                "{text}"
            );
        }
        let other = form(b"service=s&grant_type=client_credentials");
        assert!(matches!(other, Err(Refusal::UnsupportedGrant)));
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
            let _ = form(&bytes);
            let _ = query(&text);
            let _ = form(format!("grant_type=password&service=s&{text}").as_bytes());
        }
    }
}
