//! JSON values, and the many ways to write each.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};

/// How deep a value nests.
const DEPTH: usize = 4;

/// An object of a few members, of which some have one name.
pub(crate) fn object(choices: &mut Unstructured<'_>) -> Result<Value> {
    members(choices, DEPTH)
}

fn members(choices: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let mut object = Map::new();
    for _ in 0..choices.int_in_range(0..=4)? {
        object.insert(text(choices)?, value(choices, depth - 1)?);
    }
    Ok(Value::Object(object))
}

fn value(choices: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let most = if depth == 0 { 3 } else { 5 };
    Ok(match choices.int_in_range(0..=most)? {
        0 => Value::Null,
        1 => Value::Bool(choices.arbitrary()?),
        2 => Value::from(choices.int_in_range(-(1_i64 << 53) + 1..=(1 << 53) - 1)?),
        3 => Value::from(text(choices)?),
        4 => {
            let count = choices.int_in_range(0..=3)?;
            let items = (0..count).map(|_| value(choices, depth - 1));
            Value::Array(items.collect::<Result<_>>()?)
        }
        _ => members(choices, depth)?,
    })
}

fn text(choices: &mut Unstructured<'_>) -> Result<String> {
    let count = choices.int_in_range(0..=3)?;
    let odd = [
        '"',
        '\\',
        '/',
        '<',
        '\u{2028}',
        '\u{fffd}',
        'é',
        '\u{1f600}',
        ' ',
    ];
    let character = |choices: &mut Unstructured<'_>| {
        Ok(match choices.int_in_range(0..=3)? {
            0 => *choices.choose(&odd)?,
            _ => char::from(choices.int_in_range(b'a'..=b'e')?),
        })
    };
    (0..count).map(|_| character(choices)).collect()
}

/// `value` as a client might write it: members in any order, white space, escapes, numbers with
/// exponents, and members that are there twice, of which the last one counts.
pub(crate) fn spell(value: &Value, choices: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    write(value, choices, &mut out)?;
    Ok(out)
}

fn write(value: &Value, choices: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    space(choices, out)?;
    match value {
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
        Value::Number(number) => {
            out.push_str(&number.to_string());
            let spelling = choices.int_in_range(0..=3)?;
            out.push_str(["", "", ".0", "e0"][spelling]);
        }
        Value::String(text) => write_text(text, choices, out)?,
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, choices, out)?;
            }
            space(choices, out)?;
            out.push(']');
        }
        Value::Object(members) => write_members(members, choices, out)?,
    }
    space(choices, out)
}

fn write_members(
    members: &Map<String, Value>,
    choices: &mut Unstructured<'_>,
    out: &mut String,
) -> Result<()> {
    let overwritten = Value::from(1);
    let mut left: Vec<(&String, &Value)> = members.iter().collect();
    out.push('{');
    let mut is_first = true;
    while !left.is_empty() {
        let at = choices.int_in_range(0..=left.len() - 1)?;
        let (name, value) = if choices.ratio(1, 8)? {
            // It comes once more.
            (left[at].0, &overwritten)
        } else {
            left.swap_remove(at)
        };
        if !is_first {
            out.push(',');
        }
        is_first = false;
        space(choices, out)?;
        write_text(name, choices, out)?;
        space(choices, out)?;
        out.push(':');
        write(value, choices, out)?;
        if choices.is_empty() {
            // Nothing chooses any more, so each comes once.
            for (name, value) in left.drain(..) {
                out.push(',');
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                out.push_str(&value.to_string());
            }
        }
    }
    out.push('}');
    Ok(())
}

fn write_text(text: &str, choices: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') || choices.ratio(1, 6)? {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
    Ok(())
}

fn space(choices: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    if choices.ratio(1, 6)? {
        out.push_str(choices.choose(&[" ", "\n", "\t", "\r\n "])?);
    }
    Ok(())
}
