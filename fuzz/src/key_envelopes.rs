//! Private keys as they are stored, encrypted.

use signer::custody::encrypted::envelope;

/// What the seeds hold, and under which passphrase.
const CONTENT: &[u8] = b"what stands here is no key";
const PASSPHRASE: &[u8] = b"correct horse";

/// Opens `data`.
///
/// # Panics
///
/// If something opens that was never sealed.
pub fn run(data: &[u8]) {
    if let Ok(content) = envelope::open(data, PASSPHRASE) {
        assert_eq!(*content, CONTENT);
    }
    assert!(envelope::open(data, b"another passphrase").is_err());
}
