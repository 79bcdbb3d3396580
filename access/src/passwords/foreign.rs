//! Hashes that others accept and this server does not.

/// What `text` is stored as, for people to read.
pub(super) fn kind(text: &str) -> &'static str {
    let known = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
    match known {
        Some((_, kind)) => kind,
        None if text.is_empty() => "nothing at all",
        None if text.starts_with('$') || text.starts_with('{') => "a hash of an unknown kind",
        None if is_like_crypt(text) => "plain text or DES crypt",
        None => "plain text or in an unknown way",
    }
}

const PREFIXES: [(&str, &str); 16] = [
    ("$apr1$", "Apache's MD5 (apr1)"),
    ("{SHA}", "unsalted SHA-1"),
    ("{SSHA}", "salted SHA-1"),
    ("{PLAIN}", "plain text"),
    ("$1$", "MD5 crypt"),
    ("$5$", "SHA-256 crypt"),
    ("$6$", "SHA-512 crypt"),
    ("$7$", "scrypt"),
    ("$scrypt$", "scrypt"),
    ("$y$", "yescrypt"),
    ("$gy$", "yescrypt"),
    ("$2x$", "bcrypt by a faulty old program ($2x$)"),
    ("$2$", "bcrypt of its first version ($2$)"),
    ("$argon2i$", "argon2i (argon2id is accepted)"),
    ("$argon2d$", "argon2d (argon2id is accepted)"),
    ("$pbkdf2", "PBKDF2"),
];

/// Whether it could be DES crypt: thirteen characters of its alphabet, which a plain password may
/// be as well.
fn is_like_crypt(text: &str) -> bool {
    let is_in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    text.len() == 13 && text.bytes().all(is_in_alphabet)
}
