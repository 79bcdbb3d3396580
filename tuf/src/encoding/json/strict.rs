//! Whether every reader finds the same in a text.
//!
//! Signatures cover a file's canonical form, which is written from what one reader made of the
//! text. Another reader may make something else of it: one that decodes into known structures
//! merges repeated members and takes names in any case, one that reads the text itself stumbles
//! over escapes. What only such a reader sees is not signed. [`check`] refuses every text for which
//! that could happen, in one pass that keeps nothing of the text but a hash of each name in the
//! objects that are open.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
};

use super::{
    decode::folds_to,
    raw::canonical_object,
    reading::{Count, Misreading, ReadingFault, ReadingProblem},
    scanner::{Scanner, Token},
    syntax::SyntaxError,
    value::{Member, Value},
};
use crate::encoding::{base64, date};

/// What clients decode from one place of a file.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything: clients skip it, or keep it as it is.
    Free,
    Bool,
    /// A whole number, no larger than this.
    Integer(i64),
    Text(Form),
    List(&'static Shape, Option<Count>),
    /// Names are taken as they are.
    Map(&'static Shape, Option<Count>),
    /// Names are those of the fields, in any case; other names are skipped.
    Struct(&'static [Field]),
    /// As the shape says, but null, which clients take anywhere else, makes them crash.
    NotNull(&'static Shape),
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Field {
    /// In lower case.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// Whether a value of the wrong type makes the text malformed, rather than wrong.
    pub(crate) is_envelope: bool,
}

/// What a text has to look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Any,
    Base64,
    /// A time of RFC 3339 without escapes: clients read the literal.
    Time,
}

/// How many there are of each in a file; of what there is more than one list of, in the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    counts: [usize; 5],
    values: usize,
}

impl Sizes {
    pub(crate) fn of(self, count: Count) -> usize {
        self.counts[count as usize]
    }

    /// How many values the file has when it is read in [`Scope::File`](super::Scope::File).
    pub(crate) fn values(self) -> usize {
        self.values
    }

    fn reach(&mut self, count: Count, size: usize) {
        let known = &mut self.counts[count as usize];
        *known = size.max(*known);
    }
}

/// What clients skip.
const FREE: &Shape = &Shape::Free;

/// Above this, neighbouring whole numbers have the same canonical form, because the float in
/// between does not tell them apart.
const MAX_EXACT: i64 = (1 << 53) - 1;

/// How much of a name is quoted in a message.
const QUOTED_CHARACTERS: usize = 64;

/// How much of the way to a value is quoted; metadata needs 6 steps.
const QUOTED_STEPS: usize = 10;

/// Checks the first value of a text against `shape`; `most` says how many of each kind there may
/// be.
///
/// A malformed text is reported before a refused one, wherever the faults are. The answer is what
/// there is of each.
pub(crate) fn check(
    text: &str,
    shape: &'static Shape,
    most: &dyn Fn(Count) -> usize,
) -> Result<Sizes, ReadingFault> {
    let mut checker = Checker::new(text, most);
    checker.value(shape)?;
    if let Some(at) = checker.scanner.half_character() {
        checker.refuse(at, || ReadingProblem::HalfCharacter);
    }
    match (checker.malformed, checker.refused) {
        (Some(misreading), _) => Err(ReadingFault::Malformed(misreading)),
        (None, Some(misreading)) => Err(ReadingFault::Refused(misreading)),
        (None, None) => Ok(checker.sizes),
    }
}

/// Counts what a text has, whatever else is wrong with it; `None` if it is not JSON.
pub(crate) fn measure(text: &str, shape: &'static Shape) -> Option<Sizes> {
    let mut checker = Checker::new(text, &|_| usize::MAX);
    checker.value(shape).ok()?;
    Some(checker.sizes)
}

/// A value as this crate reads it, with the one spelling that [`check`] takes: of members that are
/// one to the reader of `shape` the last is left, under the field's name, and values that cannot be
/// decoded are null. What passes the check stays as it is.
pub(crate) fn normalise(value: &Value<'_>, shape: &Shape) -> Value<'static> {
    match (value, shape) {
        (value, Shape::NotNull(shape)) => normalise(value, shape),
        (Value::Object(members), Shape::Struct(fields)) => {
            let field = |name: &str| fields.iter().find(|field| folds_to(name, field.name));
            let named = members.iter().map(|(name, value)| match field(name) {
                Some(field) => (Cow::Borrowed(field.name), value, &field.shape),
                None => (Cow::Owned(name.to_string()), value, FREE),
            });
            Value::Object(last(named))
        }
        (Value::Object(members), Shape::Map(..) | Shape::Free) => {
            let inner = match shape {
                Shape::Map(inner, _) => inner,
                _ => FREE,
            };
            let named = members.iter();
            let named = named.map(|(name, value)| (Cow::Owned(name.to_string()), value, inner));
            Value::Object(last(named))
        }
        (Value::Array(items), Shape::List(inner, _)) => {
            Value::Array(items.iter().map(|item| normalise(item, inner)).collect())
        }
        (Value::Array(items), Shape::Free) => {
            Value::Array(items.iter().map(|item| normalise(item, FREE)).collect())
        }
        (Value::String(text), Shape::Text(Form::Base64)) if base64::check(text).is_err() => {
            Value::Null
        }
        (Value::Bool(_), Shape::Bool)
        | (Value::Number(_), Shape::Integer(_))
        | (Value::String(_), Shape::Text(_))
        | (Value::Raw(_), _)
        | (_, Shape::Free) => value.to_owned(),
        _ => Value::Null,
    }
}

/// The last member of each name, in their order.
fn last<'v, 'a: 'v>(
    members: impl DoubleEndedIterator<Item = (Cow<'static, str>, &'v Value<'a>, &'v Shape)>,
) -> Vec<Member<'static>> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for (name, value, shape) in members.rev() {
        if seen.insert(name.clone()) {
            kept.push((name, normalise(value, shape)));
        }
    }
    kept.reverse();
    kept
}

