//! What proves who somebody is: the `Authorization` header, `NOTARY_AUTH`, a password file.
#![no_main]

use access::{Authorization, PasswordFile, administrator};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Authorization::parse(Some(data)) {
        Authorization::Basic(credentials) => {
            assert!(!credentials.user.is_empty() && !credentials.user.contains(':'));
        }
        Authorization::Absent
        | Authorization::Bearer(_)
        | Authorization::Unreadable
        | Authorization::Several => {}
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(credentials) = administrator(text) {
        assert!(!credentials.user.is_empty());
    }
    if let Ok(file) = PasswordFile::parse(text) {
        assert!(file.users().count() > 0);
    }
});
