//! The chain of lines: each has a number, and the checksum of the line before.

use std::sync::Arc;

use uuid::Uuid;

use super::{record::Record, torn::checksum};

/// Begins the ids of chains that one process writes beside another into one file. The next process
/// does not go on with such a chain: the first one may still be writing it.
const BESIDE: &str = "beside-";

/// Where the lines of a log have got to. The id names the chain: it is made at random with the
/// first line, stands in every line, and lives as long as each start finds the last line of the
/// start before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    id: Arc<str>,
    newest: Option<Newest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Newest {
    line: u64,
    sha256: String,
}

/// The newest line of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: Arc<str>,
    /// The number of the line.
    pub line: u64,
    /// The SHA-256 of the line, in hex.
    pub sha256: String,
}

impl Chain {
    /// A chain without a line yet.
    pub(super) fn begin() -> Self {
        Self {
            id: Uuid::new_v4().to_string().into(),
            newest: None,
        }
    }

    /// The same in a file that another process writes to.
    pub(super) fn begin_beside() -> Self {
        Self {
            id: format!("{BESIDE}{}", Uuid::new_v4()).into(),
            newest: None,
        }
    }

    /// Goes on behind a line that was found.
    pub(super) fn after(head: Head) -> Self {
        Self {
            id: head.chain,
            newest: Some(Newest {
                line: head.line,
                sha256: head.sha256,
            }),
        }
    }

    /// Whether a process that starts may go on with the chain of this id.
    pub(super) fn may_go_on(id: &str) -> bool {
        !id.starts_with(BESIDE)
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The newest line, if there is any.
    pub(super) fn head(&self) -> Option<Head> {
        self.newest.as_ref().map(|newest| Head {
            chain: self.id.clone(),
            line: newest.line,
            sha256: newest.sha256.clone(),
        })
    }

    /// Makes `record` the next line, and answers it with its text.
    pub(super) fn append(&mut self, record: Record) -> (Record, String) {
        let (line, previous) = match &self.newest {
            None => (1, None),
            Some(newest) => (newest.line + 1, Some(newest.sha256.clone())),
        };
        let record = record.linked(self.id.clone(), line, previous);
        let text = record.line();
        self.newest = Some(Newest {
            line,
            sha256: checksum(text.as_bytes()),
        });
        (record, text)
    }
}