struct Checker<'a> {
    scanner: Scanner<'a>,
    most: &'a dyn Fn(Count) -> usize,
    /// How to get to the value that is being read.
    path: Vec<Step<'a>>,
    /// Hashes of the names of all open objects, outer ones first: an upload of nothing but names
    /// must not take many times its size.
    names: Vec<u64>,
    hasher: RandomState,
    /// Whether a wrong type at this place makes the text malformed.
    is_envelope: bool,
    /// The first fault of each kind.
    malformed: Option<Misreading>,
    refused: Option<Misreading>,
    sizes: Sizes,
    /// Up to here the text stays text when it is read.
    raw_end: usize,
}

enum Step<'a> {
    Field(&'static str),
    Entry(Cow<'a, str>),
    Item(usize),
}

impl Step<'_> {
    fn is_named(&self, field: &str) -> bool {
        match self {
            Self::Field(name) => *name == field,
            Self::Entry(name) => folds_to(name, field),
            Self::Item(_) => false,
        }
    }
}

impl<'a> Checker<'a> {
    fn new(text: &'a str, most: &'a dyn Fn(Count) -> usize) -> Self {
        Self {
            scanner: Scanner::new(text),
            most,
            path: Vec::new(),
            names: Vec::new(),
            hasher: RandomState::new(),
            is_envelope: true,
            malformed: None,
            refused: None,
            sizes: Sizes::default(),
            raw_end: 0,
        }
    }

    fn value(&mut self, shape: &'static Shape) -> Result<(), SyntaxError> {
        let at = self.scanner.next_at()?;
        self.count_value(at);
        let token = self.scanner.value()?;
        let shape = match shape {
            Shape::NotNull(_) if token == Token::Null => {
                self.refuse(at, || ReadingProblem::Null);
                return Ok(());
            }
            Shape::NotNull(shape) => shape,
            shape => shape,
        };
        match token {
            Token::Object => self.object(shape, at),
            Token::Array => self.array(shape, at),
            scalar => {
                self.scalar(shape, &scalar, at);
                Ok(())
            }
        }
    }

