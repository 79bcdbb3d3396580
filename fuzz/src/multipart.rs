//! Forms of files.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use server::http::multipart::{boundary, parts};

/// More parts than any of these forms has.
const MOST: usize = 40;

/// Reads `data` as a header, as a form, and as choices of which a form is made.
///
/// # Panics
///
/// If a boundary is none, if parts are more than they may be, if a form is not read as it was
/// written, or if one that is cut off is taken.
pub fn run(data: &[u8]) {
    if let Some(boundary) = std::str::from_utf8(data).ok().and_then(boundary) {
        assert!((1..=70).contains(&boundary.len()));
    }
    let (found, _) = parts(&Bytes::copy_from_slice(data), "XX", MOST);
    let length: usize = found.iter().map(|part| part.content.len()).sum();
    assert!(found.len() <= MOST && length <= data.len());

    // The choices end before a form does in a seed of a few bytes.
    let _ = form(&mut Unstructured::new(data));
}

fn form(choices: &mut Unstructured<'_>) -> Result<()> {
    let count = choices.int_in_range(1..=4)?;
    let files: Vec<(String, Vec<u8>)> = (0..count).map(|_| file(choices)).collect::<Result<_>>()?;
    let end: &str = choices.choose(&["\r\n", "\n"])?;
    let mut form = choices.choose(&["", "preamble\n"])?.as_bytes().to_vec();
    for (name, content) in &files {
        form.extend(format!("--XX{end}Content-Disposition: form-data; ").as_bytes());
        form.extend(format!("name=\"files\"; filename=\"{name}\"{end}{end}").as_bytes());
        form.extend(content);
        form.extend(end.as_bytes());
    }
    form.extend(b"--XX--");

    let (found, outcome) = parts(&Bytes::from(form.clone()), "XX", MOST);
    assert_eq!(outcome, Ok(()));
    let found: Vec<_> = found
        .into_iter()
        .map(|part| (part.filename.unwrap_or_default(), part.content.to_vec()))
        .collect();
    assert_eq!(found, files);

    form.truncate(choices.int_in_range(0..=form.len() - 1)?);
    let (_, outcome) = parts(&Bytes::from(form), "XX", MOST);
    assert!(outcome.is_err(), "it is cut off");
    Ok(())
}

/// A name, and content without the boundary.
fn file(choices: &mut Unstructured<'_>) -> Result<(String, Vec<u8>)> {
    let length = choices.int_in_range(1..=8)?;
    let name = (0..length).map(|_| Ok(*choices.choose(&['a', '/', '.', ' ', ';', '=', 'é'])?));
    let name: String = name.collect::<Result<_>>()?;
    let length = choices.int_in_range(0..=24)?;
    let byte = |_| Ok(*choices.choose(b"a-X\r\n\0\xff{=")?);
    let mut content: Vec<u8> = (0..length).map(byte).collect::<Result<_>>()?;
    // Two of these would begin a boundary; what ends with half a line end would be one of both.
    content.retain(|byte| *byte != b'X');
    while content.last() == Some(&b'\r') {
        content.pop();
    }
    Ok((name, content))
}
