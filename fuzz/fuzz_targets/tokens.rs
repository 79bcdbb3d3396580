//! Tokens, certificate bundles and JWK sets of strangers.
#![no_main]

use access::token::{Issuer, TrustedKeys, verify};
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;

fuzz_target!(|data: &[u8]| {
    let bundle = TrustedKeys::from_bundle(data);
    let jwks = TrustedKeys::from_jwks(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for (keys, is_open_id) in [(bundle.ok(), false), (jwks.ok(), true)] {
        let issuer = Issuer {
            name: "issuer".to_owned(),
            audience: "audience".to_owned(),
            keys: keys.unwrap_or_default(),
            is_open_id,
        };
        // Nobody vouches for anything that could be in there.
        assert!(verify(text, &[&issuer], OffsetDateTime::UNIX_EPOCH).is_err());
    }
});