    fn object(&mut self, shape: &'static Shape, at: usize) -> Result<(), SyntaxError> {
        let (inner, limit) = match shape {
            Shape::Map(inner, limit) => (*inner, *limit),
            Shape::Struct(_) | Shape::Free => (FREE, None),
            other => {
                self.note_mistyped(at, "an object".into(), other);
                (FREE, None)
            }
        };
        let outside = (self.names.len(), self.is_envelope);
        let mut count = 0;
        while let Some((name, at)) = self.scanner.next_member(count == 0)? {
            count += 1;
            self.count(limit, count, at);
            self.remember(&name);
            let (step, inner) = match shape {
                Shape::Struct(fields) => self.field(fields, name, at, outside.1),
                _ => (Step::Entry(name), inner),
            };
            self.path.push(step);
            self.value(inner)?;
            self.path.pop();
        }
        self.is_envelope = outside.1;
        self.find_repeated(outside.0, at)?;
        self.names.truncate(outside.0);
        Ok(())
    }

    /// Which field of a structure a member is.
    fn field(
        &mut self,
        fields: &'static [Field],
        name: Cow<'a, str>,
        at: usize,
        outside: bool,
    ) -> (Step<'a>, &'static Shape) {
        self.is_envelope = outside;
        let Some(field) = fields.iter().find(|field| folds_to(&name, field.name)) else {
            return (Step::Entry(name), FREE);
        };
        if !matches!(name, Cow::Borrowed(name) if name == field.name) {
            self.note(|| ReadingProblem::Spelling {
                name: quote(&name),
                at,
                field: field.name,
            });
        }
        self.is_envelope = field.is_envelope;
        (Step::Field(field.name), &field.shape)
    }

    fn array(&mut self, shape: &'static Shape, at: usize) -> Result<(), SyntaxError> {
        let (inner, limit) = match shape {
            Shape::List(inner, limit) => (*inner, *limit),
            Shape::Free => (FREE, None),
            other => {
                self.note_mistyped(at, "a list".into(), other);
                (FREE, None)
            }
        };
        let mut count = 0;
        while self.scanner.next_item(count == 0)? {
            self.path.push(Step::Item(count));
            count += 1;
            self.count(limit, count, self.scanner.at());
            self.value(inner)?;
            self.path.pop();
        }
        Ok(())
    }

    fn scalar(&mut self, shape: &'static Shape, token: &Token<'_>, at: usize) {
        match (shape, token) {
            (_, Token::Null)
            | (Shape::Bool | Shape::Free, Token::Bool(_))
            | (Shape::Free, Token::String(_)) => {}
            (Shape::Free, Token::Number(literal)) => self.free_number(literal, at),
            (Shape::Integer(most), Token::Number(literal)) => self.integer(literal, *most, at),
            (Shape::Text(form), Token::String(text)) => {
                let has_escapes = matches!(text, Cow::Owned(_));
                self.text(*form, text, has_escapes, at);
            }
            (shape, Token::Bool(_)) => self.note_mistyped(at, "a boolean".into(), shape),
            (shape, Token::Number(_)) => self.note_mistyped(at, "a number".into(), shape),
            (shape, _) => self.note_mistyped(at, "a string".into(), shape),
        }
    }

    /// A number that clients do not decode is signed all the same. Fractions cannot be.
    fn free_number(&mut self, literal: &str, at: usize) {
        let is_exact = literal.parse::<f64>().is_ok_and(|float| {
            #[expect(clippy::cast_precision_loss, reason = "floats hold it exactly")]
            let most = MAX_EXACT as f64;
            float.abs() <= most
        });
        if !is_exact {
            self.refuse(at, || ReadingProblem::Inexact);
        }
    }

