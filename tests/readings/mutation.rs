//! Changes to a JSON text that readers may take in different ways, the same ones at each run.

/// Values for any place.
const VALUES: [&str; 34] = [
    "null",
    "true",
    "0",
    "1",
    "-1",
    "-0",
    "1.0",
    "1.5",
    "1e2",
    "9007199254740993",
    "2147483648",
    "9223372036854775807",
    "1e400",
    r#""""#,
    r#""x""#,
    r#""AAAA""#,
    r#""AA\n==""#,
    r#""!!""#,
    "[]",
    "[null]",
    "[1]",
    r#"["x"]"#,
    "[{}]",
    "{}",
    r#"{"a":null}"#,
    r#"{"a":1}"#,
    r#"{"a":{}}"#,
    r#"{"a":"AAAA"}"#,
    r#"{"A":{},"a":{}}"#,
    r#"{"a":{},"a":{}}"#,
    r#"{"x":{"length":1,"hashes":{}}}"#,
    r#"{"keyids":[],"threshold":1}"#,
    r#""\ud800""#,
    r#""\u0041""#,
];

const TIMES: [&str; 14] = [
    "2040-01-01T00:00:00Z",
    "2040-01-01T00:00:00.5Z",
    "2040-01-01T00:00:00,5Z",
    "2040-01-01T00:00:00.1234567891Z",
    "2040-01-01T00:00:00+23:59",
    "2040-01-01T00:00:00-25:59",
    "2040-01-01T00:00:00+14:60",
    "2040-01-01T0:00:00Z",
    "2040-02-30T00:00:00Z",
    "2040-01-01T24:00:00Z",
    "2040-01-01t00:00:00Z",
    "2040\\u002d01-01T00:00:00Z",
    "2040-01-01T00:00:00+24:00",
    "",
];

const NAMES: [&str; 20] = [
    "_type",
    "version",
    "expires",
    "targets",
    "delegations",
    "keys",
    "roles",
    "meta",
    "keyids",
    "threshold",
    "name",
    "paths",
    "keyval",
    "private",
    "public",
    "length",
    "hashes",
    "custom",
    "consistent_snapshot",
    "dirty",
];

/// A source of changes.
pub(crate) struct Mutator {
    state: u64,
}

/// A member of an object, by where its parts stand in the text.
#[derive(Clone, Debug)]
struct Member {
    name: (usize, usize),
    value: (usize, usize),
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// `file` with one to three changes.
    pub(crate) fn mutate(&mut self, file: &[u8]) -> Vec<u8> {
        let mut text = String::from_utf8_lossy(file).into_owned();
        for _ in 0..=self.below(3) {
            let members = members(&text);
            if members.is_empty() {
                break;
            }
            let member = members[self.below(members.len())].clone();
            let other = members[self.below(members.len())].clone();
            self.change(&mut text, &member, &other);
        }
        let mut bytes = text.into_bytes();
        if self.below(16) == 0 {
            self.damage(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, text: &mut String, member: &Member, other: &Member) {
        let name = text[member.name.0..member.name.1].to_owned();
        let (from, to) = member.value;
        let value = match self.below(4) {
            0 => text[other.value.0..other.value.1].to_owned(),
            _ => self.pick(&VALUES),
        };
        match self.below(10) {
            0..=2 => text.replace_range(from..to, &value),
            3 | 4 => {
                let name = self.respelled(&name);
                text.insert_str(member.name.0, &format!("{name}:{value},"));
            }
            5 => {
                let name = self.respelled(&name);
                text.insert_str(to, &format!(",{name}:{value}"));
            }
            6 => {
                let name = self.respelled(&name);
                text.replace_range(member.name.0..member.name.1, &name);
            }
            7 => {
                let name = format!("{:?}", self.pick(&NAMES));
                let name = self.respelled(&name);
                text.insert_str(member.name.0, &format!("{name}:{value},"));
            }
            8 => {
                let end = to + usize::from(text[to..].starts_with(','));
                text.replace_range(member.name.0..end, "");
            }
            _ => {
                let time = format!("\"{}\"", self.pick(&TIMES));
                let is_time = name == "\"expires\"" || self.below(8) == 0;
                let value = if is_time { time } else { format!("[{value}]") };
                text.replace_range(from..to, &value);
            }
        }
    }

    /// A name, quoted as it came, in this or another spelling.
    fn respelled(&mut self, name: &str) -> String {
        match self.below(6) {
            0 => name.to_uppercase().replace("\\U", "\\u"),
            1 => name.replacen('s', "\u{17f}", 1),
            2 => name.replacen('k', "\u{212a}", 1),
            3 => match name.chars().nth(1) {
                Some(first) if first.is_ascii_alphabetic() => {
                    format!("\"\\u{:04x}{}", u32::from(first), &name[2..])
                }
                _ => name.to_owned(),
            },
            _ => name.to_owned(),
        }
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(3) {
            0 => bytes[at] = self.byte(),
            1 => bytes.insert(at, self.byte()),
            _ => drop(bytes.remove(at)),
        }
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }

    fn pick(&mut self, choices: &[&str]) -> String {
        choices[self.below(choices.len())].to_owned()
    }

    /// A number below `end`, by xorshift.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % end
    }
}

/// All members of all objects of a text, as far as it is JSON.
fn members(text: &str) -> Vec<Member> {
    let mut found = Vec::new();
    value(text, 0, &mut found);
    found
}

/// Where the value that begins at `at` ends.
fn value(text: &str, at: usize, found: &mut Vec<Member>) -> Option<usize> {
    let at = space(text, at);
    match text.as_bytes().get(at)? {
        b'"' => string(text, at),
        b'{' => list(text, at, b'}', found, |at, found| {
            let end = string(text, at)?;
            let colon = space(text, end);
            (text.as_bytes().get(colon)? == &b':').then_some(())?;
            let from = space(text, colon + 1);
            let to = value(text, from, found)?;
            found.push(Member {
                name: (at, end),
                value: (from, to),
            });
            Some(to)
        }),
        b'[' => list(text, at, b']', found, |at, found| value(text, at, found)),
        _ => {
            let rest = text[at..].bytes();
            let length = rest
                .take_while(|byte| !b",]} \n\t\r".contains(byte))
                .count();
            Some(at + length)
        }
    }
}

fn list(
    text: &str,
    at: usize,
    close: u8,
    found: &mut Vec<Member>,
    mut item: impl FnMut(usize, &mut Vec<Member>) -> Option<usize>,
) -> Option<usize> {
    let mut at = space(text, at + 1);
    loop {
        let byte = *text.as_bytes().get(at)?;
        if byte == close {
            return Some(at + 1);
        }
        at = space(text, at + usize::from(byte == b','));
        at = space(text, item(at, found)?);
    }
}

fn string(text: &str, at: usize) -> Option<usize> {
    (text.as_bytes().get(at)? == &b'"').then_some(())?;
    let mut end = at + 1;
    loop {
        match text.as_bytes().get(end)? {
            b'"' => return Some(end + 1),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

fn space(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| b" \n\t\r".contains(byte))
        .count()
}
