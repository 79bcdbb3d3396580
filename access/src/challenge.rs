//! How a caller who was refused may authenticate.

use std::fmt::{self, Write as _};

use crate::Scope;

/// The value of `WWW-Authenticate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Ask for user and password, and send them with every request (RFC 7617).
    Basic {
        /// What the password is for, for people to read.
        realm: String,
    },
    /// Ask a token service (RFC 6750, in the form of the registry's token protocol).
    Bearer {
        /// The address of the token service.
        realm: String,
        /// What tokens have to be made out for: their `aud`.
        service: String,
    },
}

/// What is wrong with a token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It cannot be believed.
    Invalid,
    /// It can, but what is needed is not in it.
    InsufficientScope,
}

impl Challenge {
    /// The value of the header for a request that needs `scope`. Bearer:
    /// `Bearer realm=Q,service=Q,scope=Q[,error=Q]`, each Q as Go quotes strings; Basic:
    /// `Basic realm=Q,charset="UTF-8"`.
    ///
    /// It holds no control character, whatever is in realm, service and scope: a GUN is what a
    /// caller sent, and must not begin a header of its own.
    #[must_use]
    pub fn header(&self, scope: &Scope, fault: Option<TokenFault>) -> String {
        match self {
            Self::Basic { realm } => format!("Basic realm={},charset=\"UTF-8\"", Quoted(realm)),
            Self::Bearer { realm, service } => {
                let (realm, service) = (Quoted(realm), Quoted(service));
                let scope = scope.to_string();
                let error = fault.map_or("", TokenFault::parameter);
                let scope = Quoted(&scope);
                format!("Bearer realm={realm},service={service},scope={scope}{error}")
            }
        }
    }
}

impl TokenFault {
    const fn parameter(self) -> &'static str {
        match self {
            Self::Invalid => ",error=\"invalid_token\"",
            Self::InsufficientScope => ",error=\"insufficient_scope\"",
        }
    }
}

/// A text in quotes, as `%q` of Go writes it: what is printable stays, in UTF-8.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            write_escaped(f, character)?;
        }
        f.write_char('"')
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '"' | '\\' => write!(f, "\\{character}"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\t' => f.write_str("\\t"),
        '\n' => f.write_str("\\n"),
        '\x0b' => f.write_str("\\v"),
        '\x0c' => f.write_str("\\f"),
        '\r' => f.write_str("\\r"),
        '\0'..=' ' | '\x7f' if character != ' ' => write!(f, "\\x{:02x}", u32::from(character)),
        _ if is_printable(character) => f.write_char(character),
        '\0'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(character)),
        _ => write!(f, "\\U{:08x}", u32::from(character)),
    }
}

/// Whether Unicode calls it a letter, mark, number, punctuation, symbol or the ASCII space.
fn is_printable(character: char) -> bool {
    // `escape_debug` knows; but it escapes marks too unless they follow something they can sit on.
    let seated: String = ['x', character].into_iter().collect();
    character.is_ascii() || seated.escape_debug().nth(1) == Some(character)
}
