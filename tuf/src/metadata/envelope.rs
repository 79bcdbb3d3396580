//! One metadata file, read: the signed part and the signatures over it.
//!
//! Reading is lenient, so that a file is refused with the reason that Notary 0.7 gave, at the point
//! where it gave it. What reading found wrong is kept in [`Envelope`].

use bytes::Bytes;
use time::OffsetDateTime;

use super::{delegations::Delegations, meta::Meta, root::Root};
use crate::{
    encoding::json::{DecodeError, SyntaxError},
    fault::{EnvelopeFault, Fault, StructureFault, StructureProblem},
    key::Signature,
    role::Role,
};

/// What a metadata format finds in a file, of which nothing is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) version: i64,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) type_name: String,
    pub(crate) signatures: Vec<Signature>,
    /// The canonical bytes that were signed: a piece of the file, if it is written so.
    pub(crate) message: Result<Bytes, EnvelopeFault>,
    /// `None` if the file has no signed part.
    pub(crate) body: Option<Result<Body, DecodeError>>,
    /// What is wrong with the text after the envelope.
    pub(crate) trailing: Option<SyntaxError>,
    /// A member beside the signed part and the signatures.
    pub(crate) unexpected: Option<String>,
}

/// The part of a file that depends on its role.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Root(Root),
    Targets(Delegations),
    Meta(Meta),
}

/// The signed part of an envelope, as the file of a role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'e> {
    pub(crate) role: &'e Role,
    pub(crate) envelope: &'e Envelope,
}

impl<'e> Statement<'e> {
    /// What the file says, if clients can decode it.
    pub(crate) fn body(self) -> Result<&'e Body, Fault> {
        match &self.envelope.body {
            None => Err(self.fault(StructureProblem::Empty)),
            Some(body) => body
                .as_ref()
                .map_err(|fault| EnvelopeFault::Undecodable(fault.clone()).into()),
        }
    }

    /// The delegations in the file, whose structure may not be checked yet.
    pub(crate) fn delegations(self) -> Result<&'e Delegations, Fault> {
        match self.body()? {
            Body::Targets(delegations) => Ok(delegations),
            _ => Err(self.fault(StructureProblem::OtherKind)),
        }
    }

    /// `problem` as the fault of this file.
    pub(crate) fn fault(self, problem: StructureProblem) -> Fault {
        Fault::Structure(StructureFault {
            role: self.role.clone(),
            problem,
        })
    }
}
