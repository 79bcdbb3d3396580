//! One metadata file, read: the signed part and the signatures over it.
//!
//! Reading is lenient, so that a file is refused with the reason that Notary 0.7 gave, at the point
//! where it gave it. What reading found wrong is kept inside, and the only way to the contents is
//! [`Envelope::check`], which says how much of it matters.

use time::OffsetDateTime;

use crate::{
    KeyId, MalformedJson, MetadataFormat, Role, Signature,
    encoding::{
        canonical::CanonicalError,
        json::{DecodeError, SyntaxError},
    },
    fault::Fault,
    metadata::{Body, Delegations, Meta, Root},
};

/// A file whose text was read, and nothing checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    format: MetadataFormat,
    version: i64,
    expires: Option<OffsetDateTime>,
    contents: Contents,
}

/// What a format finds in a file.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) type_name: String,
    pub(crate) signatures: Vec<Signature>,
    /// The canonical bytes that were signed.
    pub(crate) message: Result<Vec<u8>, EnvelopeFault>,
    /// `None` if the file has no signed part.
    pub(crate) body: Option<Result<Body, DecodeError>>,
    /// What is wrong with the text after the envelope.
    pub(crate) trailing: Option<SyntaxError>,
    /// A member beside the signed part and the signatures.
    pub(crate) unexpected: Option<String>,
}

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

impl Envelope {
    pub(crate) fn new(
        format: MetadataFormat,
        version: i64,
        expires: Option<OffsetDateTime>,
        contents: Contents,
    ) -> Self {
        Self {
            format,
            version,
            expires,
            contents,
        }
    }

    pub(crate) fn format(&self) -> MetadataFormat {
        self.format
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    pub(crate) fn expires(&self) -> Option<OffsetDateTime> {
        self.expires
    }

    /// The contents as the file of `role`, if the text is in order.
    pub(crate) fn check<'e>(
        &'e self,
        role: &'e Role,
        strictness: Strictness,
    ) -> Result<Checked<'e>, Fault> {
        let contents = &self.contents;
        if strictness != Strictness::Lenient
            && let Some(fault) = contents.trailing
        {
            return Err(EnvelopeFault::Trailing(fault).into());
        }
        if strictness == Strictness::Sent
            && let Some(name) = &contents.unexpected
        {
            return Err(EnvelopeFault::UnexpectedMember(name.clone()).into());
        }
        Ok(Checked {
            role,
            envelope: self,
        })
    }
}

/// A file whose text is in order. Who signed it and what it must look like is not checked yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'e> {
    role: &'e Role,
    envelope: &'e Envelope,
}

impl<'e> Checked<'e> {
    pub(crate) fn role(self) -> &'e Role {
        self.role
    }

    pub(crate) fn version(self) -> i64 {
        self.envelope.version
    }

    pub(crate) fn type_name(self) -> &'e str {
        &self.envelope.contents.type_name
    }

    pub(crate) fn signatures(self) -> &'e [Signature] {
        &self.envelope.contents.signatures
    }

    /// The bytes that were signed.
    pub(crate) fn message(self) -> Result<&'e [u8], EnvelopeFault> {
        let message = self.envelope.contents.message.as_ref();
        message.map(Vec::as_slice).map_err(Clone::clone)
    }

    /// Whether the file has no signed part.
    pub(crate) fn is_empty(self) -> bool {
        self.envelope.contents.body.is_none()
    }

    /// What the file says, if clients can decode it.
    pub(crate) fn body(self) -> Result<&'e Body, Fault> {
        match &self.envelope.contents.body {
            None => Err(self.structure(StructureProblem::Empty)),
            Some(body) => body
                .as_ref()
                .map_err(|fault| EnvelopeFault::Undecodable(fault.clone()).into()),
        }
    }

    /// The root in the file, if it is whole.
    pub(crate) fn root(self) -> Result<&'e Root, Fault> {
        self.envelope.format.spelling().check_root(self)
    }

    /// The delegations in the file, if it is whole.
    pub(crate) fn delegations(self) -> Result<&'e Delegations, Fault> {
        self.envelope.format.spelling().check_targets(self)
    }

    /// The delegations in a file that was found whole before: checking it once for each role below
    /// it would cost the square of their number.
    pub(crate) fn known_delegations(self) -> Result<&'e Delegations, Fault> {
        match self.body()? {
            Body::Targets(delegations) => Ok(delegations),
            _ => Err(self.structure(StructureProblem::OtherKind)),
        }
    }

    /// What the snapshot or timestamp lists, if it is whole.
    pub(crate) fn meta(self) -> Result<&'e Meta, Fault> {
        self.envelope.format.spelling().check_meta(self)
    }

    /// `problem` as the fault of this file.
    pub(crate) fn structure(self, problem: StructureProblem) -> Fault {
        Fault::Structure(StructureFault {
            role: self.role.clone(),
            problem,
        })
    }
}

/// Why a file is not one whole envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It is no envelope at all.
    #[error(transparent)]
    Malformed(#[from] MalformedJson),
    /// Something follows it.
    #[error("something follows the file: {0}")]
    Trailing(SyntaxError),
    /// It has a member that is neither the signed part nor the signatures.
    #[error("unexpected member {0:?} in the envelope")]
    UnexpectedMember(String),
    /// It has no signed part.
    #[error("there is nothing to sign: signed is null")]
    NothingSigned,
    /// Its signed part has no canonical form.
    #[error(transparent)]
    NotCanonical(#[from] CanonicalError),
    /// Its signed part holds something that clients cannot decode.
    #[error(transparent)]
    Undecodable(DecodeError),
}

/// Why a file does not look as a file of its role must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role} is invalid: {problem}")]
pub struct StructureFault {
    /// The role whose file it would be.
    pub role: Role,
    /// What is wrong.
    pub problem: StructureProblem,
}

/// What is wrong with the structure of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureProblem {
    /// It has no signed part.
    #[error("the file is empty")]
    Empty,
    /// It was read as the file of another kind of role.
    #[error("it is a file of another role")]
    OtherKind,
    /// It says that it is of another type.
    #[error("its type is {found:?}, not {expected:?}")]
    Type {
        /// The type of its role.
        expected: &'static str,
        /// The type that it names.
        found: String,
    },
    /// Its version is below 1.
    #[error("its version is below 1")]
    Version,
    /// It names no keys for a role.
    #[error("it names no keys for {0}")]
    MissingRole(Role),
    /// It gives a role a threshold below 1.
    #[error("the threshold of {role} is {threshold}")]
    Threshold {
        /// The name of the role.
        role: String,
        /// The threshold.
        threshold: i64,
    },
    /// It lists a key for a role and does not have it.
    #[error("it lists the key {id} for {role} without defining it")]
    MissingKey {
        /// The name of the role.
        role: String,
        /// The id under which the key is listed.
        id: KeyId,
    },
    /// It delegates to a name that it cannot delegate to.
    #[error("it cannot delegate to {0:?}")]
    DelegationName(String),
    /// It lists no SHA-256 of a file that it must list.
    #[error("it lists no SHA-256 of {0}")]
    MissingChecksum(&'static str),
    /// It lists a checksum that is too long or too short.
    #[error("the {algorithm} checksum of {name} has the wrong length")]
    ChecksumLength {
        /// The role whose file is listed.
        name: &'static str,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
    },
}
