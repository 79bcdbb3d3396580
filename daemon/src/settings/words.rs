//! What is meant by words that people write.

/// The texts that Go's `strconv.ParseBool` takes, and with it Notary's files and flags.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
