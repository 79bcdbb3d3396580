//! What a request or the environment shows to prove who the caller is.

mod administrator;

pub use administrator::{InvalidAdministrator, administrator};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// A user and a password; the password is wiped when dropped, and never shown.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// What a request's `Authorization` header shows.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// Nothing: there is no header, or it is empty.
    Absent,
    /// User and password (RFC 7617, UTF-8).
    Basic(Credentials),
    /// A token, not looked at yet.
    Bearer(SecretString),
    /// A header that cannot be read: it names a scheme that is not known here, or does not have the
    /// form of its scheme. It is refused, never taken for none.
    Unreadable,
    /// More than one header: a proxy that looked at another one was deceived.
    Several,
}

impl Authorization {
    /// Reads the values of all `Authorization` headers of a request.
    #[must_use]
    pub fn of<'h>(headers: impl IntoIterator<Item = &'h [u8]>) -> Self {
        let mut headers = headers.into_iter();
        match (headers.next(), headers.next()) {
            (first, None) => Self::parse(first),
            (_, Some(_)) => Self::Several,
        }
    }

    /// Reads the value of the header.
    #[must_use]
    pub fn parse(header: Option<&[u8]>) -> Self {
        let Some(header) = header.filter(|header| !header.trim_ascii().is_empty()) else {
            return Self::Absent;
        };
        if let Some(encoded) = after(b"basic", header) {
            return basic(encoded).map_or(Self::Unreadable, Self::Basic);
        }
        bearer(header).map_or(Self::Unreadable, Self::Bearer)
    }
}

/// What follows the name of a scheme, whatever follows it: only a longer word is another scheme.
fn after<'h>(name: &[u8], header: &'h [u8]) -> Option<&'h [u8]> {
    let (scheme, rest) = header.trim_ascii().split_at_checked(name.len())?;
    let is_longer_word = rest.first().is_some_and(|&byte| is_token_byte(byte));
    (scheme.eq_ignore_ascii_case(name) && !is_longer_word).then_some(rest)
}

/// Whether the name of a scheme may hold `byte` (RFC 9110, 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn basic(encoded: &[u8]) -> Option<Credentials> {
    if !encoded.starts_with(b" ") {
        return None;
    }
    let plain = decode(encoded.trim_ascii_start())?;
    let (user, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    is_name(user).then(|| Credentials {
        user: user.to_owned(),
        password: password.into(),
    })
}

/// The token of a Bearer header, read as Notary 0.7 does: exactly two words with one space between.
fn bearer(header: &[u8]) -> Option<SecretString> {
    let mut words = header.split(|&byte| byte == b' ');
    let (scheme, token) = (words.next()?, words.next()?);
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    // What is not UTF-8 is no token either way, and has to be refused as a bad one, not taken for
    // none.
    (is_bearer && words.next().is_none() && !token.is_empty())
        .then(|| String::from_utf8_lossy(token).as_ref().into())
}

/// Whether this can be the name of a user: Basic authentication cannot carry a control character
/// (RFC 7617), and a nameless user would look unknown in logs and rules.
pub(crate) fn is_name(user: &str) -> bool {
    !user.is_empty() && !user.contains(char::is_control)
}

/// The bytes that standard base64, padded or not, stands for.
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // At full length from the start: a buffer that grows leaves copies of itself behind.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
