//! How far a string goes on as it stands.

/// One in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte of a word.
const HIGHS: u64 = ONES << 7;

/// Where the first quote, backslash or control character stands: everything before is read as it
/// is.
///
/// Texts are nearly all strings, so eight bytes are looked at together.
pub(super) fn find_special(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return Some(number * 8 + special.trailing_zeros() as usize / 8);
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let found = rest.iter().position(is_special)?;
    Some(words.len() * 8 + found)
}

/// A word whose lowest bit that is set belongs to the first special byte. Of bytes above that,
/// bits may be set by what is borrowed.
fn specials(word: u64) -> u64 {
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_at_every_place() {
        for byte in 0..=u8::MAX {
            let is_special = matches!(byte, b'"' | b'\\' | 0..=0x1f);
            for place in 0..20 {
                for around in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = [around; 20];
                    text[place] = byte;
                    let expected = is_special.then_some(place);
                    assert_eq!(find_special(&text), expected, "{byte} at {place}");
                    assert_eq!(find_special(&text[..place]), None, "{around}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_many_is_found() {
        let mut text = *b"0123456789abcdef";
        for place in (0..text.len()).rev() {
            for special in [b'"', b'\\', 0, 0x1f] {
                text[place] = special;
                assert_eq!(find_special(&text), Some(place));
            }
        }
    }
}
