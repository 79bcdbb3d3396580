//! What a long-running program is, shared by `notary-server` and `notary-signer`.
//!
//! A program reads its [`flags`], loads its [`settings`], starts its [`logging`] and [`metrics`],
//! loads its certificates ([`tls`]), installs its [`signals`] and hands its service to the
//! [`listener`]. Nothing here knows what is served.

pub mod address;
pub mod atomic;
pub mod clock;
pub mod debug;
pub mod expiry;
pub mod fetch;
pub mod flags;
pub mod listener;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod origin;
pub mod probe;
pub mod regular;
pub mod secret;
pub mod settings;
pub mod signals;
pub mod tls;
pub mod words;

pub use address::Address;
pub use expiry::{CertificateWatch, Outlook};
pub use flags::{Command, Flags, Program};
pub use listener::{Limits, Peer};
pub use logging::{Level, LogControl, LogFormat};
pub use metrics::MetricsHandle;
pub use origin::Origin;
pub use secret::{Secret, SecretError};
pub use settings::{Settings, SettingsError};
pub use tls::{ClientTls, Manner, ServerTls, SignerConnector, TlsError};
