//! The gRPC protocol between `notary-server` and `notary-signer`: messages, client and server
//! side, generated at build time from `signer.proto`, and from `key_origin.proto` and
//! `sealing.proto` for what Notary did not have.
//!
//! Paths and field numbers of the former are those of Notary 0.7, so that either program can be
//! replaced alone.

mod generated {
    #![expect(clippy::pedantic, reason = "generated code")]
    tonic::include_proto!("proto");
}

pub use generated::*;

/// What Notary 0.7 did not have; its signer answers `UNIMPLEMENTED`.
pub mod extension {
    mod generated {
        #![expect(clippy::pedantic, reason = "generated code")]
        tonic::include_proto!("countersign.v1");
    }

    pub use generated::*;

    /// The most keys that one request may name.
    pub const MAX_ORIGINS: usize = 500;

    /// The most pieces that a text of [`SealBothRequest`] may have.
    pub const MAX_PIECES: usize = 8;
}

/// Health-check name of [`key_management_server::KeyManagement`], as Notary's server asks for it.
pub const KEY_MANAGEMENT_HEALTH: &str = "grpc.health.v1.Health.KeyManagement";

/// Health-check name of [`signer_server::Signer`], as Notary's server asks for it.
pub const SIGNER_HEALTH: &str = "grpc.health.v1.Health.Signer";

/// The largest request that a signer decodes, in bytes: gRPC's default, which Notary 0.7 kept.
/// It bounds the metadata that can be signed, since all of it travels.
pub const MAX_REQUEST: usize = 4 * 1024 * 1024;
