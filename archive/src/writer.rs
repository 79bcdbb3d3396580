//! Writing an archive.

use std::io::{self, Write};

use ring::digest::{Context, SHA256, digest};

use crate::record::{End, Header, LINK, MAGIC, MAX_BODY, MAX_HEAD, Row, tag};

/// The checksum that the first record continues.
pub(crate) fn first_link() -> [u8; LINK] {
    link_of(digest(&SHA256, MAGIC))
}

/// The checksum of a record that follows one with the checksum `previous`.
pub(crate) fn next_link(previous: [u8; LINK], parts: &[&[u8]]) -> [u8; LINK] {
    let mut context = Context::new(&SHA256);
    context.update(&previous);
    for part in parts {
        context.update(part);
    }
    link_of(context.finish())
}

fn link_of(digest: ring::digest::Digest) -> [u8; LINK] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Writes an archive, row after row. Without [`finish`](Self::finish) it has no end, and no reader
/// takes it for whole.
pub struct Writer<W> {
    out: W,
    link: [u8; LINK],
    rows: u64,
}

impl<W: Write> Writer<W> {
    /// Begins an archive in `out`, which is best buffered.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let mut writer = Self {
            out,
            link: first_link(),
            rows: 0,
        };
        writer.record(tag::HEADER, &serde_json::to_vec(header)?, &[])?;
        Ok(writer)
    }

    /// Adds a row.
    pub fn write(&mut self, row: &impl Row) -> io::Result<()> {
        self.record(row.table(), &row.columns()?, row.body())?;
        self.rows += 1;
        Ok(())
    }

    /// How many rows were written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the end mark and hands back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        let end = serde_json::to_vec(&End { rows: self.rows })?;
        self.record(tag::END, &end, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn record(&mut self, tag: u8, head: &[u8], body: &[u8]) -> io::Result<()> {
        let head_length = length(head, MAX_HEAD)?.to_be_bytes();
        let body_length = length(body, MAX_BODY)?.to_be_bytes();
        let parts: [&[u8]; 5] = [&[tag], &head_length, &body_length, head, body];
        self.link = next_link(self.link, &parts);
        for part in parts {
            self.out.write_all(part)?;
        }
        self.out.write_all(&self.link)
    }
}

fn length(part: &[u8], limit: u32) -> io::Result<u32> {
    u32::try_from(part.len())
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a row of {} bytes is too large for an archive", part.len()),
            )
        })
}
