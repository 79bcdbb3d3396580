//! Reading an archive, believing nothing that its checksums do not confirm.

use std::io::{self, Read};

use serde::de::DeserializeOwned;

use crate::{
    record::{
        End, Header, Kind, LINK, MAGIC, MAGIC_NAME, MAX_BODY, MAX_HEAD, PREFIX, ReadRow, tag,
    },
    sealed,
    writer::{first_link, next_link},
};

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is something else.
    #[error("this is not an archive of notary-server or notary-signer")]
    NotAnArchive,
    /// It is encrypted, and no key was named.
    #[error("this archive is sealed: name the private escrow key with --escrow-key")]
    Sealed,
    /// It is not encrypted, although a key to open it was named.
    #[error(
        "this archive is not sealed: it was not made for the escrow key, and everybody who had the file \
         could read it; leave out --escrow-key to use it all the same"
    )]
    NotSealed,
    /// A later program made it.
    #[error("this archive has a format that only a newer version of the program reads")]
    Version,
    /// It is the archive of the other program.
    #[error("this archive holds the {found}, not the {expected}")]
    Kind {
        /// What was asked for.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
    /// Bytes are not what they were; nothing from here on can be trusted.
    #[error("the archive is damaged behind row {row}: {what}")]
    Damaged {
        /// How many rows came before it.
        row: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The file ends before the end mark.
    #[error("the archive is cut off behind row {row}: it has no end mark")]
    CutOff {
        /// How many rows are whole.
        row: u64,
    },
    /// The file cannot be read, or a sealed one does not open.
    #[error("the archive cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Where the body of a row stands in an archive that is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Bytes of it.
    pub length: u32,
}

/// Reads an archive row by row, in the order of writing.
pub struct Reader<R> {
    input: R,
    header: Header,
    link: [u8; LINK],
    rows: u64,
    position: u64,
    is_done: bool,
}

/// A record whose checksum is right.
struct Record {
    tag: u8,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of an archive from `input`, which is best buffered.
    pub fn new(mut input: R) -> Result<Self, ArchiveError> {
        let mut line = Vec::with_capacity(MAGIC.len());
        input
            .by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut line)?;
        check_line(&line)?;
        let mut reader = Self {
            input,
            header: Header {
                kind: Kind::TrustData,
                taken_at: time::OffsetDateTime::UNIX_EPOCH,
                program: String::new(),
            },
            link: first_link(),
            rows: 0,
            position: MAGIC.len() as u64,
            is_done: false,
        };
        let record = reader.record()?;
        if record.tag != tag::HEADER {
            return Err(reader.describe_damage("it does not begin with a header"));
        }
        reader.header = reader.head(&record.head)?;
        Ok(reader)
    }

    /// What the archive says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header, if the archive is one of `expected`.
    pub fn expect(&self, expected: Kind) -> Result<&Header, ArchiveError> {
        let found = self.header.kind;
        if found == expected {
            Ok(&self.header)
        } else {
            Err(ArchiveError::Kind { expected, found })
        }
    }

    /// The next row; `None` only behind the end mark of an archive that is whole.
    pub fn next_row<T: ReadRow>(&mut self) -> Result<Option<T>, ArchiveError> {
        if self.is_done {
            return Ok(None);
        }
        let record = self.record()?;
        if record.tag == tag::END {
            let end: End = self.head(&record.head)?;
            self.end(end.rows)?;
            return Ok(None);
        }
        let row = T::read(record.tag, &record.head, record.body)
            .ok_or_else(|| self.describe_damage("a record is of an unknown kind"))?
            .map_err(|_| self.unknown_columns())?;
        self.rows += 1;
        Ok(Some(row))
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes of the archive were read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the body of the row that was read last stands; it is `length` bytes long.
    #[must_use]
    pub fn place(&self, length: usize) -> Place {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Place {
            offset: self.position - LINK as u64 - u64::from(length),
            length,
        }
    }

    fn end(&mut self, rows: u64) -> Result<(), ArchiveError> {
        if rows != self.rows {
            return Err(self.describe_damage("its end mark counts other rows"));
        }
        if self.input.read(&mut [0])? > 0 {
            return Err(self.describe_damage("something follows its end mark"));
        }
        self.is_done = true;
        Ok(())
    }

    fn record(&mut self) -> Result<Record, ArchiveError> {
        let prefix = self.exactly(PREFIX)?;
        let number = |from: usize| {
            u32::from_be_bytes(prefix[from..from + 4].try_into().expect("four bytes"))
        };
        let (head, body) = (number(1), number(5));
        if head > MAX_HEAD || body > MAX_BODY {
            return Err(self.describe_damage("a length is out of bounds"));
        }
        let head = self.exactly(head as usize)?;
        let body = self.exactly(body as usize)?;
        let link = self.exactly(LINK)?;
        self.link = next_link(self.link, &[&prefix, &head, &body]);
        if link != self.link {
            return Err(self.describe_damage("a checksum does not fit"));
        }
        Ok(Record {
            tag: prefix[0],
            head,
            body,
        })
    }

    /// The next `length` bytes. Memory is taken as they come: the number may be wrong.
    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        self.input
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut bytes)?;
        self.position += bytes.len() as u64;
        if bytes.len() < length {
            return Err(ArchiveError::CutOff { row: self.rows });
        }
        Ok(bytes)
    }

    fn head<T: DeserializeOwned>(&self, head: &[u8]) -> Result<T, ArchiveError> {
        serde_json::from_slice(head).map_err(|_| self.unknown_columns())
    }

    fn unknown_columns(&self) -> ArchiveError {
        self.describe_damage("the columns of a row are unknown")
    }

    fn describe_damage(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Damaged {
            row: self.rows,
            what,
        }
    }
}

fn check_line(line: &[u8]) -> Result<(), ArchiveError> {
    if line == MAGIC {
        Ok(())
    } else if sealed::is_sealed(line) {
        Err(ArchiveError::Sealed)
    } else if line.starts_with(MAGIC_NAME) && line.len() == MAGIC.len() {
        Err(ArchiveError::Version)
    } else {
        Err(ArchiveError::NotAnArchive)
    }
}
