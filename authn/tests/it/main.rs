//! Authentication without HTTP: passwords, tokens of others and our own, and files that change.

mod authenticator;
mod token_service;
