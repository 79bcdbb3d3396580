//! An archive encrypted to the holder of an escrow key.
//!
//! The line `countersign sealed archive 1`, the encapsulated key (133 bytes), then messages of
//! HPKE (RFC 9180) over 65536 bytes of the archive each, 16 more when encrypted; the last one may
//! be shorter. What is authenticated along with a message says whether it is the last one, and HPKE
//! numbers them: none can be altered, moved, left out or cut off unnoticed.

use std::io::{self, BufRead, Read, Write};

use crate::{
    escrow::{self, EscrowError, PrivateKey, PublicKey},
    hpke::{Context, ENCAPSULATED},
};

/// The first line; it binds the key to this use as well.
const MAGIC: &[u8] = b"countersign sealed archive 1\n";
/// What the first line begins with in every version.
const MAGIC_NAME: &[u8] = b"countersign sealed ";
/// Bytes of the archive in a message.
const CHUNK: usize = 64 * 1024;
/// Bytes that encryption adds.
const TAG: usize = 16;
/// Authenticated along with each message but the last.
const MORE: &[u8] = b"more";
/// Authenticated along with the last message.
const LAST: &[u8] = b"last";

/// Whether a file that begins with `beginning` is a sealed archive, of whatever version.
#[must_use]
pub fn is_sealed(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC_NAME)
}

/// Encrypts what is written to it. Without [`finish`](Self::finish) it is not whole.
pub struct Sealer<W> {
    out: W,
    context: Context,
    chunk: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Begins a sealed archive in `out` that only the other half of `recipient` opens.
    pub fn new(mut out: W, recipient: &PublicKey) -> io::Result<Self> {
        let ephemeral =
            escrow::random_secret().map_err(|error: EscrowError| io::Error::other(error))?;
        let (encapsulated, context) = Context::sender(&recipient.0, &ephemeral, MAGIC);
        out.write_all(MAGIC)?;
        out.write_all(&encapsulated)?;
        Ok(Self {
            out,
            context,
            chunk: Vec::with_capacity(CHUNK + TAG),
        })
    }

    /// Encrypts the rest and hands back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.message(LAST)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn message(&mut self, aad: &[u8]) -> io::Result<()> {
        self.context.seal(aad, &mut self.chunk);
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for what follows: it may be the last one.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.message(MORE)?;
        }
        let fitting = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..fitting]);
        Ok(fitting)
    }

    /// Hands on what is encrypted; the rest waits for its chunk to be full.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Decrypts a sealed archive; nothing comes out of it that was not authenticated.
pub struct Opener<R> {
    input: R,
    context: Context,
    chunk: Vec<u8>,
    taken: usize,
    is_last: bool,
}

impl<R: BufRead> Opener<R> {
    /// Reads the beginning of a sealed archive.
    pub fn new(mut input: R, key: &PrivateKey) -> io::Result<Self> {
        let mut line = [0; MAGIC.len()];
        input.read_exact(&mut line)?;
        if line != MAGIC {
            return Err(unreadable("its sealing is of an unknown version"));
        }
        let mut encapsulated = [0; ENCAPSULATED];
        input.read_exact(&mut encapsulated)?;
        let context = Context::recipient(&key.0, &encapsulated, MAGIC)
            .map_err(|_| unreadable("its encapsulated key is damaged"))?;
        Ok(Self {
            input,
            context,
            chunk: Vec::new(),
            taken: 0,
            is_last: false,
        })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.taken = 0;
        let limit = CHUNK + TAG;
        let read = self
            .input
            .by_ref()
            .take(limit as u64)
            .read_to_end(&mut self.chunk)?;
        self.is_last = read < limit || self.input.fill_buf()?.is_empty();
        let aad = if self.is_last { LAST } else { MORE };
        let opened = self.context.open(aad, &mut self.chunk);
        opened.map_err(|_| {
            // What is in there was not authenticated: reading must stop.
            self.chunk.clear();
            self.is_last = true;
            unreadable("the escrow key is another one, or the archive is damaged or cut off")
        })
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.chunk.len() {
            if self.is_last {
                return Ok(0);
            }
            self.next_chunk()?;
        }
        let waiting = &self.chunk[self.taken..];
        let fitting = waiting.len().min(out.len());
        out[..fitting].copy_from_slice(&waiting[..fitting]);
        self.taken += fitting;
        Ok(fitting)
    }
}

fn unreadable(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
