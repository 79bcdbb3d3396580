//! The parameters of a request, each read as what it holds.

use std::{borrow::Cow, collections::BTreeMap};

use inventory::Sort;
use time::{
    Date, Duration, OffsetDateTime, format_description::well_known::Rfc3339,
    macros::format_description,
};

use super::{
    Problem, Row,
    table::{Holds, LONGEST_WAIT, MOST, Parameter},
};
use crate::{
    days::{MOST_DAYS, parse_days},
    http::target::decode_percent,
};

/// How many bytes a text has at most.
const LONGEST_TEXT: usize = 2_048;

/// The parameters that a request gives.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<&'static str, Value>);

#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Number(u32),
    Flag(bool),
    Sort(Sort),
    Time(OffsetDateTime),
    Span(Duration),
}

impl Query {
    /// Reads the parameters that `row` has, and refuses all others.
    pub(super) fn read(row: &Row, query: &str) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| {
                Problem::parameter("?", "the name of a parameter is not percent-encoded UTF-8")
            })?;
            let known = row.parameters.iter().find(|known| known.name == name);
            let Some(parameter) = known else {
                let all: Vec<_> = row.parameters.iter().map(|known| known.name).collect();
                let all = match all.as_slice() {
                    [] => "this route has none".to_owned(),
                    all => format!("this route has {}", all.join(", ")),
                };
                let shown: String = name.chars().take(64).collect();
                let text = format!("there is no such parameter; {all}");
                return Err(Problem::parameter(&shown, text));
            };
            let wrong = |text: &str| Problem::parameter(parameter.name, text);
            let text = decode(text).ok_or_else(|| wrong("it is not percent-encoded UTF-8"))?;
            let value = read(parameter, text).map_err(|text| wrong(&text))?;
            if values.insert(parameter.name, value).is_some() {
                return Err(wrong("it is given twice"));
            }
        }
        let mut missing = row.parameters.iter().filter(|known| known.is_required);
        match missing.find(|known| !values.contains_key(known.name)) {
            Some(missing) => Err(Problem::parameter(missing.name, "it is missing")),
            None => Ok(Self(values)),
        }
    }

    /// Whether a parameter is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        match self.0.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Flag(true)))
    }

    pub(super) fn sort(&self) -> Option<Sort> {
        match self.0.get("sort")? {
            Value::Sort(sort) => Some(*sort),
            _ => None,
        }
    }

    pub(super) fn time(&self, name: &str) -> Option<OffsetDateTime> {
        match self.0.get(name)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub(super) fn days(&self, name: &str) -> Option<Duration> {
        match self.0.get(name)? {
            Value::Span(span) => Some(*span),
            _ => None,
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    decode_percent(&spaced).map(Cow::into_owned)
}

fn read(parameter: &Parameter, text: String) -> Result<Value, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    match parameter.holds {
        Holds::Text if text.len() > LONGEST_TEXT => {
            Err(format!("it has more than {LONGEST_TEXT} bytes"))
        }
        Holds::Text | Holds::Cursor => Ok(Value::Text(text)),
        Holds::KeyId => read_hex(&text).map(Value::Text),
        Holds::Digest => {
            let lower = text.to_ascii_lowercase();
            let digits = lower.strip_prefix("sha256:").unwrap_or(&lower);
            Ok(Value::Text(format!("sha256:{}", read_hex(digits)?)))
        }
        Holds::Time => read_time(&text).map(Value::Time),
        Holds::Days => read_days(&text).map(Value::Span),
        Holds::Flag => match text.as_str() {
            "true" => Ok(Value::Flag(true)),
            "false" => Ok(Value::Flag(false)),
            _ => Err("it is neither true nor false".to_owned()),
        },
        Holds::Sort => match text.as_str() {
            "name" => Ok(Value::Sort(Sort::Name)),
            "expires" => Ok(Value::Sort(Sort::Expires)),
            "published" => Ok(Value::Sort(Sort::Published)),
            _ => Err("it is neither name, expires nor published".to_owned()),
        },
        Holds::Limit => match text.parse() {
            Ok(limit) if (1..=MOST).contains(&limit) => Ok(Value::Number(limit)),
            _ => Err(format!("it is no number from 1 to {MOST}")),
        },
        Holds::Wait => {
            let seconds = text.strip_suffix('s').unwrap_or(&text).parse();
            match seconds {
                Ok(seconds) if u64::from(seconds) <= LONGEST_WAIT => Ok(Value::Number(seconds)),
                _ => Err(format!(
                    "it is no number of seconds from 0s to {LONGEST_WAIT}s"
                )),
            }
        }
    }
}

fn read_hex(text: &str) -> Result<String, String> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("it does not have 64 hexadecimal digits".to_owned())
    }
}

