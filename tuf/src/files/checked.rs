//! The way to the contents of a file that was read.

use crate::{
    fault::{EnvelopeFault, Fault},
    key::Signature,
    metadata::{Body, Delegations, Envelope, Meta, Root, Statement},
    role::Role,
    wire::MetadataFormat,
};

/// How much of a file's text has to be in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// All of it: a client sends the file. Members beside the signed part are not signed, and
    /// every later reader might take them for something else (audit finding TUF-01-001; Notary 0.7
    /// stored them).
    Sent,
    /// Nothing follows the envelope: the file is stored, and may be older than the rules.
    Stored,
    /// Only what is asked for: the file was checked when it was stored.
    Lenient,
}

/// A file whose text is in order. Who signed it and what it must look like is not checked yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'e> {
    format: MetadataFormat,
    statement: Statement<'e>,
}

impl<'e> Checked<'e> {
    /// The contents of `envelope` as the file of `role`, if the text is in order. There is no other
    /// way to them, so nothing that reading found wrong is forgotten.
    pub(super) fn new(
        format: MetadataFormat,
        role: &'e Role,
        envelope: &'e Envelope,
        strictness: Strictness,
    ) -> Result<Self, Fault> {
        if strictness != Strictness::Lenient
            && let Some(fault) = envelope.trailing
        {
            return Err(EnvelopeFault::Trailing(fault).into());
        }
        if strictness == Strictness::Sent
            && let Some(name) = &envelope.unexpected
        {
            return Err(EnvelopeFault::UnexpectedMember(name.clone()).into());
        }
        let statement = Statement { role, envelope };
        Ok(Self { format, statement })
    }

    pub(crate) fn role(self) -> &'e Role {
        self.statement.role
    }

    pub(crate) fn signatures(self) -> &'e [Signature] {
        &self.statement.envelope.signatures
    }

    /// The bytes that were signed.
    pub(crate) fn message(self) -> Result<&'e [u8], EnvelopeFault> {
        let message = self.statement.envelope.message.as_ref();
        message.map(|message| &**message).map_err(Clone::clone)
    }

    /// Whether the file has no signed part.
    pub(crate) fn is_empty(self) -> bool {
        self.statement.envelope.body.is_none()
    }

    /// What the file says, if clients can decode it.
    pub(crate) fn body(self) -> Result<&'e Body, Fault> {
        self.statement.body()
    }

    /// The root in the file, if it is whole.
    pub(crate) fn root(self) -> Result<&'e Root, Fault> {
        self.format.spelling().check_root(self.statement)
    }

    /// The delegations in the file, if it is whole.
    pub(crate) fn delegations(self) -> Result<&'e Delegations, Fault> {
        self.format.spelling().check_targets(self.statement)
    }

    /// The delegations in a file that was found whole before: checking it once for each role below
    /// it would cost the square of their number.
    pub(crate) fn known_delegations(self) -> Result<&'e Delegations, Fault> {
        self.statement.delegations()
    }

    /// What the snapshot or timestamp lists, if it is whole.
    pub(crate) fn meta(self) -> Result<&'e Meta, Fault> {
        self.format.spelling().check_meta(self.statement)
    }
}
