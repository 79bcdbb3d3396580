//! Base64 as Notary reads and writes it: the standard alphabet, padded.
//!
//! Reading follows Go's decoder, whose leniency decides what is malformed: line ends inside are
//! skipped, bits left over in the last character may be anything, and a fault is told by its
//! offset.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Writes `bytes` in padded base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the text does not belong into base64")]
pub struct Base64Error {
    /// Where Go finds the first offending character.
    pub at: usize,
}

/// Reads base64 text.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    read(text.as_bytes(), |byte| bytes.push(byte))?;
    Ok(bytes)
}

/// The first bytes of base64 text, if there are as many as asked for.
pub(crate) fn decode_first<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (mut first, mut count) = ([0; N], 0);
    let read = read(text.as_bytes(), |byte| {
        if let Some(place) = first.get_mut(count) {
            *place = byte;
            count += 1;
        }
    });
    (read.is_ok() && count == N).then_some(first)
}

/// Whether `text` could be decoded, without keeping what it holds.
pub(crate) fn check(text: &str) -> Result<(), Base64Error> {
    read(text.as_bytes(), |_| ())
}

/// Decodes groups of four characters until the padded group or the end.
fn read(text: &[u8], mut emit: impl FnMut(u8)) -> Result<(), Base64Error> {
    let whole = whole_groups(text, &mut emit);
    let mut group = [0_u8; 4];
    let mut filled = 0;
    for (at, &character) in text.iter().enumerate().skip(whole) {
        match sextet(character) {
            Some(bits) => {
                group[filled] = bits;
                filled += 1;
                if filled == 4 {
                    emit_group(group, 3, &mut emit);
                    filled = 0;
                }
            }
            None if is_line_end(character) => {}
            None if character == b'=' && filled >= 2 => {
                emit_group(group, filled - 1, &mut emit);
                return padding(text, at + 1, filled);
            }
            None => return corrupt(at),
        }
    }
    if filled == 0 {
        Ok(())
    } else {
        corrupt(text.len() - filled)
    }
}

/// Decodes groups as long as they have nothing but characters of the alphabet, which is nearly
/// all of any text; where the first other one begins.
fn whole_groups(text: &[u8], emit: &mut impl FnMut(u8)) -> usize {
    let (groups, _) = text.as_chunks::<4>();
    for (number, group) in groups.iter().enumerate() {
        let bits = group.map(|character| SEXTETS[usize::from(character)]);
        if bits.iter().fold(0, |all, bits| all | bits) & NO_SEXTET != 0 {
            return number * 4;
        }
        emit_group(bits, 3, emit);
    }
    groups.len() * 4
}

/// Checks what follows the first `=` of a group that holds `filled` characters.
fn padding(text: &[u8], mut at: usize, filled: usize) -> Result<(), Base64Error> {
    let skip = |mut at: usize| {
        while text.get(at).copied().is_some_and(is_line_end) {
            at += 1;
        }
        at
    };
    if filled == 2 {
        at = skip(at);
        match text.get(at) {
            None => return corrupt(text.len()),
            Some(b'=') => at += 1,
            Some(_) => return corrupt(at - 1),
        }
    }
    at = skip(at);
    if at == text.len() {
        Ok(())
    } else {
        corrupt(at)
    }
}

fn emit_group(group: [u8; 4], count: usize, emit: &mut impl FnMut(u8)) {
    let bytes = [
        group[0] << 2 | group[1] >> 4,
        group[1] << 4 | group[2] >> 2,
        group[2] << 6 | group[3],
    ];
    bytes.into_iter().take(count).for_each(emit);
}

fn corrupt(at: usize) -> Result<(), Base64Error> {
    Err(Base64Error { at })
}

fn is_line_end(character: u8) -> bool {
    matches!(character, b'\r' | b'\n')
}

/// What [`SEXTETS`] has for characters that are not of the alphabet: a bit beyond the six.
const NO_SEXTET: u8 = 1 << 7;

/// The six bits that each character of the alphabet stands for.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut sextets = [NO_SEXTET; 256];
    let mut bits = 0;
    while bits < 64 {
        sextets[alphabet[bits as usize] as usize] = bits;
        bits += 1;
    }
    sextets
};

/// The six bits that one character of the alphabet stands for.
fn sextet(character: u8) -> Option<u8> {
    let bits = SEXTETS[usize::from(character)];
    (bits & NO_SEXTET == 0).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_those_of_the_whole() {
        let bytes: Vec<u8> = (1..=7).collect();
        let text = encode(&bytes);
        assert_eq!(decode_first::<3>(&text), Some([1, 2, 3]));
        assert_eq!(decode_first::<7>(&text), Some([1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(decode_first::<8>(&text), None);
        assert_eq!(decode_first::<3>(&text[..9]), None, "the rest is read too");
    }

    #[test]
    fn every_length_reads_back_what_was_written() {
        for length in 0_u8..40 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }
    }

    #[test]
    fn line_ends_and_left_over_bits_are_tolerated() {
        assert_eq!(decode("AA\r\n==\n"), Ok(vec![0]));
        assert_eq!(decode("AB=="), Ok(vec![0]));
    }

    #[test]
    fn faults_are_reported_where_go_reports_them() {
        for (text, at) in [
            ("!!", 0),
            ("AAAAAA", 4),
            ("AA=", 3),
            ("AA==AA", 4),
            ("A===", 1),
            ("AA=A", 2),
            ("-_-_", 0),
        ] {
            assert_eq!(check(text), Err(Base64Error { at }), "{text}");
        }
    }
}