fn read_time(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return Ok(day.midnight().assume_utc());
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "it is no date such as 2026-11-22 or 2026-11-22T10:20:30Z".to_owned())
}

fn read_days(text: &str) -> Result<Duration, String> {
    match parse_days(text) {
        Ok(days) => Ok(Duration::days(days.into())),
        Err(_) => Err(format!(
            "it is no number of days such as 90d, or of weeks such as 12w, up to {MOST_DAYS}d"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::{super::TABLE, *};

    fn row(path: &str) -> &'static Row {
        TABLE.iter().find(|row| row.path() == path).unwrap()
    }

    fn read(path: &str, query: &str) -> Query {
        Query::read(row(path), query).unwrap()
    }

    fn refused(path: &str, query: &str) -> String {
        format!("{:?}", Query::read(row(path), query).unwrap_err())
    }

    #[test]
    fn parameters_are_read_as_what_they_hold() {
        let key = "AB".repeat(32);
        let query = format!(
            "prefix=a%2Fb+c&signer={key}&digest=SHA256:{key}&unhealthy=true&sort=published&limit=7\
             &expires_before=2027-01-02"
        );
        let query = read("repositories", &query);
        assert_eq!(query.text("prefix"), Some("a/b c"));
        let lower = key.to_lowercase();
        assert_eq!(query.text("signer"), Some(lower.as_str()));
        assert_eq!(
            query.text("digest"),
            Some(format!("sha256:{lower}").as_str())
        );
        assert!(query.flag("unhealthy"));
        assert_eq!(query.sort(), Some(Sort::Published));
        assert_eq!(query.number("limit"), Some(7));
        assert_eq!(
            query.time("expires_before"),
            Some(datetime!(2027-01-02 0:00 UTC))
        );
        assert_eq!(
            read("expiry", "within=2w").days("within"),
            Some(Duration::weeks(2))
        );
        assert_eq!(read("changes", "wait=30s").number("wait"), Some(30));
        assert!(!read("repositories", "unhealthy=false").flag("unhealthy"));
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said_with_its_name() {
        for (path, query, name) in [
            ("repositories", "colour=red", "colour"),
            ("status", "limit=1", "limit"),
            ("repositories", "limit=0", "limit"),
            ("repositories", "limit=501", "limit"),
            ("repositories", "limit=99999999999999999999", "limit"),
            ("repositories", "limit=1&limit=1", "limit"),
            ("repositories", "limit", "limit"),
            ("repositories", "prefix=", "prefix"),
            ("repositories", "prefix=%ff", "prefix"),
            ("repositories", "prefix=%f", "prefix"),
            ("repositories", "signer=abc", "signer"),
            ("repositories", "digest=md5:abc", "digest"),
            ("repositories", "unhealthy=yes", "unhealthy"),
            ("repositories", "sort=size", "sort"),
            ("repositories", "expires_before=soon", "expires_before"),
            ("expiry", "within=36501d", "within"),
            ("expiry", "within=-1d", "within"),
            ("changes", "wait=61s", "wait"),
            ("changes", "wait=1m", "wait"),
            ("repository", "", "gun"),
            ("tags", "limit=1", "gun"),
        ] {
            let text = refused(path, query);
            assert!(
                text.contains(&format!("parameter: Some({name:?})")),
                "{query}: {text}"
            );
            assert!(text.contains("BadParameter"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "\\PC{0,40}|([a-z_]{0,14}=[0-9a-z%:-]{0,9}&?){0,4}") {
            for row in TABLE {
                let _ = Query::read(row, &query);
            }
        }
    }
}