    fn integer(&mut self, literal: &str, most: i64, at: usize) {
        let Ok(integer) = literal.parse::<i64>() else {
            let found = Cow::Owned(format!("the number {literal}"));
            return self.note_mistyped(at, found, &Shape::Integer(most));
        };
        if !(-MAX_EXACT..=MAX_EXACT).contains(&integer) {
            self.refuse(at, || ReadingProblem::Inexact);
        } else if integer > most {
            self.refuse(at, || ReadingProblem::TooLarge {
                number: integer,
                most,
            });
        }
    }

    fn text(&mut self, form: Form, text: &str, has_escapes: bool, at: usize) {
        let problem = match form {
            Form::Base64 => base64::check(text).err().map(ReadingProblem::Base64),
            Form::Time if has_escapes => Some(ReadingProblem::EscapedTime),
            Form::Time if date::parse_strict(text).is_none() => Some(ReadingProblem::Time),
            Form::Any | Form::Time => None,
        };
        if let Some(problem) = problem {
            self.wrong(at, problem);
        }
    }

    fn count(&mut self, limit: Option<Count>, count: usize, at: usize) {
        let Some(limit) = limit else {
            return;
        };
        self.sizes.reach(limit, count);
        let most = (self.most)(limit);
        if count > most {
            self.refuse(at, || ReadingProblem::TooMany { most, count: limit });
        }
    }

    /// Counts the value at `at` as the parser will hold it: targets in canonical form are one, all
    /// of them or each.
    fn count_value(&mut self, at: usize) {
        if at < self.raw_end {
            return;
        }
        self.sizes.values += 1;
        if self.is_in_targets() {
            let rest = self.scanner.restart(at).rest();
            self.raw_end = at + rest.ok().and_then(canonical_object).unwrap_or(0);
        }
    }

    /// Whether the value that is being read is the targets of a file, or one of them.
    fn is_in_targets(&self) -> bool {
        match self.path.as_slice() {
            [signed, targets] | [signed, targets, Step::Field(_) | Step::Entry(_)] => {
                signed.is_named("signed") && targets.is_named("targets")
            }
            _ => false,
        }
    }

    fn remember(&mut self, name: &str) {
        // What is refused already needs no comparing.
        if self.refused.is_none() {
            self.names.push(self.hasher.hash_one(name));
        }
    }

    /// Refuses the object at `at`, whose names are those from `first` on, if two are the same.
    ///
    /// Hashes stand for names: two among a million are the same by chance once in forty million
    /// files, and an attacker, who does not know the hasher's key, cannot do better.
    fn find_repeated(&mut self, first: usize, at: usize) -> Result<(), SyntaxError> {
        let names = self.names.get_mut(first..).unwrap_or_default();
        names.sort_unstable();
        let alike = names.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some(hash) = alike.map(|pair| pair[0])
            && let Some((name, at)) = self.second(hash, at)?
        {
            let name = quote(&name);
            self.note(|| ReadingProblem::Repeated { name, at });
        }
        Ok(())
    }

    /// The second member of the object at `at` whose name has this hash, and where it stands.
    fn second(&self, hash: u64, at: usize) -> Result<Option<(Cow<'a, str>, usize)>, SyntaxError> {
        let mut scanner = self.scanner.restart(at);
        scanner.value()?;
        let (mut is_first, mut seen) = (true, false);
        while let Some((name, at)) = scanner.next_member(is_first)? {
            is_first = false;
            let is_it = self.hasher.hash_one(name.as_ref()) == hash;
            if is_it && seen {
                return Ok(Some((name, at)));
            }
            seen |= is_it;
            scanner.skip()?;
        }
        Ok(None)
    }

