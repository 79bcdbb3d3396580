//! Phrases for messages.

/// A number of something, by its name for one and for any other number: `1 key`, `2 keys`.
#[must_use]
pub fn count(number: impl Into<i128>, one: &str, several: &str) -> String {
    let number = number.into();
    format!("{number} {}", if number == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_called_several() {
        for (number, text) in [(0, "0 keys"), (1, "1 key"), (2, "2 keys")] {
            assert_eq!(count(number, "key", "keys"), text);
        }
    }
}
