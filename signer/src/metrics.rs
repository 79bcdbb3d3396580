//! What the signer counts, and under which names.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Seconds that a signature takes, database and decryption included.
const SIGN_SECONDS: &str = "signer_sign_duration_seconds";
/// Seconds that decrypting one stored key takes.
const OPEN_SECONDS: &str = "signer_key_open_duration_seconds";

/// Seconds until the own certificate expires.
const CERTIFICATE_SECONDS: &str = "signer_certificate_seconds_left";

/// Upper bounds of the histograms' buckets: a cached P-256 key signs in well under a millisecond,
/// one that has to be decrypted takes some milliseconds.
pub const BUCKETS: &[(&str, &[f64])] = &[
    (
        SIGN_SECONDS,
        &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    ),
    (
        OPEN_SECONDS,
        &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    ),
];

/// Says what each metric means; call it once, after the recorder is installed.
pub fn describe() {
    describe_counter!(
        "signer_signatures_total",
        "Signatures asked for (labels: algorithm, outcome)"
    );
    describe_counter!(
        "signer_keys_created_total",
        "Keys created (labels: algorithm)"
    );
    describe_counter!(
        "signer_key_cache_hits_total",
        "Keys found decrypted in memory"
    );
    describe_counter!(
        "signer_key_cache_misses_total",
        "Keys that had to be read and decrypted"
    );
    describe_counter!(
        "signer_key_open_failures_total",
        "Requests that failed because their key, which is stored, does not open"
    );
    describe_gauge!(
        "signer_alias_faults",
        "Passphrase aliases with keys that cannot be used, or with which no key can be encrypted"
    );
    describe_gauge!(
        "signer_key_faults",
        "Keys that did not open when last tried, though the passphrase of their alias is right"
    );
    describe_gauge!(
        CERTIFICATE_SECONDS,
        "Seconds until the signer's own certificate expires; negative once it has"
    );
    describe_gauge!("signer_build_info", "1 (labels: version)");
    gauge!("signer_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    describe_gauge!("signer_key_cache_entries", "Decrypted keys in memory");
    describe_counter!(
        "signer_database_errors_total",
        "Statements that the database failed"
    );
    describe_histogram!(
        SIGN_SECONDS,
        "Seconds from request to signature (labels: algorithm)"
    );
    describe_histogram!(OPEN_SECONDS, "Seconds that decrypting one stored key took");
}

/// A request for a signature ended.
pub(crate) fn signature(algorithm: &str, outcome: &'static str, took: Duration) {
    counter!("signer_signatures_total", "algorithm" => algorithm.to_owned(), "outcome" => outcome)
        .increment(1);
    histogram!(SIGN_SECONDS, "algorithm" => algorithm.to_owned()).record(took);
}

/// A key was made and stored.
pub(crate) fn key_created(algorithm: &'static str) {
    counter!("signer_keys_created_total", "algorithm" => algorithm).increment(1);
}

/// A key was, or was not, in the cache.
pub(crate) fn cache_lookup(hit: bool) {
    if hit {
        counter!("signer_key_cache_hits_total").increment(1);
    } else {
        counter!("signer_key_cache_misses_total").increment(1);
    }
}

/// The cache holds this many keys.
pub(crate) fn cache_size(entries: usize) {
    gauge!("signer_key_cache_entries").set(u32::try_from(entries).unwrap_or(u32::MAX));
}

/// A stored key was decrypted, or could not be.
pub(crate) fn key_opened(took: Duration) {
    histogram!(OPEN_SECONDS).record(took);
}

/// A key that a request needed is there and does not open.
pub(crate) fn key_did_not_open() {
    counter!("signer_key_open_failures_total").increment(1);
}

/// So many aliases, and single keys, cannot be used.
pub(crate) fn faults(aliases: usize, keys: usize) {
    for (name, count) in [
        ("signer_alias_faults", aliases),
        ("signer_key_faults", keys),
    ] {
        gauge!(name).set(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

/// The own certificate is valid for as long as this.
pub(crate) fn certificate(seconds_left: f64) {
    gauge!(CERTIFICATE_SECONDS).set(seconds_left);
}

/// The database failed a statement.
pub(crate) fn database_error() {
    counter!("signer_database_errors_total").increment(1);
}