    fn note_mistyped(&mut self, at: usize, found: Cow<'static, str>, shape: &Shape) {
        // There may be millions of them, and only the first of each kind is reported.
        if self.malformed.is_some() || (!self.is_envelope && self.refused.is_some()) {
            return;
        }
        let expected = match shape {
            Shape::Free => "anything",
            Shape::Bool => "a boolean",
            Shape::Integer(_) => "a whole number",
            Shape::Text(_) => "a string",
            Shape::List(..) => "a list",
            Shape::Map(..) | Shape::Struct(_) | Shape::NotNull(_) => "an object",
        };
        self.wrong(at, ReadingProblem::Type { found, expected });
    }

    /// Notes a value that clients cannot decode.
    fn wrong(&mut self, at: usize, problem: ReadingProblem) {
        if !self.is_envelope {
            self.refuse(at, || problem);
        } else if self.malformed.is_none() {
            self.malformed = Some(self.misreading(Some(at), problem));
        }
    }

    /// Notes what is wrong with the value that begins at the byte `at`.
    fn refuse(&mut self, at: usize, problem: impl FnOnce() -> ReadingProblem) {
        if self.refused.is_none() {
            self.refused = Some(self.misreading(Some(at), problem()));
        }
    }

    /// Notes what is wrong with the value that is being read.
    fn note(&mut self, problem: impl FnOnce() -> ReadingProblem) {
        if self.refused.is_none() {
            self.refused = Some(self.misreading(None, problem()));
        }
    }

    fn misreading(&self, at: Option<usize>, problem: ReadingProblem) -> Misreading {
        Misreading {
            place: self.place(),
            at,
            problem,
        }
    }

    /// The way to the value that is being read: `signed.targets["v1"].length`.
    fn place(&self) -> String {
        let mut place = String::new();
        for step in self.path.iter().take(QUOTED_STEPS) {
            let written = match step {
                Step::Field(name) if place.is_empty() => write!(place, "{name}"),
                Step::Field(name) => write!(place, ".{name}"),
                Step::Entry(name) => write!(place, "[{}]", quote(name)),
                Step::Item(index) => write!(place, "[{index}]"),
            };
            written.expect("a string takes all that is written");
        }
        if self.path.len() > QUOTED_STEPS {
            place.push_str("[…]");
        }
        if place.is_empty() {
            place.push_str("the file");
        }
        place
    }
}

