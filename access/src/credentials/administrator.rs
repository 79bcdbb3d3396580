//! `NOTARY_AUTH`: the administrator that the environment names.

use zeroize::Zeroizing;

use super::{Credentials, decode};

/// A `NOTARY_AUTH` that names no administrator. The texts say what was expected, and never what was
/// found: it may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAdministrator {
    /// There is no text, or nothing but white space.
    #[error("it is empty; {EXPECTED}")]
    Empty,
    /// There is a colon in the text, but what stands beside it is not base64: most likely user and
    /// password as they are.
    #[error(
        "there is a colon in it, but no base64 on both sides; plain user:password is not accepted: {EXPECTED}"
    )]
    NotEncoded,
    /// There is no colon, and the text is not base64.
    #[error("it is not base64; {EXPECTED}")]
    NotBase64,
    /// What the base64 stands for is not UTF-8.
    #[error("what it encodes is not UTF-8; {EXPECTED}")]
    NotUtf8,
    /// What the base64 stands for has no colon between user and password.
    #[error("what it encodes has no colon between user and password; {EXPECTED}")]
    NoColon,
    /// The user has no name.
    #[error("the user in it is empty; {EXPECTED}")]
    EmptyUser,
    /// The user's name has a colon in it (only base64(user):base64(password) can say so): Basic
    /// authentication would cut it there.
    #[error("the user in it has a colon in the name, and could never log in; {EXPECTED}")]
    ColonInUser,
    /// The password is empty.
    #[error("the password in it is empty; {EXPECTED}")]
    EmptyPassword,
    /// The password begins or ends with white space, which the notary client takes off before it
    /// sends it.
    #[error(
        "the password in it begins or ends with white space, which the notary client leaves out; {EXPECTED}"
    )]
    SpaceAroundPassword,
    /// User or password have a control character in them, such as a newline in the middle.
    #[error("there are control characters in user or password; {EXPECTED}")]
    ControlCharacters,
}

const EXPECTED: &str = "expected is base64(user:password), made by `printf '%s' 'user:password' | base64`, or \
     base64(user):base64(password), made by `printf '%s:%s' \"$(printf '%s' 'user' | base64)\" \
     \"$(printf '%s' 'password' | base64)\"`";

/// The administrator that `NOTARY_AUTH` names: `base64("user:password")`, or
/// `base64(user):base64(password)`, with or without the newlines that `echo … | base64` leaves in.
///
/// The first form is the one to recommend: the notary client reads `NOTARY_AUTH` too, and knows
/// only that one. A colon in the text tells the forms apart, since base64 has none. White space
/// inside is that of `base64`, which breaks long lines.
///
/// # Errors
///
/// [`InvalidAdministrator`] says what was expected, and never what was found.
pub fn administrator(text: &str) -> Result<Credentials, InvalidAdministrator> {
    let text = without_space(text);
    if text.is_empty() {
        return Err(InvalidAdministrator::Empty);
    }
    match text.split_once(':') {
        Some((user, password)) => apart(user, password),
        None => together(&text),
    }
}

/// Reads `base64("user:password")`.
fn together(text: &str) -> Result<Credentials, InvalidAdministrator> {
    let bytes = decode(text.as_bytes()).ok_or(InvalidAdministrator::NotBase64)?;
    let plain = std::str::from_utf8(&bytes).map_err(|_| InvalidAdministrator::NotUtf8)?;
    let (user, password) = plain.split_once(':').ok_or(InvalidAdministrator::NoColon)?;
    credentials(user, without_newline(password))
}

/// Reads `base64(user):base64(password)`.
fn apart(user: &str, password: &str) -> Result<Credentials, InvalidAdministrator> {
    let user = decode(user.as_bytes()).ok_or(InvalidAdministrator::NotEncoded)?;
    let password = decode(password.as_bytes()).ok_or(InvalidAdministrator::NotEncoded)?;
    // A plain word may happen to be base64, but hardly ever base64 of UTF-8.
    let user = std::str::from_utf8(&user).map_err(|_| InvalidAdministrator::NotEncoded)?;
    let password = std::str::from_utf8(&password).map_err(|_| InvalidAdministrator::NotEncoded)?;
    credentials(without_newline(user), without_newline(password))
}

fn credentials(user: &str, password: &str) -> Result<Credentials, InvalidAdministrator> {
    if user.is_empty() {
        return Err(InvalidAdministrator::EmptyUser);
    }
    if user.contains(':') {
        return Err(InvalidAdministrator::ColonInUser);
    }
    if password.is_empty() {
        return Err(InvalidAdministrator::EmptyPassword);
    }
    if user.contains(char::is_control) || password.contains(char::is_control) {
        return Err(InvalidAdministrator::ControlCharacters);
    }
    if password.trim() != password {
        return Err(InvalidAdministrator::SpaceAroundPassword);
    }
    Ok(Credentials {
        user: user.to_owned(),
        password: password.into(),
    })
}

fn without_space(text: &str) -> Zeroizing<String> {
    let mut dense = Zeroizing::new(String::with_capacity(text.len()));
    dense.extend(
        text.chars()
            .filter(|character| !character.is_ascii_whitespace()),
    );
    dense
}

/// `text` without the line end that `echo` adds.
fn without_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}
