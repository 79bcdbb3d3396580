//! The daemon crate from outside: real files, real sockets, certificates made for each test.

mod certificates;
mod client;
mod client_certificates;
mod debug;
mod fetch;
mod flags;
mod hostile;
mod listener;
mod logging;
mod probe;
mod reload;
mod server_certificates;
mod settings;
mod settings_elsewhere;
mod signals;