/// A name for a message, cut off where it gets long.
fn quote(name: &str) -> String {
    let mut short: String = name.chars().take(QUOTED_CHARACTERS).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    static ENTRY: Shape = Shape::Struct(&[Field {
        name: "length",
        shape: Shape::Integer(i64::MAX),
        is_envelope: false,
    }]);
    static FILE: Shape = Shape::Struct(&[
        Field {
            name: "keys",
            shape: Shape::Map(&Shape::NotNull(&ENTRY), Some(Count::Keys)),
            is_envelope: false,
        },
        Field {
            name: "list",
            shape: Shape::List(&Shape::Text(Form::Base64), Some(Count::Signatures)),
            is_envelope: true,
        },
        Field {
            name: "time",
            shape: Shape::Text(Form::Time),
            is_envelope: true,
        },
        Field {
            name: "flag",
            shape: Shape::Bool,
            is_envelope: false,
        },
    ]);

    fn check_text(text: &str) -> Result<(), ReadingFault> {
        check(text, &FILE, &|_| 3).map(drop)
    }

    #[track_caller]
    fn assert_refused(text: &str, reason: &str) {
        let Err(ReadingFault::Refused(misreading)) = check_text(text) else {
            panic!("{text} is refused")
        };
        assert_eq!(misreading.to_string(), reason, "{text}");
    }

    #[track_caller]
    fn assert_malformed(text: &str, reason: &str) {
        let Err(fault @ (ReadingFault::Malformed(_) | ReadingFault::Syntax(_))) = check_text(text)
        else {
            panic!("{text} is malformed")
        };
        assert_eq!(fault.to_string(), reason, "{text}");
    }

    #[test]
    fn what_is_read_in_one_way_only_is_accepted() {
        for text in [
            "null",
            "{}",
            r#" {"keys":{"a":{"length":1},"A":{},"\u0061b":{}},"list":["AAAA",null],"flag":true} x"#,
            r#"{"time":"2030-01-01T00:00:00Z","other":{"x":1,"X":[{"Keys":1.5}]},"Other":1e3}"#,
            r#"{"keys":null,"list":null,"time":null,"flag":null}"#,
        ] {
            assert_eq!(check_text(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn repeated_members_are_refused_at_any_place() {
        assert_refused(
            r#"{"flag":true,"flag":true}"#,
            r#"the file has the member "flag" twice, the second time at byte 13"#,
        );
        assert_refused(
            r#"{"keys":{"a":{},"b":{},"\u0061":{}}}"#,
            r#"keys has the member "a" twice, the second time at byte 23"#,
        );
        assert_refused(
            r#"{"other":[{"a":1,"a":2}]}"#,
            r#"["other"][0] has the member "a" twice, the second time at byte 17"#,
        );
    }

    #[test]
    fn fields_have_one_spelling() {
        assert_refused(
            r#"{"Flag":true}"#,
            r#"the file has a member "Flag" at byte 1, which some clients take for "flag" and others do not"#,
        );
        for text in [
            "{\"\u{212a}eys\":{}}",
            r#"{"fl\u0061g":true}"#,
            r#"{"keys":{"a":{"LENGTH":1}}}"#,
            r#"{"li\u017ft":[]}"#,
        ] {
            assert!(
                matches!(check_text(text), Err(ReadingFault::Refused(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_types_are_named_with_their_place() {
        assert_refused(r#"{"flag":1}"#, "flag at byte 8 is a number, not a boolean");
        assert_refused(
            r#"{"keys":{"a":{"length":"1"}}}"#,
            r#"keys["a"].length at byte 23 is a string, not a whole number"#,
        );
        assert_refused(r#"{"keys":[]}"#, "keys at byte 8 is a list, not an object");
        assert_refused(r#"{"keys":{"a":null}}"#, r#"keys["a"] at byte 13 is null"#);
        assert_malformed("[]", "the file at byte 0 is a list, not an object");
        assert_malformed(
            r#"{"list":[1]}"#,
            "list[0] at byte 9 is a number, not a string",
        );
        assert_malformed(
            r#"{"list":["!!"]}"#,
            "list[0] at byte 9 is not base64: byte 0 of the text does not belong into base64",
        );
    }

    #[test]
    fn times_are_read_as_they_stand_in_the_text() {
        assert_malformed(
            r#"{"time":"2030\u002d01-01T00:00:00Z"}"#,
            "time at byte 8 is a time with an escape in it",
        );
        assert_malformed(
            r#"{"time":"2030-01-01T00:00:00+25:59"}"#,
            "time at byte 8 is not a time as RFC 3339 writes it",
        );
    }

    #[test]
    fn halves_of_characters_are_refused_and_whole_ones_are_not() {
        for text in [
            r#"{"x":"\ud800"}"#,
            r#"{"\udc00\ud800":1}"#,
            r#"["\ud800\u0041"]"#,
        ] {
            let text = format!(r#"{{"other":{text}}}"#);
            let found = check_text(&text);
            assert!(matches!(found, Err(ReadingFault::Refused(_))), "{text}");
        }
        assert_eq!(check_text(r#"{"other":"\ud83d\ude00\ufffd"}"#), Ok(()));
    }

    #[test]
    fn numbers_that_are_not_signed_exactly_are_refused() {
        for literal in [
            "9007199254740993",
            "-9007199254740993",
            "9223372036854775807",
        ] {
            let text = format!(r#"{{"keys":{{"a":{{"length":{literal}}}}}}}"#);
            assert!(
                matches!(check_text(&text), Err(ReadingFault::Refused(_))),
                "{text}"
            );
            let text = format!(r#"{{"other":{literal}}}"#);
            assert!(
                matches!(check_text(&text), Err(ReadingFault::Refused(_))),
                "{text}"
            );
        }
        assert_refused(
            r#"{"other":1e400}"#,
            r#"["other"] at byte 9 is too large a number to be signed exactly"#,
        );
        assert_eq!(
            check_text(r#"{"keys":{"a":{"length":9007199254740991}}}"#),
            Ok(())
        );
    }

    #[test]
    fn counts_are_bounded() {
        assert_refused(
            r#"{"keys":{"a":{},"b":{},"c":{},"d":{}}}"#,
            "keys at byte 30 has more than 3 keys",
        );
        assert!(check_text(r#"{"list":["","","",""]}"#).is_err());
    }

    #[test]
    fn as_many_values_are_counted_as_the_parser_keeps() {
        for (text, values) in [
            ("null", 1),
            ("[1,[2,{}]]", 5),
            (r#"{"signed":{"targets":{"a":{"x":1},"b":{"y":[1,2]}}}}"#, 3),
            (
                r#"{"signed":{"targets":{ "a":{"x":1},"b":{"y":[1,2]}}}}"#,
                5,
            ),
            (
                r#"{"signed":{"targets":{"b":{"y": [1,2]},"a":{"x":1}}}}"#,
                8,
            ),
            (r#"{"signed":{"targets":[1,{"x":1}]}}"#, 6),
            (r#"{"other":{"targets":{"a":{"x":1}}}}"#, 5),
        ] {
            let sizes = measure(text, FREE).expect("JSON");
            let scope = super::super::parser::Scope::File;
            let (value, _) = super::super::parser::parse_first(text, scope).expect("JSON");
            assert_eq!(sizes.values(), values, "{text}");
            assert_eq!(count(&value), values, "{text}");
        }
    }

    fn count(value: &Value<'_>) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(members) => members.iter().map(|(_, value)| count(value)).sum(),
            _ => 0,
        }
    }

    #[test]
    fn what_is_malformed_is_said_before_what_is_refused() {
        assert_malformed(
            r#"{"flag":1,"list":{}}"#,
            "list at byte 17 is an object, not a list",
        );
        assert_malformed(r#"{"flag":1,"#, "the JSON breaks off");
    }

    #[test]
    fn the_normal_form_is_what_the_last_members_say_and_passes_the_check() {
        let text = r#"{"Keys":[],"KEYS":{"a":{"Length":1,"length":2,"x":{"y":1,"y":2}},"a":{"length":"3"}},
            "list":["!!","AAAA"],"flag":7,"other":1,"other":[{"z":null,"z":3}]}"#;
        let value = super::super::parser::parse(text).expect("JSON");
        let expected =
            r#"{"keys":{"a":{"length":null}},"list":[null,"AAAA"],"flag":null,"other":[{"z":3}]}"#;
        let normal = normalise(&value, &FILE);
        assert_eq!(normal, super::super::parser::parse(expected).expect("JSON"));
        assert_eq!(check_text(expected), Ok(()));
        assert_eq!(normalise(&normal, &FILE), normal);
    }

    #[test]
    fn long_names_are_cut_off_in_messages() {
        let text = format!(r#"{{"keys":{{"{}":null}}}}"#, "n".repeat(1000));
        let Err(ReadingFault::Refused(reason)) = check_text(&text) else {
            panic!("null is refused");
        };
        let reason = reason.to_string();
        assert!(reason.len() < 200, "{reason}");
        let (open, close) = ("{\"n\":".repeat(100), "}".repeat(100));
        let Err(ReadingFault::Refused(reason)) = check_text(&format!("{open}1e99{close}")) else {
            panic!("the number is refused");
        };
        let reason = reason.to_string();
        assert!(reason.len() < 200, "{reason}");
    }
}
