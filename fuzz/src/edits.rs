//! Changes to a text, as some bytes say.

use arbitrary::{Result, Unstructured};

/// Bytes that mean something to one format or another.
const MEANINGFUL: &[u8] = b"{}[]:,\"\\/%.=;&?@()*#+- \t\r\n\0\x1b\x7f\x80\xc2\xed\xff0159aeEnu_";

/// `text` after up to 8 changes. Only [`text`](self) that is empty, or choices that say so, leave
/// it as it was.
pub(crate) fn edit_some(text: &[u8], choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = text.to_vec();
    for _ in 0..choices.int_in_range(1..=8)? {
        edit(&mut text, choices)?;
    }
    Ok(text)
}

fn edit(text: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    let at = choices.int_in_range(0..=text.len())?;
    let end = choices.int_in_range(at..=text.len().min(at + 40))?;
    match choices.int_in_range(0..=6)? {
        0 => text.truncate(at),
        1 => drop(text.drain(at..end)),
        2 => {
            let piece = text[at..end].to_vec();
            text.splice(at..at, piece);
        }
        3 => {
            let piece = text[at..end].to_vec();
            let to = choices.int_in_range(0..=text.len())?;
            text.splice(to..to, piece);
        }
        4 => text.insert(at, *choices.choose(MEANINGFUL)?),
        5 => {
            if let Some(byte) = text.get_mut(at) {
                *byte = *choices.choose(MEANINGFUL)?;
            }
        }
        _ => {
            let bit = choices.int_in_range(0..=7)?;
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
    }
    Ok(())
}
